//! Rotations for the tests of this package.

use std::time::Duration;

use rerole_core::keys::RotationKey;
use rerole_core::request::{RequestRules, parse_event};
use rerole_core::rotation::{Counts, PauseCause, RotationRecord, State, Status};
use rerole_core::timestamp::Timestamp;
use serde_json::json;

use crate::rotation::{InUseView, RotationView};

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

/// The view of that rotation with this status.
pub fn view(status: Status) -> RotationView {
    let role = |name: &str| format!("arn:aws:iam::{ACCOUNT}:role/platform/{name}");
    let started_at = now() - Duration::from_mins(90);
    RotationView {
        id: "app".to_owned(),
        status,
        status_cause: (status == Status::Paused).then_some(PauseCause::Operator),
        reason: None,
        rollback_of: None,
        dry_run: false,
        old_role_arn: role("app-2025"),
        new_role_arn: role("app-2026"),
        scope: json!({}),
        max_errors: "10%".to_owned(),
        max_concurrency: None,
        counts: Counts {
            total: 400,
            pending: 280,
            updated: 120,
            ..Counts::default()
        },
        settled_per_sec: None,
        estimated_end_at: None,
        regions: Vec::new(),
        attempt: 1,
        started_at,
        queued_at: None,
        finished_at: None,
        requested_by: Some("jane".to_owned()),
        request_reason: Some("CHG-7".to_owned()),
        request_event_id: None,
        timeline_seq: 7,
        is_stalled: false,
        waits_for: None,
        old_role_in_use: Some(InUseView {
            since: started_at,
            by: "app".to_owned(),
            why: "a rotation from the role has not finished".to_owned(),
        }),
        old_role_in_use_until: None,
        rollback: None,
    }
}
