//! What to do with one association, given what Describe showed. This is the only place that decides it.

use crate::association::Association;
use crate::request::RotationRequest;
#[cfg(test)]
use crate::role_field::RoleField;
use crate::role_field::RoleFields;

/// What one association needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It is on the old role in these fields, and ours to move.
    Update(RoleFields),
    /// It is on the new role already.
    AlreadyCurrent,
    /// It uses other roles: somebody else changed it, and it is not ours to touch.
    Drifted,
    /// EKS does not know it (any more).
    Deleted,
    /// It is on the old role, and an add-on owns it: the add-on's next update would move it back.
    OwnedByAddon,
}

/// Decides from the request and from what EKS showed; `None` is "not found".
#[must_use]
pub fn decide(request: &RotationRequest, observed: Option<&Association>) -> Action {
    let Some(observed) = observed else { return Action::Deleted };
    let naming = |role| RoleFields::naming(role, &observed.role_arn, observed.target_role_arn.as_deref());
    let on_old_role = naming(&request.old_role_arn);
    if !on_old_role.is_empty() {
        if observed.owner_arn.is_some() { Action::OwnedByAddon } else { Action::Update(on_old_role) }
    } else if naming(&request.new_role_arn).is_empty() {
        Action::Drifted
    } else {
        Action::AlreadyCurrent
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::association::tests::association;
    use crate::request::parse_detail;

    #[test]
    fn the_roles_decide_and_an_owner_holds_back() {
        let role = |name: &str| format!("arn:aws:iam::111122223333:role/{name}");
        let detail = serde_json::json!({ "oldRoleArn": role("old"), "newRoleArn": role("new") });
        let request = parse_detail(&detail, Some("e"), "/").unwrap();
        assert_eq!(decide(&request, None), Action::Deleted);
        let check = |role_name: &str, target: Option<&str>, owned: bool, expected: Expect| {
            let mut observed = association(&role(role_name));
            observed.target_role_arn = target.map(role);
            observed.owner_arn = owned.then(|| "arn:aws:eks:us-east-1:111122223333:addon/prod-1/x/y".to_owned());
            let shown = match decide(&request, Some(&observed)) {
                Action::Update(fields) => {
                    format!("update {}", fields.iter().map(RoleField::name).collect::<Vec<_>>().join(" and "))
                }
                other => format!("{other:?}"),
            };
            expected.assert_eq(&shown);
        };
        check("old", None, false, expect!["update roleArn"]);
        check("old", Some("third"), false, expect!["update roleArn"]);
        check("old", Some("old"), false, expect!["update roleArn and targetRoleArn"]);
        check("third", Some("old"), false, expect!["update targetRoleArn"]);
        // Half of it is done: somebody else's doing, or an update of one field in a rotation before ours.
        check("new", Some("old"), false, expect!["update targetRoleArn"]);
        check("old", Some("new"), false, expect!["update roleArn"]);
        check("old", None, true, expect!["OwnedByAddon"]);
        check("third", Some("old"), true, expect!["OwnedByAddon"]);
        check("new", None, false, expect!["AlreadyCurrent"]);
        check("new", None, true, expect!["AlreadyCurrent"]);
        check("third", Some("new"), false, expect!["AlreadyCurrent"]);
        check("third", None, false, expect!["Drifted"]);
        check("third", Some("third"), true, expect!["Drifted"]);
        check("", None, false, expect!["Drifted"]);
    }
}
