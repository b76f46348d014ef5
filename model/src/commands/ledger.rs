//! The rotation's item with its one row, and the conditions of the writes to it.

use rerole_core::rotation::{Open, Status, Work};

use crate::commands::knowledge::Knowledge;
use crate::commands::life::Life;
use crate::commands::{Commands, Guard};

/// The outcome of the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Row {
    /// The plan has not written it yet.
    Absent,
    Pending,
    Updated,
    NotAttempted,
}

/// What the model keeps of the rotation's item and of its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Item {
    pub life: Life,
    pub seq: u8,
    pub fence: u8,
    pub is_leased: bool,
    pub run: u8,
    pub attempt: u8,
    pub row: Row,
    /// The attempt in which the row was planned, or opened again.
    pub row_attempt: u8,
    /// `hasUnconfirmedUpdates`
    pub is_unconfirmed: bool,
}

/// What no write may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wrong {
    /// A slice has changed the status that a command has set.
    CommandUndone,
    /// The entry that was added says that another status came before.
    GapInTimeline,
    LateSettle,
    OpenedWhileWaiting,
}

impl Item {
    /// The rotation as its event has opened it.
    pub(super) fn new() -> Self {
        Self {
            life: Life::Open(Open::Running(Work::Planning)),
            seq: 1,
            fence: 0,
            is_leased: false,
            run: 1,
            attempt: 1,
            row: Row::Absent,
            row_attempt: 0,
            is_unconfirmed: false,
        }
    }

    /// `change_state` in `src/aws/ledger/command_writes.rs`. Returns whether it is done.
    pub(super) fn command(
        &mut self,
        model: &Commands,
        (seen, to): (Self, Life),
    ) -> Result<bool, Wrong> {
        if seen.seq != self.seq && model.has(Guard::SeqInCommand) {
            return Ok(false);
        }
        let wrong = (seen.life != self.life).then_some(Wrong::GapInTimeline);
        let is_retry = seen.life.is_finished();
        self.life = to;
        self.seq += 1;
        if (to.work().is_some() || is_retry) && model.has(Guard::NextExecution) {
            self.run += 1;
        }
        if is_retry {
            self.attempt += 1;
            self.is_unconfirmed = false;
        }
        wrong.map_or(Ok(true), Err)
    }

    /// `resume` in `src/aws/ledger/opening.rs`. Returns whether it is done.
    pub(super) fn open(&mut self, model: &Commands, seen: Self) -> Result<bool, Wrong> {
        let has_seen_lease = seen.fence == self.fence && seen.is_leased == self.is_leased;
        let has_seen_status = seen.life == self.life || !model.has(Guard::StatusInOpening);
        if !has_seen_lease || !has_seen_status {
            return Ok(false);
        }
        // A slice that still had the lease has died.
        self.is_unconfirmed |= self.is_leased;
        self.is_leased = true;
        self.fence += 1;
        match self.life.work() {
            Some(_) => Ok(true),
            None => Err(Wrong::OpenedWhileWaiting),
        }
    }

    /// `is_held` in `src/aws/ledger/lease.rs`.
    fn is_owned(&self, slice: &Knowledge) -> bool {
        self.is_leased && self.fence == slice.fence
    }

    fn has_status_of(&self, slice: &Knowledge) -> bool {
        self.life.work().is_some() && self.life.is_cancelling() == slice.is_cancelling
    }

    /// `OwnedRotation::renew`: returns whether the slice may continue.
    pub(super) fn renew(&self, slice: &Knowledge) -> bool {
        self.is_owned(slice) && self.has_status_of(slice)
    }

    /// `OwnedRotation::start`. Returns whether it is done.
    pub(super) fn start(&mut self, model: &Commands, slice: &Knowledge) -> Result<bool, Wrong> {
        let has_status = self.has_status_of(slice);
        if !self.is_owned(slice) || !has_status && model.has(Guard::StatusInStart) {
            return Ok(false);
        }
        if self.row_attempt < self.attempt && self.row != Row::Updated {
            self.row = Row::Pending;
            self.row_attempt = self.attempt;
        }
        self.life = Life::Open(Open::Running(Work::Executing));
        self.seq += 1;
        if has_status {
            Ok(true)
        } else {
            Err(Wrong::CommandUndone)
        }
    }

    /// `Rows::settle`: whichever slice is first. `attempt` is that of the row that was read.
    pub(super) fn settle(&mut self, model: &Commands, attempt: u8, row: Row) -> Result<(), Wrong> {
        if self.row != Row::Pending {
            return Ok(());
        }
        let is_late = attempt != self.row_attempt;
        if is_late && model.has(Guard::AttemptInSettle) {
            return Ok(());
        }
        self.row = row;
        if is_late {
            Err(Wrong::LateSettle)
        } else {
            Ok(())
        }
    }

    /// `OwnedRotation::release`: whatever the status. Returns whether it is done.
    pub(super) fn release(&mut self, slice: &Knowledge) -> bool {
        let is_owned = self.is_owned(slice);
        if is_owned {
            self.is_leased = false;
            self.is_unconfirmed |= slice.has_lost_update && self.row == Row::Pending;
        }
        is_owned
    }

    /// `OwnedRotation::close`. Returns whether it is done.
    pub(super) fn close(&mut self, model: &Commands, slice: &Knowledge) -> Result<bool, Wrong> {
        let has_status = self.has_status_of(slice);
        if !self.is_owned(slice) || !has_status && model.has(Guard::StatusInClose) {
            return Ok(false);
        }
        self.life = Life::Finished(if slice.is_cancelling {
            Status::Cancelled
        } else {
            Status::Succeeded
        });
        self.seq += 1;
        self.is_leased = false;
        self.is_unconfirmed = false;
        if has_status {
            Ok(true)
        } else {
            Err(Wrong::CommandUndone)
        }
    }

    /// What a slice knows that has taken the lease of this rotation, which it had `seen` before.
    pub(super) fn knowledge(&self, seen: &Self) -> Knowledge {
        Knowledge {
            fence: self.fence,
            is_cancelling: seen.life.is_cancelling(),
            is_planned: seen.life.work() == Some(Work::Executing),
            attempt: self.row_attempt,
            is_unconfirmed: self.is_unconfirmed,
            is_interrupted: false,
            seen: seen.life,
            is_confirmed: false,
            has_lost_update: false,
        }
    }
}
