//! Rotations for the tests of this package.

use rerole_core::keys::RotationKey;
use rerole_core::request::{RequestRules, parse_event};
use rerole_core::rotation::{Counts, RotationRecord, State};
use rerole_core::timestamp::Timestamp;
use serde_json::json;

pub const ACCOUNT: &str = "111122223333";

/// The time of the tests.
pub fn now() -> Timestamp {
    "2026-11-23T21:17:00.000Z".parse().unwrap()
}

/// A rotation of 400 associations, of which 120 are moved, in this state. `key` says whether it is
/// a dry run.
pub fn record(key: &str, state: State) -> RotationRecord {
    let role = |name: &str| format!("arn:aws:iam::{ACCOUNT}:role/platform/{name}");
    let key: RotationKey = key.parse().unwrap();
    let is_dry_run = matches!(key, RotationKey::DryRun(_) | RotationKey::RollbackDryRun(_));
    let event = json!({
        "id": "e-1", "detail-type": "Role Rotation Requested", "source": "platform.iam",
        "account": ACCOUNT, "time": now(),
        "detail": {
            "rotationId": key.rotation_id().to_string(), "dryRun": is_dry_run,
            "oldRoleArn": role("app-2025"), "newRoleArn": role("app-2026"),
        },
    });
    let rules = RequestRules {
        source: "platform.iam".to_owned(),
        role_path: "/".to_owned(),
        old_role_path: "/".to_owned(),
    };
    let requested = parse_event(&event, None, &rules).unwrap();
    RotationRecord {
        state,
        counts: Counts {
            total: 400,
            pending: 280,
            updated: 120,
            ..Counts::default()
        },
        timeline_seq: 7,
        ..RotationRecord::queue(&requested, now())
    }
}
