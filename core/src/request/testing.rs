//! Requests for the tests of this crate.

use serde_json::{Value, json};

use crate::request::{RequestRules, Requested, parse_event};

/// Returns the ARN of a role in the account of the tests.
pub(crate) fn role(name: &str) -> String {
    format!("arn:aws:iam::111122223333:role/{name}")
}

/// Returns the request of rotation `r-1`, from role `old` to role `new`, with the members of
/// `changes` set. No failure stops it, unless `changes` sets `maxErrors`.
pub(crate) fn requested(changes: &Value) -> Requested {
    let mut detail = json!({
        "rotationId": "r-1", "oldRoleArn": role("old"), "newRoleArn": role("new"),
        "maxErrors": "100%",
    });
    for (name, value) in changes.as_object().unwrap() {
        detail[name] = value.clone();
    }
    let event = json!({
        "id": "e-1", "detail-type": "Role Rotation Requested", "source": "platform.iam",
        "account": "111122223333", "detail": detail,
    });
    parse_event(&event, None, &RequestRules::under("/")).unwrap()
}
