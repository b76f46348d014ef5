//! The responses of DynamoDB, as its JSON protocol puts them on the wire.

use std::iter;

use dynoxide::DynoxideError;
use serde_json::{Map, Value, json};

use crate::wire::Response;

const JSON: &str = "application/x-amz-json-1.0";
const MODEL: &str = "com.amazonaws.dynamodb.v20120810#";

/// An error in the form of its response.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DynamoDbError {
    status: u16,
    code: String,
    body: Map<String, Value>,
}

impl DynamoDbError {
    /// An error of the API model.
    fn modeled(status: u16, code: &str, message: &str) -> Self {
        let body = json!({ "__type": format!("{MODEL}{code}"), "message": message });
        Self::from_body(status, body)
    }

    pub(crate) fn from_body(status: u16, body: Value) -> Self {
        let kind = body
            .get("__type")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let code = kind.rsplit('#').next().unwrap_or_default().to_owned();
        let body = if let Value::Object(members) = body {
            members
        } else {
            Map::new()
        };
        Self { status, code, body }
    }

    pub(crate) fn throughput_exceeded() -> Self {
        let message = "The level of configured provisioned throughput for the table was exceeded. \
                       Consider increasing your provisioning level with the UpdateTable API.";
        Self::modeled(400, "ProvisionedThroughputExceededException", message)
    }

    /// Another transaction has locked the first item of this transaction.
    pub(crate) fn transaction_conflict(body: &Value) -> Self {
        let len = body["TransactItems"].as_array().map_or(1, Vec::len).max(1);
        let codes: Vec<&str> = iter::once("TransactionConflict")
            .chain(iter::repeat_n("None", len - 1))
            .collect();
        let reasons = codes.iter().map(|code| match *code {
            "None" => json!({ "Code": "None" }),
            code => json!({ "Code": code, "Message": "Transaction is ongoing for the item" }),
        });
        let message = format!(
            "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
            codes.join(", ")
        );
        let body = json!({
            "__type": format!("{MODEL}TransactionCanceledException"),
            "Message": message,
            "CancellationReasons": reasons.collect::<Vec<_>>(),
        });
        Self::from_body(400, body)
    }

    pub(crate) fn into_response(self) -> Response {
        Response::error(JSON, self.status, Some(&self.code), self.body)
    }
}

impl From<DynoxideError> for DynamoDbError {
    fn from(error: DynoxideError) -> Self {
        let body = serde_json::from_str(&error.to_json()).unwrap_or(Value::Null);
        Self::from_body(error.status_code(), body)
    }
}

pub(crate) fn ok(body: Value) -> Response {
    Response::ok(JSON, body)
}

/// The throttling error.
pub(crate) fn throttled() -> Response {
    DynamoDbError::throughput_exceeded()
        .into_response()
        .rejected()
}

/// An error that a hook injects. Without a code, the one that DynamoDB models for a 5xx status.
pub(crate) fn injected(status: u16, code: Option<&str>, message: &str) -> Response {
    let code = code.unwrap_or("InternalServerError");
    DynamoDbError::modeled(status, code, message)
        .into_response()
        .rejected()
}
