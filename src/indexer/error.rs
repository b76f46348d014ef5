//! Why an invocation of the `indexer` function fails.
//!
//! Lambda then delivers the payload again, or the state machine repeats its task. A message that
//! cannot be followed is no error: the response names it, and the queue delivers it again.

use lambda_runtime::Diagnostic;
use rerole_core::request::Rejection;
use rerole_core::timestamp::Timestamp;

use crate::aws::ledger::LeaseError;
use crate::lambda::diagnostic::diagnostic;

/// Why an invocation fails.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr, strum::VariantNames)]
pub enum IndexerError {
    #[error("the payload has neither Records nor reconcile; send one of them")]
    UnknownPayload,
    #[error("could not parse the payload as messages of a queue: {0}")]
    InvalidPayload(serde_json::Error),
    #[error(transparent)]
    Rejected(#[from] Rejection),
    #[error("could not reconcile the index: {0}; the next invocation resumes the run")]
    ReconcileFailed(LeaseError),
    #[error(
        "the index run of {started_at} made no progress before time was up, and another \
         invocation would make none: raise the function's timeout, or find out why calls to AWS \
         take so long"
    )]
    NoProgress { started_at: Timestamp },
}

impl From<IndexerError> for Diagnostic {
    fn from(error: IndexerError) -> Self {
        diagnostic(&error)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use rerole_core::call::{CallError, Operation};
    use serde_json::{Value, json};

    use super::*;
    use crate::lambda::diagnostic::check;

    #[test]
    fn each_error_names_its_type_and_what_to_do() {
        let invalid = serde_json::from_value::<u8>(Value::Null).unwrap_err();
        let contention =
            CallError::contention(Operation::on("save run", &"run"), "came second".to_owned());
        for (error, expected) in [
            (
                IndexerError::UnknownPayload,
                expect![
                    "UnknownPayload: the payload has neither Records nor reconcile; send one of them"
                ],
            ),
            (
                IndexerError::InvalidPayload(invalid),
                expect![
                    "InvalidPayload: could not parse the payload as messages of a queue: invalid type: null, expected u8"
                ],
            ),
            (
                Rejection::new("reconcile.mode", &json!("deep"), "\"full\"").into(),
                expect![[r#"Rejected: reconcile.mode "deep" is not allowed; allowed: "full""#]],
            ),
            (
                IndexerError::ReconcileFailed(contention.into()),
                expect![
                    "ReconcileFailed: could not reconcile the index: save run run: came second; the next invocation resumes the run"
                ],
            ),
            (
                IndexerError::ReconcileFailed(LeaseError::Lost),
                expect![
                    "ReconcileFailed: could not reconcile the index: the lease was lost to another invocation; the next invocation resumes the run"
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
            check(error.into(), &expected);
        }
    }
}
