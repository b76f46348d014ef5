//! What a request is about: its tables, the key of its one item, and everything it writes.

use super::json::pick;
use serde_json::Value;
use std::collections::BTreeMap;

/// The names of each table's key attributes, partition key first.
pub(crate) type Schemas = BTreeMap<String, Vec<String>>;

/// Key attribute names as a `CreateTable` request has them.
pub(crate) fn key_names(create_table: &Value) -> Vec<String> {
    let schema = create_table["KeySchema"].as_array().into_iter().flatten();
    let mut names: Vec<(&str, &str)> =
        schema.filter_map(|key| Some((key["KeyType"].as_str()?, key["AttributeName"].as_str()?))).collect();
    // HASH before RANGE, whatever order the request has them in.
    names.sort_unstable();
    names.into_iter().map(|(_, name)| name.to_owned()).collect()
}

/// The table, with the key where the call is about one item, or the tables joined with `+`.
pub(crate) fn subject(operation: &str, body: &Value, schemas: &Schemas) -> String {
    let Some(table) = body.get("TableName").and_then(Value::as_str) else {
        let mut tables: Vec<&str> = match operation {
            "BatchGetItem" | "BatchWriteItem" => {
                body["RequestItems"].as_object().into_iter().flatten().map(|(table, _)| table.as_str()).collect()
            }
            _ => {
                let actions = body["TransactItems"].as_array().into_iter().flatten();
                let actions = actions.filter_map(|action| action.as_object()?.values().next());
                actions.filter_map(|action| action["TableName"].as_str()).collect()
            }
        };
        tables.sort_unstable();
        tables.dedup();
        return tables.join("+");
    };
    let holder = body.get("Key").or_else(|| body.get("Item"));
    let names = schemas.get(table).into_iter().flatten();
    names.filter_map(|name| scalar(holder?.get(name)?)).fold(table.to_owned(), |subject, key| subject + "/" + &key)
}

/// The table and key of every item that the request writes if it succeeds.
pub(crate) fn writes(operation: &str, body: &Value, schemas: &Schemas) -> Vec<(String, Value)> {
    let key_of = |table: &str, holder: &Value| {
        let item = holder.get("Item").or_else(|| holder.get("Key"))?;
        Some((table.to_owned(), pick(item, schemas.get(table)?)))
    };
    match operation {
        "PutItem" | "UpdateItem" | "DeleteItem" => {
            body["TableName"].as_str().and_then(|table| key_of(table, body)).into_iter().collect()
        }
        "BatchWriteItem" => {
            let tables = body["RequestItems"].as_object().into_iter().flatten();
            let entries = tables
                .flat_map(|(table, entries)| entries.as_array().into_iter().flatten().map(move |entry| (table, entry)));
            entries.filter_map(|(table, entry)| key_of(table, entry.as_object()?.values().next()?)).collect()
        }
        "TransactWriteItems" => {
            let actions = body["TransactItems"].as_array().into_iter().flatten();
            let actions = actions.filter_map(|action| action.as_object()?.iter().next());
            let written = actions.filter(|(kind, _)| kind.as_str() != "ConditionCheck");
            written.filter_map(|(_, action)| key_of(action["TableName"].as_str()?, action)).collect()
        }
        _ => Vec::new(),
    }
}

/// The text of a string, number or binary attribute.
fn scalar(attribute: &Value) -> Option<String> {
    attribute.as_object()?.values().next()?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn subjects_name_tables_and_single_items() {
        let schemas = Schemas::from([("T".to_owned(), vec!["p".to_owned(), "s".to_owned()])]);
        let key = json!({ "p": { "S": "a" }, "s": { "N": "1" } });
        let rows = [
            ("GetItem", json!({ "TableName": "T", "Key": key }), "T/a/1"),
            ("PutItem", json!({ "TableName": "T", "Item": key }), "T/a/1"),
            ("Query", json!({ "TableName": "T" }), "T"),
            ("BatchWriteItem", json!({ "RequestItems": { "U": [], "T": [] } }), "T+U"),
            (
                "TransactWriteItems",
                json!({ "TransactItems": [{ "Put": { "TableName": "T" } }, { "Update": { "TableName": "T" } }] }),
                "T",
            ),
            ("ListTables", json!({}), ""),
        ];
        for (operation, body, expected) in rows {
            assert_eq!(subject(operation, &body, &schemas), expected, "{operation} {body}");
        }
    }
}
