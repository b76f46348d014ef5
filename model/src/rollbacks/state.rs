//! One state: the ledger, EKS, the slices and the command; and the steps from it.

use rerole_core::command::{
    Command, Decision, FoundRollback, NeededFacts, Order, RollbackOrder, RollbackPlan,
    RotationOrder, decide as decide_command,
};
use rerole_core::indexing::IndexItem;
use rerole_core::request::{Envelope, EventSummary, Requested, Rollback};
use rerole_core::rotation::{
    Action as Decided, Admission, RotationRecord, Row as CoreRow, StackRecord, Status, Transition,
    WrittenMembers, admit, admit_rollback, decide, decide_rollback,
};

use crate::commands::Life;
use crate::requests::{association, at, requested, role};
use crate::rollbacks::ledger::EXECUTING;
use crate::rollbacks::{Author, Guard, Ledger, RollbackRow, Rollbacks, Row, Shown, Which};

/// What a slice is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Slice {
    /// Take up the next row, or close.
    Next,
    /// Send the update of this association.
    Send(usize),
    /// Settle its row, at this version.
    Settle(usize, u8),
}

/// What must not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wrong {
    /// A rollback has decided to take back what another actor has changed since the rotation has
    /// recorded it. A slice that died leaves its update to its successor, which records what EKS
    /// shows then.
    ChangeUndone,
    /// Another rotation has started after the command, and before the rollback.
    Overtaken,
}

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// A slice takes its next step.
    Work(Which),
    /// A slice ends without a trace, and its successor starts.
    Die(Which),
    /// The other rotation is requested.
    Request,
    /// It has its turn.
    Turn(Which),
    /// An operator sends `Rollback`, and what it depends on is read.
    Command,
    /// The command is written, or decided again.
    Write,
    /// Another actor gives this association this role.
    Change(usize, u8),
}

/// The command, with what it has read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Seen {
    ledger: Ledger,
    progress: Progress,
}

/// What the command has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Progress {
    Nothing,
    /// Without [`Guard::CancelledTogether`]: the rotation is cancelled, and its rollback is not
    /// written yet.
    Cancellation,
}

/// One state of the model.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    pub ledger: Ledger,
    pub associations: [Shown; 2],
    rotation: Slice,
    rollback: Slice,
    command: Option<Box<Seen>>,
    /// A slice of the rotation has died.
    has_died: bool,
    pub was_decided_again: bool,
    deaths: u8,
    changes: u8,
    commands: u8,
    pub wrong: Option<Wrong>,
}

impl State {
    pub(super) fn new(model: &Rollbacks) -> Self {
        Self {
            ledger: Ledger::new(),
            associations: [Shown::new(); 2],
            rotation: Slice::Next,
            rollback: Slice::Next,
            command: None,
            has_died: false,
            was_decided_again: false,
            deaths: model.deaths,
            changes: model.changes,
            commands: model.commands,
            wrong: None,
        }
    }

    pub(super) fn actions(&self, model: &Rollbacks, actions: &mut Vec<Action>) {
        if self.wrong.is_some() {
            return;
        }
        for which in [Which::Rotation, Which::Rollback, Which::Rival] {
            if self.works(which) {
                actions.push(Action::Work(which));
                if self.deaths > 0 && which != Which::Rival {
                    actions.push(Action::Die(which));
                }
            }
            if self.ledger.is_turn_of(model, which) {
                actions.push(Action::Turn(which));
            }
        }
        if self.ledger.rival.is_none() {
            actions.push(Action::Request);
        }
        match self.command {
            Some(_) => actions.push(Action::Write),
            None if self.commands > 0 => actions.push(Action::Command),
            None => {}
        }
        if self.changes > 0 {
            for at in 0..2 {
                actions.extend((0..3).map(|role| Action::Change(at, role)));
            }
        }
    }

    pub(super) fn has_next_action(&self, model: &Rollbacks) -> bool {
        let mut actions = Vec::new();
        self.actions(model, &mut actions);
        let is_of_rerole =
            |action: &Action| !matches!(action, Action::Change(..) | Action::Command);
        self.wrong.is_some() || actions.iter().any(is_of_rerole)
    }

    pub(super) fn after(&self, model: &Rollbacks, action: Action) -> Self {
        let mut next = self.clone();
        match action {
            Action::Work(Which::Rotation) => next.work(model),
            Action::Work(Which::Rollback) => next.roll_back(model),
            Action::Work(Which::Rival) => next.finish_rival(),
            Action::Die(which) => {
                next.deaths -= 1;
                if which == Which::Rotation {
                    next.has_died = true;
                    next.rotation = Slice::Next;
                } else {
                    next.rollback = Slice::Next;
                }
            }
            Action::Request => next.request(),
            Action::Turn(which) => {
                if which == Which::Rival && next.has_rollback_to_come() {
                    next.wrong = Some(Wrong::Overtaken);
                }
                next.ledger.start(which);
            }
            Action::Command => {
                next.commands -= 1;
                next.read(Progress::Nothing);
            }
            Action::Write => next.write(model),
            Action::Change(at, role) => {
                next.changes -= 1;
                next.associations[at].write(role, Author::OtherActor);
            }
        }
        next
    }

