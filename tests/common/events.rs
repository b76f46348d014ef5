//! The events that are delivered to the rotate function.

use serde_json::{Value, json};

use crate::common::environment::{NEW, OLD};

/// The event that requests rotation `r-1`, with the members of `detail` added to its `detail`. No
/// failure stops the rotation, unless `detail` sets `maxErrors`.
pub fn event(detail: &Value) -> Value {
    let mut event = json!({
        "version": "0",
        "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "detail-type": "Role Rotation Requested",
        "source": "platform.iam",
        "account": "111122223333",
        "time": "2026-11-23T21:00:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail": {
            "rotationId": "r-1", "oldRoleArn": OLD, "newRoleArn": NEW, "maxErrors": "100%",
        },
    });
    for (name, value) in detail.as_object().unwrap() {
        event["detail"][name] = value.clone();
    }
    event
}

/// The event `c-1` with the command of this name for rotation `r-1`, with the members of `detail`
/// set. Those that are null are left out.
pub fn command_event(name: &str, detail: &Value) -> Value {
    let mut event = json!({
        "version": "0",
        "id": "c-1",
        "detail-type": "Role Rotation Command",
        "source": "platform.iam",
        "account": "111122223333",
        "time": "2026-11-23T21:00:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail": { "rotationId": "r-1", "command": name },
    });
    for (name, value) in detail.as_object().unwrap() {
        event["detail"][name] = value.clone();
    }
    let members = event["detail"].as_object_mut().unwrap();
    members.retain(|_, value| !value.is_null());
    event
}

/// The event that requests the check for stalled rotations.
pub fn stalled_check_event() -> Value {
    json!({ "check": "stalledRotations" })
}

/// The event that requests rotation `r-1`, without options.
pub fn rotation_event() -> Value {
    event(&json!({}))
}
