//! The rotation's own item in the ledger, and what an invocation returns.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::arn::RoleArn;
use crate::request::{RotationId, RotationRequest};
use crate::status::{Counts, Status};
use crate::time::Timestamp;

/// Sort key of the rotation's item.
pub const ROTATION_ENTRY: &str = "rotation";
/// Sort key of a role's lock.
pub const LOCK_ENTRY: &str = "lock";

/// Partition key of the lock on a role.
#[must_use]
pub fn lock_key(role: &RoleArn) -> String {
    format!("role/{role}")
}

/// The item `(rotationId, "rotation")`: the rotation, its request, lease and fence. It is there from the moment that the
/// rotation was opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RotationRecord {
    /// The ledger key: `dry-run/<id>` for a dry run.
    pub rotation_id: String,
    pub entry: String,
    pub status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub old_role_arn: RoleArn,
    pub new_role_arn: RoleArn,
    pub request: RotationRequest,
    pub counts: Counts,
    pub started_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_role_in_use_until: Option<Timestamp>,
    /// By region, since when the index was complete as the rotation came to its end: whoever began to use the old role after
    /// that may be missing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub index_as_of: BTreeMap<String, Timestamp>,
    /// Present while an invocation works on the rotation: until when it may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<Timestamp>,
    /// When the last slice left it before its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_since: Option<Timestamp>,
    /// How far it was when the lease was last extended, or given back. Gone once it is at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Headway>,
    /// Grows each time the lease changes hands.
    pub fence: u64,
    /// How often an association was seen on the old role again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub returned_count: u64,
    /// How often the index has learnt of an association on the old role, while the rotation was open.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub arrivals: u64,
    /// Why the rotation stopped early. From then on associations are only looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// For how long earlier slices have waited for the new role, in milliseconds.
    #[serde(default)]
    pub role_not_ready_ms: u64,
}

/// How far a rotation is, while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Headway {
    pub at: Timestamp,
    pub counts: Counts,
    /// Associations settled per second, over the last minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_per_sec: Option<f64>,
    /// When it will be at its end at that pace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_end_at: Option<Timestamp>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl RotationRecord {
    /// A rotation that begins at `now` and is leased until `lease_until`.
    #[must_use]
    pub fn opening(request: &RotationRequest, now: Timestamp, lease_until: Timestamp) -> Self {
        Self {
            rotation_id: request.ledger_key(),
            entry: ROTATION_ENTRY.to_owned(),
            status: Status::Planning,
            reason: None,
            old_role_arn: request.old_role_arn.clone(),
            new_role_arn: request.new_role_arn.clone(),
            request: request.clone(),
            counts: Counts::default(),
            started_at: now,
            finished_at: None,
            old_role_in_use_until: None,
            index_as_of: BTreeMap::new(),
            lease_until: Some(lease_until),
            idle_since: None,
            progress: None,
            fence: 1,
            returned_count: 0,
            arrivals: 0,
            stopped: None,
            role_not_ready_ms: 0,
        }
    }

    /// Whether an invocation may be at work on it.
    #[must_use]
    pub fn is_leased_at(&self, now: Timestamp) -> bool {
        self.lease_until.is_some_and(|until| now < until)
    }

    /// For how long nobody has been at work on it by `now`: zero where somebody may be. Where a slice died, its lease tells.
    #[must_use]
    pub fn idle_for(&self, now: Timestamp) -> Duration {
        now.since(self.lease_until.max(self.idle_since).unwrap_or(self.started_at))
    }

    /// What an invocation that found or brought the rotation to its end returns.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary {
            rotation_id: self.request.rotation_id.clone(),
            status: self.status,
            reason: self.reason.clone(),
            dry_run: self.request.dry_run,
            old_role_arn: self.old_role_arn.clone(),
            new_role_arn: self.new_role_arn.clone(),
            counts: self.counts,
            started_at: self.started_at,
            finished_at: self.finished_at,
            old_role_in_use_until: self.old_role_in_use_until,
            index_as_of: self.index_as_of.clone(),
        }
    }
}

/// The result of a rotation, as the invocation returns it. Absent values are null, so that readers find every name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    pub rotation_id: RotationId,
    pub status: Status,
    pub reason: Option<String>,
    pub dry_run: bool,
    pub old_role_arn: RoleArn,
    pub new_role_arn: RoleArn,
    pub counts: Counts,
    pub started_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    pub old_role_in_use_until: Option<Timestamp>,
    #[serde(default)]
    pub index_as_of: BTreeMap<String, Timestamp>,
}

/// What an invocation that succeeds returns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Reply {
    /// The rotation is at its end: now, or since an earlier delivery.
    Finished(Box<Summary>),
    /// The rotation goes on in another invocation, which the state machine makes.
    #[serde(rename_all = "camelCase")]
    InProgress { rotation_id: RotationId, status: Status, counts: Counts },
    /// Another invocation is at work on the same rotation.
    #[serde(rename_all = "camelCase")]
    AlreadyRunning { rotation_id: RotationId, already_running: bool },
    /// The event may not run. It is recorded under `rejected/<event id>`.
    #[serde(rename_all = "camelCase")]
    Rejected { event_id: String, status: Status, reason: String },
    /// The rotations that nobody works on, by ledger key.
    #[serde(rename_all = "camelCase")]
    Watched { stalled_rotations: Vec<String> },
    /// Another kind of event.
    #[serde(rename_all = "camelCase")]
    Ignored { ignored_detail_type: String },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(lease_until: Option<u64>, idle_since: Option<u64>) -> RotationRecord {
        let request = serde_json::json!({
            "rotationId": "r-1",
            "oldRoleArn": "arn:aws:iam::111122223333:role/platform/a",
            "newRoleArn": "arn:aws:iam::111122223333:role/platform/b",
            "dryRun": false,
            "maxErrors": "100%",
        });
        let record = RotationRecord::opening(&serde_json::from_value(request).unwrap(), at(10), at(10));
        RotationRecord { lease_until: lease_until.map(at), idle_since: idle_since.map(at), ..record }
    }

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_millis(0) + Duration::from_secs(secs)
    }

    #[test]
    fn lease_or_leaving_tells_since_when_nobody_works() {
        for (lease_until, idle_since, now, idle_secs) in [
            // At work.
            (Some(145), None, 100, 0),
            (Some(145), Some(50), 100, 0),
            // Left in time.
            (None, Some(50), 100, 50),
            // Died, in the first slice or in a later one.
            (Some(90), None, 100, 10),
            (Some(90), Some(50), 100, 10),
        ] {
            let idle = record(lease_until, idle_since).idle_for(at(now));
            assert_eq!(idle, Duration::from_secs(idle_secs), "{lease_until:?} {idle_since:?}");
        }
    }
}
