//! How a whole rotation stands: counts of its rows, the status that follows from them, and how long pods may still hold
//! credentials of the old role. Pure folds over rows; the shell reads the rows.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::arn::{AssociationArn, RoleArn};
use crate::outcome::{Outcome, Row, UNEXPECTED_ANSWER};
use crate::time::Timestamp;

/// EKS Pod Identity credentials live up to 6 h in a running pod; changing the association does not reset them.
/// <https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html>
const DRAIN: Duration = Duration::from_hours(6);
/// With a target role the credentials come from role chaining and live 59 minutes.
const DRAIN_WITH_TARGET_ROLE: Duration = Duration::from_mins(59);

/// The `status` of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Status {
    Planning,
    InProgress,
    Succeeded,
    CompletedWithFailures,
    Failed,
    NoAssociations,
    Planned,
    Rejected,
}

impl Status {
    /// Whether nothing more will happen in a rotation of this status.
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Planning | Self::InProgress)
    }
}

/// Rows by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Associations in the rotation: the sum of all below, but for the last two.
    pub total: u64,
    pub pending: u64,
    pub updated: u64,
    pub already_current: u64,
    pub drifted: u64,
    pub deleted: u64,
    pub owned_by_addon: u64,
    pub failed: u64,
    pub not_attempted: u64,
    pub would_update: u64,
    /// Associations that the index shows on the old role outside `clusterNames` and `namespaces`.
    pub out_of_scope: u64,
    /// Associations that were settled, and are on the old role again by somebody else's change.
    pub returned: u64,
}

impl Counts {
    /// Counts one row.
    pub fn add(&mut self, outcome: Outcome) {
        self.total += 1;
        *self.of(outcome) += 1;
    }

    /// A pending row was settled. These counts are a slice's running ones; a rotation is closed by counting its rows.
    pub fn settle(&mut self, outcome: Outcome) {
        self.pending = self.pending.saturating_sub(1);
        *self.of(outcome) += 1;
    }

    fn of(&mut self, outcome: Outcome) -> &mut u64 {
        match outcome {
            Outcome::Pending => &mut self.pending,
            Outcome::Updated => &mut self.updated,
            Outcome::AlreadyCurrent => &mut self.already_current,
            Outcome::Drifted => &mut self.drifted,
            Outcome::Deleted => &mut self.deleted,
            Outcome::OwnedByAddon => &mut self.owned_by_addon,
            Outcome::Failed => &mut self.failed,
            Outcome::NotAttempted => &mut self.not_attempted,
            Outcome::WouldUpdate => &mut self.would_update,
        }
    }
}

/// What the rows of a rotation add up to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    pub counts: Counts,
    /// An association whose update EKS answered in a way that contradicts the request.
    pub contradicted: Option<AssociationArn>,
    /// The latest time at which a pod of a settled row may still hold credentials of the old role.
    drained_at: Option<Timestamp>,
}

