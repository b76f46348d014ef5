//! The EventBridge event that requests a rotation: the checks of its envelope, which a command has
//! also. The `detail` in it is checked in `detail.rs`.

use serde::Deserialize;
use serde_json::Value;

use crate::request::detail::parse_detail;
use crate::request::rules::check_partition;
use crate::request::{
    CLAIM_FORM, Claim, Envelope, EventSummary, Rejection, RequestRules, Requested,
};
use crate::resource::OwnAccount;
use crate::timestamp::Timestamp;

/// Parses a rotation request from an EventBridge event. `own_account` is the account of the
/// function, if known. `rules` are those of the stack.
///
/// # Errors
/// If a member is missing or not allowed: the first such member.
pub fn parse_event(
    event: &Value,
    own_account: Option<&OwnAccount>,
    rules: &RequestRules,
) -> Result<Requested, Rejection> {
    let (event, detail) = parse_envelope(event, own_account, rules)?;
    let (request, claims) = parse_detail(&detail, event.id.as_deref(), rules)?;
    check_partition(&request, own_account)?;
    let envelope = Envelope {
        event,
        request_id: None,
        claims,
    };
    Ok(Requested { request, envelope })
}

/// Checks the members of an event around its `detail`, and returns them and the `detail`.
pub(crate) fn parse_envelope(
    event: &Value,
    own_account: Option<&OwnAccount>,
    rules: &RequestRules,
) -> Result<(EventSummary, Value), Rejection> {
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
    // The ledger records them. EventBridge sets them, but another sender may not be EventBridge.
    for (field, text) in [
        ("id", &event.id),
        ("account", &event.account),
        ("region", &event.region),
    ] {
        if let Some(text) = text
            && Claim::new(text).is_none()
        {
            return Err(Rejection::new(
                field,
                &Value::from(text.as_str()),
                CLAIM_FORM,
            ));
        }
    }
    let Some(account) = event.account.as_deref() else {
        return Err(Rejection::new(
            "account",
            &Value::Null,
            "the account that the event comes from",
        ));
    };
    if let Some(own) = own_account.filter(|own| own.account != account) {
        return Err(Rejection::new(
            "account",
            &Value::from(account),
            format!("events from the stack's own account, {}", own.account),
        ));
    }
    if event.source != rules.source {
        return Err(Rejection::new(
            "source",
            &Value::from(event.source),
            format!("events from {} (ROTATION_EVENT_SOURCE)", rules.source),
        ));
    }
    // A replay may have another ID than the event that it repeats. So an old request could start a
    // second rotation, and move what has been put on the old role since.
    if let Some(replay) = event.replay_name {
        return Err(Rejection::new(
            "replay-name",
            &replay,
            "an event that is not replayed; request the rotation again",
        ));
    }
    let summary = EventSummary {
        id: event.id,
        source: event.source,
        account: event.account,
        region: event.region,
        time: event.time,
    };
    Ok((summary, event.detail))
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
    /// The name of the replay, if the event comes from an archive.
    #[serde(default)]
    replay_name: Option<Value>,
    detail: Value,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_comes_from_the_account_of_the_stack_and_the_named_source() {
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
        let own = OwnAccount::of_function("arn:aws:lambda:us-east-1:111122223333:function:rotate");
        let own = own.as_ref();
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
            (event(json!({ "id": "" })), own, Some(("id", r#""""#))),
            (
                event(json!({ "region": "a\nb" })),
                own,
                Some(("region", r#""a\nb""#)),
            ),
            (
                event(json!({ "source": "platform.iam.evil" })),
                own,
                Some(("source", r#""platform.iam.evil""#)),
            ),
            (
                event(json!({ "replay-name": "again" })),
                own,
                Some(("replay-name", r#""again""#)),
            ),
            (json!("text"), own, Some(("event", r#""text""#))),
        ] {
            let rejection = parse_event(&event, own_account, &RequestRules::under("/")).err();
            let found = rejection.map(|rejection| (rejection.field, rejection.value));
            let expected = expected.map(|(field, value)| (field.to_owned(), value.to_owned()));
            assert_eq!(found, expected, "{event}");
        }
    }
}
