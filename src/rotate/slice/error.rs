//! Why a slice ended before its rotation was finished. What the invocation makes of it is in
//! `crate::rotate::error`.

use rerole_core::call::CallError;
use rerole_core::rotation::{Counts, RotationRecord, Status};

use crate::aws::ledger::LeaseError;

/// Sweeps of one slice. Without a limit, an actor that keeps creating associations on the old role
/// would keep the slice sweeping forever.
pub(super) const SWEEPS_MAX: u32 = 10;

/// Why a slice ended early. The next slice resumes the rotation from the ledger.
#[derive(Debug, thiserror::Error)]
pub enum SliceError {
    #[error("time is up")]
    OutOfTime,
    #[error("{count} associations could not be settled in this slice; the first error: {first}")]
    Unsettled { count: u64, first: CallError },
    #[error(
        "the index still shows new associations on the old role after {SWEEPS_MAX} sweeps; \
         find out what keeps creating them"
    )]
    StillArriving,
    #[error("the ledger still shows {pending} pending rows")]
    StillPending { pending: u64 },
    #[error("the lease was lost, or could not be renewed")]
    LeaseLost,
    #[error("a command has changed the status of the rotation")]
    Interrupted,
    #[error(transparent)]
    Call(#[from] CallError),
}

impl From<LeaseError> for SliceError {
    fn from(error: LeaseError) -> Self {
        match error {
            LeaseError::Lost => Self::LeaseLost,
            LeaseError::Call(error) => Self::Call(error),
        }
    }
}

/// A rotation that a slice did not finish.
#[derive(Debug)]
#[must_use]
pub struct Incomplete {
    pub reason: SliceError,
    /// The status as the slice knows it.
    pub status: Status,
    pub counts: Counts,
    /// The rotation when the slice released it or saved its summary, if it did. The next slice
    /// continues to count from there.
    pub released: Option<Box<RotationRecord>>,
    /// Whether the slice made progress. If it did not, another one would not either.
    pub has_advanced: bool,
}

impl Incomplete {
    /// Returns the rotation, if it waits for a command now.
    #[must_use]
    pub fn waiting(&self) -> Option<&RotationRecord> {
        let released = self.released.as_deref()?;
        released.state.work().is_none().then_some(released)
    }

    /// Returns whether another slice may follow at once: a command has changed the status, so it
    /// continues differently, and the lease is free.
    #[must_use]
    pub fn lets_next_slice_follow(&self) -> bool {
        let released = self.released.as_deref();
        matches!(self.reason, SliceError::Interrupted)
            && released.is_some_and(|record| record.lease_until.is_none())
    }
}
