//! Updates that EKS accepts or refuses: roles, owners, and denied clusters.

use std::time::Duration;

use rerole_sim::{AddonUpdates, Options, RoleState, SameRoleUpdates};

use crate::harness::{
    NEW, NO_LATENCY, OLD, OneAssociation, code_of, error_of, in_virtual_time, update,
};

#[test]
fn a_role_that_is_missing_or_distrusts_eks_is_refused() {
    let invalid = "InvalidParameterException";
    let missing = "Role provided in the request does not exist";
    let bad_trust = "Trust policy of the role provided is invalid";
    let start = Options::default().starts_at;
    let rows = [
        (RoleState::Ready, "", ""),
        (RoleState::Missing, invalid, missing),
        (RoleState::BadTrust, invalid, bad_trust),
        (RoleState::MissingUntil(start), "", ""),
    ];
    for (state, code, message) in rows {
        let arrange = |one: &OneAssociation| one.aws.eks(|eks| eks.set_role_state(NEW, state));
        check_update(Options::default(), arrange, Some(NEW), (code, message));
    }
}

#[test]
fn an_update_needs_a_role_of_the_same_account() {
    let rows = [
        ("arn:aws:iam::444455556666:role/new", "same account"),
        ("new", "not valid"),
    ];
    for (role, message) in rows {
        let expected = ("InvalidParameterException", message);
        check_update(Options::default(), |_| {}, Some(role), expected);
    }
}

#[test]
fn an_update_without_a_change_is_refused_by_default_only_if_it_has_no_fields() {
    let refused = ("InvalidParameterException", "You must change at least one");
    let strict = || Options {
        same_role_updates: SameRoleUpdates::Rejected,
        ..Options::default()
    };
    check_update(Options::default(), |_| {}, None, refused);
    check_update(Options::default(), |_| {}, Some(OLD), ("", ""));
    check_update(strict(), |_| {}, Some(OLD), refused);
}

#[test]
fn an_association_of_an_addon_can_be_updated_only_with_the_option() {
    let owned = |one: &OneAssociation| {
        let addon = Some("arn:aws:eks:addon");
        one.aws.eks(|eks| eks.set_owner(&one.arn, addon));
    };
    let allowed = || Options {
        addon_updates: AddonUpdates::Accepted,
        ..Options::default()
    };
    let refused = ("InvalidRequestException", "owned by an Amazon EKS add-on");
    check_update(Options::default(), owned, Some(NEW), refused);
    check_update(allowed(), owned, Some(NEW), ("", ""));
}

#[test]
fn an_update_in_a_denied_cluster_is_denied() {
    let denied = |one: &OneAssociation| one.aws.eks(|eks| eks.deny("prod"));
    let message = "not authorized to perform: eks:UpdatePodIdentityAssociation";
    let expected = ("AccessDeniedException", message);
    check_update(Options::default(), denied, Some(NEW), expected);
}

/// Updates the association to `role`, and expects this error code and this part of the message;
/// both are "" in a success. The association changes only in a success.
fn check_update(
    options: Options,
    arrange: impl Fn(&OneAssociation),
    role: Option<&str>,
    (code, message): (&str, &str),
) {
    in_virtual_time(async {
        let one = OneAssociation::new(options);
        arrange(&one);
        let before = one.association();
        let update = update(&one.client, &one.subject);
        let update = update.set_role_arn(role.map(str::to_owned));
        let (seen_code, seen_message) = error_of(update.send().await);
        assert_eq!(seen_code, code, "{role:?}: {seen_message}");
        assert!(seen_message.contains(message), "{role:?}: {seen_message}");
        let (after, is_success) = (one.association(), code.is_empty());
        let is_modified = after.modified_at > before.modified_at;
        assert_eq!(is_modified, is_success, "{role:?}: modifiedAt");
        assert_eq!(after != before, is_success, "{role:?}: the association");
    });
}

/// IAM has not told EKS about the role yet, or the trust policy is about to be corrected.
#[test]
fn a_role_becomes_usable_at_its_time_and_not_before() {
    let states: [fn(_) -> _; 2] = [RoleState::MissingUntil, RoleState::BadTrustUntil];
    for state in states {
        in_virtual_time(async {
            let one = OneAssociation::new(Options {
                latency: NO_LATENCY,
                ..Options::default()
            });
            let (almost, rest) = (Duration::from_millis(59_999), Duration::from_millis(1));
            let usable_at = one.aws.now() + almost + rest;
            one.aws.eks(|eks| eks.set_role_state(NEW, state(usable_at)));
            tokio::time::advance(almost).await;
            let code = code_of(one.update(NEW).await);
            assert_eq!(code, "InvalidParameterException");
            tokio::time::advance(rest).await;
            assert!(one.update(NEW).await.is_ok());
        });
    }
}
