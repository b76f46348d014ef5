//! Rollbacks: what a rollback takes back, and when it may. The engine is that of a rotation
//! (`decide.rs` has the rules for one), from the rotation's new role to its old one. What differs
//! is the plan, which is the rotation's own rows, what has to be shown before each update, and that
//! its sweep adds nothing.

use std::time::Duration;

use crate::indexing::IndexItem;
use crate::request::{Rollback, RotationRequest};
use crate::resource::{Association, RoleArn, RoleFields};
use crate::rotation::{Action, Outcome, Row, WrittenMembers};

/// A Describe may show our own write at a version that is this much later than the one in the
/// response to the update: it is not known whether EKS gives both the same milliseconds. Then all
/// other members must be as they were.
const SAME_WRITE_WITHIN: Duration = Duration::from_mins(1);

impl Row {
    /// Returns the pending row of a rollback for a row of its rotation, or `None` if that rotation
    /// has not moved the association. `written` are the members that the row has besides. `attempt`
    /// is that of the rollback.
    #[must_use]
    pub fn taken_back(moved: &Self, written: WrittenMembers, attempt: u32) -> Option<Self> {
        if moved.outcome != Outcome::Updated {
            return None;
        }
        Some(Self {
            // What EKS showed after the update.
            previous_role_arn: moved.role_arn.clone().unwrap_or_default(),
            previous_target_role_arn: moved.target_role_arn.clone(),
            planned_modified_at: moved.modified_at.unwrap_or(moved.planned_modified_at),
            refusals: 0,
            earlier_results: Vec::new(),
            written: Some(written),
            ..moved.pending(attempt)
        })
    }
}

impl Row {
    /// Returns whether the rollback that this row belongs to takes back all that an association
    /// has on `old_role`, the role that it leaves. Another field may have had that role before the
    /// rotation.
    #[must_use]
    pub fn takes_back(&self, item: &IndexItem, old_role: &RoleArn) -> bool {
        let target_role = item.target_role_arn.as_deref();
        let on_old_role = RoleFields::naming(old_role, &item.role_arn, target_role);
        on_old_role.intersection(self.fields) == on_old_role
    }
}

/// Decides what to do with an association that a Describe has just shown, in a rollback. The row
/// says what the rotation has written. Only its fields are taken back, and only those that still
/// have the role that the rotation gave them.
///
/// [`decide`](crate::rotation::decide) explains the race with other writers. A rollback is more
/// careful: another actor may have made a decision since that rests on the new role, and a rollback
/// must not undo it unasked. So EKS has to show the rotation's own write, and not only its role.
#[must_use]
pub fn decide_rollback(
    request: &RotationRequest,
    rollback: Rollback,
    row: &Row,
    observed: &Association,
) -> Action {
    let naming = |role| {
        let target_role = observed.target_role_arn.as_deref();
        RoleFields::naming(role, &observed.role_arn, target_role).intersection(row.fields)
    };
    let ours = naming(&request.old_role_arn);
    if ours.is_empty() {
        let back = naming(&request.new_role_arn);
        if back.is_empty() {
            Action::ChangedSince
        } else {
            Action::AlreadyCurrent(back)
        }
    } else if !rollback.include_changed && !is_as_written(row, observed) {
        Action::ChangedSince
    } else if observed.owner_arn.is_some() {
        Action::OwnedByAddon
    } else {
        Action::Update(ours)
    }
}

