//! Global secondary indexes that lag behind their tables.
//!
//! For each index that lags, another embedded DynamoDB, the replica, follows the table of the
//! index: every successful write is queued with its time, and applied to the replica once it is as
//! old as the lag. All queries and scans of the index run on its replica. For the time of the lag
//! they show the old image of a changed item, do not show a new item, and still show a deleted one.
//! Page limits, filters and conditions apply to that old state, as in AWS.
//!
//! The lag is the same for all items, which AWS does not promise. Reads of the table itself never
//! lag here.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use dynoxide::Database;
use serde_json::{Value, json};

use crate::dynamodb::engine::run;
use crate::dynamodb::error::DynamoDbError;

/// The table of an index as it was one lag ago.
pub(crate) struct LaggingIndex {
    name: String,
    /// Once it exists.
    table: Option<String>,
    replica: Database,
    lag: Duration,
    queue: VecDeque<(SystemTime, Write)>,
}

/// A write of one item.
#[derive(Clone)]
pub(crate) struct Write {
    pub(crate) table: String,
    pub(crate) key: Value,
    /// The item after the write; none if it was deleted.
    pub(crate) image: Option<Value>,
}

impl LaggingIndex {
    pub(crate) fn new(name: &str, replica: Database, lag: Duration) -> Self {
        Self {
            name: name.to_owned(),
            table: None,
            replica,
            lag,
            queue: VecDeque::new(),
        }
    }

    /// Whether this is the index with this name of the table, as a request names both.
    pub(crate) fn is_read_by(&self, request: &Value) -> bool {
        request["IndexName"] == *self.name && self.follows(text(&request["TableName"]))
    }

    /// Whether this is an index of the table.
    pub(crate) fn follows(&self, table: &str) -> bool {
        self.table.as_deref() == Some(table)
    }

    /// Creates the table without a lag if this is one of its indexes.
    pub(crate) fn create_table(&mut self, request: &Value) {
        let indexes = request["GlobalSecondaryIndexes"].as_array();
        let mut indexes = indexes.into_iter().flatten();
        if indexes.any(|index| index["IndexName"] == *self.name) {
            run(&self.replica, "CreateTable", request.clone())
                .expect("the replica accepts what the first database accepted");
            self.table = Some(text(&request["TableName"]).to_owned());
        }
    }

    /// Queues a write that was applied to the table of this index at `at`.
    pub(crate) fn queue(&mut self, at: SystemTime, write: Write) {
        self.queue.push_back((at, write));
    }

    /// Applies a write without a lag. It replaces older writes of the same item that are still
    /// queued.
    pub(crate) fn apply_now(&mut self, write: &Write) {
        self.queue.retain(|(_, older)| older.key != write.key);
        self.apply(write);
    }

    /// Runs a query or scan of an index on the state as it was one lag before `now`.
    pub(crate) fn read(
        &mut self,
        now: SystemTime,
        operation: &str,
        body: Value,
    ) -> Result<Value, DynamoDbError> {
        while let Some((_, write)) = self.queue.pop_front_if(|(at, _)| *at + self.lag <= now) {
            self.apply(&write);
        }
        run(&self.replica, operation, body)
    }

    pub(crate) fn replica(&self) -> &Database {
        &self.replica
    }

    fn apply(&self, write: &Write) {
        let Write { table, key, image } = write;
        let (operation, body) = match image {
            Some(image) => ("PutItem", json!({ "TableName": table, "Item": image })),
            None => ("DeleteItem", json!({ "TableName": table, "Key": key })),
        };
        run(&self.replica, operation, body)
            .expect("the replica accepts what the first database accepted");
    }
}

/// The name in a valid request.
fn text(name: &Value) -> &str {
    name.as_str().unwrap_or_default()
}
