//! What a payload asks the `indexer` function to do. A payload is a batch of the queue's messages,
//! or `{"reconcile": …}` from a schedule, the state machine or an operator. How the members of
//! `reconcile` are read is in `rerole_core::indexing`.

use aws_lambda_events::event::sqs::SqsEvent;
use rerole_core::indexing::{Coverage, ReconcileRequest};
use serde_json::Value;

use crate::indexer::error::IndexerError;

/// A payload, parsed once.
#[derive(Debug)]
pub enum Payload {
    /// CloudTrail events, as messages of the queue.
    Messages(SqsEvent),
    Reconcile(ReconcileRequest),
}

impl Payload {
    /// Parses a payload. If it names no regions, those of `coverage` are reconciled.
    ///
    /// # Errors
    /// If the payload is neither of the two, or has a member that is not allowed.
    pub fn parse(payload: Value, coverage: &Coverage) -> Result<Self, IndexerError> {
        if payload.get("Records").is_some() {
            let batch = serde_json::from_value(payload).map_err(IndexerError::InvalidPayload)?;
            return Ok(Self::Messages(batch));
        }
        let reconcile = payload
            .get("reconcile")
            .ok_or(IndexerError::UnknownPayload)?;
        Ok(Self::Reconcile(ReconcileRequest::parse(
            reconcile, coverage,
        )?))
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::json;

    use super::*;

    fn check(payload: Value, expected: &Expect) {
        let text = match Payload::parse(payload, &Coverage::of(&["eu-west-1".to_owned()])) {
            Ok(Payload::Messages(batch)) => format!("messages {}", batch.records.len()),
            Ok(Payload::Reconcile(ReconcileRequest::Resume)) => "resume".to_owned(),
            Ok(Payload::Reconcile(ReconcileRequest::Run(request))) => {
                format!("{:?} {}", request.mode, request.regions.join(" "))
            }
            Err(IndexerError::Rejected(rejection)) => format!("reject {}", rejection.field),
            Err(IndexerError::UnknownPayload) => "unknown".to_owned(),
            Err(IndexerError::InvalidPayload(_)) => "invalid".to_owned(),
            Err(other) => panic!("no error of a payload: {other}"),
        };
        expected.assert_eq(&text);
    }

    #[test]
    fn each_payload_asks_for_one_task() {
        for (payload, expected) in [
            (json!({ "Records": [] }), expect!["messages 0"]),
            (
                json!({ "Records": [{ "messageId": "m-1", "body": "no JSON" }] }),
                expect!["messages 1"],
            ),
            (json!({ "Records": 7 }), expect!["invalid"]),
            (
                json!({ "reconcile": { "mode": "listOnly" } }),
                expect!["ListOnly eu-west-1"],
            ),
            (
                json!({ "reconcile": { "mode": "full", "regions": ["eu-west-1"] } }),
                expect!["Full eu-west-1"],
            ),
            (
                json!({ "reconcile": { "mode": "full", "regions": ["us-east-1"] } }),
                expect!["reject reconcile.regions"],
            ),
            (
                json!({ "reconcile": { "mode": "resume" } }),
                expect!["resume"],
            ),
            (
                json!({ "reconcile": { "mode": "deep" } }),
                expect!["reject reconcile.mode"],
            ),
            (json!({ "reconcile": "full" }), expect!["reject reconcile"]),
            (json!({ "rotationId": "r-1" }), expect!["unknown"]),
            (json!("text"), expect!["unknown"]),
        ] {
            check(payload, &expected);
        }
    }
}
