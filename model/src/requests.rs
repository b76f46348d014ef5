//! The requests and times of the models.

use std::collections::BTreeMap;

use rerole_core::request::{RequestRules, Requested, parse_event};
use rerole_core::resource::Association;
use rerole_core::rotation::{State, Status};
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

/// Returns an association on a role, at the first version.
pub(crate) fn association(id: &str, role_arn: &str) -> Association {
    let arn = format!("arn:aws:eks:eu-west-1:111122223333:podidentityassociation/prod/{id}");
    Association {
        association_arn: arn.parse().expect("the ARN is valid"),
        namespace: "pay".to_owned(),
        service_account: "api".to_owned(),
        role_arn: role_arn.to_owned(),
        target_role_arn: None,
        disable_session_tags: None,
        policy: None,
        external_id: None,
        owner_arn: None,
        tags: BTreeMap::new(),
        created_at: None,
        modified_at: at(0),
    }
}

/// Returns the state of a rotation with this status, which a slice works on or has closed.
pub(crate) fn state(status: Status) -> State {
    match status {
        Status::Planning => State::PLANNING,
        Status::InProgress => State::IN_PROGRESS,
        status => State::finished(status, at(0)),
    }
}
