//! One state: the ledger, EKS, the slices and the command; and the steps from it. Those of the
//! slices are in `state/slices.rs`.

mod slices;

use rerole_core::rotation::{Admission, StackRecord, Transition, admit};

use crate::commands::Life;
use crate::requests::{at, requested};
use crate::rollbacks::command::decided;
use crate::rollbacks::{Author, Guard, Ledger, Rollbacks, Shown, Which};

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

fn waits(life: Life) -> bool {
    life.state().waits_for_turn()
}
