//! Reversions: associations on a role that a rotation has replaced. Another actor moved them back,
//! or created them on that role. rerole only records them; an operator decides what to do.

use serde::{Deserialize, Serialize};

use crate::indexing::Caller;
use crate::request::Location;
use crate::resource::{Association, AssociationArn, RoleFields};
use crate::rotation::{Outcome, RotationRecord, Row, Status};
use crate::timestamp::Timestamp;

/// A ledger row: an association on the role that the rotation replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReversionRow {
    pub reverted_arn: AssociationArn,
    pub cluster_name: String,
    pub namespace: String,
    pub service_account: String,
    /// The fields that have the old role.
    pub fields: RoleFields,
    /// The version that has it.
    pub modified_at: Timestamp,
    pub seen_at: Timestamp,
    /// The caller who made that version, if an event shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller_arn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

impl ReversionRow {
    /// Creates the row for an association as EKS showed it at `now`.
    #[must_use]
    pub fn new(
        rotation: &RotationRecord,
        seen: &Association,
        caller: Caller,
        now: Timestamp,
    ) -> Self {
        let arn = &seen.association_arn;
        Self {
            reverted_arn: arn.clone(),
            cluster_name: arn.cluster_name().to_owned(),
            namespace: seen.namespace.clone(),
            service_account: seen.service_account.clone(),
            fields: RoleFields::naming(
                &rotation.old_role_arn,
                &seen.role_arn,
                seen.target_role_arn.as_deref(),
            ),
            modified_at: seen.modified_at,
            seen_at: now,
            caller_arn: caller.caller_arn,
            user_agent: caller.user_agent,
        }
    }
}

/// What a reversion changes in the rotation's item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recording {
    /// The rotation is open. It takes the count into account when it closes.
    Count,
    /// The rotation is finished, and this is its first reversion since. Its old role is in use
    /// again, for this reason.
    InUseAgain { reason: String },
    /// The rotation is finished, and its reason names an earlier reversion.
    CountAgain,
}

/// Returns what `row` changes in `rotation`.
#[must_use]
pub fn recording(rotation: &RotationRecord, row: &ReversionRow) -> Recording {
    if rotation.finished_at.is_none() {
        return Recording::Count;
    }
    if rotation.first_reverted_after_end.is_some() {
        return Recording::CountAgain;
    }
    let again = format!(
        "the old role is in use again: {} has used it since {}",
        row.reverted_arn, row.modified_at
    );
    let reason = match &rotation.reason {
        Some(reason) => format!("{reason}; {again}"),
        None => again,
    };
    Recording::InUseAgain { reason }
}

/// What an association on a role means for one of the rotations that replaced this role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The association is on the role again, or was created on it.
    Reverted,
    /// According to the rotation's row, the association never left the old role.
    NeverLeft,
    /// The rotation is open and does not have the association yet.
    Arriving,
    /// The rotation does not cover the association. An earlier rotation may.
    Elsewhere,
}

/// Returns whether a rotation can have replaced its old role. A dry run, a rejection and a rotation
/// without associations have not.
#[must_use]
pub fn replaces_roles(rotation: &RotationRecord) -> bool {
    !rotation.request.dry_run
        && !matches!(rotation.status, Status::Rejected | Status::NoAssociations)
}

/// Returns whether a rotation moved, or is moving, all associations in its scope, and this
/// association is in its scope.
#[must_use]
pub fn covers(rotation: &RotationRecord, seen: &Association) -> bool {
    rotation.status != Status::Failed
        && rotation.request.scope.covers(Location {
            arn: &seen.association_arn,
            namespace: &seen.namespace,
            service_account: &seen.service_account,
        })
}

