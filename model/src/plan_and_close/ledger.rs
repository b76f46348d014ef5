//! The ledger: the rotation, its rows and reversions, and the old role.

use rerole_core::keys::Side;
use rerole_core::rotation::reversion::{Meaning, RoleHistory, RoleStep};
use rerole_core::rotation::{Facts, Outcome, RotationRecord, Row, Status, Tally, close};

use crate::plan_and_close::index::{Index, Role, View};
use crate::plan_and_close::{ASSOCIATIONS, Guard, PlanAndClose};
use crate::requests::state;

/// A row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RowState {
    pub outcome: Outcome,
    /// What the index showed when it was planned.
    pub planned: View,
    /// What EKS showed when it was settled.
    pub settled: View,
}

/// What the model keeps of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ledger {
    pub is_open: bool,
    pub status: Status,
    pub rows: [Option<RowState>; ASSOCIATIONS],
    pub arrivals: u8,
    pub reversion_count: u8,
    /// `counts.reverted` of the finished rotation.
    reverted: u8,
    /// A bit for each version of an association that is recorded as a reversion.
    reversions: [u16; ASSOCIATIONS],
    /// The old role has `inUse`.
    pub is_in_use: bool,
    /// The old role has `heldBy`.
    pub is_held: bool,
}

impl RowState {
    pub(super) fn planned(view: View) -> Self {
        Self {
            outcome: Outcome::Pending,
            planned: view,
            settled: view,
        }
    }

    pub(super) fn row(self, model: &PlanAndClose, index: usize) -> Row {
        let planned = self.planned.item(model, index);
        let row = Row::planned(&model.request.old_role_arn, &planned);
        if self.outcome == Outcome::Pending {
            return row;
        }
        let settled = self.settled.association(model, index);
        Row {
            outcome: self.outcome,
            role_arn: Some(settled.role_arn),
            modified_at: Some(settled.modified_at),
            settled_at: Some(settled.modified_at),
            ..row
        }
    }
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self {
            is_open: false,
            status: Status::Planning,
            rows: [None; ASSOCIATIONS],
            arrivals: 0,
            reversion_count: 0,
            reverted: 0,
            reversions: [0; ASSOCIATIONS],
            is_in_use: false,
            is_held: false,
        }
    }

    /// Opens the rotation: `create` and `hold` in `src/aws/ledger/`.
    pub(super) fn open(&mut self) {
        self.is_open = true;
        self.is_in_use = true;
        self.is_held = true;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.status.is_final()
    }

    pub(super) fn has_pending(&self) -> bool {
        let is_pending = |row: &RowState| row.outcome == Outcome::Pending;
        self.rows.iter().flatten().any(is_pending)
    }

    /// Settles a row: `Rows::settle`.
    pub(super) fn settle(&mut self, index: usize, end: (Outcome, View)) {
        if let Some(row) = &mut self.rows[index]
            && row.outcome == Outcome::Pending
        {
            (row.outcome, row.settled) = end;
        }
    }

    /// Plans a row: `Rows::plan`. Returns whether there was none.
    pub(super) fn plan(&mut self, index: usize, view: View) -> bool {
        let is_new = self.rows[index].is_none();
        if is_new {
            self.rows[index] = Some(RowState::planned(view));
        }
        is_new
    }

    /// `Reversions::record_arrival`. Returns whether the rotation is open.
    pub(super) fn record_arrival(&mut self, index: usize, view: View) -> bool {
        if self.is_closed() {
            return false;
        }
        // A transaction: if the row exists, nothing is counted.
        if self.plan(index, view) {
            self.arrivals += 1;
        }
        true
    }

    /// `Reversions::count_arrival`. Returns whether the rotation is open.
    pub(super) fn count_arrival(&mut self) -> bool {
        let is_open = !self.is_closed();
        self.arrivals += u8::from(is_open);
        is_open
    }

    /// `Reversions::record`. `was_closed` is what the invocation has read of the rotation.
    /// Returns whether the transaction is done, or has nothing to do.
    pub(super) fn record_reversion(
        &mut self,
        model: &PlanAndClose,
        (index, seen, was_closed): (usize, View, bool),
    ) -> bool {
        let bit = 1 << seen.version;
        if self.reversions[index] & bit != 0 && model.has(Guard::AbsenceInReversion) {
            return true;
        }
        if was_closed != self.is_closed() && model.has(Guard::StateInReversion) {
            return false;
        }
        self.reversions[index] |= bit;
        self.reversion_count += 1;
        self.reverted += u8::from(was_closed);
        self.is_in_use = true;
        true
    }

    /// Closes the rotation after a sweep that found this: `conclude` in `conclude.rs`, and
    /// `OwnedRotation::close`. Returns whether it is done.
    pub(super) fn close(&mut self, model: &PlanAndClose, swept: Swept) -> bool {
        let is_unchanged = |guard, seen, now| !model.has(guard) || seen == now;
        if !is_unchanged(Guard::ArrivalsInClose, swept.arrivals, self.arrivals)
            || !is_unchanged(
                Guard::ReversionsInClose,
                swept.reversion_count,
                self.reversion_count,
            )
        {
            return false;
        }
        let closing = close(&Facts {
            request: &model.request,
            tally: &swept.tally(model),
            stopped: None,
            incomplete_regions: &[],
            invalid_items: 0,
            excluded_clusters: &[],
            moved_before: None,
            is_cancelled: false,
        });
        self.status = closing.status;
        self.reverted = swept.counted_reversions();
        // `RoleRecord::closed_from`.
        self.is_in_use = closing.still_used.is_some();
        self.is_held = false;
        true
    }

    /// Returns whether the ledger says of each association on the old role that it is there.
    pub(super) fn knows_what_is_left(&self, index: &Index) -> bool {
        let is_known = |(i, view): (usize, &View)| {
            let is_reversion = self.reversions[i] & (1 << view.version) != 0;
            let was_empty = self.status == Status::NoAssociations && self.is_in_use;
            view.role != Role::Old || is_reversion || was_empty
        };
        index.eks.iter().enumerate().all(is_known)
    }

    /// Returns whether the finished rotation has the right number of reversions.
    pub(super) fn has_counted_reversions(&self) -> bool {
        let recorded: u32 = self.reversions.iter().map(|bits| bits.count_ones()).sum();
        !self.is_closed() || u32::from(self.reverted) == recorded
    }
}