/// Returns whether EKS shows the association as the rotation wrote it.
fn is_as_written(row: &Row, observed: &Association) -> bool {
    if observed.modified_at == row.planned_modified_at {
        return true;
    }
    let Some(members) = &row.written else {
        return false;
    };
    let latest = row.planned_modified_at + SAME_WRITE_WITHIN;
    let written = Association {
        association_arn: row.association_arn.clone(),
        namespace: row.namespace.clone(),
        service_account: row.service_account.clone(),
        role_arn: row.previous_role_arn.clone(),
        target_role_arn: row.previous_target_role_arn.clone(),
        disable_session_tags: members.disable_session_tags,
        policy: members.policy.clone(),
        external_id: members.external_id.clone(),
        owner_arn: members.owner_arn.clone(),
        tags: members.tags.clone(),
        created_at: None,
        modified_at: row.planned_modified_at,
    };
    let changed = written.fields_changed_besides(RoleFields::default(), observed);
    observed.modified_at <= latest && changed.is_empty() && members.tags == observed.tags
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::indexing::IndexItem;
    use crate::request::testing::{requested, role};
    use crate::resource::{RoleField, association};
    use crate::timestamp::Timestamp;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis(secs * 1_000)
    }

    /// The row of a rotation that has moved these fields at second 100.
    fn moved(fields: &[RoleField], role_name: &str, target: Option<&str>) -> Row {
        let old = role("old").parse().unwrap();
        Row {
            outcome: Outcome::Updated,
            fields: fields.to_vec().into(),
            role_arn: Some(role(role_name)),
            target_role_arn: target.map(role),
            modified_at: Some(at(100)),
            ..Row::planned(&old, &IndexItem::of(&association(&role("old"))))
        }
    }

    fn members() -> WrittenMembers {
        WrittenMembers {
            policy: Some("{\"a\": 1}".to_owned()),
            tags: BTreeMap::from([("team".to_owned(), "pay".to_owned())]),
            ..WrittenMembers::default()
        }
    }

    fn seen(role_name: &str, target: Option<&str>, modified_at: i64) -> Association {
        let members = members();
        Association {
            target_role_arn: target.map(role),
            policy: members.policy,
            tags: members.tags,
            modified_at: at(modified_at),
            ..association(&role(role_name))
        }
    }

    #[test]
    fn only_what_a_rotation_has_moved_is_planned() {
        let row = moved(&[RoleField::RoleArn], "new", Some("third"));
        let planned = Row::taken_back(&row, members(), 1).unwrap();
        assert_eq!(planned.outcome, Outcome::Pending);
        assert_eq!(planned.fields, row.fields);
        assert_eq!(planned.previous_role_arn, role("new"));
        assert_eq!(planned.previous_target_role_arn, Some(role("third")));
        assert_eq!(planned.planned_modified_at, at(100));
        for outcome in [
            Outcome::Pending,
            Outcome::AlreadyCurrent,
            Outcome::Drifted,
            Outcome::Deleted,
            Outcome::OwnedByAddon,
            Outcome::Failed,
            Outcome::NotAttempted,
            Outcome::WouldUpdate,
        ] {
            let row = Row {
                outcome,
                ..row.clone()
            };
            assert_eq!(Row::taken_back(&row, members(), 1), None, "{outcome:?}");
        }
    }

    fn fields(fields: &[RoleField]) -> RoleFields {
        fields.to_vec().into()
    }

    /// Checks what follows from what EKS shows, without and with `includeChanged`, of an
    /// association of which these fields were moved. It then had this target role.
    fn check(
        moved_fields: &[RoleField],
        target: Option<&str>,
        observed: &Association,
        expected: [Action; 2],
    ) {
        let forward = requested(&serde_json::json!({})).request;
        let row = moved(moved_fields, "new", target);
        let row = Row::taken_back(&row, members(), 1).unwrap();
        for (include_changed, expected) in [false, true].into_iter().zip(expected) {
            let rollback = Rollback { include_changed };
            let request = forward.taken_back(rollback);
            let action = decide_rollback(&request, rollback, &row, observed);
            assert_eq!(action, expected, "{observed:?} {include_changed}");
        }
    }

    #[test]
    fn an_association_is_taken_back_only_as_the_rotation_has_left_it() {
        use Action::{AlreadyCurrent, ChangedSince, OwnedByAddon, Update};
        let moved = fields(&[RoleField::RoleArn]);
        let changed = [ChangedSince, Update(moved)];
        let later = |change: fn(&mut Association)| {
            let mut seen = seen("new", None, 130);
            change(&mut seen);
            seen
        };
        let owned = Association {
            owner_arn: Some("addon".to_owned()),
            ..seen("new", None, 100)
        };
        for (observed, expected) in [
            (seen("new", None, 100), [Update(moved); 2]),
            // A Describe shows another time than the response to the update.
            (later(|_| {}), [Update(moved); 2]),
            (seen("new", None, 160), [Update(moved); 2]),
            (seen("new", None, 161), changed),
            (later(|seen| seen.policy = None), changed),
            // The same document.
            (
                later(|seen| seen.policy = Some("{\"a\":1}".to_owned())),
                [Update(moved); 2],
            ),
            (later(|seen| seen.tags.clear()), changed),
            (seen("new", Some("new"), 130), changed),
            (
                later(|seen| seen.disable_session_tags = Some(true)),
                changed,
            ),
            (
                later(|seen| seen.owner_arn = Some("addon".to_owned())),
                [ChangedSince, OwnedByAddon],
            ),
            (owned, [OwnedByAddon; 2]),
            // Another actor has moved it on, or back.
            (seen("third", None, 130), [ChangedSince; 2]),
            (seen("old", None, 130), [AlreadyCurrent(moved); 2]),
        ] {
            check(&[RoleField::RoleArn], None, &observed, expected);
        }
    }

    #[test]
    fn only_the_fields_that_were_moved_are_taken_back() {
        use Action::{ChangedSince, Update};
        use RoleField::{RoleArn, TargetRoleArn};
        let both = [RoleArn, TargetRoleArn];
        let (first, second) = (fields(&[RoleArn]), fields(&[TargetRoleArn]));
        for (moved, observed, expected) in [
            (
                &both[..],
                seen("new", Some("new"), 100),
                [Update(fields(&both)); 2],
            ),
            (
                &both,
                seen("new", Some("third"), 130),
                [ChangedSince, Update(first)],
            ),
            (
                &both,
                seen("old", Some("new"), 130),
                [ChangedSince, Update(second)],
            ),
            // The other field had the role before the rotation.
            (
                &[TargetRoleArn],
                seen("new", Some("new"), 100),
                [Update(second); 2],
            ),
            (
                &[TargetRoleArn],
                seen("new", Some("third"), 130),
                [ChangedSince; 2],
            ),
        ] {
            check(moved, Some("new"), &observed, expected);
        }
    }
}
