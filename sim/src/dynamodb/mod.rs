//! DynamoDB: the crate `dynoxide`, which embeds it, behind a dispatch that adds index lag,
//! throttles, conflicts and unprocessed entries.
//!
//! All accounts and regions share one set of tables. What items and expressions mean is up to the
//! embedded DynamoDB; latency, faults of single calls and the call log are in the pipeline.

mod engine;
mod error;
mod json;
mod lagging_index;
mod requests;
mod stream;
mod unprocessed;

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::sync::Arc;
use std::time::SystemTime;

use dynoxide::{Database, ImportOptions};
use serde_json::{Value, json};

use crate::clock::VirtualClock;
use crate::dynamodb::engine::run;
use crate::dynamodb::error::DynamoDbError;
use crate::dynamodb::lagging_index::{LaggingIndex, Write};
use crate::dynamodb::requests::Schemas;
use crate::dynamodb::stream::Stream;
use crate::options::Options;
use crate::rng::Rng;
use crate::wire::{JsonRequest, Response};

pub(crate) use error::{injected, throttled};
pub(crate) use requests::operation;

/// The tables, and the errors and delays that are injected into their responses.
pub(crate) struct DynamoDb {
    tables: Database,
    lagging: Vec<LaggingIndex>,
    schemas: Schemas,
    /// Of the tables that have one.
    streams: BTreeMap<String, Stream>,
    /// The tables that can be restored to any time of the last weeks.
    recoverable: BTreeSet<String>,
    unprocessed_share: f64,
    transaction_conflict_share: f64,
    throttle_share: f64,
}

impl DynamoDb {
    pub(crate) fn new(options: &Options, clock: &VirtualClock) -> Self {
        let database = || {
            Database::memory_with_clock(Arc::new(clock.clone()))
                .expect("a database in memory needs no other resources")
        };
        let lags = options.index_lag.iter();
        Self {
            lagging: lags
                .map(|(name, lag)| LaggingIndex::new(name, database(), *lag))
                .collect(),
            tables: database(),
            schemas: Schemas::new(),
            streams: BTreeMap::new(),
            recoverable: BTreeSet::new(),
            unprocessed_share: options.unprocessed_share,
            transaction_conflict_share: options.transaction_conflict_share,
            throttle_share: options.dynamodb_throttle_share,
        }
    }

    /// What the request is about, as in `Call::subject`.
    pub(crate) fn subject(&self, request: &JsonRequest) -> String {
        requests::subject(request, &self.schemas)
    }

    /// Responds to one request at `now`.
    pub(crate) fn respond(
        &mut self,
        now: SystemTime,
        request: &JsonRequest,
        rng: &mut Rng,
    ) -> Response {
        let JsonRequest { operation, body } = request;
        let is_about_tables = ["Table", "TimeToLive", "ContinuousBackups"]
            .iter()
            .any(|word| operation.contains(word));
        if !is_about_tables && rng.happens(self.throttle_share) {
            return DynamoDbError::throughput_exceeded()
                .into_response()
                .rejected();
        }
        if operation == "TransactWriteItems" && rng.happens(self.transaction_conflict_share) {
            return DynamoDbError::transaction_conflict(body)
                .into_response()
                .rejected();
        }
        match self.execute(now, operation, body.clone(), rng) {
            Ok(body) => error::ok(body),
            Err(error) => error.into_response(),
        }
    }

    fn execute(
        &mut self,
        now: SystemTime,
        operation: &str,
        mut body: Value,
        rng: &mut Rng,
    ) -> Result<Value, DynamoDbError> {
        match operation {
            "CreateTable" => return self.create_table(body),
            "DescribeContinuousBackups" => return self.describe_continuous_backups(&body),
            "Query" | "Scan" if body.get("IndexName").is_some_and(|name| !name.is_null()) => {
                let mut lagging = self.lagging.iter_mut();
                if let Some(index) = lagging.find(|index| index.is_read_by(&body)) {
                    return index.read(now, operation, body);
                }
            }
            "BatchGetItem" | "BatchWriteItem" if self.unprocessed_share > 0.0 => {
                let withheld =
                    unprocessed::withhold(operation, &mut body, self.unprocessed_share, rng);
                let mut response = self.run_and_replicate(now, operation, body)?;
                unprocessed::add_to_response(operation, &mut response, withheld);
                return Ok(response);
            }
            _ => {}
        }
        self.run_and_replicate(now, operation, body)
    }

    /// Turns on point-in-time recovery of a table.
    pub(crate) fn enable_recovery(&mut self, table: &str) {
        self.recoverable.insert(table.to_owned());
    }

    fn describe_continuous_backups(&self, body: &Value) -> Result<Value, DynamoDbError> {
        if run(&self.tables, "DescribeTable", body.clone()).is_err() {
            let kind = "com.amazonaws.dynamodb.v20120810#TableNotFoundException";
            let message = format!("Table not found: {}", body["TableName"]);
            let body = json!({ "__type": kind, "message": message });
            return Err(DynamoDbError::from_body(400, body));
        }
        let table = body["TableName"].as_str().unwrap_or_default();
        let status = if self.recoverable.contains(table) {
            "ENABLED"
        } else {
            "DISABLED"
        };
        Ok(json!({ "ContinuousBackupsDescription": {
            "ContinuousBackupsStatus": "ENABLED",
            "PointInTimeRecoveryDescription": { "PointInTimeRecoveryStatus": status },
        } }))
    }

