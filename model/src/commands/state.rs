//! One state: the ledger, EKS, and everything that runs; and the steps from it.

use crate::commands::knowledge::Knowledge;
use crate::commands::ledger::{Item, Row, Wrong};
use crate::commands::life::Order;
use crate::commands::workers::{Sender, Task, Worker};
use crate::commands::{Commands, Guard};

/// The event, and the executions 1 to 4. No history needs more.
const WORKERS: usize = 5;

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// An operator sends a command, as the first or the second of those that are carried out.
    Send(usize, Order),
    /// A command takes its next step.
    Command(usize),
    Read(usize),
    Open(usize),
    Renew(usize),
    Start(usize),
    Update(usize),
    /// An update takes effect, and its answer is lost.
    UpdateWithoutAnswer(usize),
    Settle(usize),
    Close(usize),
    Release(usize),
    /// An execution closes.
    End(usize),
    /// Another actor moves the association back to the old role.
    MoveBack,
    /// The invocation ends without a trace, and its lease expires.
    Die(usize),
    /// The lease of a slice that stands still expires.
    Expire(usize),
}

/// One state of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "a state of a model")]
pub struct State {
    pub item: Item,
    /// The association is on the new role.
    pub has_moved: bool,
    pub workers: [Worker; WORKERS],
    pub senders: [Option<Sender>; 2],
    /// The lease has expired, so another slice may take it.
    pub has_expired: bool,
    pub commands: u8,
    pub faults: u8,
    pub has_moved_back: bool,
    pub decided_again: bool,
    pub wrong: Option<Wrong>,
}

impl State {
    pub(super) fn new(model: &Commands) -> Self {
        let mut workers = [Worker::Absent; WORKERS];
        workers[0] = Worker::Idle;
        Self {
            item: Item::new(),
            has_moved: false,
            workers,
            senders: [None; 2],
            has_expired: false,
            commands: model.commands,
            faults: model.faults,
            has_moved_back: false,
            decided_again: false,
            wrong: None,
        }
    }

    pub(super) fn is_at_rest(&self) -> bool {
        self.item.life.is_finished() || self.item.life.is_paused()
    }

    pub(super) fn can_continue(&self, model: &Commands) -> bool {
        let mut actions = Vec::new();
        self.actions(model, &mut actions);
        let is_needed = |action: &Action| !matches!(action, Action::Send(..) | Action::MoveBack);
        actions.iter().any(is_needed)
    }

    /// Whether the row of a finished rotation says that the association was not updated, although
    /// it was.
    pub(super) fn hides_update(&self) -> bool {
        self.item.life.is_finished() && self.item.row == Row::NotAttempted && self.has_moved
    }

    pub(super) fn actions(&self, _: &Commands, actions: &mut Vec<Action>) {
        if self.wrong.is_some() {
            return;
        }
        for (at, sender) in self.senders.iter().enumerate() {
            match sender {
                Some(_) => actions.push(Action::Command(at)),
                None if self.commands > 0 => {
                    let orders = [Order::Pause, Order::Resume, Order::Cancel, Order::Retry];
                    actions.extend(orders.map(|order| Action::Send(at, order)));
                }
                None => {}
            }
        }
        // Only a slice that has got an answer can be wrong about what is true now.
        let is_confirmed =
            |worker: &Worker| matches!(worker, Worker::Slice(slice) if slice.is_confirmed);
        if self.has_expired && !self.has_moved_back && self.workers.iter().any(is_confirmed) {
            actions.push(Action::MoveBack);
        }
        let may_open = !self.item.is_leased || self.has_expired;
        for (at, worker) in self.workers.iter().enumerate() {
            match worker {
                Worker::Ending => actions.push(Action::End(at)),
                // An execution that finds the rotation busy asks again.
                Worker::Idle if may_open || at == 0 => actions.push(Action::Read(at)),
                Worker::Absent | Worker::Idle | Worker::Ended => {}
                Worker::Opening(_) => actions.push(Action::Open(at)),
                Worker::Slice(slice) => self.actions_of(at, slice, actions),
            }
        }
    }

