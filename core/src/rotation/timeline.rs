//! The timeline of a rotation: one entry for each change of its status or its limits, written in
//! the transaction of the change. So every status that a rotation ever had is there, in order.

use serde::{Deserialize, Serialize};

use crate::request::{Claim, Envelope, MaxConcurrency, MaxErrors};
use crate::rotation::{Status, Summary};
use crate::timestamp::Timestamp;

/// The item `(rotationId, "timeline#<seq>")`. It is also what an event says (`crate::publishing`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TimelineEntry {
    #[cfg_attr(test, schemars(with = "String"))]
    pub at: Timestamp,
    #[serde(flatten)]
    pub change: TimelineChange,
    /// The attempt of the rotation. Absent in the timeline of the stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "u32"))]
    pub attempt: Option<u32>,
    pub by: Author,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub reason: Option<String>,
    /// The rotation after the change. Absent in the timeline of the stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Summary"))]
    pub summary: Option<Box<Summary>>,
    /// When an operator has last asked to publish the entry again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub republished_at: Option<Timestamp>,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum TimelineChange {
    /// `from` is absent in the first entry.
    StatusChanged {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, schemars(with = "Status"))]
        from: Option<Status>,
        to: Status,
    },
    /// Of the stack: it is frozen from then on.
    Frozen,
    /// Of the stack: it is no longer frozen.
    Unfrozen,
    /// The limits of the rotation from then on.
    LimitsChanged {
        #[cfg_attr(test, schemars(with = "String"))]
        max_errors: MaxErrors,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, schemars(with = "String"))]
        max_concurrency: Option<MaxConcurrency>,
    },
}

/// Who changed it: the sender of an event, or rerole itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Author {
    /// Who sent the event, as the event claims. Absent if it claims nothing, or for rerole itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub requested_by: Option<Claim>,
    /// The event. Absent for what rerole did by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub event_id: Option<String>,
    /// The request ID of the invocation that made the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub request_id: Option<String>,
}

impl Author {
    /// The sender of an event.
    #[must_use]
    pub fn sender(envelope: &Envelope) -> Self {
        Self {
            requested_by: envelope.claims.requested_by.clone(),
            event_id: envelope.event.id.clone(),
            request_id: envelope.request_id.clone(),
        }
    }

    /// rerole itself, in the invocation with this request ID.
    #[must_use]
    pub fn rerole(request_id: &str) -> Self {
        Self {
            request_id: Some(request_id.to_owned()),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_entry_says_what_changed_and_who_changed_it() {
        let author = Author {
            requested_by: Claim::new("jane"),
            event_id: Some("e-1".to_owned()),
            request_id: Some("q-1".to_owned()),
        };
        for (change, by, reason, expected) in [
            (
                TimelineChange::StatusChanged {
                    from: None,
                    to: Status::Queued,
                },
                author,
                Some("CHG-7"),
                json!({
                    "at": "1970-01-01T00:00:05.000Z", "type": "StatusChanged", "to": "Queued",
                    "attempt": 1, "reason": "CHG-7",
                    "by": { "requestedBy": "jane", "eventId": "e-1", "requestId": "q-1" },
                }),
            ),
            (
                TimelineChange::LimitsChanged {
                    max_errors: MaxErrors::Count(3),
                    max_concurrency: None,
                },
                Author::rerole("q-2"),
                None,
                json!({
                    "at": "1970-01-01T00:00:05.000Z", "type": "LimitsChanged", "maxErrors": "3",
                    "attempt": 1, "by": { "requestId": "q-2" },
                }),
            ),
        ] {
            let entry = TimelineEntry {
                at: Timestamp::from_millis(5_000),
                change,
                attempt: Some(1),
                by,
                reason: reason.map(str::to_owned),
                summary: None,
                republished_at: None,
            };
            let stored = serde_json::to_value(&entry).unwrap();
            assert_eq!(stored, expected);
            let read: TimelineEntry = serde_json::from_value(stored).unwrap();
            assert_eq!(read, entry);
        }
    }
}
