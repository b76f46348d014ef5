//! Global secondary indexes that lag behind their tables.
//!
//! A second embedded DynamoDB follows the first: every successful write is queued with its time and applied to the
//! follower once it is as old as the lag. Queries and scans of an index then run on the follower, whole: an item that was
//! changed within the lag shows its old image, one that was put is not there yet, one that was deleted still is. Page
//! limits, filters and conditions work on that old state as they would in AWS.
//!
//! The lag is the same for all items, which AWS does not promise. Reads of the table itself never lag here.

use super::engine::{Refusal, run};
use dynoxide::Database;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

/// The state of every table as it was one lag ago.
pub(crate) struct LaggingIndex {
    follower: Database,
    lag: Duration,
    queued: VecDeque<Write>,
}

struct Write {
    at: SystemTime,
    table: String,
    key: Value,
    /// What the item became; none where it was deleted.
    image: Option<Value>,
}

impl LaggingIndex {
    pub(crate) fn new(follower: Database, lag: Duration) -> Self {
        Self { follower, lag, queued: VecDeque::new() }
    }

    /// Tables exist at once.
    pub(crate) fn create_table(&self, request: &Value) {
        run(&self.follower, "CreateTable", request.clone()).expect("a table that one database took, the other takes");
    }

    /// Queues a write that has just been applied to the table.
    pub(crate) fn written(&mut self, at: SystemTime, table: String, key: Value, image: Option<Value>) {
        self.queued.push_back(Write { at, table, key, image });
    }

    /// Applies a write at once, ahead of older writes of the same item that are still queued.
    pub(crate) fn written_at_once(&mut self, table: &str, key: &Value, image: Option<Value>) {
        self.queued.retain(|write| write.table != table || write.key != *key);
        self.apply(&Write { at: SystemTime::UNIX_EPOCH, table: table.to_owned(), key: key.clone(), image });
    }

    /// Runs a query or scan of an index on the state as it was one lag before `now`.
    pub(crate) fn read(&mut self, now: SystemTime, operation: &str, body: Value) -> Result<Value, Refusal> {
        while let Some(write) = self.queued.pop_front_if(|write| write.at + self.lag <= now) {
            self.apply(&write);
        }
        run(&self.follower, operation, body)
    }

    pub(crate) fn follower(&self) -> &Database {
        &self.follower
    }

    fn apply(&self, write: &Write) {
        let (operation, body) = match &write.image {
            Some(image) => ("PutItem", json!({ "TableName": write.table, "Item": image })),
            None => ("DeleteItem", json!({ "TableName": write.table, "Key": write.key })),
        };
        run(&self.follower, operation, body).expect("a write that one database took, the other takes");
    }
}
