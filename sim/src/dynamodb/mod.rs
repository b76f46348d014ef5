//! DynamoDB: the embedded crate `dynoxide` behind our own dispatch, so that lag, throttles, conflicts and unprocessed
//! entries can be put in front of it.
//!
//! One set of tables serves every account and region. Not here: item semantics (the embedded crate's), latency, faults of
//! single calls and the log (the same for every service).

mod engine;
mod json;
mod lag;
mod requests;
mod unprocessed;

use crate::chance::Chance;
use crate::clock::VirtualClock;
use crate::options::Options;
use crate::wire::Answer;
use dynoxide::{Database, ImportOptions};
use engine::{JSON, Refusal, run};
use lag::LaggingIndex;
use requests::Schemas;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

/// The header with which DynamoDB clients name the operation.
const TARGET_PREFIX: &str = "DynamoDB_20120810.";

/// The tables, and what makes their answers less than perfect.
pub(crate) struct DynamoDb {
    tables: Database,
    index: Option<LaggingIndex>,
    schemas: Schemas,
    unprocessed: f64,
    transaction_conflicts: f64,
    throttles: f64,
}

impl DynamoDb {
    pub(crate) fn new(options: &Options, clock: &VirtualClock) -> Self {
        let database = || {
            Database::memory_with_clock(Arc::new(clock.clone()))
                .expect("an in-memory database needs nothing but memory")
        };
        let index = (!options.index_lag.is_zero()).then(|| LaggingIndex::new(database(), options.index_lag));
        Self {
            tables: database(),
            index,
            schemas: Schemas::new(),
            unprocessed: options.unprocessed,
            transaction_conflicts: options.transaction_conflicts,
            throttles: options.dynamodb_throttles,
        }
    }

    pub(crate) fn subject(&self, operation: &str, body: &Value) -> String {
        requests::subject(operation, body, &self.schemas)
    }

    /// Answers one request at `now`.
    pub(crate) fn respond(&mut self, now: SystemTime, operation: &str, body: &Value, chance: &mut Chance) -> Answer {
        let is_about_items = !operation.contains("Table") && !operation.contains("TimeToLive");
        if is_about_items && chance.happens(self.throttles) {
            return refused(Refusal::throughput_exceeded()).turned_away();
        }
        if operation == "TransactWriteItems" && chance.happens(self.transaction_conflicts) {
            return refused(conflict(body)).turned_away();
        }
        match self.execute(now, operation, body.clone(), chance) {
            Ok(body) => Answer::ok(JSON, body),
            Err(refusal) => refused(refusal),
        }
    }

    fn execute(
        &mut self,
        now: SystemTime,
        operation: &str,
        mut body: Value,
        chance: &mut Chance,
    ) -> Result<Value, Refusal> {
        match operation {
            "CreateTable" => return self.create_table(body),
            "Query" | "Scan" if body.get("IndexName").is_some_and(|name| !name.is_null()) => {
                if let Some(index) = &mut self.index {
                    return index.read(now, operation, body);
                }
            }
            "BatchGetItem" | "BatchWriteItem" if self.unprocessed > 0.0 => {
                let withheld = unprocessed::withhold(operation, &mut body, self.unprocessed, chance);
                let mut answer = self.run_and_follow(now, operation, body)?;
                unprocessed::give_back(operation, &mut answer, withheld);
                return Ok(answer);
            }
            _ => {}
        }
        self.run_and_follow(now, operation, body)
    }

    /// Runs the operation, and queues what it wrote for the lagging index.
    fn run_and_follow(&mut self, now: SystemTime, operation: &str, body: Value) -> Result<Value, Refusal> {
        let writes = match &self.index {
            Some(_) => requests::writes(operation, &body, &self.schemas),
            None => Vec::new(),
        };
        let answer = run(&self.tables, operation, body)?;
        for (table, key) in writes {
            let image = self.image(&table, &key);
            if let Some(index) = &mut self.index {
                index.written(now, table, key, image);
            }
        }
        Ok(answer)
    }

    fn create_table(&mut self, body: Value) -> Result<Value, Refusal> {
        let answer = run(&self.tables, "CreateTable", body.clone())?;
        if let Some(index) = &self.index {
            index.create_table(&body);
        }
        let name = body["TableName"].as_str().expect("a table that was created has a name");
        self.schemas.insert(name.to_owned(), requests::key_names(&body));
        Ok(answer)
    }

    fn image(&self, table: &str, key: &Value) -> Option<Value> {
        let body = json!({ "TableName": table, "Key": key, "ConsistentRead": true });
        let mut answer = run(&self.tables, "GetItem", body).expect("a key that was written can be read");
        answer.get_mut("Item").map(Value::take)
    }
}

/// Behind the door: no log, no faults, no lag.
impl DynamoDb {
    /// The two tables of the contract, on demand.
    pub(crate) fn create_contract_tables(&mut self, index_table: &str, ledger_table: &str) {
        let by_role = ("ByRole", ["roleArn", "associationArn"]);
        let by_target_role = ("ByTargetRole", ["targetRoleArn", "associationArn"]);
        let index = on_demand_table(index_table, ["clusterArn", "associationId"], &[by_role, by_target_role]);
        let by_old_role = ("ByOldRole", ["oldRoleArn", "startedAt"]);
        let by_status = ("ByStatus", ["status", "startedAt"]);
        let ledger = on_demand_table(ledger_table, ["rotationId", "entry"], &[by_old_role, by_status]);
        for request in [index, ledger] {
            self.create_table(request).expect("the contract's tables are created once, by names that DynamoDB takes");
        }
    }

