//! A failed call to AWS. The package `rerole` creates it from an SDK error in
//! `src/aws/call_error.rs`.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use crate::call::ErrorClass;
use crate::printable::printable;

/// An item or a response may have been planted, with any text in it.
const PROBLEM_LEN_MAX: usize = 1_000;

/// What a call is for, in words. Errors start with it.
#[derive(Clone, Copy)]
pub struct Operation<'a> {
    /// For example `update association`.
    pub name: &'static str,
    /// The object of the operation, for example `a-1 in cluster prod`.
    pub subject: &'a (dyn fmt::Display + Sync),
}

/// A call to AWS that failed after the SDK's own retries, if any. It is one pointer wide, so a
/// `Result` with it stays small.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct CallError(Box<FailedCall>);

/// What is known of a failed call.
#[derive(Debug, Clone)]
pub struct FailedCall {
    pub operation: &'static str,
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

impl<'a> Operation<'a> {
    #[must_use]
    pub fn on(name: &'static str, subject: &'a (dyn fmt::Display + Sync)) -> Self {
        Self { name, subject }
    }
}

impl CallError {
    /// Creates the error of an operation that another invocation won each time it was tried. A
    /// later attempt may succeed.
    #[must_use]
    pub fn contention(operation: Operation<'_>, message: String) -> Self {
        Self::new(operation, ErrorClass::Transient, message)
    }

    /// Creates the error of an operation that did not end within this time. A later attempt may
    /// succeed.
    #[must_use]
    pub fn timed_out(operation: Operation<'_>, after: Duration) -> Self {
        let mut error = Self::new(
            operation,
            ErrorClass::Transient,
            format!("not done within {after:?}"),
        );
        error.no_response = true;
        error
    }

    /// Creates the error of a call that was not sent because the rate limiter gave it no permit
    /// before its deadline.
    #[must_use]
    pub fn no_permit(operation: Operation<'_>) -> Self {
        let message = "not sent: the rate limiter gave no permit before the deadline";
        let mut error = Self::new(operation, ErrorClass::Throttled, message.to_owned());
        error.no_response = true;
        error
    }

    /// Creates the error of a response that breaks the service's own contract. The problem may
    /// quote it.
    #[must_use]
    pub fn malformed_response(operation: Operation<'_>, problem: String) -> Self {
        let problem = printable(problem, PROBLEM_LEN_MAX);
        let mut error = Self::new(operation, ErrorClass::Terminal, problem);
        error.code = Some("MalformedResponse".to_owned());
        error
    }

    /// Creates the error of an item that does not have the form of rerole's own contract. Another
    /// version of rerole, or another program, has written it. The problem may quote it.
    #[must_use]
    pub fn malformed_item(operation: Operation<'_>, problem: String) -> Self {
        let problem = printable(problem, PROBLEM_LEN_MAX);
        let mut error = Self::new(operation, ErrorClass::Terminal, problem);
        error.code = Some("MalformedItem".to_owned());
        error
    }

    /// Creates the error of a response that shows an earlier state than is known already. A later
    /// response may show a later one.
    #[must_use]
    pub fn outdated_response(operation: Operation<'_>, problem: String) -> Self {
        let mut error = Self::new(operation, ErrorClass::Transient, problem);
        error.code = Some("OutdatedResponse".to_owned());
        error
    }

    /// Creates the error of an operation that reached one of rerole's own limits. Another attempt
    /// would also reach it.
    #[must_use]
    pub fn limit_reached(operation: Operation<'_>, message: String) -> Self {
        let mut error = Self::new(operation, ErrorClass::Terminal, message);
        error.code = Some("LimitReached".to_owned());
        error
    }

    /// Returns what is known of the call.
    #[must_use]
    pub fn into_failed_call(self) -> FailedCall {
        *self.0
    }

    fn new(operation: Operation<'_>, class: ErrorClass, message: String) -> Self {
        Self::from(FailedCall {
            operation: operation.name,
            subject: operation.subject.to_string(),
            class,
            code: None,
            message,
            request_id: None,
            retry_after_secs: None,
            no_response: false,
        })
    }
}

impl From<FailedCall> for CallError {
    fn from(call: FailedCall) -> Self {
        Self(Box::new(call))
    }
}

impl Deref for CallError {
    type Target = FailedCall;

    fn deref(&self) -> &FailedCall {
        &self.0
    }
}

impl DerefMut for CallError {
    fn deref_mut(&mut self) -> &mut FailedCall {
        &mut self.0
    }
}

impl fmt::Display for FailedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.operation, self.subject)?;
        if let Some(code) = &self.code {
            write!(f, "{code}: ")?;
        }
        f.write_str(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[test]
    fn each_kind_says_whether_another_attempt_may_succeed() {
        let operation = Operation::on("read rotation", &"r-1");
        let check = |error: CallError, expected: Expect| {
            expected.assert_eq(&format!("{:?}: {error}", error.class));
        };
        check(
            CallError::contention(operation, "another invocation was first".to_owned()),
            expect!["Transient: read rotation r-1: another invocation was first"],
        );
        check(
            CallError::timed_out(operation, Duration::from_secs(6)),
            expect!["Transient: read rotation r-1: not done within 6s"],
        );
        check(
            CallError::no_permit(operation),
            expect![
                "Throttled: read rotation r-1: not sent: the rate limiter gave no permit before the deadline"
            ],
        );
        check(
            CallError::malformed_response(operation, "no associationId".to_owned()),
            expect!["Terminal: read rotation r-1: MalformedResponse: no associationId"],
        );
        check(
            CallError::malformed_item(operation, "missing field `status`".to_owned()),
            expect!["Terminal: read rotation r-1: MalformedItem: missing field `status`"],
        );
        check(
            CallError::outdated_response(operation, "version 3, after 4".to_owned()),
            expect!["Transient: read rotation r-1: OutdatedResponse: version 3, after 4"],
        );
        check(
            CallError::limit_reached(operation, "more than 9 pages".to_owned()),
            expect!["Terminal: read rotation r-1: LimitReached: more than 9 pages"],
        );
    }
}
