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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_comes_from_the_account_of_the_stack() {
        let detail = json!({
            "rotationId": "r-1",
            "oldRoleArn": "arn:aws:iam::111122223333:role/old",
            "newRoleArn": "arn:aws:iam::111122223333:role/new",
        });
        let event = |changes: Value| {
            let mut event = json!({
                "detail-type": "Role Rotation Requested", "source": "platform.iam",
                "account": "111122223333", "detail": detail,
            });
            for (name, value) in changes.as_object().unwrap() {
                event[name] = value.clone();
            }
            event
        };
        let own = Some("111122223333");
        for (event, own_account, expected) in [
            (event(json!({})), own, None),
            (event(json!({ "account": "444455556666" })), None, None),
            (
                event(json!({ "account": "444455556666" })),
                own,
                Some(("account", r#""444455556666""#)),
            ),
            (
                event(json!({ "account": null })),
                own,
                Some(("account", "(nothing)")),
            ),
            (event(json!({ "source": 7 })), own, Some(("source", "7"))),
            (json!("text"), own, Some(("event", r#""text""#))),
        ] {
            let rejection = parse_event(&event, own_account, "/").err();
            let found = rejection.map(|rejection| (rejection.field, rejection.value));
            let expected = expected.map(|(field, value)| (field.to_owned(), value.to_owned()));
            assert_eq!(found, expected, "{event}");
        }
    }
}
