//! Why an invocation of the `indexer` function fails.
//!
//! Lambda then delivers the payload again, or the state machine repeats its task. A message that
//! cannot be followed is no error: the response names it, and the queue delivers it again.

use lambda_runtime::Diagnostic;
use rerole_core::request::Rejection;
use rerole_core::timestamp::Timestamp;

use crate::indexer::reconciler::ReconcileError;

/// Why an invocation fails.
#[derive(Debug, thiserror::Error)]
pub enum IndexerError {
    #[error("the payload has neither Records nor reconcile; send one of them")]
    UnknownPayload,
    #[error("could not parse the payload as messages of a queue: {0}")]
    InvalidPayload(serde_json::Error),
    #[error(transparent)]
    Rejected(#[from] Rejection),
    #[error("could not reconcile the index: {0}; the next invocation resumes the run")]
    ReconcileFailed(ReconcileError),
    #[error(
        "the index run of {started_at} made no progress before time was up, and another \
         invocation would make none: raise the function's timeout, or find out why calls to AWS \
         take so long"
    )]
    NoProgress { started_at: Timestamp },
}

// Not `#[from]`: that would make an error the source whose text the message contains already.

impl From<serde_json::Error> for IndexerError {
    fn from(error: serde_json::Error) -> Self {
        Self::InvalidPayload(error)
    }
}

impl From<ReconcileError> for IndexerError {
    fn from(error: ReconcileError) -> Self {
        Self::ReconcileFailed(error)
    }
}

impl From<IndexerError> for Diagnostic {
    /// The variant's name is the error type that Step Functions, alarms and operators match on.
    fn from(error: IndexerError) -> Self {
        let error_type = match &error {
            IndexerError::UnknownPayload => "UnknownPayload",
            IndexerError::InvalidPayload(_) => "InvalidPayload",
            IndexerError::Rejected(_) => "Rejected",
            IndexerError::ReconcileFailed(_) => "ReconcileFailed",
            IndexerError::NoProgress { .. } => "NoProgress",
        };
        Self {
            error_type: error_type.to_owned(),
            error_message: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use rerole_core::call::CallError;
    use serde_json::{Value, json};

    use super::*;

    fn check(error: IndexerError, expected: &Expect) {
        let Diagnostic {
            error_type,
            error_message,
        } = error.into();
        expected.assert_eq(&format!("{error_type}: {error_message}"));
    }

    #[test]
    fn each_error_names_its_type_and_what_to_do() {
        let invalid = serde_json::from_value::<u8>(Value::Null).unwrap_err();
        let contention = CallError::contention("save run", "run", "came second".to_owned());
        for (error, expected) in [
            (
                IndexerError::UnknownPayload,
                expect![
                    "UnknownPayload: the payload has neither Records nor reconcile; send one of them"
                ],
            ),
            (
                invalid.into(),
                expect![
                    "InvalidPayload: could not parse the payload as messages of a queue: invalid type: null, expected u8"
                ],
            ),
            (
                Rejection::new("reconcile.mode", &json!("deep"), "\"full\"").into(),
                expect![[r#"Rejected: reconcile.mode "deep" is not allowed; allowed: "full""#]],
            ),
            (
                ReconcileError::from(contention).into(),
                expect![
                    "ReconcileFailed: could not reconcile the index: save run run: came second; the next invocation resumes the run"
                ],
            ),
            (
                ReconcileError::LeaseLost.into(),
                expect![
                    "ReconcileFailed: could not reconcile the index: the lease of the run was lost to another invocation; the next invocation resumes the run"
                ],
            ),
            (
                IndexerError::NoProgress {
                    started_at: Timestamp::from_millis(1_795_467_600_000),
                },
                expect![
                    "NoProgress: the index run of 2026-11-23T21:00:00.000Z made no progress before time was up, and another invocation would make none: raise the function's timeout, or find out why calls to AWS take so long"
                ],
            ),
        ] {
            check(error, &expected);
        }
    }
}
