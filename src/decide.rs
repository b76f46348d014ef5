//! What to do with one association, given what Describe showed. This is the only place that decides it.

use crate::association::Association;
use crate::request::RotationRequest;

/// What one association needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It is on the old role and ours to move.
    Update,
    /// It is on the new role already.
    AlreadyCurrent,
    /// It uses a third role: somebody else changed it, and it is not ours to touch.
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
    if observed.role_arn == request.new_role_arn.as_str() {
        Action::AlreadyCurrent
    } else if observed.role_arn != request.old_role_arn.as_str() {
        Action::Drifted
    } else if observed.owner_arn.is_some() {
        Action::OwnedByAddon
    } else {
        Action::Update
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::association::tests::association;
    use crate::request::parse_detail;

    #[test]
    fn the_role_decides_and_an_owner_holds_back() {
        let old = "arn:aws:iam::111122223333:role/a";
        let new = "arn:aws:iam::111122223333:role/b";
        let third = "arn:aws:iam::111122223333:role/c";
        let detail = serde_json::json!({ "oldRoleArn": old, "newRoleArn": new });
        let request = parse_detail(&detail, Some("e"), "111122223333", "/").unwrap();
        assert_eq!(decide(&request, None), Action::Deleted);
        for (role, owned, expected) in [
            (old, false, Action::Update),
            (old, true, Action::OwnedByAddon),
            (new, false, Action::AlreadyCurrent),
            (new, true, Action::AlreadyCurrent),
            (third, false, Action::Drifted),
            (third, true, Action::Drifted),
            ("", false, Action::Drifted),
        ] {
            let mut observed = association(role);
            observed.owner_arn = owned.then(|| "arn:aws:eks:us-east-1:111122223333:addon/prod-1/x/y".to_owned());
            assert_eq!(decide(&request, Some(&observed)), expected, "{role} owned: {owned}");
        }
    }
}