impl Tally {
    pub fn add(&mut self, row: &Row) {
        self.counts.add(row.outcome);
        if row.error_code.as_deref() == Some(UNEXPECTED_ANSWER) {
            self.contradicted.get_or_insert_with(|| row.association_arn.clone());
        }
        // The version that EKS showed last is the latest moment at which the association can have left the old role. A
        // deleted association shows none: it was there when we looked at the latest.
        let left_old_role_at = match row.outcome {
            Outcome::Updated | Outcome::AlreadyCurrent | Outcome::Drifted => row.modified_at,
            Outcome::Deleted => row.settled_at,
            Outcome::Pending
            | Outcome::OwnedByAddon
            | Outcome::Failed
            | Outcome::NotAttempted
            | Outcome::WouldUpdate => None,
        };
        // Credentials of the old role itself live longer: the target role must have been there before, too.
        let had_target = row.previous_target_role_arn.is_some()
            || (row.outcome == Outcome::Updated && !row.inferred && row.observed_target_role_arn.is_some());
        let is_chained = had_target && row.target_role_arn.is_some();
        let drain = if is_chained { DRAIN_WITH_TARGET_ROLE } else { DRAIN };
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

/// The end of a rotation whose rows are all settled. `stopped` is why it stopped early, where it did.
///
/// # Panics
/// Where a row is still pending: such a rotation is not at its end.
#[must_use]
pub fn close(tally: &Tally, old_role: &RoleArn, stopped: Option<&str>, dry_run: bool) -> Closing {
    let counts = &tally.counts;
    assert_eq!(counts.pending, 0, "a rotation is closed when every row is settled");
    let status = if stopped.is_some() {
        Status::Failed
    } else if counts.total == 0 {
        Status::NoAssociations
    } else if counts.failed > 0 {
        Status::CompletedWithFailures
    } else if dry_run {
        Status::Planned
    } else {
        Status::Succeeded
    };

    let mut reasons: Vec<String> = stopped.map(str::to_owned).into_iter().collect();
    if status == Status::NoAssociations {
        let scoped = if counts.out_of_scope > 0 { " in scope" } else { "" };
        reasons.push(format!("the index knows no association on {old_role}{scoped}"));
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

/// The associations that we know still use the old role, in words; `None` where there are none.
fn still_used_by(counts: &Counts) -> Option<String> {
    let words: Vec<String> = [
        (counts.would_update, "would be updated"),
        (counts.failed, "failed"),
        (counts.owned_by_addon, "owned by an add-on"),
        (counts.not_attempted, "not attempted"),
        (counts.out_of_scope, "out of scope"),
        (counts.returned, "moved back by somebody else"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    (!words.is_empty()).then(|| words.join(", "))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::association::IndexItem;

    fn row(outcome: Outcome, modified_at: &str, target: bool) -> Row {
        let association_arn = "arn:aws:eks:us-east-1:111122223333:podidentityassociation/prod-1/a-1";
        let item = IndexItem {
            cluster_arn: "c".into(),
            association_id: "a-1".into(),
            association_arn: association_arn.parse().unwrap(),
            cluster_name: "prod-1".into(),
            namespace: "pay".into(),
            service_account: "api".into(),
            role_arn: "old".into(),
            target_role_arn: None,
            owner_arn: None,
            modified_at: Timestamp::from_millis(0),
        };
        let at: Timestamp = format!("2026-11-23T{modified_at}:00.000Z").parse().unwrap();
        Row {
            outcome,
            modified_at: Some(at),
            settled_at: Some(at),
            previous_target_role_arn: target.then(|| "t".to_owned()),
            target_role_arn: target.then(|| "t".to_owned()),
            ..Row::planned("r", &"arn:aws:iam::111122223333:role/a".parse().unwrap(), &item)
        }
    }

    fn check(
        rows: &[(Outcome, &str, bool)],
        out_of_scope: u64,
        stopped: Option<&str>,
        dry_run: bool,
        expected: &Expect,
    ) {
        let mut tally = Tally::default();
        for (outcome, at, target) in rows {
            tally.add(&row(*outcome, at, *target));
        }
        tally.counts.out_of_scope = out_of_scope;
        let old = "arn:aws:iam::111122223333:role/a".parse().unwrap();
        let end = close(&tally, &old, stopped, dry_run);
        let until = end.old_role_in_use_until.map_or("null".to_owned(), |at| at.to_string());
        expected.assert_eq(&format!("{:?} until {until}: {}", end.status, end.reason.unwrap_or_default()));
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table is as long as its rows")]
    fn rows_decide_status_reason_and_drain() {
        use Outcome::*;
        for (rows, out_of_scope, stopped, dry_run, expected) in [
            (
                &[(Updated, "10:00", false), (Updated, "10:05", false)][..],
                0,
                None,
                false,
                expect!["Succeeded until 2026-11-23T16:05:00.000Z: "],
            ),
            (
                &[(Updated, "10:00", false), (Updated, "14:00", true)],
                0,
                None,
                false,
                expect!["Succeeded until 2026-11-23T16:00:00.000Z: "],
            ),
            (&[(Updated, "10:00", true)], 0, None, false, expect!["Succeeded until 2026-11-23T10:59:00.000Z: "]),
            (
                &[
                    (Updated, "10:00", false),
                    (AlreadyCurrent, "09:00", false),
                    (Deleted, "10:01", false),
                    (Drifted, "08:00", false),
                ],
                0,
                None,
                false,
                expect!["Succeeded until 2026-11-23T16:01:00.000Z: "],
            ),
            (
                &[(Updated, "10:00", false), (OwnedByAddon, "08:00", false)],
                0,
                None,
                false,
                expect!["Succeeded until null: the old role is still in use: 1 owned by an add-on"],
            ),
            (
                &[(Updated, "10:00", false), (Failed, "08:00", false)],
                0,
                None,
                false,
                expect!["CompletedWithFailures until null: the old role is still in use: 1 failed"],
            ),
            (
                &[(Updated, "10:00", false)],
                3,
                None,
                false,
                expect!["Succeeded until null: the old role is still in use: 3 out of scope"],
            ),
            (
                &[(Failed, "10:00", false), (NotAttempted, "10:00", false)],
                0,
                Some("more failures than maxErrors allows"),
                false,
                expect![
                    "Failed until null: more failures than maxErrors allows; the old role is still in use: 1 failed, 1 not attempted"
                ],
            ),
            (
                &[(WouldUpdate, "10:00", false), (AlreadyCurrent, "10:00", false)],
                0,
                None,
                true,
                expect!["Planned until null: the old role is still in use: 1 would be updated"],
            ),
            (
                &[(WouldUpdate, "10:00", false), (Failed, "10:00", false)],
                0,
                None,
                true,
                expect!["CompletedWithFailures until null: the old role is still in use: 1 would be updated, 1 failed"],
            ),
            (
                &[],
                0,
                None,
                false,
                expect![
                    "NoAssociations until null: the index knows no association on arn:aws:iam::111122223333:role/a"
                ],
            ),
            (
                &[],
                2,
                None,
                false,
                expect![
                    "NoAssociations until null: the index knows no association on arn:aws:iam::111122223333:role/a in scope; the old role is still in use: 2 out of scope"
                ],
            ),
            (
                &[],
                0,
                None,
                true,
                expect![
                    "NoAssociations until null: the index knows no association on arn:aws:iam::111122223333:role/a"
                ],
            ),
        ] {
            check(rows, out_of_scope, stopped, dry_run, &expected);
        }
    }

    #[test]
    fn only_planning_and_in_progress_go_on() {
        for status in [Status::Planning, Status::InProgress] {
            assert!(!status.is_final());
        }
        for status in [
            Status::Succeeded,
            Status::CompletedWithFailures,
            Status::Failed,
            Status::NoAssociations,
            Status::Planned,
            Status::Rejected,
        ] {
            assert!(status.is_final());
        }
    }

    #[test]
    #[should_panic(expected = "every row is settled")]
    fn a_pending_row_keeps_a_rotation_open() {
        check(&[(Outcome::Pending, "10:00", false)], 0, None, false, &expect![""]);
    }
}
