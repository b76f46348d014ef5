//! A failed call to AWS. The package `rerole` creates it from an SDK error in
//! `src/aws/call_error.rs`.

use crate::call::ErrorClass;

/// A call to AWS that failed after the SDK's own retries, if any.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "{operation} {subject}: {}{message}",
    code.as_ref().map(|code| format!("{code}: ")).unwrap_or_default()
)]
pub struct CallError {
    /// The operation in words, for example `update association`.
    pub operation: &'static str,
    /// The object of the operation, for example `a-1 in cluster prod`.
    pub subject: String,
    pub class: ErrorClass,
    pub code: Option<String>,
    pub message: String,
    pub request_id: Option<String>,
    /// The number of seconds that the service asks the caller to wait.
    pub retry_after_secs: Option<u16>,
    /// No response arrived. Whether the call reached the service is unknown, except that a call
    /// without a permit was never sent ([`CallError::no_permit`]).
    pub no_response: bool,
}

impl CallError {
    /// Creates the error of an operation that another invocation won each time it was tried. A
    /// later attempt may succeed.
    pub fn contention(
        operation: &'static str,
        subject: impl Into<String>,
        message: String,
    ) -> Self {
        Self {
            operation,
            subject: subject.into(),
            class: ErrorClass::Transient,
            code: None,
            message,
            request_id: None,
            retry_after_secs: None,
            no_response: false,
        }
    }

    /// Creates the error of a call that was not sent because the rate limiter gave it no permit
    /// before its deadline.
    pub fn no_permit(operation: &'static str, subject: impl Into<String>) -> Self {
        Self {
            operation,
            subject: subject.into(),
            class: ErrorClass::Throttled,
            code: None,
            message: "not sent: the rate limiter gave no permit before the deadline".to_owned(),
            request_id: None,
            retry_after_secs: None,
            no_response: true,
        }
    }

    /// Creates the error of a response that breaks the service's own contract.
    pub fn malformed_response(
        operation: &'static str,
        subject: impl Into<String>,
        problem: String,
    ) -> Self {
        Self {
            operation,
            subject: subject.into(),
            class: ErrorClass::Terminal,
            code: Some("MalformedResponse".to_owned()),
            message: problem,
            request_id: None,
            retry_after_secs: None,
            no_response: false,
        }
    }
}
