//! Associations that are on a role again which a rotation has replaced: moved back by somebody, or made anew there. Pure.

use serde::{Deserialize, Serialize};

use crate::arn::AssociationArn;
use crate::association::Association;
use crate::outcome::{Outcome, Row};
use crate::record::RotationRecord;
use crate::role_field::RoleFields;
use crate::status::Status;
use crate::time::Timestamp;

/// Sort-key prefix of a rotation's rows of returned associations.
pub const RETURNED_PREFIX: &str = "returned#";

/// A ledger row: an association was seen on the role that the rotation replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReturnedRow {
    pub rotation_id: String,
    /// `returned#<associationArn>#<modifiedAt>`: once for each version.
    pub entry: String,
    pub returned_arn: AssociationArn,
    pub cluster_name: String,
    pub namespace: String,
    pub service_account: String,
    /// The fields that name the old role.
    pub fields: RoleFields,
    /// The version that names it.
    pub modified_at: Timestamp,
    pub seen_at: Timestamp,
    /// Who made that version, where an event tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller_arn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

/// Who made a version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MadeBy {
    pub caller_arn: Option<String>,
    pub user_agent: Option<String>,
}

impl ReturnedRow {
    /// A row for what EKS showed at `now`.
    #[must_use]
    pub fn new(rotation: &RotationRecord, seen: &Association, made_by: MadeBy, now: Timestamp) -> Self {
        let arn = &seen.association_arn;
        Self {
            rotation_id: rotation.rotation_id.clone(),
            entry: format!("{RETURNED_PREFIX}{arn}#{}", seen.modified_at),
            returned_arn: arn.clone(),
            cluster_name: arn.cluster_name().to_owned(),
            namespace: seen.namespace.clone(),
            service_account: seen.service_account.clone(),
            fields: RoleFields::naming(&rotation.old_role_arn, &seen.role_arn, seen.target_role_arn.as_deref()),
            modified_at: seen.modified_at,
            seen_at: now,
            caller_arn: made_by.caller_arn,
            user_agent: made_by.user_agent,
        }
    }
}

/// What an association on a role says about one of the rotations that replaced this role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It has come back.
    Returned,
    /// It never left the old role, as far as the rotation knows.
    NeverLeft,
    /// The rotation is open and does not know of it yet.
    Arriving,
    /// The rotation is not about it: ask an earlier one.
    Elsewhere,
}

/// Whether a rotation can have replaced its old role at all: a rehearsal, a rejection, and one that found nobody have not.
#[must_use]
pub fn is_real(rotation: &RotationRecord) -> bool {
    !rotation.request.dry_run && !matches!(rotation.status, Status::Rejected | Status::NoAssociations)
}

/// Whether a rotation moved, or moves, what is in its scope, this association included.
#[must_use]
pub fn covers(rotation: &RotationRecord, seen: &Association) -> bool {
    rotation.status != Status::Failed
        && rotation.request.scope.covers(seen.association_arn.cluster_name(), &seen.namespace)
}

/// What an association that is on the old role of `rotation` says. `row` is what the rotation knows of it.
#[must_use]
pub fn verdict(rotation: &RotationRecord, row: Option<&Row>, seen: &Association) -> Verdict {
    let Some(row) = row else {
        return match (covers(rotation, seen), rotation.finished_at) {
            (false, _) => Verdict::Elsewhere,
            // Made or moved there after the rotation, or before it without the index knowing.
            (true, Some(_)) => Verdict::Returned,
            (true, None) => Verdict::Arriving,
        };
    };
    match row.outcome {
        Outcome::Updated | Outcome::AlreadyCurrent | Outcome::Drifted => match row.modified_at {
            Some(left_at) if seen.modified_at <= left_at => Verdict::NeverLeft,
            _ => Verdict::Returned,
        },
        // EKS did not show it then, and does now.
        Outcome::Deleted => Verdict::Returned,
        Outcome::Pending | Outcome::OwnedByAddon | Outcome::Failed | Outcome::NotAttempted | Outcome::WouldUpdate => {
            Verdict::NeverLeft
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::association::IndexItem;
    use crate::association::tests::association;

    const OLD: &str = "arn:aws:iam::111122223333:role/old";

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn rotation(status: Status, finished_at: Option<i64>, cluster: Option<&str>) -> RotationRecord {
        let mut request = serde_json::json!({
            "rotationId": "r-1", "oldRoleArn": OLD, "newRoleArn": "arn:aws:iam::111122223333:role/new",
            "dryRun": false, "maxErrors": "100%",
        });
        if let Some(cluster) = cluster {
            request["clusterNames"] = serde_json::json!([cluster]);
        }
        let record = RotationRecord::opening(&serde_json::from_value(request).unwrap(), at(100), at(100));
        RotationRecord { status, finished_at: finished_at.map(at), ..record }
    }

    #[test]
    fn what_left_the_role_returns_and_what_nobody_knew_of_too() {
        use Outcome::*;
        let seen = Association { modified_at: at(500), ..association(OLD) };
        let done = rotation(Status::Succeeded, Some(300), None);
        let late = rotation(Status::Succeeded, Some(900), None);
        let open = rotation(Status::InProgress, None, None);
        let stopped = rotation(Status::Failed, Some(300), None);
        let elsewhere = rotation(Status::Succeeded, Some(300), Some("other"));
        for (rotation, row, expected) in [
            (&done, Some((Updated, 400)), Verdict::Returned),
            (&open, Some((Updated, 400)), Verdict::Returned),
            (&stopped, Some((Updated, 400)), Verdict::Returned),
            (&elsewhere, Some((Updated, 400)), Verdict::Returned),
            // The look is from before the update.
            (&done, Some((Updated, 500)), Verdict::NeverLeft),
            (&done, Some((AlreadyCurrent, 400)), Verdict::Returned),
            (&done, Some((Drifted, 400)), Verdict::Returned),
            (&done, Some((Deleted, 400)), Verdict::Returned),
            (&done, Some((Failed, 400)), Verdict::NeverLeft),
            (&done, Some((OwnedByAddon, 400)), Verdict::NeverLeft),
            (&open, Some((Pending, 400)), Verdict::NeverLeft),
            (&done, None, Verdict::Returned),
            (&late, None, Verdict::Returned),
            (&open, None, Verdict::Arriving),
            (&stopped, None, Verdict::Elsewhere),
            (&elsewhere, None, Verdict::Elsewhere),
        ] {
            let row = row.map(|(outcome, modified_at)| Row {
                outcome,
                modified_at: Some(at(modified_at)),
                ..Row::planned("r-1", &OLD.parse().unwrap(), &IndexItem::of(&seen))
            });
            let what = format!("{:?} {:?}", rotation.status, row.as_ref().map(|row| row.outcome));
            assert_eq!(verdict(rotation, row.as_ref(), &seen), expected, "{what}");
        }
    }

    #[test]
    fn what_found_nobody_has_replaced_nothing() {
        for (status, expected) in [
            (Status::Succeeded, true),
            (Status::InProgress, true),
            (Status::Failed, true),
            (Status::NoAssociations, false),
            (Status::Rejected, false),
        ] {
            assert_eq!(is_real(&rotation(status, Some(300), None)), expected, "{status:?}");
        }
    }
}
