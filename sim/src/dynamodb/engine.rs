//! From an operation's name and body to the embedded DynamoDB and back. Item semantics are entirely its own.

use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

pub(crate) const JSON: &str = "application/x-amz-json-1.0";
const MODEL: &str = "com.amazonaws.dynamodb.v20120810#";

/// What went wrong, as DynamoDB writes it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) body: Map<String, Value>,
}

impl Refusal {
    /// An error that DynamoDB models, or one that its protocol layer gives.
    pub(crate) fn new(status: u16, code: &str, message: &str) -> Self {
        let body = json!({ "__type": format!("{MODEL}{code}"), "message": message });
        Self::from_body(status, body)
    }

    pub(crate) fn from_body(status: u16, body: Value) -> Self {
        let kind = body.get("__type").and_then(Value::as_str).unwrap_or_default();
        let code = kind.rsplit('#').next().unwrap_or_default().to_owned();
        let body = if let Value::Object(members) = body { members } else { Map::new() };
        Self { status, code, body }
    }

    pub(crate) fn throughput_exceeded() -> Self {
        let message = "The level of configured provisioned throughput for the table was exceeded. \
                       Consider increasing your provisioning level with the UpdateTable API.";
        Self::new(400, "ProvisionedThroughputExceededException", message)
    }
}

impl From<DynoxideError> for Refusal {
    fn from(error: DynoxideError) -> Self {
        let body = serde_json::from_str(&error.to_json()).unwrap_or(Value::Null);
        Self::from_body(error.status_code(), body)
    }
}

/// Runs one operation.
pub(crate) fn run(db: &Database, operation: &str, body: Value) -> Result<Value, Refusal> {
    match operation {
        "CreateTable" => {
            call(body, |request| db.create_table(request)).map(|body| as_modelled("TableDescription", body))
        }
        "DescribeTable" => call(body, |request| db.describe_table(request)).map(|body| as_modelled("Table", body)),
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
            Err(Refusal::from_body(400, body))
        }
    }
}

/// The embedded DynamoDB describes tables with a member that the API model does not have.
fn as_modelled(description: &str, mut body: Value) -> Value {
    if let Some(members) = body.get_mut(description).and_then(Value::as_object_mut) {
        members.remove("TableThroughputModeSummary");
    }
    body
}

fn call<Request: DeserializeOwned, Response: Serialize>(
    body: Value,
    operation: impl FnOnce(Request) -> Result<Response, DynoxideError>,
) -> Result<Value, Refusal> {
    let request = serde_json::from_value(body).map_err(|error| unreadable(&error.to_string()))?;
    let response = operation(request)?;
    Ok(serde_json::to_value(response).expect("a response of the embedded DynamoDB is JSON"))
}

/// The embedded DynamoDB checks some rules while it reads a request, and says so by a marker before the message.
fn unreadable(message: &str) -> Refusal {
    for marker in ["VALIDATION:", "VALIDATION_REQUEST:", "VALIDATION_AS_READ:"] {
        if let Some(message) = message.strip_prefix(marker) {
            let body = json!({ "__type": "com.amazon.coral.validate#ValidationException", "message": message });
            return Refusal::from_body(400, body);
        }
    }
    let message =
        message.split_once(':').filter(|(marker, _)| marker.starts_with("SERIALIZATION")).map_or(message, |it| it.1);
    let body = json!({ "__type": "com.amazon.coral.service#SerializationException", "Message": message });
    Refusal::from_body(400, body)
}
