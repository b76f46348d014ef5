//! The steps of an invocation. Each is one call, or what a slice does before its rotation closes.

use crate::commands::Life;
use crate::queues::state::{Next, Slot, State, Steering, Task};
use crate::queues::{Guard, Queues, ROTATIONS, roles_of};

impl State {
    /// Carries out the next step of an invocation, and returns what it does then.
    pub(super) fn step(&mut self, model: &Queues, slot: Slot) -> Task {
        match (slot, self.task(slot)) {
            (Slot::Delivery(rotation) | Slot::Execution(rotation), task) => {
                self.step_of_rotation(model, rotation, task)
            }
            (Slot::Command, Task::Decide) => self.decide(),
            (
                Slot::Command,
                Task::Record {
                    to,
                    is_as_seen,
                    is_same,
                },
            ) => {
                if is_as_seen && (is_same || !to.is_finished()) {
                    self.record(model, to)
                } else {
                    Task::Decide
                }
            }
            (Slot::Check, Task::Look(ROTATIONS..)) => Task::None,
            (Slot::Check, Task::Look(rotation)) => {
                if self.ledger.rotations[rotation].is_queued() {
                    Task::Next(rotation, Next::Read(0))
                } else {
                    if self.is_idle(rotation) {
                        self.start_execution(rotation);
                    }
                    Task::Look(rotation + 1)
                }
            }
            (Slot::Command | Slot::Check, Task::Next(rotation, next)) => {
                match (self.start_next(model, rotation, next), slot) {
                    (Task::None, Slot::Check) => Task::Look(rotation + 1),
                    (task, _) => task,
                }
            }
            (Slot::Command | Slot::Check, _) => Task::None,
        }
    }

    /// A delivery or a slice: `RotationRun::advance`.
    fn step_of_rotation(&mut self, model: &Queues, rotation: usize, task: Task) -> Task {
        let next = Task::Next(rotation, Next::Read(0));
        match task {
            Task::Open => {
                let found = self.ledger.rotations[rotation];
                if found.life.is_none() {
                    Task::Admit {
                        is_free: self.ledger.are_free(model, rotation),
                        is_same: true,
                    }
                } else if found.is_working() {
                    if self.is_leased(rotation) {
                        Task::None
                    } else {
                        Task::Work
                    }
                } else if found.is_paused() {
                    Task::None
                } else {
                    next
                }
            }
            Task::Admit { is_free, is_same } => {
                if !is_same && model.has(Guard::VersionsInAdmission) {
                    return Task::Open;
                }
                if is_free {
                    self.ledger.start(rotation);
                    return Task::Work;
                }
                self.ledger.queue_new(model, rotation);
                if !model.has(Guard::BothQueuesAtOnce) {
                    Task::Join
                } else if model.has(Guard::NextAfterQueueing) {
                    next
                } else {
                    Task::None
                }
            }
            Task::Join => {
                self.ledger.join(rotation, roles_of(rotation)[1]);
                next
            }
            Task::Work => Task::Close { is_same: true },
            Task::Close { is_same: false } => Task::Work,
            Task::Close { is_same: true } => {
                self.ledger.close(rotation);
                if model.has(Guard::NextAfterClose) {
                    next
                } else {
                    Task::None
                }
            }
            Task::Next(rotation, next) => self.start_next(model, rotation, next),
            Task::None | Task::Decide | Task::Record { .. } | Task::Look(_) => Task::None,
        }
    }

    /// Decides about a command. One about a rotation that works is the subject of another model.
    fn decide(&self) -> Task {
        let Some(Steering {
            order, rotation, ..
        }) = self.steering
        else {
            return Task::None;
        };
        let found = self.ledger.rotations[rotation];
        if !found.is_queued() && !found.is_paused() {
            return Task::None;
        }
        match found.life.and_then(|life| life.after(order)) {
            Some(to) => Task::Record {
                to,
                is_as_seen: true,
                is_same: true,
            },
            None => Task::Next(rotation, Next::Read(0)),
        }
    }

    fn record(&mut self, model: &Queues, to: Life) -> Task {
        let Some(steering) = &mut self.steering else {
            return Task::None;
        };
        let rotation = steering.rotation;
        self.ledger.command(rotation, to);
        steering.is_recorded = true;
        if model.has(Guard::NextAfterCommand) {
            Task::Next(rotation, Next::Read(0))
        } else {
            Task::None
        }
    }

    /// `start_next`, for the roles of a rotation. [`Task::None`] if there is nothing more to do.
    fn start_next(&mut self, model: &Queues, rotation: usize, next: Next) -> Task {
        let next_role = |of: usize| match of {
            0 => Task::Next(rotation, Next::Read(1)),
            _ => Task::None,
        };
        match next {
            Next::Read(of) => {
                let role = roles_of(rotation)[of];
                if let Some(holder) = self.ledger.roles[role].held_by {
                    if self.ledger.rotations[holder].is_working() && !self.is_leased(holder) {
                        self.start_execution(holder);
                    }
                    return next_role(of);
                }
                match self.ledger.first_of(model, role) {
                    Some(first) => Task::Next(
                        rotation,
                        Next::First {
                            of,
                            first,
                            is_as_seen: true,
                        },
                    ),
                    None => next_role(of),
                }
            }
            Next::First {
                of,
                first,
                is_as_seen,
            } => {
                if !self.ledger.is_turn_of(model, first) {
                    return next_role(of);
                }
                let turn = Next::Turn {
                    of,
                    first,
                    is_as_seen,
                    is_same: true,
                };
                Task::Next(rotation, turn)
            }
            Next::Turn {
                of,
                first,
                is_as_seen,
                is_same,
            } => {
                let is_refused = (!is_as_seen && model.has(Guard::StatusInTurn))
                    || (!is_same && model.has(Guard::VersionsInTurn));
                if is_refused {
                    self.was_refused = true;
                    return Task::Next(rotation, Next::Read(of));
                }
                self.is_command_undone |= !self.ledger.rotations[first].is_queued();
                self.ledger.start(first);
                Task::Next(rotation, Next::Start { of, first })
            }
            Next::Start { of, first } => {
                self.start_execution(first);
                next_role(of)
            }
        }
    }

    /// `ensure_execution`. A turn has a new execution, so none that is about to end is in the way.
    fn start_execution(&mut self, rotation: usize) {
        if self.executions[rotation] == Task::None {
            self.executions[rotation] = Task::Open;
        }
    }
}
