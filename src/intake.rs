//! From what Lambda hands over to what is to be done: the EventBridge envelope around a rotation request, or a short payload
//! of our own.

use aws_lambda_events::event::eventbridge::EventBridgeEvent;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::continuation::{self, Continuation};
use crate::request::{Rejection, RotationId, RotationRequest, parse_detail};

/// The one `detail-type` that asks for a rotation.
pub const DETAIL_TYPE: &str = "Role Rotation Requested";

/// The one thing that the schedule's payload `{"watch": …}` can ask for.
pub const WATCH_STALLED: &str = "stalledRotations";

/// What an invocation's payload asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intake {
    /// A rotation that may run.
    Rotate(Box<RotationRequest>),
    /// A rotation that was begun, and is to be gone on with.
    Continue(Continuation),
    /// A look for rotations that nobody works on.
    Watch,
    /// Another kind of event. It is acknowledged and nothing is done.
    Ignore { detail_type: String },
    /// An event that asks for a rotation, or no event at all, and may not run.
    Reject { event_id: String, rejection: Rejection },
}

/// Reads a payload. `own_account` is the account that the function runs in, where that is known; `role_path` the IAM
/// path under which new roles must lie.
#[must_use]
pub fn read(payload: &Value, own_account: Option<&str>, role_path: &str) -> Intake {
    if let Some(watch) = payload.get("watch") {
        if watch == WATCH_STALLED {
            return Intake::Watch;
        }
        let rejection = Rejection::new("watch", watch, format!("\"{WATCH_STALLED}\""));
        return Intake::Reject { event_id: event_id(payload), rejection };
    }
    if payload.get(continuation::MEMBER).is_some() {
        return match Continuation::read(payload) {
            Ok(continuation) => Intake::Continue(continuation),
            Err(rejection) => Intake::Reject { event_id: event_id(payload), rejection },
        };
    }
    match payload.get("detail-type") {
        Some(Value::String(detail_type)) if detail_type != DETAIL_TYPE => {
            Intake::Ignore { detail_type: detail_type.clone() }
        }
        _ => match request(payload, own_account, role_path) {
            Ok(request) => Intake::Rotate(Box::new(request)),
            Err(rejection) => Intake::Reject { event_id: event_id(payload), rejection },
        },
    }
}

/// The name under which a rejection is recorded: the event's id, or the payload's hash where it has no usable one.
#[must_use]
pub fn event_id(payload: &Value) -> String {
    let id = payload.get("id").and_then(Value::as_str).and_then(RotationId::new);
    id.map_or_else(|| hex(&Sha256::digest(payload.to_string())), |id| id.to_string())
}

/// Lowercase hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|nibble| char::from(b"0123456789abcdef"[usize::from(nibble)]))
        .collect()
}