    fn works(&self, which: Which) -> bool {
        let life = match which {
            Which::Rotation => Some(self.ledger.rotation),
            Which::Rollback => self.ledger.rollback,
            Which::Rival => self.ledger.rival,
        };
        life.is_some_and(|life| life.work().is_some())
    }

    /// A step of a slice of the rotation: `execute.rs`, `mover.rs`, `cancel.rs`, `conclude.rs`.
    fn work(&mut self, model: &Rollbacks) {
        self.rotation = match self.rotation {
            Slice::Send(at) => {
                self.associations[at].write(1, Author::Rotation);
                Slice::Settle(at, self.associations[at].version)
            }
            Slice::Settle(at, version) => {
                if self.ledger.rows[at] == Row::Pending {
                    self.ledger.rows[at] = Row::Updated(version);
                }
                Slice::Next
            }
            Slice::Next => self.take_up(model),
        };
    }

    fn take_up(&mut self, model: &Rollbacks) -> Slice {
        let rows = &mut self.ledger.rows;
        let Some(at) = rows.iter().position(|row| *row == Row::Pending) else {
            let status = if self.ledger.rotation.is_cancelling() {
                Status::Cancelled
            } else {
                Status::Succeeded
            };
            self.ledger.close(Which::Rotation, status);
            return Slice::Next;
        };
        let is_cancelling = self.ledger.rotation.is_cancelling();
        let is_described = self.has_died && model.has(Guard::DescribedAfterDeath);
        if is_cancelling && !is_described {
            rows[at] = Row::Other;
            return Slice::Next;
        }
        let shown = self.associations[at];
        let request = requested("r-1", ["a", "b"]).request;
        let observed = shown.observed();
        let planned = CoreRow::planned(
            &request.old_role_arn,
            &IndexItem::of(&Shown::new().observed()),
        );
        match decide(&request, planned.fields, &observed) {
            Decided::Update(_) if !is_cancelling => return Slice::Send(at),
            // `ending_on_new_role`: a slice that died may have set it.
            Decided::AlreadyCurrent(_) if self.has_died => rows[at] = Row::Updated(shown.version),
            _ => rows[at] = Row::Other,
        }
        Slice::Next
    }

    /// A step of a slice of the rollback.
    fn roll_back(&mut self, model: &Rollbacks) {
        if self.ledger.rollback != Some(EXECUTING) {
            self.ledger.plan_rollback();
            return;
        }
        self.rollback = match self.rollback {
            Slice::Send(at) => {
                self.associations[at].write(0, Author::Rollback);
                Slice::Settle(at, 0)
            }
            Slice::Settle(at, _) => {
                self.ledger.rollback_rows[at] = RollbackRow::Settled;
                Slice::Next
            }
            Slice::Next => self.take_back(model),
        };
    }

    fn take_back(&mut self, model: &Rollbacks) -> Slice {
        let rows = &mut self.ledger.rollback_rows;
        let is_pending = |row: &RollbackRow| matches!(row, RollbackRow::Pending(_));
        let Some(at) = rows.iter().position(is_pending) else {
            self.ledger.close(Which::Rollback, Status::RolledBack);
            return Slice::Next;
        };
        let RollbackRow::Pending(version) = rows[at] else {
            return Slice::Next;
        };
        let shown = self.associations[at];
        let rollback = Rollback {
            include_changed: !model.has(Guard::OwnWriteOnly),
        };
        let request = requested("r-1", ["a", "b"]).request;
        let left = Shown {
            role: 1,
            version,
            by: Author::Rotation,
        };
        let row = rollback_row(left);
        let decided = decide_rollback(
            &request.taken_back(rollback),
            rollback,
            &row,
            &shown.observed(),
        );
        if let Decided::Update(_) = decided {
            if shown.by == Author::OtherActor && shown.version > version {
                self.wrong = Some(Wrong::ChangeUndone);
            }
            return Slice::Send(at);
        }
        rows[at] = RollbackRow::Settled;
        Slice::Next
    }

    /// The other rotation moves what is on B, and closes.
    fn finish_rival(&mut self) {
        for shown in &mut self.associations {
            if shown.role == 1 {
                shown.write(2, Author::Rival);
            }
        }
        self.ledger.close(Which::Rival, Status::Succeeded);
    }

