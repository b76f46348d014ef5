//! Why an invocation of the `rotate` function fails.
//!
//! Lambda then delivers the event again, or the state machine repeats its task. Associations that
//! are settled by then stay settled. A rejected event is no error: it succeeds, and is recorded.

use std::time::Duration;

use lambda_runtime::Diagnostic;
use rerole_core::call::CallError;
use rerole_core::command::CommandName;
use rerole_core::keys::RotationKey;
use rerole_core::request::{Rejection, RotationId};
use rerole_core::rotation::Counts;

use crate::lambda::diagnostic::diagnostic;
use crate::rotate::slice::{DEADLINE_RESERVE, SliceError};

/// Why an invocation fails.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr, strum::VariantNames)]
pub enum RotateError {
    #[error(
        "rotation {rotation_id} has to wait: another invocation works on it; if no retry succeeds, \
         send its event again"
    )]
    Busy { rotation_id: RotationId },
    #[error(
        "rotation {rotation_id} is not finished: {reason}; {} of {} associations are pending, \
         and the next delivery or slice resumes it", counts.pending, counts.total
    )]
    Incomplete {
        rotation_id: RotationId,
        reason: IncompleteReason,
        counts: Counts,
    },
    #[error(
        "rotation {rotation_id} made no progress before time was up, and another invocation would \
         make none; {} of {} associations are pending: raise the function's timeout, or find out \
         why calls to AWS take so long", counts.pending, counts.total
    )]
    NoProgress {
        rotation_id: RotationId,
        counts: Counts,
    },
    #[error("the ledger has no rotation {0}")]
    UnknownRotation(RotationKey),
    #[error(
        "the ledger is not available for rotation {rotation_id}: {error}; the invocation is retried"
    )]
    LedgerUnavailable {
        rotation_id: RotationId,
        error: CallError,
    },
    #[error(
        "could not record the rejection of event {event_id} ({rejection}): {error}; \
         the invocation is retried"
    )]
    RejectionNotRecorded {
        event_id: String,
        rejection: Rejection,
        error: CallError,
    },
    #[error(
        "command {command:?} for {ledger_key} was not carried out to the end: {error}; \
         the invocation is retried"
    )]
    CommandFailed {
        ledger_key: String,
        command: CommandName,
        error: CallError,
    },
    #[error("the timeline of {ledger_key} was not published again to the end: {error}; try again")]
    NotRepublished {
        ledger_key: String,
        error: CallError,
    },
    #[error("the timeline of {ledger_key} has no entry {seq}")]
    NoTimeline { ledger_key: String, seq: u64 },
    #[error("the check for stalled rotations failed: {0}; the next schedule repeats it")]
    StalledScanFailed(CallError),
    #[error(
        "the invocation has {left:?} left and needs {DEADLINE_RESERVE:?} to start work; \
         raise the function's timeout"
    )]
    InsufficientTime { left: Duration },
}

/// Why an invocation ended before its rotation was finished.
#[derive(Debug, thiserror::Error)]
pub enum IncompleteReason {
    #[error(transparent)]
    Slice(SliceError),
    #[error("the slice is over, and the state machine could not be started: {0}")]
    NotHandedOver(CallError),
}

impl From<RotateError> for Diagnostic {
    fn from(error: RotateError) -> Self {
        diagnostic(&error)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use rerole_core::call::Operation;
    use serde_json::json;

    use super::*;
    use crate::lambda::diagnostic::check;

    #[test]
    fn each_error_names_its_type_and_what_to_do() {
        let rotation_id = || RotationId::new("r-1").unwrap();
        let counts = Counts {
            total: 9,
            pending: 4,
            ..Counts::default()
        };
        let error =
            |name| CallError::contention(Operation::on(name, &"r-1"), "came second".to_owned());
        for (error, expected) in [
            (
                RotateError::Busy {
                    rotation_id: rotation_id(),
                },
                expect![
                    "Busy: rotation r-1 has to wait: another invocation works on it; if no retry succeeds, send its event again"
                ],
            ),
            (
                RotateError::Incomplete {
                    rotation_id: rotation_id(),
                    reason: IncompleteReason::NotHandedOver(error("start execution")),
                    counts,
                },
                expect![
                    "Incomplete: rotation r-1 is not finished: the slice is over, and the state machine could not be started: start execution r-1: came second; 4 of 9 associations are pending, and the next delivery or slice resumes it"
                ],
            ),
            (
                RotateError::NoProgress {
                    rotation_id: rotation_id(),
                    counts,
                },
                expect![
                    "NoProgress: rotation r-1 made no progress before time was up, and another invocation would make none; 4 of 9 associations are pending: raise the function's timeout, or find out why calls to AWS take so long"
                ],
            ),
            (
                RotateError::LedgerUnavailable {
                    rotation_id: rotation_id(),
                    error: error("open rotation"),
                },
                expect![
                    "LedgerUnavailable: the ledger is not available for rotation r-1: open rotation r-1: came second; the invocation is retried"
                ],
            ),
            (
                RotateError::RejectionNotRecorded {
                    event_id: "e-1".to_owned(),
                    rejection: Rejection::new("time", &json!("now"), "RFC 3339"),
                    error: error("record rejection"),
                },
                expect![[
                    r#"RejectionNotRecorded: could not record the rejection of event e-1 (time "now" is not allowed; allowed: RFC 3339): record rejection r-1: came second; the invocation is retried"#
                ]],
            ),
            (
                RotateError::StalledScanFailed(error("query rotations by status")),
                expect![
                    "StalledScanFailed: the check for stalled rotations failed: query rotations by status r-1: came second; the next schedule repeats it"
                ],
            ),
            (
                RotateError::NotRepublished {
                    ledger_key: "r-1".to_owned(),
                    error: error("publish again the timeline of"),
                },
                expect![
                    "NotRepublished: the timeline of r-1 was not published again to the end: publish again the timeline of r-1: came second; try again"
                ],
            ),
            (
                RotateError::NoTimeline {
                    ledger_key: "r-1".to_owned(),
                    seq: 7,
                },
                expect!["NoTimeline: the timeline of r-1 has no entry 7"],
            ),
            (
                RotateError::InsufficientTime {
                    left: Duration::from_secs(2),
                },
                expect![
                    "InsufficientTime: the invocation has 2s left and needs 48s to start work; raise the function's timeout"
                ],
            ),
        ] {
            check(error.into(), &expected);
        }
    }
}
