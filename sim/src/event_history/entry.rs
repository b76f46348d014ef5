//! From a record to the entry of it in a response. It has the resources that AWS lists for an
//! `AssumeRole`: access key, session and role.

use std::time::SystemTime;

use chrono::DateTime;
use serde_json::{Value, json};

use crate::options::EventDelivery;

/// What CloudTrail writes over a value.
const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";
/// What newer records have before AM and PM, in place of a space.
const NARROW_SPACE: &str = "\u{202f}";

/// The time and the ID of a record; none of what is not one.
pub(super) fn time_and_id(record: &Value) -> Option<(SystemTime, String)> {
    let time = DateTime::parse_from_rfc3339(record["eventTime"].as_str()?).ok()?;
    Some((time.into(), record["eventID"].as_str()?.to_owned()))
}

/// The entry of a record. Members that the record does not have are null.
pub(super) fn entry(record: &Value, delivery: &EventDelivery) -> Value {
    let time = record["eventTime"].as_str();
    let time = time.and_then(|time| DateTime::parse_from_rfc3339(time).ok());
    let identity = &record["userIdentity"];
    let session = || {
        let is_session = identity["type"] == "AssumedRole";
        let id = identity["principalId"].as_str().filter(|_| is_session)?;
        Some(id.split_once(':')?.1)
    };
    json!({
        "EventId": record["eventID"],
        "EventName": record["eventName"],
        "ReadOnly": record["readOnly"].as_bool().map(|it| it.to_string()),
        "AccessKeyId": identity["accessKeyId"],
        "EventTime": time.map(|time| time.timestamp()),
        "EventSource": record["eventSource"],
        "Username": identity["userName"].as_str().or_else(session),
        "Resources": resources(record),
        "CloudTrailEvent": shown(record, delivery).to_string(),
    })
}

fn resources(record: &Value) -> Vec<Value> {
    let response = &record["responseElements"];
    let user = &response["assumedRoleUser"];
    let made = [
        (
            "AWS::IAM::AccessKey",
            &response["credentials"]["accessKeyId"],
        ),
        ("AWS::STS::AssumedRole", &user["arn"]),
        ("AWS::STS::AssumedRole", &user["assumedRoleId"]),
        (
            "AWS::STS::AssumedRole",
            &record["requestParameters"]["roleSessionName"],
        ),
    ];
    let made = made
        .into_iter()
        .map(|(kind, name)| (json!(kind), name.clone()));
    let named = record["resources"].as_array().into_iter().flatten();
    let named = named.map(|it| (it["type"].clone(), it["ARN"].clone()));
    let all = made.chain(named).filter(|(_, name)| name.is_string());
    all.map(|(kind, name)| json!({ "ResourceType": kind, "ResourceName": name }))
        .collect()
}

/// The record as CloudTrail shows it.
fn shown(record: &Value, delivery: &EventDelivery) -> Value {
    let mut record = record.clone();
    for pointer in &delivery.redacted {
        if let Some(value) = record.pointer_mut(pointer) {
            *value = json!(HIDDEN);
        }
    }
    let expiration = record.pointer_mut("/responseElements/credentials/expiration");
    if let Some(Value::String(time)) = expiration.filter(|_| delivery.narrow_spaces)
        && let Some((time_of_day, half)) = time.rsplit_once(' ')
    {
        *time = format!("{time_of_day}{NARROW_SPACE}{half}");
    }
    record
}
