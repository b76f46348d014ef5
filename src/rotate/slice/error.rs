//! Why a slice ended before its rotation was finished. What the invocation makes of it is in
//! `crate::rotate::error`.

use rerole_core::call::CallError;
use rerole_core::rotation::Counts;

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
pub struct Incomplete {
    pub reason: SliceError,
    pub counts: Counts,
    /// Whether the ledger has the counts, so the next slice continues to count from there.
    pub is_recorded: bool,
    /// Whether the slice made progress. If it did not, another one would not either.
    pub has_advanced: bool,
}
