//! One state: the ledger, and everything that runs; and the steps from it.

use rerole_core::rotation::Cause;

use crate::freezes::{Freezes, Guard, Ledger, Order, Sender, Task, Worker, Wrong};

/// The event, and the executions 1 to 5. No history needs more.
const WORKERS: usize = 6;

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// An operator sends a command, as the first or the second of those that are carried out.
    Send(usize, Order),
    /// A command takes its next step.
    Command(usize),
    /// The invocation of a command ends without a trace, and its event is delivered again.
    DieInCommand(usize),
    Read(usize),
    Change(usize),
    Open(usize),
    Renew(usize),
    Close(usize),
    Release(usize),
    /// An execution closes.
    End(usize),
    /// The invocation of a slice ends without a trace, and its lease expires.
    Die(usize),
    /// The lease of a slice that stands still expires.
    Expire(usize),
}

/// One state of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct State {
    pub ledger: Ledger,
    pub workers: [Worker; WORKERS],
    pub senders: [Option<Sender>; 2],
    /// The lease has expired, so another slice may take it.
    pub has_expired: bool,
    pub has_resumed: bool,
    pub commands: u8,
    pub faults: u8,
    pub wrong: Option<Wrong>,
}

impl State {
    pub(super) fn new(model: &Freezes) -> Self {
        let mut workers = [Worker::Absent; WORKERS];
        workers[0] = Worker::Idle;
        Self {
            ledger: Ledger::new(),
            workers,
            senders: [None; 2],
            has_expired: false,
            has_resumed: false,
            commands: model.commands,
            faults: model.faults,
            wrong: None,
        }
    }

    pub(super) fn is_at_rest(&self) -> bool {
        let life = self.ledger.life;
        life.is_finished() || (life.is_paused() && self.ledger.is_frozen)
    }

    pub(super) fn can_continue(&self) -> bool {
        let mut actions = Vec::new();
        self.actions(&mut actions);
        actions
            .iter()
            .any(|action| !matches!(action, Action::Send(..)))
    }

    fn is_leased(&self) -> bool {
        self.ledger.is_leased && !self.has_expired
    }

    pub(super) fn actions(&self, actions: &mut Vec<Action>) {
        if self.wrong.is_some() {
            return;
        }
        for (at, sender) in self.senders.iter().enumerate() {
            match sender {
                Some(_) => {
                    actions.push(Action::Command(at));
                    if self.faults > 0 {
                        actions.push(Action::DieInCommand(at));
                    }
                }
                None if self.commands > 0 => {
                    let orders = [Order::Freeze, Order::Unfreeze];
                    actions.extend(orders.map(|order| Action::Send(at, order)));
                }
                None => {}
            }
        }
        for (at, worker) in self.workers.iter().enumerate() {
            match *worker {
                Worker::Ending => actions.push(Action::End(at)),
                // An execution that finds the rotation busy asks again.
                Worker::Idle if !self.is_leased() || at == 0 => actions.push(Action::Read(at)),
                Worker::Absent | Worker::Idle | Worker::Ended => {}
                Worker::Changing(..) => actions.push(Action::Change(at)),
                Worker::Opening(_) => actions.push(Action::Open(at)),
                Worker::Slice {
                    fence,
                    is_interrupted,
                } => {
                    if is_interrupted {
                        actions.push(Action::Release(at));
                    } else {
                        actions.extend([Action::Renew(at), Action::Close(at)]);
                    }
                    if self.faults > 0 {
                        actions.push(Action::Die(at));
                        if self.ledger.fence == fence && self.is_leased() {
                            actions.push(Action::Expire(at));
                        }
                    }
                }
            }
        }
    }

    pub(super) fn after(&self, model: &Freezes, action: Action) -> Self {
        let mut next = *self;
        let result = match action {
            Action::Send(at, order) => {
                next.commands -= 1;
                next.senders[at] = Some(Sender {
                    order,
                    task: Task::Read,
                    is_recorded: false,
                });
                Ok(())
            }
            Action::Command(at) => next.command(model, at),
            Action::DieInCommand(at) => {
                next.faults -= 1;
                next.senders[at] = self.senders[at].map(|sender| Sender {
                    task: if sender.is_recorded {
                        Task::FollowUp
                    } else {
                        Task::Read
                    },
                    ..sender
                });
                Ok(())
            }
            other => next.work(model, other),
        };
        next.wrong = result.err();
        next
    }

