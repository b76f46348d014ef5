//! The EventBridge event that requests a rotation: the checks of its envelope. The `detail` in it
//! is checked in `detail.rs`.

use serde::Deserialize;
use serde_json::Value;

use crate::request::detail::parse_detail;
use crate::request::{Envelope, EventSummary, Rejection, Requested};
use crate::timestamp::Timestamp;

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