    /// Runs the operation. Its writes are queued for the indexes that lag, and added to streams.
    fn run_and_replicate(
        &mut self,
        now: SystemTime,
        operation: &str,
        body: Value,
    ) -> Result<Value, DynamoDbError> {
        let mut keys = if self.lagging.is_empty() && self.streams.is_empty() {
            Vec::new()
        } else {
            requests::written_keys(operation, &body, &self.schemas)
        };
        keys.retain(|(table, _)| {
            let mut lagging = self.lagging.iter();
            self.streams.contains_key(table) || lagging.any(|index| index.follows(table))
        });
        let response = run(&self.tables, operation, body)?;
        for (table, key) in keys {
            let image = self.image(&table, &key);
            let write = Write { table, key, image };
            self.stream(now, &write);
            for index in self.following(&write.table) {
                index.queue(now, write.clone());
            }
        }
        Ok(response)
    }

    /// The item with this key as it is now.
    fn image(&self, table: &str, key: &Value) -> Option<Value> {
        let body = json!({ "TableName": table, "Key": key, "ConsistentRead": true });
        let mut response =
            run(&self.tables, "GetItem", body).expect("a key that was written can be read");
        response.get_mut("Item").map(Value::take)
    }

    /// Adds a write to the stream of its table, if it has one.
    fn stream(&mut self, now: SystemTime, write: &Write) {
        if let Some(stream) = self.streams.get_mut(&write.table) {
            stream.add(now, &write.key, write.image.clone());
        }
    }

    pub(crate) fn create_table(&mut self, mut request: Value) -> Result<Value, DynamoDbError> {
        let stream = request
            .as_object_mut()
            .and_then(|it| it.remove("StreamSpecification"));
        let response = run(&self.tables, "CreateTable", request.clone())?;
        for index in &mut self.lagging {
            index.create_table(&request);
        }
        let name = request["TableName"]
            .as_str()
            .expect("a table that was created has a name");
        if stream.is_some_and(|stream| stream["StreamEnabled"] == true) {
            self.streams.insert(name.to_owned(), Stream::default());
        }
        self.schemas
            .insert(name.to_owned(), requests::key_names(&request));
        Ok(response)
    }

    /// The indexes of the table that lag.
    fn following(&mut self, table: &str) -> impl Iterator<Item = &mut LaggingIndex> {
        let lagging = self.lagging.iter_mut();
        lagging.filter(move |index| index.follows(table))
    }
}

/// What tests read and write without the API: there are no faults, no log and no index lag.
impl DynamoDb {
    /// The stream of a table.
    pub(crate) fn stream_of(&self, table: &str) -> &Stream {
        let stream = self.streams.get(table);
        stream.unwrap_or_else(|| panic!("a test reads streams that exist, not that of {table}"))
    }

    /// Every item as a plain object, in order of the keys.
    pub(crate) fn items(&self, table: &str) -> Vec<Value> {
        let names = self.key_names(table);
        let mut items = Vec::new();
        let mut request = json!({ "TableName": table, "ConsistentRead": true });
        loop {
            let page = run(&self.tables, "Scan", request.clone())
                .expect("a table that exists can be scanned");
            items.extend(
                page["Items"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(json::from_item),
            );
            match page.get("LastEvaluatedKey").filter(|key| !key.is_null()) {
                Some(key) => request["ExclusiveStartKey"] = key.clone(),
                None => break,
            }
        }
        items.sort_by_cached_key(|item| {
            names
                .iter()
                .map(|name| item[name].to_string())
                .collect::<Vec<_>>()
        });
        items
    }

    pub(crate) fn put(&mut self, now: SystemTime, table: &str, plain: &Value) {
        let item = json::to_item(plain);
        let key = json::pick(&item, &self.key_names(table));
        run(
            &self.tables,
            "PutItem",
            json!({ "TableName": table, "Item": item }),
        )
        .expect("a test puts valid items");
        let write = Write {
            table: table.to_owned(),
            key,
            image: Some(item),
        };
        self.stream(now, &write);
        self.replicate_now(&write);
    }

    pub(crate) fn delete(&mut self, now: SystemTime, table: &str, plain_key: &Value) {
        let key = json::pick(&json::to_item(plain_key), &self.key_names(table));
        run(
            &self.tables,
            "DeleteItem",
            json!({ "TableName": table, "Key": key }),
        )
        .expect("a test deletes by complete keys");
        let write = Write {
            table: table.to_owned(),
            key,
            image: None,
        };
        self.stream(now, &write);
        self.replicate_now(&write);
    }

    /// Puts many new items at once, several times faster than one by one.
    pub(crate) fn import(&mut self, table: &str, plain: &[Value]) {
        let following = self.lagging.iter().filter(|index| index.follows(table));
        let replicas = following.map(LaggingIndex::replica);
        for database in iter::once(&self.tables).chain(replicas) {
            let items = plain.iter().map(json::to_item).map(|item| {
                serde_json::from_value(item).expect("a plain object makes a valid item")
            });
            database
                .import_items(table, items.collect(), ImportOptions::default())
                .expect("a table that exists accepts new items");
        }
    }

    fn replicate_now(&mut self, write: &Write) {
        for index in self.following(&write.table) {
            index.apply_now(write);
        }
    }

    fn key_names(&self, table: &str) -> Vec<String> {
        self.schemas
            .get(table)
            .unwrap_or_else(|| panic!("a test uses tables that exist, not {table}"))
            .clone()
    }
}
