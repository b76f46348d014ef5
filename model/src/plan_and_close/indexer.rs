//! An invocation of the indexer that follows a change of one association: `IndexWriter::store` and
//! `ReversionDetector` in `src/indexer/`.

use rerole_core::rotation::Status;
use rerole_core::rotation::reversion::Meaning;

use crate::plan_and_close::index::{Index, Role, View};
use crate::plan_and_close::ledger::{Ledger, meaning};
use crate::plan_and_close::{Guard, PlanAndClose};

/// `ROLE_KNOWN_FOR` and some calls, in ticks.
const KNOWN_TICKS: u8 = 3;

/// What it does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    /// Read the role, and the rotation that replaces it.
    ReadRole,
    /// Read the row, and decide.
    Inspect(Known),
    /// Read the rotation, to record a reversion in it.
    ReadRotation,
    Record {
        was_closed: bool,
    },
    /// Put the role to use.
    Use,
    /// Store the association in the index.
    Store,
    /// Tell the rotation.
    Tell,
    /// Read the role, the rotation and the row again: the rotation has closed.
    Reread,
    Done,
}

/// What it has read of the role and of the rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Known {
    status: Status,
    is_in_use: bool,
    is_held: bool,
}

/// What it tells the rotation once the index has the association.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tell {
    Nothing,
    Arrival,
    Count,
}

/// An invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Indexer {
    /// What EKS showed.
    seen: View,
    pub task: Task,
    tell: Tell,
    read_at: u8,
    must_use: bool,
    /// The rotation has closed without the association.
    pub is_late: bool,
}

impl Indexer {
    pub(super) fn new(seen: View) -> Self {
        Self {
            seen,
            task: if seen.role == Role::Old {
                Task::ReadRole
            } else {
                Task::Store
            },
            tell: Tell::Nothing,
            read_at: 0,
            must_use: false,
            is_late: false,
        }
    }

    /// Returns whether the invocation is as fast as it is assumed to be.
    pub(super) fn may_tick(&self, model: &PlanAndClose, now: u8) -> bool {
        let has_stored = matches!(self.task, Task::ReadRole | Task::Tell | Task::Reread);
        let is_bound = !has_stored && !self.is_late && self.seen.role == Role::Old;
        !is_bound || now < self.read_at + KNOWN_TICKS || !model.has(Guard::TimelyIndexer)
    }

    /// Makes the next step.
    pub(super) fn step(
        &mut self,
        model: &PlanAndClose,
        (ledger, all): (&mut Ledger, &mut Index),
        (index, now): (usize, u8),
    ) {
        let seen = (index, self.seen);
        match self.task {
            Task::ReadRole => self.read_role(ledger, now),
            Task::Inspect(known) => {
                let row = ledger.rows[index];
                self.inspect(model, known, meaning(model, seen, (known.status, row)));
            }
            Task::ReadRotation => {
                let was_closed = ledger.is_closed();
                self.task = Task::Record { was_closed };
            }
            Task::Record { was_closed } => {
                if ledger.record_reversion(model, (index, self.seen, was_closed)) {
                    self.after_record();
                } else {
                    self.task = Task::ReadRotation;
                }
            }
            Task::Use => {
                ledger.is_in_use = true;
                self.task = if self.is_late {
                    Task::Done
                } else {
                    Task::Store
                };
            }
            Task::Store => {
                all.store(index, self.seen, now);
                self.task = Task::Tell;
            }
            Task::Tell => self.tell(model, ledger, index),
            Task::Reread => {
                let known = (ledger.status, ledger.rows[index]);
                self.task = match meaning(model, seen, known) {
                    Meaning::Reverted => Task::ReadRotation,
                    _ => Task::Use,
                };
            }
            Task::Done => {}
        }
    }

    fn read_role(&mut self, ledger: &Ledger, now: u8) {
        self.read_at = now;
        self.task = if ledger.is_open {
            Task::Inspect(Known {
                status: ledger.status,
                is_in_use: ledger.is_in_use,
                is_held: ledger.is_held,
            })
        } else {
            Task::Store
        };
    }

    fn inspect(&mut self, model: &PlanAndClose, known: Known, meaning: Meaning) {
        self.must_use = !known.is_in_use && meaning != Meaning::Arriving;
        self.tell = match meaning {
            _ if !model.has(Guard::RecordOfArrival) => Tell::Nothing,
            Meaning::Arriving => Tell::Arrival,
            Meaning::Undecided | Meaning::Belongs if known.is_held => Tell::Count,
            _ => Tell::Nothing,
        };
        if meaning == Meaning::Reverted {
            self.task = Task::ReadRotation;
        } else {
            self.after_record();
        }
    }

    fn after_record(&mut self) {
        let must_use = self.must_use || self.is_late;
        self.task = if must_use { Task::Use } else { Task::Store };
    }

    fn tell(&mut self, model: &PlanAndClose, ledger: &mut Ledger, index: usize) {
        let is_open = match self.tell {
            Tell::Nothing => true,
            Tell::Arrival => ledger.record_arrival(index, self.seen),
            Tell::Count => ledger.count_arrival(),
        };
        self.is_late = !is_open;
        self.task = match self.tell {
            _ if is_open || !model.has(Guard::ReversionAfterClose) => Task::Done,
            Tell::Arrival => Task::Reread,
            _ => Task::Use,
        };
    }
}
