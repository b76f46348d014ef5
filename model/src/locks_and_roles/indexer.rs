//! An invocation of the indexer that follows a change of the association: `IndexWriter::store`. How
//! it ends the use of roles is in `freeing.rs`.

use rerole_core::rotation::reversion::Meaning;

use crate::locks_and_roles::ledger::{By, Ledger, View};
use crate::locks_and_roles::world::World;
use crate::locks_and_roles::{Guard, LocksAndRoles, roles_of};

/// `ROLE_KNOWN_FOR` and some calls, in ticks.
const KNOWN_TICKS: u8 = 3;

/// What it does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    /// Read the role and its rotations, and decide.
    Inspect,
    /// Record that the association uses the role.
    Record(Record),
    /// Record which role it has left.
    Depart,
    Store,
    /// Tell the rotation.
    Tell,
    Done,
}

/// What is recorded before the index learns the association.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Record {
    Use,
    Reversion(usize),
}

/// What it tells a rotation once the index has the association.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tell {
    Nothing,
    Arrival(usize),
    Count(usize),
}

/// An invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Indexer {
    seen: View,
    pub task: Task,
    tell: Tell,
    /// The role was not in use when it was read.
    must_use: bool,
    /// How long it may use what it has read, in ticks.
    pub known_for: u8,
    /// The role that the association has left.
    pub departed: Option<usize>,
}

impl Indexer {
    pub(super) fn new(seen: View) -> Self {
        Self {
            seen,
            task: Task::Inspect,
            tell: Tell::Nothing,
            must_use: false,
            known_for: KNOWN_TICKS,
            departed: None,
        }
    }

    /// Returns whether it has read the role, and not stored the association.
    pub(super) fn is_bound(&self) -> bool {
        matches!(self.task, Task::Record(_) | Task::Depart | Task::Store)
    }

    /// Returns whether the next step writes to the ledger what others decide by.
    pub(super) fn is_recording(&self) -> bool {
        matches!(self.task, Task::Record(_))
            || self.task == Task::Tell && self.tell != Tell::Nothing
    }

    /// Makes the next step.
    pub(super) fn step(&mut self, model: &LocksAndRoles, world: &mut World) {
        match self.task {
            Task::Inspect => self.inspect(model, &world.ledger),
            Task::Record(record) => {
                match record {
                    Record::Use => world.ledger.put_to_use(self.seen.role, By::Association),
                    Record::Reversion(rotation) => {
                        world.ledger.record_reversion(rotation, self.seen);
                    }
                }
                let must_use = self.must_use && record != Record::Use;
                self.task = if must_use {
                    Task::Record(Record::Use)
                } else {
                    Task::Depart
                };
            }
            Task::Depart => {
                let held = world.item;
                let has_left = held.role != self.seen.role && held.role < world.ledger.roles.len();
                if has_left && world.ledger.note_departure(held.role) {
                    self.departed = Some(held.role);
                }
                self.task = Task::Store;
            }
            Task::Store => {
                world.store(self.seen);
                self.task = Task::Tell;
            }
            Task::Tell => self.tell(model, &mut world.ledger),
            Task::Done => {}
        }
    }

    fn inspect(&mut self, model: &LocksAndRoles, ledger: &Ledger) {
        self.task = Task::Depart;
        let role = ledger
            .roles
            .get(self.seen.role)
            .filter(|role| role.version > 0);
        let Some(role) = role else {
            return;
        };
        self.must_use = role.in_use.is_none() && model.has(Guard::UseBeforeStore);
        match ledger.meaning(model, self.seen) {
            (Meaning::Reverted, Some(rotation)) if model.has(Guard::UseBeforeStore) => {
                self.task = Task::Record(Record::Reversion(rotation));
                return;
            }
            (Meaning::Arriving, Some(rotation)) => {
                self.tell = Tell::Arrival(rotation);
                return;
            }
            (Meaning::Undecided | Meaning::Belongs, _) => {
                let is_from = |rotation: &usize| roles_of(*rotation).0 == self.seen.role;
                self.tell = role
                    .held_by
                    .filter(is_from)
                    .map_or(Tell::Nothing, Tell::Count);
            }
            _ => {}
        }
        if self.must_use {
            self.task = Task::Record(Record::Use);
        }
    }

    /// Tells the rotation. If it has closed in between, the association uses its old role.
    fn tell(&mut self, model: &LocksAndRoles, ledger: &mut Ledger) {
        let is_open = match self.tell {
            Tell::Nothing => true,
            Tell::Arrival(rotation) => ledger.record_arrival(rotation, self.seen),
            Tell::Count(rotation) => ledger.count_arrival(rotation),
        };
        if !is_open {
            if let (Meaning::Reverted, Some(rotation)) = ledger.meaning(model, self.seen) {
                ledger.record_reversion(rotation, self.seen);
            }
            ledger.put_to_use(self.seen.role, By::Association);
        }
        self.task = Task::Done;
    }
}
