//! A slice of the rotation: `src/rotate/slice/run.rs` and `scan.rs`. How it gets its lease is in
//! the model `lease_and_fence`.

use rerole_core::rotation::{ARRIVALS_SHOWN_AFTER, Lag, Outcome, Status, lag};

use crate::plan_and_close::index::{Index, Role, View};
use crate::plan_and_close::ledger::{Ledger, Swept};
use crate::plan_and_close::{ASSOCIATIONS, Guard, PlanAndClose};

/// `SWEEPS_MAX` in `src/rotate/slice/error.rs` is larger. A slice that sweeps more often ends, and
/// the next one continues.
const SWEEPS_MAX: u8 = 2;

/// What a slice does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    /// Query the secondary index, for the plan.
    Query,
    /// Write the plan of what it showed.
    Plan([View; ASSOCIATIONS]),
    /// Read the rows of a rotation that an earlier slice has planned.
    Recount,
    /// Move the associations with pending rows.
    Execute,
    /// Repair the index item of an association that was moved.
    Repair(usize),
    /// Wait for the indexer, and read the rotation.
    Read,
    /// Query the secondary index, for the sweep.
    Sweep(Swept),
    /// Write what follows from what it showed.
    Compare(Swept, [View; ASSOCIATIONS]),
    /// Read the rows.
    Tally(Swept),
    Close(Swept),
    /// The next slice resumes the rotation.
    Over,
}

/// A slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slice {
    pub task: Task,
    /// The pending rows that it knows of.
    pending: u8,
    /// The arrivals whose rows it knows.
    arrivals: u8,
    sweeps: u8,
}

/// What a step has come to, for the endings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    Nothing,
    RefusedClose,
    RepairedLag,
    NewRow,
}

impl Slice {
    /// A slice of an open rotation.
    pub(super) fn new(ledger: &Ledger) -> Self {
        Self {
            task: if ledger.status == Status::Planning {
                Task::Query
            } else {
                Task::Recount
            },
            pending: 0,
            arrivals: ledger.arrivals,
            sweeps: 0,
        }
    }

    /// Returns whether the slice can make its next step at this time.
    pub(super) fn may_step(&self, model: &PlanAndClose, now: u8) -> bool {
        let waits = model.has(Guard::WaitForIndexer) && self.task == Task::Read;
        !waits || u64::from(now) >= ARRIVALS_SHOWN_AFTER.as_secs()
    }

    /// The pending rows that it may execute next.
    pub(super) fn next_moves(&self, ledger: &Ledger) -> impl Iterator<Item = usize> {
        let may_move = self.task == Task::Execute && self.pending > 0;
        let rows = ledger.rows;
        (0..ASSOCIATIONS).filter(move |index| {
            may_move && rows[*index].is_some_and(|row| row.outcome == Outcome::Pending)
        })
    }

    /// Moves an association and settles its row: the model `settle_and_resume`.
    pub(super) fn execute(&mut self, index: usize, (ledger, all): (&mut Ledger, &mut Index)) {
        let outcome = match all.eks[index].role {
            Role::Old => {
                all.change(index, Role::New);
                Outcome::Updated
            }
            Role::New => Outcome::AlreadyCurrent,
            Role::Third => Outcome::Drifted,
        };
        ledger.settle(index, (outcome, all.eks[index]));
        self.pending -= 1;
        self.task = Task::Repair(index);
    }

    /// Makes the next step.
    pub(super) fn step(
        &mut self,
        model: &PlanAndClose,
        (ledger, index): (&mut Ledger, &mut Index),
        now: u8,
    ) -> Progress {
        match self.task {
            Task::Query => self.task = Task::Plan(index.shown),
            Task::Plan(shown) => {
                for (i, view) in on_old_role(shown) {
                    ledger.plan(i, view);
                }
                ledger.status = Status::InProgress;
                self.recount(ledger);
            }
            Task::Recount => self.recount(ledger),
            Task::Repair(i) => {
                if let Some(row) = ledger.rows[i] {
                    index.store(i, row.settled, now);
                }
                self.task = Task::Execute;
            }
            // No row is pending any more that the slice knows of.
            Task::Execute => {
                self.pending = 0;
                self.task = Task::Read;
            }
            Task::Read => {
                let before = Swept {
                    arrivals: ledger.arrivals,
                    reversion_count: ledger.reversion_count,
                    reverted: 0,
                    rows: [None; ASSOCIATIONS],
                };
                self.task = if model.has(Guard::Sweep) {
                    Task::Sweep(before)
                } else {
                    Task::Tally(before)
                };
            }
            Task::Sweep(before) => self.task = Task::Compare(before, index.shown),
            Task::Compare(before, shown) => {
                return self.compare(model, (ledger, index), (before, shown), now);
            }
            Task::Tally(before) => {
                let swept = Swept {
                    rows: ledger.rows,
                    ..before
                };
                self.task = if swept.has_pending() {
                    Task::Over
                } else {
                    Task::Close(swept)
                };
            }
            Task::Close(swept) => {
                self.task = Task::Over;
                if !ledger.close(model, swept) {
                    return Progress::RefusedClose;
                }
            }
            Task::Over => {}
        }
        Progress::Nothing
    }

    fn recount(&mut self, ledger: &Ledger) {
        let rows = ledger.rows.iter().flatten();
        let pending = rows.filter(|row| row.outcome == Outcome::Pending).count();
        self.pending = u8::try_from(pending).expect("there are few associations");
        self.task = Task::Execute;
    }

    /// Compares what the secondary index shows with the rows, and decides whether to sweep again.
    fn compare(
        &mut self,
        model: &PlanAndClose,
        (ledger, index): (&mut Ledger, &mut Index),
        (mut before, shown): (Swept, [View; ASSOCIATIONS]),
        now: u8,
    ) -> Progress {
        let (mut created, mut progress) = (0, Progress::Nothing);
        for (i, view) in on_old_role(shown) {
            let Some(row) = ledger.rows[i] else {
                ledger.plan(i, view);
                created += 1;
                progress = Progress::NewRow;
                continue;
            };
            match lag(&view.item(model, i), &row.row(model, i)) {
                Lag::Expected => {}
                Lag::Behind(_) | Lag::Deleted => {
                    index.store(i, row.settled, now);
                    progress = Progress::RepairedLag;
                }
                Lag::Reverted => before.reverted += 1,
            }
        }
        self.sweeps += 1;
        if created == 0 && before.arrivals == self.arrivals {
            self.task = Task::Tally(before);
        } else if self.sweeps >= SWEEPS_MAX {
            self.task = Task::Over;
        } else if before.arrivals == self.arrivals {
            self.pending += created;
            self.task = Task::Execute;
        } else {
            self.arrivals = before.arrivals;
            self.task = Task::Recount;
        }
        progress
    }
}

fn on_old_role(shown: [View; ASSOCIATIONS]) -> impl Iterator<Item = (usize, View)> {
    let views = shown.into_iter().enumerate();
    views.filter(|(_, view)| view.role == Role::Old)
}
