//! The input of the state machine, and the names of its executions. The state machine resumes a
//! rotation, or an index run, that does not fit into one invocation. Its definition is
//! in `template.yaml`.

use std::fmt;

use serde_json::{Value, json};

use crate::request::{ROTATION_ID_FORM, Rejection, RotationId};
use crate::timestamp::Timestamp;

/// The only member of the payload that resumes a rotation.
pub const ROTATION_ID: &str = "rotationId";
/// Prefix of the ledger keys of dry runs.
const DRY_RUN_PREFIX: &str = "dry-run/";

/// Identifies a rotation, as the payload `{"rotationId": …}` does: by its key in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotationKey {
    pub rotation_id: RotationId,
    pub dry_run: bool,
}

/// One execution of the state machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Execution {
    /// Resumes this rotation.
    Rotation(RotationKey),
    /// Resumes the index run that started at this time.
    IndexRun(Timestamp),
}

impl fmt::Display for RotationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}{}",
            if self.dry_run { DRY_RUN_PREFIX } else { "" },
            self.rotation_id
        )
    }
}

impl RotationKey {
    /// Parses a payload that has the member `rotationId`.
    ///
    /// # Errors
    /// If the payload has another member, or `rotationId` is not a ledger key.
    pub fn parse(payload: &Value) -> Result<Self, Rejection> {
        let mut members = payload.as_object().into_iter().flatten();
        if let Some((name, value)) = members.find(|(name, _)| *name != ROTATION_ID) {
            return Err(Rejection::new(
                name,
                value,
                format!("{ROTATION_ID} as the only member"),
            ));
        }
        let parsed = payload[ROTATION_ID].as_str().and_then(|key| {
            let (id, dry_run) = key
                .strip_prefix(DRY_RUN_PREFIX)
                .map_or((key, false), |id| (id, true));
            Some(Self {
                rotation_id: RotationId::new(id)?,
                dry_run,
            })
        });
        parsed.ok_or_else(|| {
            let allowed =
                format!("{ROTATION_ID_FORM}, prefixed with \"{DRY_RUN_PREFIX}\" for a dry run");
            Rejection::new(ROTATION_ID, &payload[ROTATION_ID], allowed)
        })
    }
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
    /// earlier, closed ones of the same rotation.
    #[must_use]
    pub fn name(&self, run: u32) -> String {
        match self {
            Self::Rotation(RotationKey {
                rotation_id,
                dry_run: false,
            }) => format!("{rotation_id}-{run}"),
            Self::Rotation(RotationKey {
                rotation_id,
                dry_run: true,
            }) => format!("dry-run-{rotation_id}-{run}"),
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
            let shown = RotationKey::parse(&payload).map(|key| format!("{key:?}"));
            expected.assert_eq(&shown.unwrap_or_else(|rejection| rejection.to_string()));
        };
        check(
            json!({ "rotationId": "r-1" }),
            expect![[r#"RotationKey { rotation_id: RotationId("r-1"), dry_run: false }"#]],
        );
        check(
            json!({ "rotationId": "dry-run/r-1" }),
            expect![[r#"RotationKey { rotation_id: RotationId("r-1"), dry_run: true }"#]],
        );
        check(
            json!({ "rotationId": "r-1", "dryRun": true }),
            expect!["dryRun true is not allowed; allowed: rotationId as the only member"],
        );
        check(
            json!({ "rotationId": "role/r-1" }),
            expect![[
                r#"rotationId "role/r-1" is not allowed; allowed: 1 to 64 letters, digits, "_" or "-", prefixed with "dry-run/" for a dry run"#
            ]],
        );
        check(
            json!({ "rotationId": 7 }),
            expect![[
                r#"rotationId 7 is not allowed; allowed: 1 to 64 letters, digits, "_" or "-", prefixed with "dry-run/" for a dry run"#
            ]],
        );
    }

    #[test]
    fn an_execution_has_a_name_and_an_input() {
        let rotation = |dry_run| {
            Execution::Rotation(RotationKey {
                rotation_id: RotationId::new("r-1").unwrap(),
                dry_run,
            })
        };
        for (execution, name, input) in [
            (rotation(false), "r-1-3", json!({ "rotationId": "r-1" })),
            (
                rotation(true),
                "dry-run-r-1-3",
                json!({ "rotationId": "dry-run/r-1" }),
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
