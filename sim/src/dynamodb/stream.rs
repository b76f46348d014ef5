//! The streams of tables, as Lambda's mapping reads them: a record of each change, in the order in
//! which they were committed. A stream has one shard, and forgets nothing.
//!
//! The embedded DynamoDB has streams, too, but each write reads the whole stream again.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde_json::{Map, Value, json};

use crate::clock::since_epoch;

/// Sequence numbers have 21 to 40 digits.
const FIRST_SEQUENCE_NUMBER: u128 = 100_000_000_000_000_000_000;

/// The stream of one table.
#[derive(Default)]
pub(crate) struct Stream {
    records: Vec<Value>,
    /// The items as they are now, by their keys.
    items: BTreeMap<String, Value>,
}

impl Stream {
    /// Adds what has become of the item with this key. A write that changes nothing has no record.
    pub(crate) fn add(&mut self, now: SystemTime, key: &Value, image: Option<Value>) {
        let name = key.to_string();
        let event = match (self.items.get(&name), &image) {
            (None, None) => return,
            (Some(before), Some(after)) if before == after => return,
            (None, Some(_)) => "INSERT",
            (Some(_), Some(_)) => "MODIFY",
            (Some(_), None) => "REMOVE",
        };
        let sequence_number = FIRST_SEQUENCE_NUMBER + self.records.len() as u128;
        let mut change = Map::new();
        change.insert("Keys".to_owned(), key.clone());
        match image {
            Some(image) => {
                self.items.insert(name, image.clone());
                change.insert("NewImage".to_owned(), image);
            }
            None => {
                self.items.remove(&name);
            }
        }
        let created_at = since_epoch(now).as_secs_f64();
        change.insert("ApproximateCreationDateTime".to_owned(), json!(created_at));
        change.insert(
            "SequenceNumber".to_owned(),
            json!(sequence_number.to_string()),
        );
        change.insert("SizeBytes".to_owned(), json!(1));
        change.insert("StreamViewType".to_owned(), json!("NEW_IMAGE"));
        self.records.push(json!({
            "eventID": format!("{sequence_number:x}"),
            "eventName": event,
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": "us-east-1",
            "dynamodb": change,
        }));
    }

    /// Up to `limit` records after the one with this sequence number, or the first ones.
    pub(crate) fn records(&self, after: Option<&str>, limit: usize) -> &[Value] {
        let after = after.and_then(|text| text.parse::<u128>().ok());
        let first = after.map_or(0, |number| number + 1 - FIRST_SEQUENCE_NUMBER);
        let first = usize::try_from(first)
            .unwrap_or(usize::MAX)
            .min(self.records.len());
        let last = (first + limit).min(self.records.len());
        &self.records[first..last]
    }
}
