//! What a slice that runs out of time leaves to the next one: the payload with which the state machine asks for it, and the
//! names of the machine's executions.

use std::fmt;

use serde_json::{Value, json};

use crate::request::{ROTATION_ID_FORM, Rejection, RotationId};
use crate::time::Timestamp;

/// The payload's one member.
pub const MEMBER: &str = "rotationId";
/// How the ledger keys of dry runs begin.
const DRY_RUN_PREFIX: &str = "dry-run/";

/// A rotation as `{"rotationId": …}` names it: by its key in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Continuation {
    pub rotation_id: RotationId,
    pub dry_run: bool,
}

/// What is longer than an invocation, and is handed over to the state machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    Rotation(Continuation),
    /// The run of the reconciler that began then.
    IndexRun(Timestamp),
}

impl fmt::Display for Continuation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.dry_run { DRY_RUN_PREFIX } else { "" }, self.rotation_id)
    }
}

impl Continuation {
    /// Reads the payload that `MEMBER` is in.
    ///
    /// # Errors
    /// The member that is wrong.
    pub fn read(payload: &Value) -> Result<Self, Rejection> {
        let mut members = payload.as_object().into_iter().flatten();
        if let Some((name, value)) = members.find(|(name, _)| *name != MEMBER) {
            return Err(Rejection::new(name, value, format!("nothing beside {MEMBER}")));
        }
        let parsed = payload[MEMBER].as_str().and_then(|key| {
            let (id, dry_run) = key.strip_prefix(DRY_RUN_PREFIX).map_or((key, false), |id| (id, true));
            Some(Self { rotation_id: RotationId::new(id)?, dry_run })
        });
        let allowed = || format!("{ROTATION_ID_FORM}, after \"{DRY_RUN_PREFIX}\" where it is a dry run");
        parsed.ok_or_else(|| Rejection::new(MEMBER, &payload[MEMBER], allowed()))
    }
}

impl Work {
    /// The input of the state machine, from which it makes the function's payload.
    #[must_use]
    pub fn input(&self) -> Value {
        match self {
            Self::Rotation(continuation) => json!({ MEMBER: continuation.to_string() }),
            Self::IndexRun(_) => json!({ "reconcile": { "mode": "resume" } }),
        }
    }

    /// The name of its execution. Starting an execution twice starts it once, so that everybody who hands over the same work
    /// has to come to the same name; `run` is for those that follow one that is over.
    #[must_use]
    pub fn execution_name(&self, run: u32) -> String {
        match self {
            Self::Rotation(Continuation { rotation_id, dry_run: false }) => format!("{rotation_id}-{run}"),
            Self::Rotation(Continuation { rotation_id, dry_run: true }) => format!("dry-run-{rotation_id}-{run}"),
            Self::IndexRun(began_at) => format!("index-{}-{run}", began_at.as_millis()),
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[test]
    fn a_payload_names_one_rotation_and_nothing_else() {
        let check = |payload: Value, expected: Expect| {
            let shown = Continuation::read(&payload).map(|continuation| format!("{continuation:?}"));
            expected.assert_eq(&shown.unwrap_or_else(|rejection| rejection.to_string()));
        };
        check(
            json!({ "rotationId": "r-1" }),
            expect![[r#"Continuation { rotation_id: RotationId("r-1"), dry_run: false }"#]],
        );
        check(
            json!({ "rotationId": "dry-run/r-1" }),
            expect![[r#"Continuation { rotation_id: RotationId("r-1"), dry_run: true }"#]],
        );
        check(
            json!({ "rotationId": "r-1", "dryRun": true }),
            expect!["dryRun true is not allowed; allowed: nothing beside rotationId"],
        );
        check(
            json!({ "rotationId": "role/r-1" }),
            expect![[
                r#"rotationId "role/r-1" is not allowed; allowed: 1 to 64 letters, digits, "_" or "-", after "dry-run/" where it is a dry run"#
            ]],
        );
        check(
            json!({ "rotationId": 7 }),
            expect![[
                r#"rotationId 7 is not allowed; allowed: 1 to 64 letters, digits, "_" or "-", after "dry-run/" where it is a dry run"#
            ]],
        );
    }

    #[test]
    fn work_has_an_input_and_names() {
        let rotation = |dry_run| Work::Rotation(Continuation { rotation_id: RotationId::new("r-1").unwrap(), dry_run });
        for (work, name, input) in [
            (rotation(false), "r-1-3", json!({ "rotationId": "r-1" })),
            (rotation(true), "dry-run-r-1-3", json!({ "rotationId": "dry-run/r-1" })),
            (
                Work::IndexRun(Timestamp::from_millis(1_795_467_600_000)),
                "index-1795467600000-3",
                json!({ "reconcile": { "mode": "resume" } }),
            ),
        ] {
            assert_eq!((work.execution_name(3), work.input()), (name.to_owned(), input));
        }
    }
}
