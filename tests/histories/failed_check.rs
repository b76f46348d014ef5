//! Checks that failed: what their panics say, and the calls that led to them.

use std::cell::RefCell;
use std::panic;
use std::time::SystemTime;

use rerole_sim::{Call, CallRecord, SimulatedAws};

thread_local! {
    /// The first panic of this thread.
    static PANIC: RefCell<Option<FailedCheck>> = const { RefCell::new(None) };
}

/// A check that failed.
#[derive(Debug, Clone)]
pub struct FailedCheck {
    /// Where the check is.
    pub check: String,
    pub text: String,
    /// The calls of the history, a line each.
    pub calls: String,
}

/// Keeps what panics say, instead of printing it. A panic in a spawned task does not end its
/// runtime, so the runner also looks here.
pub fn keep_panics() {
    panic::set_hook(Box::new(|info| {
        let check = info.location().map(ToString::to_string);
        let failure = FailedCheck {
            check: check.unwrap_or_default(),
            text: info.to_string(),
            calls: String::new(),
        };
        PANIC.with_borrow_mut(|first| {
            first.get_or_insert(failure);
        });
    }));
}

/// Whether a check of this history has failed.
pub fn has_panicked() -> bool {
    PANIC.with_borrow(Option::is_some)
}

/// Forgets the failure of an earlier history.
pub fn reset() {
    PANIC.set(None);
}

/// The first check that failed since the last reset.
pub fn take() -> Option<FailedCheck> {
    PANIC.take()
}

/// Keeps the calls with the failure, if there is one.
pub fn keep_calls(aws: &SimulatedAws) {
    PANIC.with_borrow_mut(|failure| {
        if let Some(failure) = failure {
            failure.calls = call_lines(aws);
        }
    });
}

/// The calls, a line each: seconds since the start, caller, operation, subject, and the result.
fn call_lines(aws: &SimulatedAws) -> String {
    let starts_at = aws.options().starts_at;
    let secs = |at: SystemTime| {
        at.duration_since(starts_at)
            .unwrap_or_default()
            .as_secs_f64()
    };
    let line = |record: &CallRecord| {
        let Call {
            access_key,
            operation,
            subject,
            ..
        } = &record.call;
        let result = match (&record.error_code, record.status) {
            (Some(code), _) => code.clone(),
            (None, Some(status)) => status.to_string(),
            (None, None) => "no effect".to_owned(),
        };
        let sent_at = secs(record.sent_at);
        let lost = if record.received_at.is_none() {
            ", lost"
        } else {
            ""
        };
        format!("{sent_at:10.3} {access_key} {operation} {subject}: {result}{lost}\n")
    };
    aws.calls().iter().map(line).collect()
}
