//! The task of each payload, and the rejection of each invalid one.

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
    let Value::Object(changes) = changes else {
        return changes;
    };
    for (name, value) in changes {
        if value == "(absent)" {
            event.as_object_mut().unwrap().remove(&name);
        } else {
            event[name] = value;
        }
    }
    event
}

fn rules(role_path: &str) -> RequestRules {
    RequestRules {
        source: "platform.iam".to_owned(),
        role_path: role_path.to_owned(),
        old_role_path: role_path.to_owned(),
    }
}

fn check(changes: Value, expected: &Expect) {
    let own = OwnAccount::of_function("arn:aws:lambda:us-east-1:111122223333:function:rotate");
    let Payload { task, event } =
        Payload::parse(&event(changes), own.as_ref(), &rules("/platform/"));
    let text = match task {
        Task::Rotate(requested) => format!("rotate {}", requested.request.rotation_id),
        Task::Resume(key) => format!("resume {key}"),
        Task::Command(command) => {
            let (order, key) = (command.order.name(), command.order.ledger_key());
            format!("command {order:?} for {key}")
        }
        Task::CheckStalled => "check".to_owned(),
        Task::Republish(republish) => format!("republish {}", republish.key),
        Task::Ignore { detail_type } => format!("ignore {detail_type}"),
        Task::Reject(rejection) => format!("reject {}: {rejection}", event.id),
    };
    expected.assert_eq(&text);
}

#[test]
fn each_payload_asks_for_one_task() {
    for (changes, expected) in [
        (
            json!({}),
            expect!["rotate 6a7e8feb-b491-4cf7-a9f1-bf3703467718"],
        ),
        (json!({ "check": "stalledRotations" }), expect!["check"]),
        (
            json!({ "rotationId": "r-1" }),
            expect![[
                r#"reject 6a7e8feb-b491-4cf7-a9f1-bf3703467718: account "111122223333" is not allowed; allowed: rotationId as the only member"#
            ]],
        ),
        (
            json!({ "republish": { "rotationId": "rollback/r-1" } }),
            expect!["republish rollback/r-1"],
        ),
        (
            json!({ "check": "stalled" }),
            expect![[
                r#"reject 6a7e8feb-b491-4cf7-a9f1-bf3703467718: check "stalled" is not allowed; allowed: "stalledRotations""#
            ]],
        ),
        (
            json!({ "id": "e-1", "replay-name": "again" }),
            expect![[
                r#"reject e-1: replay-name "again" is not allowed; allowed: an event that is not replayed; request the rotation again"#
            ]],
        ),
        (
            json!({ "source": "another.source" }),
            expect![[
                r#"reject 6a7e8feb-b491-4cf7-a9f1-bf3703467718: source "another.source" is not allowed; allowed: events from platform.iam (ROTATION_EVENT_SOURCE)"#
            ]],
        ),
        (
            json!({ "detail-type": "Role Rotation Finished", "detail": 7 }),
            expect!["ignore Role Rotation Finished"],
        ),
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
                r#"reject 6a7e8feb-b491-4cf7-a9f1-bf3703467718: time "yesterday" is not allowed; allowed: an EventBridge event: "yesterday" is not a time; allowed: RFC 3339 in UTC, for example 2026-11-23T21:17:00.000Z"#
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
                r#"reject 1e1d0f251d3a76fa2b1bfc81164078572623403887db02988b504b0492e9f076: event "text" is not allowed; allowed: an EventBridge event: invalid type: string "text", expected an object"#
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
    assert!(matches!(
        Payload::parse(&foreign, None, &rules("/")).task,
        Task::Rotate(_)
    ));
}

#[test]
fn a_rotation_id_alone_resumes_that_rotation() {
    let resume = json!({ "rotationId": "dry-run/r-1" });
    let payload = Payload::parse(&resume, None, &rules("/"));
    let Task::Resume(key) = payload.task else {
        panic!("{payload:?}")
    };
    assert_eq!(key.to_string(), "dry-run/r-1");
}
