//! What to do with one association, given what Describe showed. No other code decides this.

use crate::request::RotationRequest;
use crate::resource::{Association, RoleFields};

/// What to do with one association.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Update these fields. They have the old role, and no add-on owns the association.
    Update(RoleFields),
    /// Nothing: these planned fields are on the new role already.
    AlreadyCurrent(RoleFields),
    /// Nothing: no field is on the old role, and no planned one on the new role, because another
    /// actor has changed the association.
    Drifted,
    /// Nothing: the association is on the old role, but an add-on owns it. The add-on's next update
    /// would move it back.
    OwnedByAddon,
    /// Nothing, in a rollback: EKS does not show what the rotation wrote any more.
    ChangedSince,
}

/// Decides what to do with an association that a Describe has just shown. `planned` are the fields
/// that the row plans to move. Only these tell whether the association is on the new role already.
/// For example, the plan is to move `roleArn`, and `targetRoleArn` named the new role before. If
/// another actor sets a third `roleArn`, the association is `Drifted`.
///
/// This decision races with every other writer of the association: Terraform, an operator, another
/// slice that has lost its lease, and an earlier update of rerole whose response was lost. EKS has
/// no conditional update, so no version check can exclude them. Instead, the decision depends on
/// the request, on which fields the row plans to move, and on one recent observation. It does not
/// consult the roles in the plan, which are older, nor which updates rerole has sent, because a
/// request that was sent may or may not have taken effect. This has three consequences:
///
/// - A lost response needs no special case. The caller describes the association again and decides
///   again. If the lost update took effect, the result is `AlreadyCurrent`, and the association is
///   not written a second time. If it did not, the result is `Update` with the same observed
///   version, so the update has the same [`Token`](crate::rotation::Token), and EKS carries out
///   only one of the two even if the first request arrives late.
/// - Two slices that both believe that they hold the lease cannot undo each other's work. Each of
///   them only moves fields from the old role to the new one. The slower one observes the new role.
/// - Another actor's change is kept if the Describe shows it. For example, rotation A→B describes
///   an association on role C. The plan says A, but the result is `Drifted`.
///
/// The remaining risk is a change between the Describe and the update. The caller limits this time
/// to the write window of 5 s (`src/aws/eks/update.rs`), and sends only the fields that showed the
/// old role. A field that another actor moves within the window can still be overwritten.
#[must_use]
pub fn decide(request: &RotationRequest, planned: RoleFields, observed: &Association) -> Action {
    let naming = |role| {
        RoleFields::naming(
            role,
            &observed.role_arn,
            observed.target_role_arn.as_deref(),
        )
    };
    let on_old_role = naming(&request.old_role_arn);
    if on_old_role.is_empty() {
        let moved = naming(&request.new_role_arn).intersection(planned);
        if moved.is_empty() {
            Action::Drifted
        } else {
            Action::AlreadyCurrent(moved)
        }
    } else if observed.owner_arn.is_some() {
        Action::OwnedByAddon
    } else {
        Action::Update(on_old_role)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::request::testing::{requested, role};
    use crate::resource::{RoleField, association};

    #[test]
    fn the_roles_decide_and_an_owner_prevents_the_update() {
        let request = requested(&serde_json::json!({})).request;
        let either = planned(&[RoleField::RoleArn, RoleField::TargetRoleArn]);
        let check = |role_name: &str, target: Option<&str>, owned: bool, expected: Expect| {
            let mut observed = association(&role(role_name));
            observed.target_role_arn = target.map(role);
            observed.owner_arn =
                owned.then(|| "arn:aws:eks:us-east-1:111122223333:addon/prod-1/x/y".to_owned());
            let names = |fields: RoleFields| {
                let names: Vec<_> = fields.iter().map(RoleField::name).collect();
                names.join(" and ")
            };
            let shown = match decide(&request, either, &observed) {
                Action::Update(fields) => format!("update {}", names(fields)),
                Action::AlreadyCurrent(fields) => format!("current: {}", names(fields)),
                other => format!("{other:?}"),
            };
            expected.assert_eq(&shown);
        };
        check("old", None, false, expect!["update roleArn"]);
        check("old", Some("third"), false, expect!["update roleArn"]);
        check(
            "old",
            Some("old"),
            false,
            expect!["update roleArn and targetRoleArn"],
        );
        check("third", Some("old"), false, expect!["update targetRoleArn"]);
        // One field has been moved, by another actor or an earlier rotation of one field.
        check("new", Some("old"), false, expect!["update targetRoleArn"]);
        check("old", Some("new"), false, expect!["update roleArn"]);
        check("old", None, true, expect!["OwnedByAddon"]);
        check("third", Some("old"), true, expect!["OwnedByAddon"]);
        check("new", None, false, expect!["current: roleArn"]);
        check("new", None, true, expect!["current: roleArn"]);
        check(
            "third",
            Some("new"),
            false,
            expect!["current: targetRoleArn"],
        );
        check("third", None, false, expect!["Drifted"]);
        check("third", Some("third"), true, expect!["Drifted"]);
        check("", None, false, expect!["Drifted"]);
    }

    fn planned(fields: &[RoleField]) -> RoleFields {
        fields.to_vec().into()
    }

    /// What an update changes does not depend on the plan: no field may stay on the old role.
    #[test]
    fn only_the_planned_fields_say_whether_an_association_was_moved() {
        use RoleField::{RoleArn, TargetRoleArn};
        let current = |field| Action::AlreadyCurrent(planned(&[field]));
        let request = requested(&serde_json::json!({})).request;
        for (fields, role_name, target, expected) in [
            (&[RoleArn][..], "new", None, current(RoleArn)),
            (&[RoleArn], "new", Some("third"), current(RoleArn)),
            (&[RoleArn], "new", Some("new"), current(RoleArn)),
            (&[RoleArn], "third", Some("new"), Action::Drifted),
            (
                &[TargetRoleArn],
                "third",
                Some("new"),
                current(TargetRoleArn),
            ),
            (&[TargetRoleArn], "new", Some("third"), Action::Drifted),
            (
                &[RoleArn, TargetRoleArn],
                "third",
                Some("new"),
                current(TargetRoleArn),
            ),
            (
                &[RoleArn],
                "third",
                Some("old"),
                Action::Update(planned(&[TargetRoleArn])),
            ),
        ] {
            let mut observed = association(&role(role_name));
            observed.target_role_arn = target.map(role);
            let action = decide(&request, planned(fields), &observed);
            assert_eq!(action, expected, "{fields:?} of {role_name} and {target:?}");
        }
    }
}
