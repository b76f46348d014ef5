//! The rotation's own item in the ledger: request, status, counts, lease and fence.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::keys::RotationKey;
use crate::request::{Envelope, Requested, RotationRequest};
use crate::resource::RoleArn;
use crate::rotation::{Counts, FailingSince, Progress, RoleUse, Status, Summary};
use crate::timestamp::Timestamp;

/// How long a lease lasts. Lambda delivers a failed event again after 60 s at the earliest. By then
/// the lease of an invocation that crashed has expired, so a crash never blocks a rotation.
pub const LEASE: Duration = Duration::from_secs(45);
/// How long an open rotation may be idle before it counts as stalled. Lambda retries one and two
/// minutes after a failed invocation, and the lease of an invocation that died expires in less than
/// a minute. So most likely nothing resumes a rotation that has been idle for longer.
pub const STALLED_AFTER: Duration = Duration::from_mins(10);

/// The item `(rotationId, "rotation")`. It exists from the moment the rotation is opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RotationRecord {
    #[serde(rename = "rotationId")]
    pub key: RotationKey,
    pub status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub old_role_arn: RoleArn,
    pub new_role_arn: RoleArn,
    pub request: RotationRequest,
    /// Where the request came from.
    pub envelope: Envelope,
    pub counts: Counts,
    pub started_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// The end of the drain of what this rotation moved. Whether the old role is in use is not
    /// known here, but in the role's own item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drained_at: Option<Timestamp>,
    /// For each region, since when its index was complete when the rotation finished. An
    /// association that was put on the old role after this time may be missing from the rotation.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub index_as_of: BTreeMap<String, Timestamp>,
    /// The end of the lease. Present while an invocation works on the rotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<Timestamp>,
    /// When the last slice released the unfinished rotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_since: Option<Timestamp>,
    /// The progress when the lease was last renewed or released. Absent once the rotation is
    /// finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// Increases each time the lease changes hands.
    pub fence: u64,
    /// The number of recorded reversions.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reversion_count: u64,
    /// How often the indexer has found an association on the old role that the open rotation did
    /// not know.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub arrivals: u64,
    /// Why the rotation was stopped early. Since then associations are only described.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// When that was. No update was sent later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_at: Option<Timestamp>,
    /// Since when calls get retryable errors, and no association is settled: for each cluster by
    /// its ARN, and for each region that throttles by its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failing_since: FailingSince,
    /// How long earlier slices have waited for the new role, in milliseconds.
    #[serde(default)]
    pub role_not_ready_ms: u64,
}

impl RotationRecord {
    /// Creates a rotation that starts at `now`, with its first lease.
    #[must_use]
    pub fn start(Requested { request, envelope }: &Requested, now: Timestamp) -> Self {
        Self {
            key: RotationKey::of(request),
            status: Status::Planning,
            reason: None,
            old_role_arn: request.old_role_arn.clone(),
            new_role_arn: request.new_role_arn.clone(),
            request: request.clone(),
            envelope: envelope.clone(),
            counts: Counts::default(),
            started_at: now,
            finished_at: None,
            drained_at: None,
            index_as_of: BTreeMap::new(),
            lease_until: Some(now + LEASE),
            idle_since: None,
            progress: None,
            fence: 1,
            reversion_count: 0,
            arrivals: 0,
            stopped: None,
            stopped_at: None,
            failing_since: BTreeMap::new(),
            role_not_ready_ms: 0,
        }
    }

    /// Returns how the record contradicts itself, or the key under which it was found. No version
    /// of rerole writes such a record.
    #[must_use]
    pub fn contradiction(&self, key: &RotationKey) -> Option<String> {
        let request = &self.request;
        [
            ("rotationId", self.key == *key),
            ("request.rotationId", RotationKey::of(request) == *key),
            ("oldRoleArn", self.old_role_arn == request.old_role_arn),
            ("newRoleArn", self.new_role_arn == request.new_role_arn),
        ]
        .into_iter()
        .find(|(_, agrees)| !agrees)
        .map(|(name, _)| format!("{name} contradicts the key or the request"))
    }

    /// Returns whether an invocation may be working on the rotation.
    #[must_use]
    pub fn is_leased_at(&self, now: Timestamp) -> bool {
        self.lease_until.is_some_and(|until| now < until)
    }

    /// Returns for how long no invocation has worked on the rotation, or zero if one may be working
    /// on it. After a slice that was killed, the time counts from the end of its lease.
    #[must_use]
    pub fn idle_for(&self, now: Timestamp) -> Duration {
        now.since(
            self.lease_until
                .max(self.idle_since)
                .unwrap_or(self.started_at),
        )
    }

    /// Returns whether the rotation is stalled: no invocation has worked on it for
    /// [`STALLED_AFTER`].
    #[must_use]
    pub fn is_stalled(&self, now: Timestamp) -> bool {
        self.idle_for(now) >= STALLED_AFTER
    }

