//! What a payload asks the `rotate` function to do. A payload is an EventBridge event, or a short
//! payload of the stack's schedule or state machine. How an event's fields are read is in
//! `rerole_core::request`.

use rerole_core::command::{Command, parse_command};
use rerole_core::keys::RotationKey;
use rerole_core::printable::printable;
use rerole_core::publishing::Republish;
use rerole_core::request::{EventRecord, Rejection, RequestRules, Requested, parse_event};
use rerole_core::resource::OwnAccount;
use rerole_core::state_machine::{ROTATION_ID, parse_resume};
use serde_json::Value;

/// The `detail-type` that requests a rotation.
pub const DETAIL_TYPE: &str = "Role Rotation Requested";

/// The `detail-type` that commands a rotation or the stack.
pub const COMMAND_DETAIL_TYPE: &str = "Role Rotation Command";

/// The one check that the schedule's payload `{"check": …}` can ask for.
pub const STALLED_ROTATIONS: &str = "stalledRotations";

/// EventBridge's limit. Another sender may send a longer one.
const DETAIL_TYPE_LEN_MAX: usize = 128;

/// A payload, parsed once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    pub task: Task,
    /// What the ledger records if the event is rejected.
    pub event: EventRecord,
}

/// What a payload asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Start a rotation, or resume it if it has been started.
    Rotate(Box<Requested>),
    /// Resume a rotation that the ledger has.
    Resume(RotationKey),
    /// Carry out a command.
    Command(Box<Command>),
    /// Report the open rotations that no invocation works on.
    CheckStalled,
    /// Publish entries of a timeline again.
    Republish(Republish),
    /// Acknowledge an event of another kind.
    Ignore { detail_type: String },
    /// Reject a payload that cannot be parsed, or that requests what is not allowed.
    Reject(Rejection),
}

impl Payload {
    /// Parses a payload. `own_account` is the account of the function, if known. `rules` are those
    /// of the stack.
    #[must_use]
    pub fn parse(payload: &Value, own_account: Option<&OwnAccount>, rules: &RequestRules) -> Self {
        let task = Task::parse(payload, own_account, rules).unwrap_or_else(Task::Reject);
        Self {
            task,
            event: EventRecord::of(payload),
        }
    }
}

impl Task {
    fn parse(
        payload: &Value,
        own_account: Option<&OwnAccount>,
        rules: &RequestRules,
    ) -> Result<Self, Rejection> {
        if let Some(check) = payload.get("check") {
            if check == STALLED_ROTATIONS {
                return Ok(Self::CheckStalled);
            }
            return Err(Rejection::new(
                "check",
                check,
                format!("\"{STALLED_ROTATIONS}\""),
            ));
        }
        if let Some(members) = payload.get(Republish::MEMBER) {
            return Republish::parse(members).map(Self::Republish);
        }
        if payload.get(ROTATION_ID).is_some() {
            return parse_resume(payload).map(Self::Resume);
        }
        match payload.get("detail-type").and_then(Value::as_str) {
            Some(COMMAND_DETAIL_TYPE) => parse_command(payload, own_account, rules)
                .map(|command| Self::Command(Box::new(command))),
            Some(detail_type) if detail_type != DETAIL_TYPE => Ok(Self::Ignore {
                detail_type: printable(detail_type.to_owned(), DETAIL_TYPE_LEN_MAX),
            }),
            _ => parse_event(payload, own_account, rules)
                .map(|requested| Self::Rotate(Box::new(requested))),
        }
    }
}

#[cfg(test)]
mod tests;
