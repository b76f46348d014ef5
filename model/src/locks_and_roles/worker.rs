//! A slice of one of the rotations, as far as it is about roles: `src/rotate/slice/run.rs`.

use rerole_core::rotation::Outcome;

use crate::locks_and_roles::ledger::{By, Closed, Seen, View};
use crate::locks_and_roles::world::{Event, World};
use crate::locks_and_roles::{Guard, LocksAndRoles, roles_of};

/// What a slice does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    /// Plan what the secondary index shows.
    Plan,
    /// Put the new role to use, if there is something to move.
    Use,
    Move,
    /// Read what must not change until the close.
    Read,
    Sweep(Seen),
    ReadOldRole(Seen),
    ReadNewRole(Seen),
    Close(Seen),
    /// The next slice resumes the rotation.
    Over,
}

/// A slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Worker {
    pub task: Task,
    /// The arrivals whose rows it knows.
    arrivals: u8,
}

impl Worker {
    pub(super) fn new(arrivals: u8) -> Self {
        Self {
            task: Task::Plan,
            arrivals,
        }
    }

    /// Makes the next step of the slice of a rotation.
    pub(super) fn step(&mut self, model: &LocksAndRoles, world: &mut World, rotation: usize) {
        let (old, new) = roles_of(rotation);
        match self.task {
            Task::Plan => {
                plan(world, rotation);
                self.task = Task::Use;
            }
            Task::Use => {
                let is_needed = world.ledger.is_pending(rotation);
                if is_needed && model.has(Guard::UseBeforeUpdate) {
                    world.ledger.put_to_use(new, By::Onto(rotation));
                }
                self.task = if is_needed { Task::Move } else { Task::Read };
            }
            Task::Move => {
                move_association(world, rotation);
                self.task = Task::Read;
            }
            Task::Read => {
                let item = world.ledger.rotations[rotation];
                self.task = Task::Sweep(Seen {
                    arrivals: item.arrivals,
                    reversions: item.reversions,
                    in_use: world.ledger.roles[old].in_use,
                    old: None,
                    new: None,
                });
            }
            Task::Sweep(seen) => {
                let is_new = plan(world, rotation);
                self.task = if is_new || seen.arrivals != self.arrivals {
                    Task::Use
                } else {
                    Task::ReadOldRole(seen)
                };
                self.arrivals = seen.arrivals;
            }
            Task::ReadOldRole(seen) => {
                let old = world.ledger.roles[old];
                let is_same = old.in_use == seen.in_use;
                let seen = Seen {
                    old: Some(old),
                    ..seen
                };
                self.task = if is_same {
                    Task::ReadNewRole(seen)
                } else {
                    Task::Over
                };
            }
            Task::ReadNewRole(seen) => {
                let new = Some(world.ledger.roles[new]);
                self.task = Task::Close(Seen { new, ..seen });
            }
            Task::Close(seen) => {
                self.task = match world.ledger.close(model, (rotation, seen)) {
                    Closed::Done => Task::Over,
                    Closed::Refused => {
                        world.last = Some(Event::CloseRefused);
                        Task::Over
                    }
                    Closed::RoleChanged => {
                        world.last = Some(Event::RoleChangedInClose);
                        Task::ReadOldRole(seen)
                    }
                };
            }
            Task::Over => {}
        }
    }
}

/// Plans a row if the secondary index shows the association on the old role. Returns whether there
/// was none.
fn plan(world: &mut World, rotation: usize) -> bool {
    let shown = world.shown;
    shown.role == roles_of(rotation).0 && world.ledger.plan(rotation, shown)
}

/// Moves the association, settles its row, and brings the index up to date: the model
/// `settle_and_resume`.
fn move_association(world: &mut World, rotation: usize) {
    let (old, new) = roles_of(rotation);
    let outcome = match world.eks.role {
        role if role == old => Outcome::Updated,
        role if role == new => Outcome::AlreadyCurrent,
        _ => Outcome::Drifted,
    };
    if outcome == Outcome::Updated {
        world.change(new);
    }
    let View { role, version } = world.eks;
    world
        .ledger
        .settle(rotation, outcome, View { role, version });
    world.store(world.eks);
}
