//! How a rotation ends: the status that follows from its rows, and how long pods may still have
//! credentials of the old role. The package `rerole` reads the rows and passes them in.

use std::time::Duration;

use crate::request::RotationRequest;
use crate::resource::AssociationArn;
use crate::rotation::{Counts, Outcome, Row, Status, UNEXPECTED_RESPONSE};
use crate::timestamp::Timestamp;

/// Pods keep EKS Pod Identity credentials for up to 6 h. A change of the association does not
/// shorten this. <https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html>
const DRAIN: Duration = Duration::from_hours(6);
/// With a target role, the credentials come from role chaining and expire after 59 minutes.
const DRAIN_WITH_TARGET_ROLE: Duration = Duration::from_mins(59);

/// What the rows of a rotation add up to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    pub counts: Counts,
    /// An association for which EKS's response to the update contradicts the request.
    pub contradicted: Option<AssociationArn>,
    /// The latest time at which a pod of a settled association may still have credentials of the
    /// old role.
    drained_at: Option<Timestamp>,
}

impl Tally {
    /// Adds a row.
    pub fn add(&mut self, row: &Row) {
        self.counts.add(row.outcome);
        if row.error_code.as_deref() == Some(UNEXPECTED_RESPONSE) {
            self.contradicted
                .get_or_insert_with(|| row.association_arn.clone());
        }
        // The version that EKS showed last is the latest time at which the association can have
        // left the old role. A deleted association has no such version. It was deleted at the
        // latest when its row was settled.
        let left_old_role_at = match row.outcome {
            Outcome::Updated | Outcome::AlreadyCurrent | Outcome::Drifted => row.modified_at,
            Outcome::Deleted => row.settled_at,
            Outcome::Pending
            | Outcome::OwnedByAddon
            | Outcome::Failed
            | Outcome::NotAttempted
            | Outcome::WouldUpdate => None,
        };
        // The shorter drain applies only if the association already had a target role before the
        // update. Otherwise pods may have credentials of the old role itself, which live longer.
        let had_target = row.previous_target_role_arn.is_some()
            || (row.outcome == Outcome::Updated
                && !row.inferred
                && row.observed_target_role_arn.is_some());
        let is_chained = had_target && row.target_role_arn.is_some();
        let drain = if is_chained {
            DRAIN_WITH_TARGET_ROLE
        } else {
            DRAIN
        };
        self.drained_at = self.drained_at.max(left_old_role_at.map(|at| at + drain));
    }
}

/// How a rotation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    pub status: Status,
    pub reason: Option<String>,
    pub old_role_in_use_until: Option<Timestamp>,
}

/// Returns the end of a rotation whose rows are all settled. `stopped` is the reason if it was
/// stopped early.
///
/// # Panics
/// If a row is still pending.
#[must_use]
pub fn close(tally: &Tally, request: &RotationRequest, stopped: Option<&str>) -> Closing {
    let counts = &tally.counts;
    assert_eq!(
        counts.pending, 0,
        "a rotation can only be closed if every row is settled"
    );
    let status = if stopped.is_some() {
        Status::Failed
    } else if counts.total == 0 {
        Status::NoAssociations
    } else if counts.failed > 0 {
        Status::CompletedWithFailures
    } else if request.dry_run {
        Status::Planned
    } else {
        Status::Succeeded
    };

    let mut reasons: Vec<String> = stopped.map(str::to_owned).into_iter().collect();
    if status == Status::NoAssociations {
        let scoped = if counts.out_of_scope > 0 {
            " in scope"
        } else {
            ""
        };
        reasons.push(format!(
            "the index has no association on {}{scoped}",
            request.old_role_arn
        ));
    }
    let still_used = still_used_by(counts);
    if let Some(still_used) = &still_used {
        reasons.push(format!("the old role is still in use: {still_used}"));
    }
    Closing {
        status,
        reason: (!reasons.is_empty()).then(|| reasons.join("; ")),
        old_role_in_use_until: tally.drained_at.filter(|_| still_used.is_none()),
    }
}

/// Returns the associations that are known to use the old role, in words, or `None` if there are
/// none.
fn still_used_by(counts: &Counts) -> Option<String> {
    let words: Vec<String> = [
        (counts.would_update, "would be updated"),
        (counts.failed, "failed"),
        (counts.owned_by_addon, "owned by an add-on"),
        (counts.not_attempted, "not attempted"),
        (counts.out_of_scope, "out of scope"),
        (counts.reverted, "moved back by another actor"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    (!words.is_empty()).then(|| words.join(", "))
}

#[cfg(test)]
mod tests;
