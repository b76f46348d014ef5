//! What a request is about: its operation, its tables, the key of its one item, and the keys of the
//! items that it writes.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::dynamodb::json::pick;
use crate::wire::JsonRequest;

/// What the `x-amz-target` header of DynamoDB clients starts with.
const TARGET_PREFIX: &str = "DynamoDB_20120810.";

/// The names of each table's key attributes, partition key first.
pub(crate) type Schemas = BTreeMap<String, Vec<String>>;

/// The operation that an `x-amz-target` header names.
pub(crate) fn operation(target: &str) -> &str {
    target.strip_prefix(TARGET_PREFIX).unwrap_or("Unknown")
}

/// The names of the key attributes in a `CreateTable` request.
pub(crate) fn key_names(create_table: &Value) -> Vec<String> {
    let schema = create_table["KeySchema"].as_array().into_iter().flatten();
    let mut names: Vec<(&str, &str)> = schema
        .filter_map(|key| Some((key["KeyType"].as_str()?, key["AttributeName"].as_str()?)))
        .collect();
    // HASH before RANGE, whatever their order in the request.
    names.sort_unstable();
    names.into_iter().map(|(_, name)| name.to_owned()).collect()
}

/// The table, with the key if the call is about one item, or the tables joined with `+`.
pub(crate) fn subject(request: &JsonRequest, schemas: &Schemas) -> String {
    let body = &request.body;
    let Some(table) = body.get("TableName").and_then(Value::as_str) else {
        let mut tables = table_names(request);
        tables.sort_unstable();
        tables.dedup();
        return tables.join("+");
    };
    let key = body.get("Key").or_else(|| body.get("Item"));
    let names = schemas.get(table).into_iter().flatten();
    names
        .filter_map(|name| scalar(key?.get(name)?))
        .fold(table.to_owned(), |subject, value| subject + "/" + value)
}

/// The table and key of every item that the request writes if it succeeds.
pub(crate) fn written_keys(
    operation: &str,
    body: &Value,
    schemas: &Schemas,
) -> Vec<(String, Value)> {
    let key = |table: &str, action: &Value| {
        let item = action.get("Item").or_else(|| action.get("Key"))?;
        Some((table.to_owned(), pick(item, schemas.get(table)?)))
    };
    match operation {
        "PutItem" | "UpdateItem" | "DeleteItem" => {
            let table = body["TableName"].as_str();
            table
                .and_then(|table| key(table, body))
                .into_iter()
                .collect()
        }
        "BatchWriteItem" => {
            let tables = body["RequestItems"].as_object().into_iter().flatten();
            let entries = tables.flat_map(|(table, entries)| {
                entries
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(move |entry| (table, entry))
            });
            entries
                .filter_map(|(table, entry)| key(table, entry.as_object()?.values().next()?))
                .collect()
        }
        "TransactWriteItems" => transaction_actions(body)
            .filter(|(kind, _)| *kind != "ConditionCheck")
            .filter_map(|(_, action)| key(action["TableName"].as_str()?, action))
            .collect(),
        _ => Vec::new(),
    }
}

fn table_names(request: &JsonRequest) -> Vec<&str> {
    match request.operation.as_str() {
        "BatchGetItem" | "BatchWriteItem" => {
            let tables = request.body["RequestItems"]
                .as_object()
                .into_iter()
                .flatten();
            tables.map(|(table, _)| table.as_str()).collect()
        }
        _ => transaction_actions(&request.body)
            .filter_map(|(_, action)| action["TableName"].as_str())
            .collect(),
    }
}

/// The actions of a transaction: `Put`, `Update`, `Delete`, `ConditionCheck` or `Get`, and what it
/// is about.
fn transaction_actions(body: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let actions = body["TransactItems"].as_array().into_iter().flatten();
    let actions = actions.filter_map(|action| action.as_object()?.iter().next());
    actions.map(|(kind, action)| (kind.as_str(), action))
}

/// The text of a string, number or binary attribute.
fn scalar(attribute: &Value) -> Option<&str> {
    attribute.as_object()?.values().next()?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Schemas, subject};
    use crate::wire::JsonRequest;

    #[test]
    fn subjects_name_tables_and_single_items() {
        let schemas = Schemas::from([("T".to_owned(), vec!["p".to_owned(), "s".to_owned()])]);
        let key = json!({ "p": { "S": "a" }, "s": { "N": "1" } });
        let transaction = json!([
            { "Put": { "TableName": "T" } },
            { "Update": { "TableName": "T" } },
        ]);
        let rows = [
            ("GetItem", json!({ "TableName": "T", "Key": key }), "T/a/1"),
            ("PutItem", json!({ "TableName": "T", "Item": key }), "T/a/1"),
            ("Query", json!({ "TableName": "T" }), "T"),
            (
                "BatchWriteItem",
                json!({ "RequestItems": { "U": [], "T": [] } }),
                "T+U",
            ),
            (
                "TransactWriteItems",
                json!({ "TransactItems": transaction }),
                "T",
            ),
            ("ListTables", json!({}), ""),
        ];
        for (operation, body, expected) in rows {
            let request = JsonRequest {
                operation: operation.to_owned(),
                body,
            };
            assert_eq!(
                subject(&request, &schemas),
                expected,
                "{operation} {}",
                request.body
            );
        }
    }
}
