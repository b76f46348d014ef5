//! The writes in a call to DynamoDB, each with the kind of its item and its condition, and the list
//! of all that the cases cover. The harness holds the calls of every test against that list, so
//! this file builds on the environment and not on the harness.

use std::collections::BTreeSet;

use rerole_sim::{Call, CallRecord, Service};
use serde_json::Value;

use crate::conditions::expression::{Condition, plain};
use crate::conditions::items::TableKey;

/// The conditional writes and the filters that have cases, one per line.
const WITH_CASES: &str = include_str!("writes.txt");

/// The writes without a condition, and why none is needed.
const UNCONDITIONAL: &[(&str, &str)] = &[
    ("Put rotation of a role", "its key has the rotation's start"),
    ("Update role", "putting a role to use is always safe"),
    ("Update region index", "an older time claims less"),
    ("Update learned rate", "any recent rate will do"),
    ("Put waiting index run", "the latest request waits"),
    ("Put known cluster", "it only says where to look"),
    ("Delete known cluster", "a list records it again"),
    ("Delete association", "no valid item has such a key"),
];

/// A write of one item, or a check of one in a transaction, or a filter of items that are read.
#[derive(Debug)]
pub struct Sent<'a> {
    /// What is written, and on which condition, as a line of the list.
    pub line: String,
    /// The table and the key of the item. A filter has none: it is about any item.
    pub item: Option<TableKey>,
    text: Option<&'a str>,
    /// The part of the call that has the names and values of the condition.
    body: &'a Value,
}

/// Panics if one of these calls writes an item on a condition that has no cases, or without a
/// condition and a reason.
pub fn check_listed(calls: &[CallRecord]) {
    let unconditional = UNCONDITIONAL.iter().map(|(line, _)| *line);
    let listed: BTreeSet<&str> = WITH_CASES.lines().chain(unconditional).collect();
    for record in calls {
        for Sent { line, .. } in sent_by(&record.call) {
            assert!(
                listed.contains(line.as_str()),
                "tests/it/conditions has no case for: {line}"
            );
        }
    }
}

/// The writes, checks and filters of a call.
pub fn sent_by(call: &Call) -> Vec<Sent<'_>> {
    if call.service != Service::DynamoDb {
        return Vec::new();
    }
    match call.operation.as_str() {
        "PutItem" => vec![Sent::write("Put", &call.body)],
        "UpdateItem" => vec![Sent::write("Update", &call.body)],
        "DeleteItem" => vec![Sent::write("Delete", &call.body)],
        "TransactWriteItems" => {
            let items = call.body["TransactItems"].as_array().unwrap().iter();
            let parts = items.flat_map(|item| item.as_object().unwrap());
            parts.map(|(kind, part)| Sent::write(kind, part)).collect()
        }
        "Query" | "Scan" if call.body.get("FilterExpression").is_some() => {
            vec![Sent::filter(&call.operation, &call.body)]
        }
        _ => Vec::new(),
    }
}

impl<'a> Sent<'a> {
    /// The condition of the write, parsed.
    pub fn condition(&self) -> Option<Condition> {
        self.text.map(|text| Condition::parse(text, self.body))
    }

    fn write(kind: &str, body: &'a Value) -> Self {
        let table = body["TableName"].as_str().unwrap();
        let key = body.get("Key").unwrap_or(&body["Item"]);
        let item = TableKey::of(table, |name| plain(&key[name]));
        let what = format!("{kind} {}", item.kind());
        let text = body.get("ConditionExpression").and_then(Value::as_str);
        Self {
            line: text.map_or_else(|| what.clone(), |text| format!("{what} if {text}")),
            item: Some(item),
            text,
            body,
        }
    }

    fn filter(operation: &str, body: &'a Value) -> Self {
        let text = body["FilterExpression"].as_str().unwrap();
        Self {
            line: format!("{operation} if {text}"),
            item: None,
            text: Some(text),
            body,
        }
    }
}
