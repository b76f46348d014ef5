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

/// Of the rotations that replaced a role, latest first, the one that still holds: a rehearsal replaced nothing.
#[must_use]
pub fn latest_real(rotations: Vec<RotationRecord>) -> Option<RotationRecord> {
    rotations.into_iter().find(|rotation| !rotation.request.dry_run && rotation.status != Status::Rejected)
}

/// Whether an association that is on the old role of `rotation` has come back to it. `row` is what the rotation knows of it.
#[must_use]
pub fn has_returned(rotation: &RotationRecord, row: Option<&Row>, seen: &Association) -> bool {
    let Some(row) = row else {
        // It was made, or moved there, after the rotation. Before the end the sweep finds it; and a rotation that stopped
        // early has replaced nothing.
        let arn = &seen.association_arn;
        return rotation.status != Status::Failed
            && rotation.finished_at.is_some_and(|finished_at| seen.modified_at > finished_at)
            && rotation.request.scope.covers(arn.cluster_name(), &seen.namespace);
    };
    match row.outcome {
        Outcome::Updated | Outcome::AlreadyCurrent | Outcome::Drifted => {
            row.modified_at.is_some_and(|left_at| seen.modified_at > left_at)
        }
        // It never left the old role, as far as the rotation knows. An id that was deleted is not used again.
        Outcome::Pending
        | Outcome::Deleted
        | Outcome::OwnedByAddon
        | Outcome::Failed
        | Outcome::NotAttempted
        | Outcome::WouldUpdate => false,
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
    fn only_what_left_the_role_or_came_later_returns() {
        use Outcome::*;
        let seen = Association { modified_at: at(500), ..association(OLD) };
        let done = rotation(Status::Succeeded, Some(300), None);
        let open = rotation(Status::InProgress, None, None);
        let stopped = rotation(Status::Failed, Some(300), None);
        let elsewhere = rotation(Status::Succeeded, Some(300), Some("other"));
        let late = rotation(Status::Succeeded, Some(900), None);
        for (rotation, row, expected) in [
            (&done, Some((Updated, 400)), true),
            (&open, Some((Updated, 400)), true),
            (&stopped, Some((Updated, 400)), true),
            // The look is from before the update.
            (&done, Some((Updated, 500)), false),
            (&done, Some((AlreadyCurrent, 400)), true),
            (&done, Some((Drifted, 400)), true),
            (&done, Some((Failed, 400)), false),
            (&done, Some((OwnedByAddon, 400)), false),
            (&open, Some((Pending, 400)), false),
            (&done, None, true),
            (&open, None, false),
            (&stopped, None, false),
            (&elsewhere, None, false),
            (&late, None, false),
        ] {
            let row = row.map(|(outcome, modified_at)| Row {
                outcome,
                modified_at: Some(at(modified_at)),
                ..Row::planned("r-1", &OLD.parse().unwrap(), &IndexItem::of(&seen))
            });
            let what = format!("{:?} {:?}", rotation.status, row.as_ref().map(|row| row.outcome));
            assert_eq!(has_returned(rotation, row.as_ref(), &seen), expected, "{what}");
        }
    }
}
