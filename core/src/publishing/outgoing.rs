//! What an item of the ledger is published as.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::keys::{Entry, LedgerKey};
use crate::printable::printable;
use crate::publishing::{AssociationRoleChanged, RotationStatusChanged, SchemaVersion};
use crate::request::SOURCE_OF_STACK;
use crate::rotation::{Row, TimelineEntry};
use crate::timestamp::Timestamp;

/// An item may have been planted, with any text in it.
const PROBLEM_LEN_MAX: usize = 1_000;

/// An event, as `PutEvents` takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingEvent {
    pub detail_type: &'static str,
    /// When what the event is about happened.
    pub time: Timestamp,
    /// JSON.
    pub detail: String,
    /// The timeline whose entry it is about. Its events are put in order.
    pub timeline: Option<String>,
}

/// An item that does not have the form of the contract. Another version of rerole, or another
/// program, has written it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} cannot be published: {problem}")]
pub struct InvalidImage {
    /// The keys of the item.
    pub key: String,
    pub problem: String,
}

impl OutgoingEvent {
    /// Returns the event about an item of the ledger as plain JSON, or `None` if nothing is
    /// published about it.
    ///
    /// # Errors
    /// If it is an entry of a timeline or the row of an association, and does not have their form.
    pub fn about(image: Value) -> Result<Option<Self>, InvalidImage> {
        let text = |name: &str| image.get(name).and_then(Value::as_str).unwrap_or_default();
        let (rotation_id, entry) = (text("rotationId").to_owned(), text("entry").to_owned());
        let key = format!("{rotation_id} {entry}");
        let about = if let Some(seq) = Entry::timeline_seq(&entry) {
            Self::about_entry(rotation_id, seq, image).map(Some)
        } else if Entry::is_association(&entry) {
            Self::about_row(rotation_id, image)
        } else {
            Ok(None)
        };
        about.map_err(|problem| InvalidImage {
            key: printable(key, PROBLEM_LEN_MAX),
            problem: printable(problem, PROBLEM_LEN_MAX),
        })
    }

    fn about_entry(rotation_id: String, seq: u64, image: Value) -> Result<Self, String> {
        if LedgerKey::of_timeline(&rotation_id).is_none() {
            return Err("no rotation has this key".to_owned());
        }
        let entry: TimelineEntry = parse(image)?;
        let (time, timeline) = (entry.at, Some(rotation_id.clone()));
        let detail = RotationStatusChanged {
            schema_version: SchemaVersion::V1,
            rotation_id,
            seq,
            entry,
        };
        Ok(Self {
            detail_type: RotationStatusChanged::DETAIL_TYPE,
            time,
            detail: to_json(&detail),
            timeline,
        })
    }

    fn about_row(rotation_id: String, image: Value) -> Result<Option<Self>, String> {
        let row: Row = parse(image)?;
        let detail = AssociationRoleChanged::of(rotation_id, &row);
        Ok(detail.map(|detail| Self {
            detail_type: AssociationRoleChanged::DETAIL_TYPE,
            time: detail.at,
            detail: to_json(&detail),
            timeline: None,
        }))
    }

    /// Returns the size of the event in bytes, as EventBridge counts it: the time is 14 bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        14 + SOURCE_OF_STACK.len() + self.detail_type.len() + self.detail.len()
    }
}

fn parse<T: DeserializeOwned>(image: Value) -> Result<T, String> {
    serde_json::from_value(image).map_err(|error| error.to_string())
}

fn to_json(detail: &impl Serialize) -> String {
    // The details consist of structs, texts and numbers, so this cannot fail.
    serde_json::to_string(detail).unwrap_or_default()
}