/// Returns what it means that an association is on the old role, if the rotation has this status
/// and this row of it.
pub(super) fn meaning(
    model: &PlanAndClose,
    (index, seen): (usize, View),
    (status, row): (Status, Option<RowState>),
) -> Meaning {
    let rotation = RotationRecord {
        state: state(status),
        ..model.template.clone()
    };
    let row = row.map(|row| row.row(model, index));
    let step = RoleStep {
        side: Side::From,
        rotation: &rotation,
        row: row.as_ref(),
    };
    RoleHistory::default().step(step, &seen.association(model, index))
}

/// What a slice knows when it closes: what it read before its last sweep, what the sweep found, and
/// the rows that it read after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Swept {
    pub arrivals: u8,
    pub reversion_count: u8,
    pub reverted: u8,
    pub rows: [Option<RowState>; ASSOCIATIONS],
}

impl Swept {
    fn counted_reversions(&self) -> u8 {
        self.reverted.max(self.reversion_count)
    }

    /// Returns whether a row is pending.
    pub(super) fn has_pending(&self) -> bool {
        let is_pending = |row: &RowState| row.outcome == Outcome::Pending;
        self.rows.iter().flatten().any(is_pending)
    }

    fn tally(&self, model: &PlanAndClose) -> Tally {
        let mut tally = Tally::default();
        for (index, row) in self.rows.iter().enumerate() {
            if let Some(row) = row.filter(|row| row.outcome != Outcome::Pending) {
                tally.add(&row.row(model, index));
            }
        }
        tally.counts.reverted = self.counted_reversions().into();
        tally
    }
}
