//! The requests and times of the models.

use rerole_core::request::{RequestRules, Requested, parse_event};
use rerole_core::timestamp::Timestamp;
use serde_json::json;

/// Returns the ARN of a role.
pub(crate) fn role(name: &str) -> String {
    format!("arn:aws:iam::111122223333:role/{name}")
}

/// Returns the request of a rotation. `roles` are its old and its new role.
pub(crate) fn requested(id: &str, roles: [&str; 2]) -> Requested {
    let [old, new] = roles.map(role);
    let event = json!({
        "id": "e-1", "detail-type": "Role Rotation Requested", "source": "platform.iam",
        "account": "111122223333",
        "detail": {
            "rotationId": id, "oldRoleArn": old, "newRoleArn": new, "maxErrors": "100%",
        },
    });
    let allowed = RequestRules {
        source: "platform.iam".to_owned(),
        role_path: "/".to_owned(),
        old_role_path: "/".to_owned(),
    };
    parse_event(&event, None, &allowed).expect("the request is valid")
}

/// Returns the time after this many seconds of a model.
pub(crate) fn at(secs: u32) -> Timestamp {
    Timestamp::from_millis(i64::from(secs) * 1_000)
}
