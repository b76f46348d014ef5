//! Calls of the embedded DynamoDB, with bodies as they are on the wire.

use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::dynamodb::error::DynamoDbError;

/// Runs one operation.
pub(crate) fn run(db: &Database, operation: &str, body: Value) -> Result<Value, DynamoDbError> {
    match operation {
        "CreateTable" => {
            let response = call(body, |request| db.create_table(request))?;
            Ok(as_modelled("TableDescription", response))
        }
        "DescribeTable" => {
            let response = call(body, |request| db.describe_table(request))?;
            Ok(as_modelled("Table", response))
        }
        "ListTables" => call(body, |request| db.list_tables(request)),
        "PutItem" => call(body, |request| db.put_item(request)),
        "GetItem" => call(body, |request| db.get_item(request)),
        "UpdateItem" => call(body, |request| db.update_item(request)),
        "DeleteItem" => call(body, |request| db.delete_item(request)),
        "Query" => call(body, |request| db.query(request)),
        "Scan" => call(body, |request| db.scan(request)),
        "BatchGetItem" => call(body, |request| db.batch_get_item(request)),
        "BatchWriteItem" => call(body, |request| db.batch_write_item(request)),
        "TransactWriteItems" => call(body, |request| db.transact_write_items(request)),
        "TransactGetItems" => call(body, |request| db.transact_get_items(request)),
        "UpdateTimeToLive" => call(body, |request| db.update_time_to_live(request)),
        "DescribeTimeToLive" => call(body, |request| db.describe_time_to_live(request)),
        _ => {
            let body = json!({ "__type": "com.amazon.coral.service#UnknownOperationException" });
            Err(DynamoDbError::from_body(400, body))
        }
    }
}

/// Removes a member of table descriptions that the embedded DynamoDB writes and the API model does
/// not have.
fn as_modelled(description: &str, mut body: Value) -> Value {
    if let Some(members) = body.get_mut(description).and_then(Value::as_object_mut) {
        members.remove("TableThroughputModeSummary");
    }
    body
}

fn call<Request: DeserializeOwned, Response: Serialize>(
    body: Value,
    operation: impl FnOnce(Request) -> Result<Response, DynoxideError>,
) -> Result<Value, DynamoDbError> {
    let request = serde_json::from_value(body).map_err(|error| parse_error(&error.to_string()))?;
    let response = operation(request)?;
    Ok(serde_json::to_value(response).expect("a response of the embedded DynamoDB is JSON"))
}

/// The error for a body that the embedded DynamoDB cannot parse. It checks some rules while it
/// parses, and marks their messages with a prefix.
fn parse_error(message: &str) -> DynamoDbError {
    for marker in ["VALIDATION:", "VALIDATION_REQUEST:", "VALIDATION_AS_READ:"] {
        if let Some(message) = message.strip_prefix(marker) {
            let kind = "com.amazon.coral.validate#ValidationException";
            let body = json!({ "__type": kind, "message": message });
            return DynamoDbError::from_body(400, body);
        }
    }
    let message = message
        .split_once(':')
        .filter(|(marker, _)| marker.starts_with("SERIALIZATION"))
        .map_or(message, |(_, message)| message);
    let kind = "com.amazon.coral.service#SerializationException";
    DynamoDbError::from_body(400, json!({ "__type": kind, "Message": message }))
}
