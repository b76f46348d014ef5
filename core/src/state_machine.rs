//! The input of the state machine, and the names of its executions. The state machine resumes a
//! rotation, or an index run, that does not fit into one invocation. Its definition is
//! in `template.yaml`.

use serde_json::{Value, json};

use crate::keys::RotationKey;
use crate::request::Rejection;
use crate::timestamp::Timestamp;

/// The only member of the payload that resumes a rotation.
pub const ROTATION_ID: &str = "rotationId";

/// One execution of the state machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Execution {
    /// Resumes this rotation.
    Rotation(RotationKey),
    /// Resumes the index run that started at this time.
    IndexRun(Timestamp),
}

/// Parses a payload that has the member `rotationId`: the ledger key of the rotation to resume.
///
/// # Errors
/// If the payload has another member, or `rotationId` is not the key of a rotation.
pub fn parse_resume(payload: &Value) -> Result<RotationKey, Rejection> {
    let mut members = payload.as_object().into_iter().flatten();
    if let Some((name, value)) = members.find(|(name, _)| *name != ROTATION_ID) {
        let allowed = format!("{ROTATION_ID} as the only member");
        return Err(Rejection::new(name, value, allowed));
    }
    let value = &payload[ROTATION_ID];
    let key = value.as_str().and_then(|text| text.parse().ok());
    key.ok_or_else(|| Rejection::new(ROTATION_ID, value, RotationKey::form()))
}

impl Execution {
    /// Returns the input of the execution. The state machine passes it to the function as the
    /// payload.
    #[must_use]
    pub fn input(&self) -> Value {
        match self {
            Self::Rotation(key) => json!({ ROTATION_ID: key.to_string() }),
            Self::IndexRun(_) => json!({ "reconcile": { "mode": "resume" } }),
        }
    }

    /// Returns the name of the execution.
    ///
    /// Step Functions starts at most one execution under each name, so two invocations that hand
    /// over the same rotation must choose the same name. `run` distinguishes this execution from
    /// earlier, closed ones of the same rotation: its record has the number (`executionRun`).
    #[must_use]
    pub fn name(&self, run: u64) -> String {
        match self {
            Self::Rotation(RotationKey::Rotation(rotation_id)) => format!("{rotation_id}-{run}"),
            Self::Rotation(RotationKey::DryRun(rotation_id)) => {
                format!("dry-run-{rotation_id}-{run}")
            }
            Self::Rotation(RotationKey::Rollback(rotation_id)) => {
                format!("rollback-{rotation_id}-{run}")
            }
            // A name has at most 80 characters, and an ID up to 64 of them.
            Self::Rotation(RotationKey::RollbackDryRun(rotation_id)) => {
                format!("dry-back-{rotation_id}-{run}")
            }
            Self::IndexRun(started_at) => format!("index-{}-{run}", started_at.as_millis()),
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[test]
    fn a_payload_names_one_rotation_and_has_no_other_member() {
        let check = |payload: Value, expected: Expect| {
            let shown = parse_resume(&payload).map(|key| format!("{key:?}"));
            expected.assert_eq(&shown.unwrap_or_else(|rejection| rejection.to_string()));
        };
        check(
            json!({ "rotationId": "r-1" }),
            expect![[r#"Rotation(RotationId("r-1"))"#]],
        );
        check(
            json!({ "rotationId": "dry-run/r-1" }),
            expect![[r#"DryRun(RotationId("r-1"))"#]],
        );
        check(
            json!({ "rotationId": "r-1", "dryRun": true }),
            expect!["dryRun true is not allowed; allowed: rotationId as the only member"],
        );
        check(
            json!({ "rotationId": "role/r-1" }),
            expect![[
                r#"rotationId "role/r-1" is not allowed; allowed: 1 to 64 letters, digits, "_" or "-", prefixed with "rollback/" for a rollback, and with "dry-run/" for a dry run"#
            ]],
        );
        check(
            json!({ "rotationId": 7 }),
            expect![[
                r#"rotationId 7 is not allowed; allowed: 1 to 64 letters, digits, "_" or "-", prefixed with "rollback/" for a rollback, and with "dry-run/" for a dry run"#
            ]],
        );
    }

    #[test]
    fn an_execution_has_a_name_and_an_input() {
        let rotation = |key: &str| Execution::Rotation(key.parse().unwrap());
        for (execution, name, input) in [
            (rotation("r-1"), "r-1-3", json!({ "rotationId": "r-1" })),
            (
                rotation("dry-run/r-1"),
                "dry-run-r-1-3",
                json!({ "rotationId": "dry-run/r-1" }),
            ),
            (
                rotation("rollback/r-1"),
                "rollback-r-1-3",
                json!({ "rotationId": "rollback/r-1" }),
            ),
            (
                rotation("dry-run/rollback/r-1"),
                "dry-back-r-1-3",
                json!({ "rotationId": "dry-run/rollback/r-1" }),
            ),
            (
                Execution::IndexRun(Timestamp::from_millis(1_795_467_600_000)),
                "index-1795467600000-3",
                json!({ "reconcile": { "mode": "resume" } }),
            ),
        ] {
            assert_eq!(
                (execution.name(3), execution.input()),
                (name.to_owned(), input)
            );
        }
    }
}