    fn actions_of(&self, at: usize, slice: &Knowledge, actions: &mut Vec<Action>) {
        let is_current = self.item.fence == slice.fence && !self.has_expired;
        if slice.is_confirmed {
            actions.push(Action::Settle(at));
        } else if slice.is_interrupted {
            actions.push(Action::Release(at));
        } else {
            actions.push(Action::Renew(at));
            if slice.is_cancelling {
                actions.push(Action::Close(at));
            } else if !slice.is_planned {
                actions.push(Action::Start(at));
            } else if self.item.row == Row::Pending && is_current {
                actions.push(Action::Update(at));
                if self.faults > 0 {
                    actions.push(Action::UpdateWithoutAnswer(at));
                }
            } else {
                actions.push(Action::Close(at));
            }
        }
        if self.faults > 0 {
            actions.push(Action::Die(at));
            if is_current && self.item.is_leased {
                actions.push(Action::Expire(at));
            }
        }
    }

    pub(super) fn after(&self, model: &Commands, action: Action) -> Self {
        let mut next = *self;
        let result = match action {
            Action::Send(at, order) => {
                next.commands -= 1;
                next.senders[at] = Some(Sender {
                    order,
                    task: Task::Read,
                });
                Ok(())
            }
            Action::Command(at) => next.command(model, at),
            Action::Read(at) => {
                next.read(at);
                Ok(())
            }
            Action::Open(at) => next.open(model, at),
            Action::MoveBack => {
                (next.has_moved, next.has_moved_back) = (false, true);
                Ok(())
            }
            Action::End(at) => {
                next.workers[at] = Worker::Ended;
                Ok(())
            }
            other => next.slice(model, other),
        };
        next.wrong = result.err();
        next
    }

    /// The next step of a command.
    fn command(&mut self, model: &Commands, at: usize) -> Result<(), Wrong> {
        let Some(Sender { order, task }) = self.senders[at] else {
            return Ok(());
        };
        let follow_up = |was_leased| {
            Some(Sender {
                order,
                task: Task::FollowUp { was_leased },
            })
        };
        match task {
            Task::Read if self.item.life.after(order).is_some() => {
                let task = Task::Write(self.item);
                self.senders[at] = Some(Sender { order, task });
            }
            // It changes nothing, or is refused.
            Task::Read => self.senders[at] = follow_up(self.item.is_leased),
            Task::Write(seen) => {
                let to = seen.life.after(order).unwrap_or(seen.life);
                if self.item.command(model, (seen, to))? {
                    self.senders[at] = follow_up(seen.is_leased);
                } else {
                    self.decided_again = true;
                    self.senders[at] = Some(Sender {
                        order,
                        task: Task::Read,
                    });
                }
            }
            Task::FollowUp { was_leased } => {
                let is_leased = if model.has(Guard::LeaseAfterCommand) {
                    self.item.is_leased && !self.has_expired
                } else {
                    was_leased
                };
                if self.item.life.work().is_some() && !is_leased {
                    self.start_execution();
                }
                self.senders[at] = None;
            }
        }
        Ok(())
    }

    /// `ensure_execution` in `src/rotate/executions.rs`.
    fn start_execution(&mut self) {
        let run = usize::from(self.item.run);
        match self.workers[run] {
            Worker::Absent => self.workers[run] = Worker::Idle,
            Worker::Ended => {
                self.item.run += 1;
                self.workers[run + 1] = Worker::Idle;
            }
            Worker::Idle | Worker::Opening(_) | Worker::Slice(_) | Worker::Ending => {}
        }
    }

