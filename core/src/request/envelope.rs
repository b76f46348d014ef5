//! The EventBridge envelope around a rotation request: its checks, and what the ledger records of
//! it. The `detail` in it is checked in `detail.rs`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::request::detail::parse_detail;
use crate::request::{Claims, Rejection, Requested};
use crate::timestamp::Timestamp;

/// Where a request came from, as the ledger records it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    pub event: EventSummary,
    /// The request ID of the invocation that received the event. The function's log and AWS X-Ray
    /// have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    #[serde(flatten)]
    pub claims: Claims,
}

/// The members of an EventBridge event around its `detail`. `EventBridge` sets all but the source.
/// <https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html>
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventSummary {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(default)]
    pub source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
}

/// Parses a rotation request from an EventBridge event. `own_account` is the function's account, if
/// known. `role_path` is the IAM path that new roles must have.
///
/// # Errors
/// If a member is missing or not allowed: the first such member.
pub fn parse_event(
    event: &Value,
    own_account: Option<&str>,
    role_path: &str,
) -> Result<Requested, Rejection> {
    let event: Event = serde_path_to_error::deserialize(event).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." {
            "event".to_owned()
        } else {
            path
        };
        let value = event.get(&field).unwrap_or(if field == "event" {
            event
        } else {
            &Value::Null
        });
        Rejection::new(
            field,
            value,
            format!("an EventBridge event: {}", error.inner()),
        )
    })?;
    let Some(account) = event.account.as_deref() else {
        return Err(Rejection::new(
            "account",
            &Value::Null,
            "the account that the event comes from",
        ));
    };
    if own_account.is_some_and(|own| own != account) {
        let own = own_account.unwrap_or_default();
        return Err(Rejection::new(
            "account",
            &Value::from(account),
            format!("events from the stack's own account, {own}"),
        ));
    }
    let (request, claims) = parse_detail(&event.detail, event.id.as_deref(), role_path)?;
    let envelope = Envelope {
        event: EventSummary {
            id: event.id,
            source: event.source,
            account: event.account,
            region: event.region,
            time: event.time,
        },
        request_id: None,
        claims,
    };
    Ok(Requested { request, envelope })
}

/// An EventBridge event. Members that are not here are ignored, and those with an underscore are
/// checked for their type only.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", expecting = "an object")]
struct Event {
    #[serde(default)]
    id: Option<String>,
    #[serde(rename = "detail-type")]
    _detail_type: String,
    source: String,
    #[serde(default)]
    account: Option<String>,
    #[serde(default)]
    time: Option<Timestamp>,
    #[serde(default)]
    region: Option<String>,
    #[serde(default, rename = "resources")]
    _resources: Option<Vec<String>>,
    detail: Value,
}
