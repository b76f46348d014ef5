//! The two roles by themselves: whether they exist, and whether the stack and EKS accept them.

use rerole_core::resource::RoleArn;

use crate::iam::ReadRole;
use crate::iam::Role;
use crate::preflight::finding::{Check, Checked, Finding, Key};
use crate::preflight::moves::{Move, associations, examples};
use crate::request::Roles;
use crate::words;

/// The tags that a line shows.
const TAGS_SHOWN: usize = 5;

/// What is known of the two roles.
#[derive(Debug, Clone, Copy)]
pub struct RoleFacts<'a> {
    pub roles: &'a Roles,
    pub new: &'a ReadRole,
    pub old: &'a ReadRole,
    /// The parameters of the stack, if it says what they are.
    pub new_path: Option<&'a str>,
    pub old_path: Option<&'a str>,
    pub moves: &'a [Move<'a>],
}

/// Checks the roles.
pub fn check(facts: &RoleFacts<'_>) -> Checked {
    let check = Check {
        name: "role",
        roles: facts.roles,
    };
    let mut checked = Checked::default();
    checked.findings.extend(rules(check, facts));
    checked.findings.extend(kind(check));
    checked.findings.extend(other_account(check, facts.moves));
    checked.extend(existence(check, facts.new));
    checked.findings.extend(old(check, facts.old));
    checked
}

/// What the stack would reject.
fn rules(check: Check<'_>, facts: &RoleFacts<'_>) -> Vec<Finding> {
    let Roles { old, new } = facts.roles;
    let mut found = Vec::new();
    let mut rejected = |reason: String| {
        let text = format!("the stack would reject the rotation: {reason}");
        found.push(check.denied(Key(&reason), text));
    };
    if old == new {
        rejected("the two roles are the same".to_owned());
    }
    if (old.account(), old.partition()) != (new.account(), new.partition()) {
        rejected("the new role is in another account or partition than the old one".to_owned());
    }
    for (role, parameter, path) in [
        (new, "RolePath", facts.new_path),
        (old, "OldRolePath", facts.old_path),
    ] {
        if let Some(path) = path.filter(|path| !role.path().starts_with(path)) {
            rejected(format!("{role} is not under the path {path} ({parameter})"));
        }
    }
    if facts.new_path.is_none() {
        let text = "the stack does not say which paths its roles must have (RolePath)";
        found.push(check.unknown(Key("RolePath"), text));
    }
    found
}

/// Roles that no pod can use.
fn kind(check: Check<'_>) -> Option<Finding> {
    let new = &check.roles.new;
    let kind = if new.is_reserved() {
        "is reserved for IAM Identity Center, so only it can let pods use the role"
    } else if new.is_service_linked() {
        "is service-linked, so only its AWS service can use it"
    } else {
        return None;
    };
    Some(check.denied(Key(kind), format!("{new} {kind}")))
}

/// EKS wants the role of an association in the account of its cluster.
fn other_account(check: Check<'_>, moves: &[Move<'_>]) -> Option<Finding> {
    let account = check.roles.new.account();
    let is_elsewhere =
        |it: &&Move<'_>| it.is_role_new && it.item.association_arn.account() != account;
    let elsewhere: Vec<_> = moves.iter().filter(is_elsewhere).collect();
    if elsewhere.is_empty() {
        return None;
    }
    let workloads: Vec<_> = elsewhere.iter().map(|it| it.workload()).collect();
    let text = format!(
        "{} would be refused: the new role is not in the account of their clusters",
        associations(elsewhere.len())
    );
    let finding = check.denied(Key("account of the clusters"), text);
    Some(finding.details([examples(&workloads)]))
}

fn existence(check: Check<'_>, new: &ReadRole) -> Checked {
    let arn = &check.roles.new;
    match new {
        Ok(Some(read)) => Checked::fine(described(&read.role)),
        Ok(None) => Checked::found(check.denied(Key("new role"), format!("{arn} does not exist"))),
        Err(why) => {
            let text = format!("whether {arn} exists, and whom it trusts: {why}");
            Checked::found(check.unknown(Key("new role"), text))
        }
    }
}

fn old(check: Check<'_>, old: &ReadRole) -> Option<Finding> {
    let arn = &check.roles.old;
    match old {
        Ok(Some(_)) => None,
        Ok(None) => {
            let text = format!("{arn} does not exist any more, so a rollback cannot succeed");
            Some(check.note(Key("old role"), text))
        }
        Err(why) => {
            let text = format!("whether {arn} exists: {why}");
            Some(check.unknown(Key("old role"), text))
        }
    }
}

/// The role with what a person may want to look at. EKS's documentation does not say that the
/// maximum session duration matters to pods, so nothing follows from it.
fn described(role: &Role) -> String {
    let mut parts = vec![format!("role {} exists", short(&role.arn))];
    if let Some(duration) = role.max_session {
        parts.push(format!("sessions of at most {}", words::duration(duration)));
    }
    if let Some(boundary) = &role.boundary_arn {
        parts.push(format!("permissions boundary {boundary}"));
    }
    let tags: Vec<_> = role
        .tags
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    if !tags.is_empty() {
        parts.push(format!("tags {}", words::list(&tags, TAGS_SHOWN)));
    }
    parts.join(", ")
}

