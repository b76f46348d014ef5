//! The items of the rotation and of the stack, and the conditions of the writes to them.

use rerole_core::rotation::{Cause, Open, Status, Transition, Work};

use crate::commands::Life;
use crate::freezes::{Freezes, Guard};

/// What the model keeps of the items of the rotation and of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ledger {
    pub life: Life,
    pub seq: u8,
    pub fence: u8,
    pub is_leased: bool,
    pub run: u8,
    pub is_frozen: bool,
    pub stack_seq: u8,
}

/// What an operator orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    Freeze,
    Unfreeze,
}

/// What no write may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wrong {
    /// A finished rotation is open again.
    EndUndone,
}

impl Ledger {
    /// The rotation as its event has opened it, in a stack that is not frozen.
    pub(super) fn new() -> Self {
        Self {
            life: Life::Open(Open::Running(Work::Executing)),
            seq: 1,
            fence: 0,
            is_leased: false,
            run: 1,
            is_frozen: false,
            stack_seq: 0,
        }
    }

    /// What the stack causes: `freeze` in `core/src/rotation/opening.rs`.
    pub(super) fn cause(self) -> Cause {
        if self.is_frozen {
            Cause::Frozen
        } else {
            Cause::Unfrozen
        }
    }

    /// What becomes of the rotation because of the stack, if that changes it.
    pub(super) fn after(self, cause: Cause) -> Option<Life> {
        match self.life.state().after(cause) {
            Transition::To(open) => Some(Life::Open(open)),
            Transition::Cancelled | Transition::Stays | Transition::Refused => None,
        }
    }

    /// `change_stack` in `src/aws/ledger/command_writes.rs`. Returns whether it is done.
    pub(super) fn carry_out(&mut self, order: Order, seen: Self) -> bool {
        let is_as_seen = seen.stack_seq == self.stack_seq;
        if is_as_seen {
            self.is_frozen = order == Order::Freeze;
            self.stack_seq += 1;
        }
        is_as_seen
    }

    /// `Rotations::apply`. Returns whether it is done.
    pub(super) fn apply(
        &mut self,
        model: &Freezes,
        (seen, cause): (Self, Cause),
    ) -> Result<bool, Wrong> {
        let Some(to) = seen.after(cause) else {
            return Ok(false);
        };
        if seen.seq != self.seq && model.has(Guard::SeqInChange) {
            return Ok(false);
        }
        let was_finished = self.life.is_finished();
        self.life = to;
        self.seq += 1;
        if to.work().is_some() && model.has(Guard::NextExecution) {
            self.run += 1;
        }
        if was_finished {
            Err(Wrong::EndUndone)
        } else {
            Ok(true)
        }
    }

    /// `resume` in `src/aws/ledger/opening.rs`. Returns whether it is done.
    pub(super) fn open(&mut self, seen: Self) -> bool {
        let is_as_seen =
            seen.fence == self.fence && seen.is_leased == self.is_leased && seen.life == self.life;
        if is_as_seen {
            self.is_leased = true;
            self.fence += 1;
        }
        is_as_seen
    }

    /// `is_held` in `src/aws/ledger/lease.rs`.
    pub(super) fn is_held(self, fence: u8) -> bool {
        self.is_leased && self.fence == fence && self.life.work().is_some()
    }

    /// `OwnedRotation::close`. Returns whether it is done.
    pub(super) fn close(&mut self, fence: u8) -> bool {
        let is_held = self.is_held(fence);
        if is_held {
            self.life = Life::Finished(Status::Succeeded);
            self.seq += 1;
            self.is_leased = false;
        }
        is_held
    }

    /// `OwnedRotation::release`: whatever the status. Returns whether it is done.
    pub(super) fn release(&mut self, fence: u8) -> bool {
        let is_owned = self.is_leased && self.fence == fence;
        if is_owned {
            self.is_leased = false;
        }
        is_owned
    }
}