fn request(payload: &Value, own_account: Option<&str>, role_path: &str) -> Result<RotationRequest, Rejection> {
    let event: EventBridgeEvent<Value> = serde_path_to_error::deserialize(payload).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { "event".to_owned() } else { path };
        let value = payload.get(&field).unwrap_or(if field == "event" { payload } else { &Value::Null });
        Rejection::new(field, value, format!("an EventBridge event: {}", error.inner()))
    })?;
    let Some(account) = event.account.as_deref() else {
        return Err(Rejection::new("account", &Value::Null, "the account that the event comes from"));
    };
    if own_account.is_some_and(|own| own != account) {
        let own = own_account.unwrap_or_default();
        return Err(Rejection::new(
            "account",
            &Value::from(account),
            format!("events from the stack's own account, {own}"),
        ));
    }
    parse_detail(&event.detail, event.id.as_deref(), role_path)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::json;

    use super::*;

    fn event(changes: Value) -> Value {
        let mut event = json!({
            "version": "0",
            "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
            "detail-type": "Role Rotation Requested",
            "source": "platform.iam",
            "account": "111122223333",
            "time": "2026-11-23T21:17:00Z",
            "region": "us-east-1",
            "resources": [],
            "detail": {
                "oldRoleArn": "arn:aws:iam::111122223333:role/platform/a",
                "newRoleArn": "arn:aws:iam::111122223333:role/platform/b",
            },
        });
        let Value::Object(changes) = changes else { return changes };
        for (name, value) in changes {
            if value == "(absent)" {
                event.as_object_mut().unwrap().remove(&name);
            } else {
                event[name] = value;
            }
        }
        event
    }

    fn check(changes: Value, expected: &Expect) {
        let shown = match read(&event(changes), Some("111122223333"), "/platform/") {
            Intake::Rotate(request) => format!("rotate {}", request.rotation_id),
            Intake::Continue(continuation) => format!("continue {continuation}"),
            Intake::Watch => "watch".to_owned(),
            Intake::Ignore { detail_type } => format!("ignore {detail_type}"),
            Intake::Reject { event_id, rejection } => format!("reject {event_id}: {rejection}"),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn envelopes_are_told_apart() {
        for (changes, expected) in [
            (json!({}), expect!["rotate 6a7e8feb-b491-4cf7-a9f1-bf3703467718"]),
            (json!({ "watch": "stalledRotations" }), expect!["watch"]),
            (
                json!({ "rotationId": "r-1" }),
                expect![[
                    r#"reject 6a7e8feb-b491-4cf7-a9f1-bf3703467718: account "111122223333" is not allowed; allowed: nothing beside rotationId"#
                ]],
            ),
            (
                json!({ "watch": "stalled" }),
                expect![[
                    r#"reject 6a7e8feb-b491-4cf7-a9f1-bf3703467718: watch "stalled" is not allowed; allowed: "stalledRotations""#
                ]],
            ),
            (json!({ "id": "e-1", "replay-name": "again" }), expect!["rotate e-1"]),
            (json!({ "detail-type": "Role Rotation Finished", "detail": 7 }), expect!["ignore Role Rotation Finished"]),
            (
                json!({ "account": "999999999999" }),
                expect![[
                    r#"reject 6a7e8feb-b491-4cf7-a9f1-bf3703467718: account "999999999999" is not allowed; allowed: events from the stack's own account, 111122223333"#
                ]],
            ),
            (
                json!({ "account": "(absent)" }),
                expect![
                    "reject 6a7e8feb-b491-4cf7-a9f1-bf3703467718: account (nothing) is not allowed; allowed: the account that the event comes from"
                ],
            ),
            (
                json!({ "detail": "(absent)" }),
                expect![[
                    r#"reject 6a7e8feb-b491-4cf7-a9f1-bf3703467718: event {"account":"111122223333","detail-type":"Role Rotation Requested","id":"6a7e8feb-b491-4cf7-a9f1-bf3703467718","region":"us-east-1","resources":[],"source":"platform.iam","time":"2026-11-23T21:17:00Z",… is not allowed; allowed: an EventBridge event: missing field `detail`"#
                ]],
            ),
            (
                json!({ "detail-type": 7 }),
                expect![
                    "reject 6a7e8feb-b491-4cf7-a9f1-bf3703467718: detail-type 7 is not allowed; allowed: an EventBridge event: invalid type: integer `7`, expected a string"
                ],
            ),
            (
                json!({ "time": "yesterday" }),
                expect![[
                    r#"reject 6a7e8feb-b491-4cf7-a9f1-bf3703467718: time "yesterday" is not allowed; allowed: an EventBridge event: input contains invalid characters"#
                ]],
            ),
            (
                json!({ "id": "not an id" }),
                expect![[
                    r#"reject 64cf4c5fd96d07c827eb9f12292033271542fd54668f4af552e22973e0dce906: id "not an id" is not allowed; allowed: 1 to 64 letters, digits, "_" or "-", or a rotationId"#
                ]],
            ),
            (
                json!("text"),
                expect![[
                    r#"reject 1e1d0f251d3a76fa2b1bfc81164078572623403887db02988b504b0492e9f076: event "text" is not allowed; allowed: an EventBridge event: invalid type: string "text", expected struct EventBridgeEvent"#
                ]],
            ),
            (
                json!({ "id": "(absent)" }),
                expect![
                    "reject e29e00c65732f0d4e84ed788b4248e0fa66bc3aa19f052a2b6307d594e65ee16: id (nothing) is not allowed; allowed: an event id, or a rotationId"
                ],
            ),
        ] {
            check(changes, &expected);
        }
    }

    #[test]
    fn a_local_runtime_knows_no_account_of_its_own() {
        let foreign = event(json!({ "account": "999999999999" }));
        assert!(matches!(read(&foreign, None, "/"), Intake::Rotate(_)));
    }

    #[test]
    fn a_rotation_id_alone_is_a_continuation() {
        let Intake::Continue(continuation) = read(&json!({ "rotationId": "dry-run/r-1" }), None, "/") else { panic!() };
        assert_eq!(continuation.to_string(), "dry-run/r-1");
    }

    #[test]
    fn bytes_become_lowercase_hex() {
        assert_eq!(hex(&[0x00, 0x0f, 0xa0, 0xff]), "000fa0ff");
    }
}