/// The path and name of a role.
pub fn short(arn: &RoleArn) -> String {
    words::role(arn.as_str()).in_account(arn.account())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::iam::Unreadable;
    use crate::preflight::finding::Level;
    use crate::preflight::testing::{POD_TRUST, item, read, roles, with_trust};

    /// Two roles that exist and trust pods.
    struct Scene {
        roles: Roles,
        new: ReadRole,
        old: ReadRole,
    }

    impl Scene {
        fn new() -> Self {
            Self {
                roles: roles(["app-2025", "app-2026"]),
                new: Ok(Some(read(with_trust(("app-2026", POD_TRUST))))),
                old: Ok(Some(read(with_trust(("app-2025", POD_TRUST))))),
            }
        }

        fn facts(&self) -> RoleFacts<'_> {
            RoleFacts {
                roles: &self.roles,
                new: &self.new,
                old: &self.old,
                new_path: Some("/platform/"),
                old_path: Some("/platform/"),
                moves: &[],
            }
        }
    }

    fn found(facts: &RoleFacts<'_>) -> Vec<(Level, String)> {
        let findings = check(facts).findings.into_iter();
        findings.map(|it| (it.level, it.text)).collect()
    }

    #[test]
    fn a_role_under_the_path_is_fine() {
        assert_eq!(found(&Scene::new().facts()), []);
    }

    #[test]
    fn what_the_stack_would_reject_is_denied() {
        let scene = Scene::new();
        let mut same = Scene::new();
        same.roles.new = same.roles.old.clone();
        let facts = scene.facts();
        for (level, expected, facts) in [
            (
                Level::Denied,
                "(RolePath)",
                RoleFacts {
                    new_path: Some("/other/"),
                    ..facts
                },
            ),
            (
                Level::Denied,
                "(OldRolePath)",
                RoleFacts {
                    old_path: Some("/other/"),
                    ..facts
                },
            ),
            (
                Level::Unknown,
                "(RolePath)",
                RoleFacts {
                    new_path: None,
                    ..facts
                },
            ),
            (Level::Denied, "the same", same.facts()),
        ] {
            let found = found(&facts);
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!(found[0].0, level, "{found:?}");
            assert!(found[0].1.contains(expected), "{found:?}");
        }
    }

    #[test]
    fn a_role_that_no_pod_can_use_is_denied() {
        for (path, expected) in [
            ("aws-reserved/sso.amazonaws.com", "Identity Center"),
            ("aws-service-role/eks.amazonaws.com", "service-linked"),
        ] {
            let mut roles = roles(["app-2025", "app-2026"]);
            let arn = format!("arn:aws:iam::111122223333:role/{path}/x");
            roles.new = arn.parse().unwrap();
            let finding = kind(Check {
                name: "role",
                roles: &roles,
            });
            let finding = finding.unwrap();
            assert_eq!(finding.level, Level::Denied);
            assert!(finding.text.contains(expected), "{finding:?}");
        }
    }

    #[test]
    fn a_missing_new_role_is_denied_and_a_missing_old_one_is_a_note() {
        let mut scene = Scene::new();
        scene.new = Ok(None);
        assert_eq!(found(&scene.facts())[0].0, Level::Denied);
        let mut scene = Scene::new();
        scene.old = Ok(None);
        assert_eq!(found(&scene.facts())[0].0, Level::Note);
    }

    #[test]
    fn a_role_that_cannot_be_read_is_unknown_and_says_what_is_missing() {
        let mut scene = Scene::new();
        scene.new = Err(Unreadable::new("not readable: iam:GetRole"));
        let found = found(&scene.facts());
        assert_eq!(found[0].0, Level::Unknown);
        assert!(
            found[0].1.ends_with("not readable: iam:GetRole"),
            "{found:?}"
        );
    }

    #[test]
    fn clusters_of_another_account_cannot_have_the_role() {
        let scene = Scene::new();
        let mut item = item(("prod-1", "pay/api"), "app-2025");
        let arn = "arn:aws:eks:us-east-1:444455556666:podidentityassociation/prod-1/a-1";
        item.association_arn = arn.parse().unwrap();
        let moves = [Move::of(&item, &scene.roles).unwrap()];
        let found = found(&RoleFacts {
            moves: &moves,
            ..scene.facts()
        });
        assert_eq!(found[0].0, Level::Denied);
        assert!(
            found[0].1.starts_with("1 association would be refused"),
            "{found:?}"
        );
    }

    #[test]
    fn a_role_is_described() {
        let role = Role {
            max_session: Some(Duration::from_hours(1)),
            tags: vec![("team".to_owned(), "pay".to_owned())],
            boundary_arn: Some("arn:aws:iam::111122223333:policy/edge".to_owned()),
            ..with_trust(("app-2026", POD_TRUST))
        };
        assert_eq!(
            described(&role),
            "role platform/app-2026 exists, sessions of at most 1 h, permissions boundary \
             arn:aws:iam::111122223333:policy/edge, tags team=pay"
        );
    }
}