    /// An invocation reads the rotation: `open` in `core/src/rotation/opening.rs`.
    fn read(&mut self, at: usize) {
        let is_leased = self.item.is_leased && !self.has_expired;
        self.workers[at] = if self.item.life.work().is_none() || is_leased {
            Worker::Ending
        } else {
            Worker::Opening(self.item)
        };
    }

    fn open(&mut self, model: &Commands, at: usize) -> Result<(), Wrong> {
        let Worker::Opening(seen) = self.workers[at] else {
            return Ok(());
        };
        if self.item.open(model, seen)? {
            self.has_expired = false;
            self.workers[at] = Worker::Slice(self.item.knowledge(&seen));
        } else {
            self.workers[at] = Worker::Idle;
        }
        Ok(())
    }

    /// A step of a slice.
    fn slice(&mut self, model: &Commands, action: Action) -> Result<(), Wrong> {
        let (Action::Renew(at)
        | Action::Start(at)
        | Action::Update(at)
        | Action::UpdateWithoutAnswer(at)
        | Action::Settle(at)
        | Action::Close(at)
        | Action::Release(at)
        | Action::Die(at)
        | Action::Expire(at)) = action
        else {
            return Ok(());
        };
        let Worker::Slice(mut slice) = self.workers[at] else {
            return Ok(());
        };
        match action {
            Action::Renew(_) => {
                slice.is_interrupted = !self.item.renew(&slice);
                slice.seen = self.item.life;
            }
            Action::Start(_) => {
                slice.is_planned = self.item.start(model, &slice)?;
                slice.is_interrupted = !slice.is_planned;
                slice.attempt = self.item.row_attempt;
            }
            Action::Update(_) => {
                self.has_moved = true;
                slice.is_confirmed = true;
            }
            Action::UpdateWithoutAnswer(_) => {
                self.faults -= 1;
                self.has_moved = true;
                slice.has_lost_update = true;
                // Nothing more is done about the row: the slice is over.
                slice.is_interrupted = true;
            }
            Action::Settle(_) => {
                slice.is_confirmed = false;
                self.item.settle(model, slice.attempt, Row::Updated)?;
            }
            Action::Close(_) => {
                self.settle_cancelled(model, &slice)?;
                if self.item.close(model, &slice)? {
                    self.workers[at] = Worker::Ending;
                    return Ok(());
                }
                slice.is_interrupted = true;
            }
            Action::Release(_) => {
                self.release(model, (at, slice));
                return Ok(());
            }
            Action::Die(_) => {
                self.faults -= 1;
                self.has_expired |= self.item.fence == slice.fence && self.item.is_leased;
                // The event or the task is delivered again.
                self.workers[at] = Worker::Idle;
                return Ok(());
            }
            _ => {
                self.faults -= 1;
                self.has_expired = true;
            }
        }
        self.workers[at] = Worker::Slice(slice);
        Ok(())
    }

    /// `cancel_rows` in `src/rotate/slice/cancel.rs`: in transactions that check the lease, or
    /// after a look at EKS.
    fn settle_cancelled(&mut self, model: &Commands, slice: &Knowledge) -> Result<(), Wrong> {
        if !slice.is_cancelling || !self.item.renew(slice) {
            return Ok(());
        }
        let is_described = slice.is_unconfirmed && model.has(Guard::UnconfirmedInCancel);
        let row = if is_described && self.has_moved {
            Row::Updated
        } else {
            Row::NotAttempted
        };
        let attempt = self.item.row_attempt;
        self.item.settle(model, attempt, row)
    }

    /// A slice releases its lease: `RotationRun::advance` says what follows.
    fn release(&mut self, model: &Commands, (at, slice): (usize, Knowledge)) {
        let is_released = self.item.release(&slice);
        let known = if model.has(Guard::StatusAtRelease) {
            self.item.life
        } else {
            slice.seen
        };
        self.workers[at] = if is_released && known.work().is_none() {
            Worker::Ending
        } else {
            // Another slice follows, here or in the state machine.
            Worker::Idle
        };
    }
}