    /// Returns the result of the rotation, as an invocation returns it. `old_role` is what is known
    /// of its old role now.
    #[must_use]
    pub fn summary(&self, old_role: RoleUse) -> Summary {
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
            old_role_in_use_until: old_role.until,
            old_role_in_use: old_role.in_use,
            index_as_of: self.index_as_of.clone(),
        }
    }

    /// Returns the result of a finished rotation for a request that asks for it again. A dry run is
    /// made once. Its result may be old by then, so the reason says when it was produced.
    #[must_use]
    pub fn repeated_summary(&self, old_role: RoleUse) -> Summary {
        let mut summary = self.summary(old_role);
        if let (true, Some(at)) = (summary.dry_run, summary.finished_at) {
            let produced =
                format!("this is the result of {at}; for a new dry run, use another rotationId");
            summary.reason = Some(match summary.reason {
                Some(reason) => format!("{reason}; {produced}"),
                None => produced,
            });
        }
        summary
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::testing::requested;

    fn record(lease_until: Option<u64>, idle_since: Option<u64>) -> RotationRecord {
        let record = RotationRecord::start(&requested(&serde_json::json!({})), at(10));
        RotationRecord {
            lease_until: lease_until.map(at),
            idle_since: idle_since.map(at),
            ..record
        }
    }

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_millis(0) + Duration::from_secs(secs)
    }

    #[test]
    fn the_end_of_the_lease_or_its_release_says_since_when_a_rotation_is_idle() {
        for (lease_until, idle_since, now, idle_secs) in [
            // An invocation works on it.
            (Some(145), None, 100, 0),
            (Some(145), Some(50), 100, 0),
            // The last slice released the lease.
            (None, Some(50), 100, 50),
            // The first slice, or a later one, was killed.
            (Some(90), None, 100, 10),
            (Some(90), Some(50), 100, 10),
        ] {
            let idle = record(lease_until, idle_since).idle_for(at(now));
            assert_eq!(
                idle,
                Duration::from_secs(idle_secs),
                "{lease_until:?} {idle_since:?}"
            );
        }
    }

    #[test]
    fn the_repeated_result_of_a_dry_run_says_when_it_was_produced() {
        let again = "this is the result of 1970-01-01T00:00:20.000Z; \
                     for a new dry run, use another rotationId";
        let after_reason = format!("stopped; {again}");
        for (dry_run, reason, expected) in [
            (false, None, None),
            (false, Some("stopped"), Some("stopped")),
            (true, None, Some(again)),
            (true, Some("stopped"), Some(after_reason.as_str())),
        ] {
            let record = RotationRecord {
                request: requested(&serde_json::json!({ "dryRun": dry_run })).request,
                reason: reason.map(str::to_owned),
                finished_at: Some(at(20)),
                ..record(None, None)
            };
            let summary = record.repeated_summary(RoleUse {
                in_use: None,
                until: None,
            });
            assert_eq!(summary.reason.as_deref(), expected);
        }
    }

    #[test]
    fn a_counter_of_the_indexer_is_stored_once_it_is_not_zero() {
        for (count, stored) in [(0, None), (2, Some(2))] {
            let item = serde_json::to_value(RotationRecord {
                reversion_count: count,
                arrivals: count,
                ..record(None, None)
            });
            let item = item.unwrap();
            for counter in ["reversionCount", "arrivals"] {
                let found = item.get(counter).and_then(serde_json::Value::as_u64);
                assert_eq!(found, stored, "{counter}");
            }
        }
    }

    #[test]
    fn a_record_that_contradicts_its_key_or_its_request_is_named() {
        let key = |text: &str| -> RotationKey { text.parse().unwrap() };
        let role = |name: &str| crate::request::testing::role(name).parse().unwrap();
        let valid = || record(None, None);
        let of_dry_run = requested(&serde_json::json!({ "dryRun": true })).request;
        for (record, asked, expected) in [
            (valid(), "r-1", None),
            (valid(), "r-2", Some("rotationId")),
            (valid(), "dry-run/r-1", Some("rotationId")),
            (
                RotationRecord {
                    request: of_dry_run,
                    ..valid()
                },
                "r-1",
                Some("request.rotationId"),
            ),
            (
                RotationRecord {
                    old_role_arn: role("other"),
                    ..valid()
                },
                "r-1",
                Some("oldRoleArn"),
            ),
            (
                RotationRecord {
                    new_role_arn: role("other"),
                    ..valid()
                },
                "r-1",
                Some("newRoleArn"),
            ),
        ] {
            let found = record.contradiction(&key(asked));
            let name = found.as_deref().and_then(|text| text.split(' ').next());
            assert_eq!(name, expected, "{asked}");
        }
    }
}