    /// The next step of a command.
    fn command(&mut self, model: &Freezes, at: usize) -> Result<(), Wrong> {
        let Some(sender) = self.senders[at] else {
            return Ok(());
        };
        let order = sender.order;
        let task = match sender.task {
            Task::Read if self.ledger.is_frozen == (order == Order::Freeze) => Some(Task::FollowUp),
            Task::Read => Some(Task::Write(self.ledger)),
            Task::Write(seen) if self.ledger.carry_out(order, seen) => Some(Task::FollowUp),
            Task::Write(_) => Some(Task::Read),
            Task::FollowUp => self.follow_up(model, order),
            Task::Change(seen, cause) => {
                let is_done = self.ledger.apply(model, (seen, cause))?;
                self.has_resumed |= is_done && cause == Cause::Unfrozen;
                match cause {
                    Cause::Unfrozen if is_done => Some(Task::Start),
                    Cause::Unfrozen => Some(Task::StartIdle),
                    _ => None,
                }
            }
            Task::Start => {
                self.start_execution();
                Some(Task::StartIdle)
            }
            Task::StartIdle => {
                let is_idle = self.ledger.life.work().is_some() && !self.is_leased();
                if is_idle && model.has(Guard::StartIdle) {
                    self.start_execution();
                }
                None
            }
        };
        self.senders[at] = task.map(|task| Sender {
            task,
            is_recorded: !matches!(task, Task::Read | Task::Write(_)),
            ..sender
        });
        Ok(())
    }

    /// `follow_stack` in `src/rotate/freeze.rs`.
    fn follow_up(&self, model: &Freezes, order: Order) -> Option<Task> {
        let cause = if model.has(Guard::StackInFollowUp) {
            self.ledger.cause()
        } else if order == Order::Freeze {
            Cause::Frozen
        } else {
            Cause::Unfrozen
        };
        let is_changed = self.ledger.after(cause).is_some();
        let change = Task::Change(self.ledger, cause);
        match cause {
            Cause::Frozen => (is_changed && !self.is_leased()).then_some(change),
            _ if is_changed => Some(change),
            _ => Some(Task::StartIdle),
        }
    }

    /// `ensure_execution` in `src/rotate/executions.rs`.
    fn start_execution(&mut self) {
        let run = usize::from(self.ledger.run);
        match self.workers[run] {
            Worker::Absent => self.workers[run] = Worker::Idle,
            Worker::Ended => {
                self.ledger.run += 1;
                self.workers[run + 1] = Worker::Idle;
            }
            _ => {}
        }
    }

    /// A step of an invocation that works on the rotation.
    fn work(&mut self, model: &Freezes, action: Action) -> Result<(), Wrong> {
        let (Action::Read(at)
        | Action::Change(at)
        | Action::Open(at)
        | Action::Renew(at)
        | Action::Close(at)
        | Action::Release(at)
        | Action::End(at)
        | Action::Die(at)
        | Action::Expire(at)) = action
        else {
            return Ok(());
        };
        let worker = match (action, self.workers[at]) {
            (Action::Read(_), _) => self.read(),
            (Action::Change(_), Worker::Changing(seen, cause)) => {
                let is_done = self.ledger.apply(model, (seen, cause))?;
                self.has_resumed |= is_done && cause == Cause::Unfrozen;
                Worker::Idle
            }
            (Action::Open(_), Worker::Opening(seen)) => {
                if self.ledger.open(seen) {
                    self.has_expired = false;
                    Worker::Slice {
                        fence: self.ledger.fence,
                        is_interrupted: false,
                    }
                } else {
                    Worker::Idle
                }
            }
            (Action::Renew(_), Worker::Slice { fence, .. }) => Worker::Slice {
                fence,
                is_interrupted: !self.ledger.is_held(fence) || self.ledger.is_frozen,
            },
            (Action::Close(_), Worker::Slice { fence, .. }) => {
                if self.ledger.close(fence) {
                    Worker::Ending
                } else {
                    Worker::Slice {
                        fence,
                        is_interrupted: true,
                    }
                }
            }
            (Action::Release(_), Worker::Slice { fence, .. }) => {
                let is_released = self.ledger.release(fence);
                let waits = is_released && self.ledger.life.work().is_none();
                if waits && !model.has(Guard::StackAfterRelease) {
                    Worker::Ending
                } else {
                    // Another slice follows, here or in the state machine.
                    Worker::Idle
                }
            }
            (Action::End(_), _) => Worker::Ended,
            (Action::Die(_), Worker::Slice { fence, .. }) => {
                self.faults -= 1;
                self.has_expired |= self.ledger.fence == fence && self.ledger.is_leased;
                // The event or the task is delivered again.
                Worker::Idle
            }
            (Action::Expire(_), worker) => {
                self.faults -= 1;
                self.has_expired = true;
                worker
            }
            (_, worker) => worker,
        };
        self.workers[at] = worker;
        Ok(())
    }

    /// An invocation reads the rotation and the stack: `open` in `core/src/rotation/opening.rs`.
    fn read(&self) -> Worker {
        let cause = self.ledger.cause();
        if !self.is_leased() && self.ledger.after(cause).is_some() {
            Worker::Changing(self.ledger, cause)
        } else if self.ledger.life.work().is_none() || self.is_leased() {
            Worker::Ending
        } else {
            Worker::Opening(self.ledger)
        }
    }
}
