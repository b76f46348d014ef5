//! How the indexer ends the use of a role: `IndexWriter::end_uses`.

use rerole_core::rotation::ARRIVALS_SHOWN_AFTER;

use crate::locks_and_roles::ledger::By;
use crate::locks_and_roles::world::{Event, World};
use crate::locks_and_roles::{Guard, LocksAndRoles};

/// What it does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    /// Read the role.
    Read,
    /// Ask the index, if the role has this version.
    Ask(u8),
    /// Free the role, if it has this version.
    Free(u8),
    /// Ask the index again.
    Check,
    /// Put the role to use again.
    Use,
    Done,
}

/// The end of a role's use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Freeing {
    role: usize,
    pub task: Task,
    /// How long it waits before the next step, in ticks.
    pub wait: u8,
}

impl Freeing {
    pub(super) fn new(role: usize) -> Self {
        Self {
            role,
            task: Task::Read,
            wait: 0,
        }
    }

    /// Returns whether the next step writes to the role's item.
    pub(super) fn is_recording(&self) -> bool {
        matches!(self.task, Task::Free(_) | Task::Use)
    }

    /// Makes the next step.
    pub(super) fn step(&mut self, model: &LocksAndRoles, world: &mut World) {
        let item = world.ledger.roles[self.role];
        let is_shown = world.shown.role == self.role;
        let pause = u8::try_from(ARRIVALS_SHOWN_AFTER.as_secs()).expect("the pause is short");
        self.task = match self.task {
            Task::Read => {
                let is_held = item.held_by.is_some() && model.has(Guard::LockInFreeing);
                if item.in_use.is_none() || is_held {
                    Task::Done
                } else {
                    if model.has(Guard::WaitBeforeFreeing) {
                        self.wait = pause;
                    }
                    Task::Ask(item.version)
                }
            }
            Task::Ask(_) if is_shown => Task::Done,
            Task::Ask(version) => Task::Free(version),
            Task::Free(version) => {
                if world.ledger.free(model, (self.role, version)) {
                    world.last = Some(Event::Freed);
                    self.wait = pause;
                    Task::Check
                } else {
                    world.last = Some(Event::NotFreed);
                    Task::Done
                }
            }
            Task::Check if is_shown && model.has(Guard::CheckAfterFreeing) => Task::Use,
            Task::Check | Task::Done => Task::Done,
            Task::Use => {
                world.ledger.put_to_use(self.role, By::Association);
                world.last = Some(Event::PutToUseAgain);
                Task::Done
            }
        };
    }
}