    /// Every item as a plain object, in order of the keys.
    pub(crate) fn items(&self, table: &str) -> Vec<Value> {
        let names = self.key_names(table);
        let mut items = Vec::new();
        let mut request = json!({ "TableName": table, "ConsistentRead": true });
        loop {
            let page = run(&self.tables, "Scan", request.clone()).expect("a table that exists can be scanned");
            items.extend(page["Items"].as_array().into_iter().flatten().map(json::from_item));
            match page.get("LastEvaluatedKey").filter(|key| !key.is_null()) {
                Some(key) => request["ExclusiveStartKey"] = key.clone(),
                None => break,
            }
        }
        items.sort_by_cached_key(|item| names.iter().map(|name| item[name].to_string()).collect::<Vec<_>>());
        items
    }

    pub(crate) fn put(&mut self, table: &str, plain: &Value) {
        let item = json::to_item(plain);
        let key = json::pick(&item, &self.key_names(table));
        run(&self.tables, "PutItem", json!({ "TableName": table, "Item": item })).expect("a test puts valid items");
        if let Some(index) = &mut self.index {
            index.written_at_once(table, &key, Some(item));
        }
    }

    pub(crate) fn delete(&mut self, table: &str, plain_key: &Value) {
        let key = json::pick(&json::to_item(plain_key), &self.key_names(table));
        run(&self.tables, "DeleteItem", json!({ "TableName": table, "Key": key }))
            .expect("a test deletes by whole keys");
        if let Some(index) = &mut self.index {
            index.written_at_once(table, &key, None);
        }
    }

    /// Puts many new items at once; a fleet goes in this way, several times faster than item by item.
    pub(crate) fn import(&mut self, table: &str, plain: &[Value]) {
        let databases = std::iter::once(&self.tables).chain(self.index.as_ref().map(LaggingIndex::follower));
        for database in databases {
            let items = plain.iter().map(json::to_item);
            let items = items.map(|item| serde_json::from_value(item).expect("a plain object makes a valid item"));
            let items = items.collect();
            database
                .import_items(table, items, ImportOptions::default())
                .expect("a table that exists takes the fleet's items");
        }
    }

    fn key_names(&self, table: &str) -> Vec<String> {
        self.schemas.get(table).unwrap_or_else(|| panic!("a test uses tables that exist, not {table}")).clone()
    }
}

/// The operation that an `x-amz-target` header names.
pub(crate) fn operation(target: &str) -> &str {
    target.strip_prefix(TARGET_PREFIX).unwrap_or("Unknown")
}

pub(crate) fn throttled(bare: bool) -> Answer {
    let answer =
        if bare { Answer::error(JSON, 429, None, Map::new()) } else { refused(Refusal::throughput_exceeded()) };
    answer.turned_away()
}

/// An error that a hook injects. Without a code, the one that DynamoDB models for a 5xx.
pub(crate) fn injected(status: u16, code: Option<&str>, message: &str) -> Answer {
    refused(Refusal::new(status, code.unwrap_or("InternalServerError"), message)).turned_away()
}

fn refused(refusal: Refusal) -> Answer {
    Answer::error(JSON, refusal.status, Some(&refusal.code), refusal.body)
}

/// Another transaction holds the first item.
fn conflict(body: &Value) -> Refusal {
    let len = body["TransactItems"].as_array().map_or(1, Vec::len).max(1);
    let codes: Vec<&str> = std::iter::once("TransactionConflict").chain(std::iter::repeat_n("None", len - 1)).collect();
    let reasons: Vec<Value> = codes
        .iter()
        .map(|code| match *code {
            "None" => json!({ "Code": "None" }),
            code => json!({ "Code": code, "Message": "Transaction is ongoing for the item" }),
        })
        .collect();
    let message =
        format!("Transaction cancelled, please refer cancellation reasons for specific reasons [{}]", codes.join(", "));
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": message,
        "CancellationReasons": reasons,
    });
    Refusal::from_body(400, body)
}

/// A `CreateTable` request: string keys, one global secondary index with all attributes.
fn on_demand_table(table: &str, key: [&str; 2], indexes: &[(&str, [&str; 2])]) -> Value {
    let schema = |[hash, range]: [&str; 2]| {
        json!([
            { "AttributeName": hash, "KeyType": "HASH" },
            { "AttributeName": range, "KeyType": "RANGE" },
        ])
    };
    // Each name once, although two indexes may share it.
    let names: BTreeSet<&str> = key.iter().chain(indexes.iter().flat_map(|(_, key)| key)).copied().collect();
    let attributes: Vec<Value> =
        names.iter().map(|name| json!({ "AttributeName": name, "AttributeType": "S" })).collect();
    let indexes: Vec<Value> = indexes
        .iter()
        .map(|(name, key)| {
            json!({
                "IndexName": name,
                "KeySchema": schema(*key),
                "Projection": { "ProjectionType": "ALL" },
            })
        })
        .collect();
    json!({
        "TableName": table,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": attributes,
        "KeySchema": schema(key),
        "GlobalSecondaryIndexes": indexes,
    })
}
