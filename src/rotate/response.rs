//! What an invocation of the `rotate` function returns if it succeeds. Errors are in `error`.

use rerole_core::command::{CommandName, Verdict};
use rerole_core::request::RotationId;
use rerole_core::rotation::{Counts, Status, Summary};
use rerole_core::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// The response of an invocation that succeeds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RotateResponse {
    /// The rotation is finished, by this delivery or an earlier one.
    Finished(Box<Summary>),
    /// The rotation is open. If its status is `Planning`, `InProgress`, or `Cancelling`, the state
    /// machine invokes the function again. Otherwise, it waits for a command or for its turn.
    #[serde(rename_all = "camelCase")]
    Open {
        rotation_id: RotationId,
        status: Status,
        counts: Counts,
    },
    /// Another invocation works on the same rotation.
    #[serde(rename_all = "camelCase")]
    AlreadyRunning {
        rotation_id: RotationId,
        already_running: bool,
    },
    /// A command has this verdict, which is recorded under `command#<event id>`.
    #[serde(rename_all = "camelCase")]
    Command {
        ledger_key: String,
        command: CommandName,
        verdict: Verdict,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        explanation: Option<String>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        allowed: Vec<CommandName>,
        seq: u64,
    },
    /// The event cannot run. It is recorded under `rejected/<event id>`.
    #[serde(rename_all = "camelCase")]
    Rejected {
        event_id: String,
        status: Status,
        reason: String,
    },
    /// The open rotations that no invocation works on, by ledger key.
    #[serde(rename_all = "camelCase")]
    Stalled {
        stalled_rotations: Vec<String>,
        /// Since when the stack is frozen, if it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stack_frozen_at: Option<Timestamp>,
    },
    /// These entries of the timeline are published again.
    #[serde(rename_all = "camelCase")]
    Republished {
        ledger_key: String,
        from_seq: u64,
        to_seq: u64,
    },
    /// The event is of another kind, and is acknowledged.
    #[serde(rename_all = "camelCase")]
    Ignored { ignored_detail_type: String },
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn each_response_has_the_members_of_the_contract() {
        let rotation_id = || RotationId::new("r-1").unwrap();
        for (response, expected) in [
            (
                RotateResponse::Open {
                    rotation_id: rotation_id(),
                    status: Status::InProgress,
                    counts: Counts::default(),
                },
                json!({ "rotationId": "r-1", "status": "InProgress", "counts": Counts::default() }),
            ),
            (
                RotateResponse::AlreadyRunning {
                    rotation_id: rotation_id(),
                    already_running: true,
                },
                json!({ "rotationId": "r-1", "alreadyRunning": true }),
            ),
            (
                RotateResponse::Rejected {
                    event_id: "e-1".to_owned(),
                    status: Status::Rejected,
                    reason: "time \"now\" is not allowed".to_owned(),
                },
                json!({
                    "eventId": "e-1",
                    "status": "Rejected",
                    "reason": "time \"now\" is not allowed",
                }),
            ),
            (
                RotateResponse::Stalled {
                    stalled_rotations: vec!["dry-run/r-1".to_owned()],
                    stack_frozen_at: None,
                },
                json!({ "stalledRotations": ["dry-run/r-1"] }),
            ),
            (
                RotateResponse::Republished {
                    ledger_key: "r-1".to_owned(),
                    from_seq: 2,
                    to_seq: 4,
                },
                json!({ "ledgerKey": "r-1", "fromSeq": 2, "toSeq": 4 }),
            ),
            (
                RotateResponse::Ignored {
                    ignored_detail_type: "Something Else".to_owned(),
                },
                json!({ "ignoredDetailType": "Something Else" }),
            ),
        ] {
            let shown: Value = serde_json::to_value(&response).unwrap();
            assert_eq!(shown, expected);
            let parsed: RotateResponse = serde_json::from_value(shown).unwrap();
            assert_eq!(parsed, response, "a reader can tell the responses apart");
        }
    }
}
