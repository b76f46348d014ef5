//! An event as the ledger records it if the event cannot run: its ID and its text.

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::hex;
use crate::request::RotationId;

/// A recorded event is truncated to this length: a DynamoDB item holds 400 KB, and EventBridge
/// accepts events of 1 MB.
const BODY_LEN_MAX: usize = 64 * 1024;

/// The ID and the text under which the ledger records an event that cannot run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRecord {
    pub id: String,
    /// The event as JSON, truncated to 64 KiB.
    pub body: String,
}

impl EventRecord {
    /// Creates the record of a payload.
    #[must_use]
    pub fn of(payload: &Value) -> Self {
        let mut body = payload.to_string();
        body.truncate(body.floor_char_boundary(BODY_LEN_MAX));
        Self {
            id: event_id(payload),
            body,
        }
    }
}

/// Returns the event's `id`, or the SHA-256 of the payload if it has no `id` in the form of a
/// rotation ID.
#[must_use]
pub fn event_id(payload: &Value) -> String {
    let id = payload
        .get("id")
        .and_then(Value::as_str)
        .and_then(RotationId::new);
    id.map_or_else(
        || hex::lowercase(&Sha256::digest(payload.to_string())),
        |id| id.to_string(),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_long_event_is_truncated_at_a_character_boundary() {
        let record = EventRecord::of(&json!({ "id": "e-1", "text": "é".repeat(BODY_LEN_MAX) }));
        assert_eq!(record.id, "e-1");
        assert!((65_535..=65_536).contains(&record.body.len()));
    }
}
