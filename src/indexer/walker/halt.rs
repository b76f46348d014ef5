//! Why a walk starts no further step. What the caller makes of it is in
//! `crate::indexer::reconciler` and `crate::indexer::comparison`.

use rerole_core::call::CallError;

use crate::aws::ledger::LeaseError;
use crate::indexer::retry::RetryError;

/// Why a walk starts no further step.
#[derive(Debug)]
pub enum Halt {
    OutOfTime,
    /// A rotation is active, and needs the calls that EKS admits.
    Yielded,
    Error(LeaseError),
}

impl From<LeaseError> for Halt {
    fn from(error: LeaseError) -> Self {
        Self::Error(error)
    }
}

impl From<CallError> for Halt {
    fn from(error: CallError) -> Self {
        Self::Error(error.into())
    }
}

impl From<RetryError> for Halt {
    fn from(error: RetryError) -> Self {
        match error {
            RetryError::OutOfTime => Self::OutOfTime,
            RetryError::Call(error) => error.into(),
        }
    }
}
