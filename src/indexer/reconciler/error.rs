//! Why a slice ended before its index run was finished. What the invocation makes of it is in
//! `crate::indexer::error`.

use rerole_core::call::CallError;

use crate::aws::ledger::LeaseError;

/// Why a slice failed. The next slice resumes the run from the ledger.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    #[error("the lease of the run was lost to another invocation")]
    LeaseLost,
    #[error(transparent)]
    Call(#[from] Box<CallError>),
}

impl From<CallError> for ReconcileError {
    fn from(error: CallError) -> Self {
        Self::Call(Box::new(error))
    }
}

impl From<LeaseError> for ReconcileError {
    fn from(error: LeaseError) -> Self {
        match error {
            LeaseError::Lost => Self::LeaseLost,
            LeaseError::Call(error) => error.into(),
        }
    }
}

/// How a slice ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SliceEnd {
    Finished,
    OutOfTime,
    /// A rotation is active.
    Yielded,
}

/// Why a slice starts no further step.
pub(super) enum Halt {
    End(SliceEnd),
    Error(ReconcileError),
}

impl<E: Into<ReconcileError>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}