/// Returns what it means for `rotation` that the association is on its old role. `row` is the
/// association's row in the rotation, if it has one.
#[must_use]
pub fn verdict(rotation: &RotationRecord, row: Option<&Row>, seen: &Association) -> Verdict {
    let Some(row) = row else {
        return match (covers(rotation, seen), rotation.finished_at) {
            (false, _) => Verdict::Elsewhere,
            // Created on the role or moved to it after the rotation, or before it without being in
            // the index.
            (true, Some(_)) => Verdict::Reverted,
            (true, None) => Verdict::Arriving,
        };
    };
    match row.outcome {
        Outcome::Updated | Outcome::AlreadyCurrent | Outcome::Drifted => match row.modified_at {
            Some(left_at) if seen.modified_at <= left_at => Verdict::NeverLeft,
            _ => Verdict::Reverted,
        },
        // EKS did not find the association then, and does now.
        Outcome::Deleted => Verdict::Reverted,
        Outcome::Pending
        | Outcome::OwnedByAddon
        | Outcome::Failed
        | Outcome::NotAttempted
        | Outcome::WouldUpdate => Verdict::NeverLeft,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::indexing::IndexItem;
    use crate::request::testing::requested;
    use crate::resource::association;

    const OLD: &str = "arn:aws:iam::111122223333:role/old";

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn rotation(status: Status, finished_at: Option<i64>, cluster: Option<&str>) -> RotationRecord {
        let scope = match cluster {
            Some(cluster) => serde_json::json!({ "clusterNames": [cluster] }),
            None => serde_json::json!({}),
        };
        let record = RotationRecord::start(&requested(&scope), at(100));
        RotationRecord {
            status,
            finished_at: finished_at.map(at),
            ..record
        }
    }

    #[test]
    fn an_association_that_left_the_role_or_was_unknown_is_a_reversion() {
        use Outcome::*;
        let seen = Association {
            modified_at: at(500),
            ..association(OLD)
        };
        let done = rotation(Status::Succeeded, Some(300), None);
        let late = rotation(Status::Succeeded, Some(900), None);
        let open = rotation(Status::InProgress, None, None);
        let stopped = rotation(Status::Failed, Some(300), None);
        let elsewhere = rotation(Status::Succeeded, Some(300), Some("other"));
        for (rotation, row, expected) in [
            (&done, Some((Updated, 400)), Verdict::Reverted),
            (&open, Some((Updated, 400)), Verdict::Reverted),
            (&stopped, Some((Updated, 400)), Verdict::Reverted),
            (&elsewhere, Some((Updated, 400)), Verdict::Reverted),
            // The observation is from before the update.
            (&done, Some((Updated, 500)), Verdict::NeverLeft),
            (&done, Some((AlreadyCurrent, 400)), Verdict::Reverted),
            (&done, Some((Drifted, 400)), Verdict::Reverted),
            (&done, Some((Deleted, 400)), Verdict::Reverted),
            (&done, Some((Failed, 400)), Verdict::NeverLeft),
            (&done, Some((OwnedByAddon, 400)), Verdict::NeverLeft),
            (&open, Some((Pending, 400)), Verdict::NeverLeft),
            (&done, None, Verdict::Reverted),
            (&late, None, Verdict::Reverted),
            (&open, None, Verdict::Arriving),
            (&stopped, None, Verdict::Elsewhere),
            (&elsewhere, None, Verdict::Elsewhere),
        ] {
            let row = row.map(|(outcome, modified_at)| Row {
                outcome,
                modified_at: Some(at(modified_at)),
                ..Row::planned(&OLD.parse().unwrap(), &IndexItem::of(&seen))
            });
            let what = format!(
                "{:?} {:?}",
                rotation.status,
                row.as_ref().map(|row| row.outcome)
            );
            assert_eq!(verdict(rotation, row.as_ref(), &seen), expected, "{what}");
        }
    }

    #[test]
    fn a_rejection_or_a_rotation_without_associations_has_replaced_no_role() {
        for (status, expected) in [
            (Status::Succeeded, true),
            (Status::InProgress, true),
            (Status::Failed, true),
            (Status::NoAssociations, false),
            (Status::Rejected, false),
        ] {
            assert_eq!(
                replaces_roles(&rotation(status, Some(300), None)),
                expected,
                "{status:?}"
            );
        }
    }

    /// The reason of a stop can quote EKS, so its text says nothing about reversions.
    #[test]
    fn only_the_first_reversion_after_the_end_adds_to_the_reason() {
        let row = |rotation: &RotationRecord| {
            ReversionRow::new(rotation, &association(OLD), Caller::default(), at(900))
        };
        let finished = |reason: Option<&str>| RotationRecord {
            reason: reason.map(str::to_owned),
            ..rotation(Status::Failed, Some(200), None)
        };
        let again = format!(
            "the old role is in use again: {} has used it since 1970-01-01T00:00:01.000Z",
            association(OLD).association_arn
        );
        for (rotation, expected) in [
            (rotation(Status::InProgress, None, None), Recording::Count),
            (
                finished(None),
                Recording::InUseAgain {
                    reason: again.clone(),
                },
            ),
            (
                finished(Some("EKS said: the name is in use again")),
                Recording::InUseAgain {
                    reason: format!("EKS said: the name is in use again; {again}"),
                },
            ),
            (
                RotationRecord {
                    first_reverted_after_end: Some(association(OLD).association_arn),
                    ..finished(Some("another text"))
                },
                Recording::CountAgain,
            ),
        ] {
            assert_eq!(recording(&rotation, &row(&rotation)), expected);
        }
    }
}
