//! The rotation's own item in the ledger: request, status, counts, lease and fence.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::keys::RotationKey;
use crate::request::{Envelope, Requested, RotationId, RotationRequest};
use crate::resource::RoleArn;
use crate::rotation::counts::is_zero;
use crate::rotation::{
    Counts, FailingSince, Open, Progress, RoleUse, RollbackSummary, State, Status, Summary, Work,
};
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
    #[serde(flatten)]
    pub state: State,
    pub old_role_arn: RoleArn,
    pub new_role_arn: RoleArn,
    pub request: RotationRequest,
    /// The rotation that it takes back, if it is a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_of: Option<RotationId>,
    /// Where the request came from.
    pub envelope: Envelope,
    pub counts: Counts,
    /// When it started, or was queued if it has not started yet.
    pub started_at: Timestamp,
    /// When its last attempt started, if it has started more than once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt_started_at: Option<Timestamp>,
    /// Since when it had to wait for its turn, if it had to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued_at: Option<Timestamp>,
    /// The end of the drain of what the rotation has moved, since it was last closed. Whether the
    /// old role is in use is not known here, but in the role's own item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drained_at: Option<Timestamp>,
    /// 1, and one more after each command `Retry`.
    pub attempt: u32,
    /// An earlier attempt has covered the scope, by the status with which it ended.
    #[serde(default, skip_serializing_if = "is_false")]
    pub has_covered_scope: bool,
    /// The number of the last entry of its timeline.
    pub timeline_seq: u64,
    /// The number of its last execution of the state machine, or of the first one.
    pub execution_run: u64,
    /// The end of the lease. Present while an invocation works on the rotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<Timestamp>,
    /// The request ID of the invocation that has taken the lease last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_owner: Option<String>,
    /// When the last slice released the unfinished rotation, or when a command or its turn made it
    /// ready for the next slice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_since: Option<Timestamp>,
    /// The progress when the lease was last renewed or released. Absent once the rotation is
    /// finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// Increases each time the lease changes hands.
    pub fence: u64,
    /// The number of reversions that were recorded since the attempt was requested, or since its
    /// turn.
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
    /// A pending row may have been updated: a slice died, or an update got no response before its
    /// slice was over.
    #[serde(default, skip_serializing_if = "is_false")]
    pub has_unconfirmed_updates: bool,
}

impl RotationRecord {
    /// Creates a rotation that starts at `now`, with its first lease.
    #[must_use]
    pub fn start(requested: &Requested, now: Timestamp) -> Self {
        Self {
            state: State::PLANNING,
            queued_at: None,
            lease_until: Some(now + LEASE),
            fence: 1,
            ..Self::queue(requested, now)
        }
    }

    /// Creates a rotation that waits for its turn.
    #[must_use]
    pub fn queue(Requested { request, envelope }: &Requested, now: Timestamp) -> Self {
        Self {
            key: RotationKey::of(request),
            state: State::Open(Open::Queued),
            old_role_arn: request.old_role_arn.clone(),
            new_role_arn: request.new_role_arn.clone(),
            request: request.clone(),
            rollback_of: rollback_of(request),
            envelope: envelope.clone(),
            counts: Counts::default(),
            started_at: now,
            queued_at: Some(now),
            drained_at: None,
            attempt_started_at: None,
            attempt: 1,
            has_covered_scope: false,
            timeline_seq: 1,
            execution_run: 1,
            lease_until: None,
            lease_owner: None,
            idle_since: None,
            progress: None,
            fence: 0,
            reversion_count: 0,
            arrivals: 0,
            stopped: None,
            stopped_at: None,
            failing_since: BTreeMap::new(),
            role_not_ready_ms: 0,
            has_unconfirmed_updates: false,
        }
    }

    /// Returns the rotation with another state.
    #[must_use]
    pub fn with_state(&self, state: State) -> Self {
        Self {
            state,
            ..self.clone()
        }
    }

    /// Returns the rotation as it starts at this time, or its next attempt does.
    #[must_use]
    pub fn started(mut self, at: Timestamp) -> Self {
        if self.fence == 0 {
            self.started_at = at;
        } else {
            self.attempt_started_at = Some(at);
        }
        self
    }

    #[must_use]
    pub fn status(&self) -> Status {
        self.state.status()
    }

    /// Returns whether the plan is complete. No update is sent before.
    #[must_use]
    pub fn is_planned(&self) -> bool {
        self.state.work() == Some(Work::Executing)
    }

    /// Returns when the rotation finished, if it has.
    #[must_use]
    pub fn finished_at(&self) -> Option<Timestamp> {
        self.state.end().map(|end| end.finished_at)
    }

    /// Returns when its last attempt started, or was queued if none has started.
    #[must_use]
    pub fn last_started_at(&self) -> Timestamp {
        self.attempt_started_at.unwrap_or(self.started_at)
    }

    /// Returns whether an attempt has covered the scope. One that was stopped early has not, even
    /// if it is a rollback, whose status does not say so.
    #[must_use]
    pub fn covers_scope(&self) -> bool {
        self.has_covered_scope || (self.status().covers_scope() && self.stopped.is_none())
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
            ("rollbackOf", self.rollback_of == rollback_of(request)),
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
        let end = self.state.end();
        Summary {
            rotation_id: self.request.rotation_id.clone(),
            rollback_of: self.rollback_of.clone(),
            status: self.status(),
            reason: end.and_then(|end| end.reason.clone()),
            dry_run: self.request.dry_run,
            old_role_arn: self.old_role_arn.clone(),
            new_role_arn: self.new_role_arn.clone(),
            counts: self.counts,
            started_at: self.started_at,
            finished_at: self.finished_at(),
            old_role_in_use_until: old_role.until,
            old_role_in_use: old_role.in_use,
            index_as_of: end.map(|end| end.index_as_of.clone()).unwrap_or_default(),
            rollback: None,
        }
    }

    /// Returns what the summary of a rotation shows of its rollback, which this is.
    #[must_use]
    pub fn as_rollback(&self) -> RollbackSummary {
        RollbackSummary {
            status: self.status(),
            at: self.finished_at().unwrap_or(self.started_at),
        }
    }

    /// Returns the result of a finished rotation for a request that asks for it again. A dry run is
    /// made once. Its result may be old by then, so the reason says when it was produced.
    #[must_use]
    pub fn repeated_summary(&self, old_role: RoleUse) -> Summary {
        let mut summary = self.summary(old_role);
        if let (true, Some(at)) = (summary.dry_run, summary.finished_at) {
            let again = match self.rollback_of {
                None => "use another rotationId",
                Some(_) => "send Rollback with dryRun again",
            };
            let produced = format!("this is the result of {at}; for a new dry run, {again}");
            summary.reason = Some(match summary.reason {
                Some(reason) => format!("{reason}; {produced}"),
                None => produced,
            });
        }
        summary
    }
}

fn rollback_of(request: &RotationRequest) -> Option<RotationId> {
    let is_rollback = request.rollback.is_some();
    is_rollback.then(|| request.rotation_id.clone())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

#[cfg(test)]
mod tests;
