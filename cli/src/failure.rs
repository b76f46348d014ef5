//! Why a command ends without a result, in one line: what failed, where, and what to do.

use std::io;

use rerole::aws::ledger::LeaseError;
use rerole::indexer::comparison::ComparisonError;
use rerole_core::call::{CallError, ErrorClass, FailedCall};
use rerole_core::request::Rejection;

use crate::demo::DemoError;
use crate::exit::Exit;
use crate::invalid_flag::InvalidFlag;
use crate::playground::PlaygroundError;
use crate::stack::error::StackError;
use crate::terminal::OutputError;

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Flag(#[from] InvalidFlag),
    #[error(transparent)]
    Stack(#[from] StackError),
    /// A call to AWS failed.
    #[error("{call}{advice}", call = .0, advice = advice(.0))]
    Call(#[from] CallError),
    /// What the operator asks for does not exist or cannot be done now. The text says what to do.
    #[error("{0}")]
    Refused(String),
    /// The stack has rejected the event.
    #[error("the event was rejected: {0}")]
    Rejected(Rejection),
    /// Ctrl-C, while nothing was changed.
    #[error("interrupted")]
    Interrupted,
    /// The command would have to ask, and cannot.
    #[error("{0}")]
    Unconfirmed(&'static str),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error(transparent)]
    Demo(DemoError),
    #[error(transparent)]
    Playground(#[from] PlaygroundError),
    #[error("start the runtime or listen for signals: {0}")]
    Process(io::Error),
}

impl Failure {
    pub fn exit(&self) -> Exit {
        match self {
            // The reader of the output has closed the pipe, as `head` does.
            Self::Output(OutputError(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                Exit::Done
            }
            Self::Flag(_) | Self::Unconfirmed(_) => Exit::Usage,
            Self::Rejected(_) => Exit::FinishedOtherwise,
            Self::Interrupted => Exit::Interrupted,
            _ => Exit::Error,
        }
    }
}

impl From<DemoError> for Failure {
    fn from(error: DemoError) -> Self {
        match error {
            DemoError::Output(error) => Self::Output(error),
            other => Self::Demo(other),
        }
    }
}

impl From<LeaseError> for Failure {
    fn from(error: LeaseError) -> Self {
        match error {
            LeaseError::Call(call) => Self::Call(call),
            other @ LeaseError::Lost => Self::Refused(other.to_string()),
        }
    }
}

impl From<ComparisonError> for Failure {
    fn from(error: ComparisonError) -> Self {
        match error {
            ComparisonError::Call(error) => error.into(),
            other @ ComparisonError::OutOfTime => Self::Refused(other.to_string()),
        }
    }
}

/// What the operator can do about a failed call, as the end of a sentence.
fn advice(call: &FailedCall) -> &'static str {
    if call.no_response {
        return "; check the network, the region, and AWS_ENDPOINT_URL if it is set";
    }
    match call.code.as_deref() {
        Some("ExpiredToken" | "ExpiredTokenException" | "RequestExpired") => {
            "; the credentials have expired: log in again (aws sso login), or name another profile \
             in --profile"
        }
        Some("UnrecognizedClientException" | "InvalidClientTokenId" | "SignatureDoesNotMatch") => {
            "; AWS does not accept the credentials: log in again, or name another profile in --profile"
        }
        Some("ResourceNotFoundException") if call.operation.contains("EKS") => "",
        Some("ResourceNotFoundException") => {
            "; a table or function of the stack is missing: `rerole doctor` looks for what is there"
        }
        Some("MalformedItem") => {
            "; another version of rerole may have written the item: `rerole version` compares the \
             versions"
        }
        _ if call.class == ErrorClass::Denied => {
            "; ask for this permission: docs/cli.md lists what each command needs"
        }
        _ if call.class == ErrorClass::Throttled => "; too many calls: try again in a minute",
        _ => "",
    }
}
