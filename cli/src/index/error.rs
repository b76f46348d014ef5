//! Why a command of `rerole index` ends without a result.

use std::io;

use rerole::aws::ledger::LeaseError;
use rerole::indexer::comparison::ComparisonError;
use rerole_core::call::CallError;
use rerole_core::resource::InvalidArn;
use rerole_core::timestamp::Timestamp;

use crate::index::connect::ConnectError;
use crate::invalid_flag::InvalidFlag;
use crate::terminal::OutputError;

#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Flag(#[from] InvalidFlag),
    #[error(transparent)]
    Arn(#[from] InvalidArn),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Reconcile(#[from] LeaseError),
    #[error(transparent)]
    Compare(#[from] ComparisonError),
    #[error(
        "another index run, started at {0}, is in flight; this run is queued after it, unless both \
         cover the same"
    )]
    AlreadyRunning(Timestamp),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("start the runtime: {0}")]
    Runtime(io::Error),
}

impl CommandError {
    /// Returns what the operator can check, if AWS has not responded.
    pub fn advice(&self) -> Option<&'static str> {
        let (Self::Call(call)
        | Self::Reconcile(LeaseError::Call(call))
        | Self::Compare(ComparisonError::Call(LeaseError::Call(call)))) = self
        else {
            return None;
        };
        call.no_response
            .then_some("check the network, the region, and AWS_ENDPOINT_URL if it is set")
    }
}