    fn request(&mut self) {
        let request = requested("r-2", ["b", "c"]).request;
        let roles = self.ledger.pair(Which::Rival);
        match admit(&request, Some(&roles), &StackRecord::default(), at(0)) {
            Admission::Start(_) => self.ledger.start(Which::Rival),
            Admission::Queue | Admission::Full(_) => self.ledger.queue_rival(),
        }
    }

    fn read(&mut self, progress: Progress) {
        self.command = Some(Box::new(Seen {
            ledger: self.ledger.clone(),
            progress,
        }));
    }

    /// `Commands::carry_out`.
    fn write(&mut self, model: &Rollbacks) {
        let Some(seen) = self.command.take() else {
            return;
        };
        let Some(plan) = decided(&seen.ledger) else {
            return;
        };
        let has_same_roles = self.ledger.has_same_roles(&seen.ledger, Which::Rollback)
            || !model.has(Guard::Versions);
        let is_as_seen = self.ledger.rotation == seen.ledger.rotation
            && self.ledger.rollback == seen.ledger.rollback
            && has_same_roles;
        if !is_as_seen {
            self.was_decided_again = true;
            self.read(seen.progress);
            return;
        }
        let cancels = plan.of_rotation != Transition::Stays;
        self.ledger.cancel(&plan);
        if cancels && !model.has(Guard::CancelledTogether) {
            self.read(Progress::Cancellation);
            return;
        }
        self.ledger.begin(model, plan.start);
        self.rollback = Slice::Next;
    }

    /// A command has cancelled the rotation in order to take it back, and its rollback has not
    /// started.
    fn has_rollback_to_come(&self) -> bool {
        let progress = self.command.as_ref().map(|seen| seen.progress);
        progress == Some(Progress::Cancellation) || self.ledger.rollback.is_some_and(waits)
    }

    /// Nothing is on B as the rotation has left it.
    pub(super) fn is_nothing_left(&self) -> bool {
        let mut associations = self.associations.iter();
        associations.all(|shown| shown.by != Author::Rotation)
    }

    pub(super) fn have_gone_back(&self, count: usize) -> bool {
        let back = self.associations.iter();
        back.filter(|shown| shown.by == Author::Rollback).count() == count
    }

    pub(super) fn is_change_left(&self) -> bool {
        let mut associations = self.associations.iter();
        associations.any(|shown| shown.by == Author::OtherActor && shown.role == 1)
    }
}

/// What follows from the command, if it is accepted.
fn decided(ledger: &Ledger) -> Option<RollbackPlan> {
    let rotation = requested("r-1", ["a", "b"]);
    let updated = ledger.rows.iter();
    let updated = updated.filter(|row| matches!(row, Row::Updated(_)));
    let mut found = RotationRecord {
        state: ledger.rotation_state(),
        ..RotationRecord::start(&rotation, at(0))
    };
    found.counts.updated = updated.count() as u64;
    let order = RollbackOrder::default();
    let request = order.request(&rotation.request);
    let record = ledger.rollback.map(|life| {
        let requested = Requested {
            request: request.clone(),
            envelope: Envelope::default(),
        };
        Box::new(RotationRecord {
            state: life.state(),
            ..RotationRecord::queue(&requested, at(0))
        })
    });
    let roles = ledger.pair(Which::Rollback);
    let stack = StackRecord::default();
    let needed = NeededFacts::Rollback(FoundRollback {
        record,
        admission: admit_rollback(&request, Some(&roles), &stack, at(0)),
        rejection: None,
    });
    let order = RotationOrder::Rollback(order);
    let command = Command {
        event_id: "c-1".to_owned(),
        order: Order::Rotation(Which::Rotation.key(), order),
        expected_seq: None,
        envelope: Envelope {
            event: EventSummary {
                time: Some(at(0)),
                ..EventSummary::default()
            },
            ..Envelope::default()
        },
    };
    match decide_command((&command, order), Some(&found), &stack, needed, at(0)) {
        Decision::RollBack(plan) => Some(*plan),
        _ => None,
    }
}

/// The row of a rollback for an association that its rotation has left like this.
fn rollback_row(left: Shown) -> CoreRow {
    let old_role = role("a").parse().expect("a role");
    let observed = left.observed();
    let moved = CoreRow {
        outcome: rerole_core::rotation::Outcome::Updated,
        role_arn: Some(observed.role_arn.clone()),
        modified_at: Some(observed.modified_at),
        ..CoreRow::planned(&old_role, &IndexItem::of(&association("a-1", &role("a"))))
    };
    CoreRow::taken_back(&moved, WrittenMembers::default(), 1).expect("it was moved")
}

fn waits(life: Life) -> bool {
    life.state().waits_for_turn()
}
