//! What the old role may do and the new one may not: one finding for each service and kind of
//! change. The comparison itself is in `core`; here it is decided what counts.

use std::collections::BTreeMap;

use rerole_core::policy::Document;
use rerole_core::policy::permissions::{
    ANY_SERVICE, BothRoles, Change, Entry, LastAccessed, NamedDocument, Permissions, Use,
    difference,
};

use crate::iam::{Policy, Reading, ServiceUse};
use crate::iam::{ReadRole, RoleWithPolicies};
use crate::preflight::finding::{Check, Checked, Finding, Key, Level};
use crate::request::Roles;
use crate::words;

/// What is known of the permissions of the two roles.
#[derive(Debug, Clone, Copy)]
pub struct PermissionFacts<'a> {
    pub roles: &'a Roles,
    pub old: &'a ReadRole,
    pub new: &'a ReadRole,
    pub service_use: &'a Reading<ServiceUse>,
}

/// Compares the permissions. That a role cannot be read, or does not exist, is a finding of another
/// check.
pub fn check(facts: PermissionFacts<'_>) -> Checked {
    let check = Check {
        name: "permissions",
        roles: facts.roles,
    };
    let (Ok(Some(old)), Ok(Some(new))) = (facts.old, facts.new) else {
        return Checked::default();
    };
    let mut used = facts.service_use.clone().unwrap_or_default();
    // IAM does not track iam:PassRole, so that no use of this service is seen says nothing.
    used.retain(|service, at| service != "iam" || at.is_some());
    let used: LastAccessed = used.into_iter().collect();
    let both = BothRoles {
        old: &permissions(old),
        new: &permissions(new),
    };
    let difference = difference(both, &used);
    let mut findings = findings(check, &difference.entries);
    if let Err(why) = facts.service_use {
        let text = format!("whether the old role has used its permissions: {why}");
        findings.push(check.note(Key("use of services"), text));
    }
    let kept = words::count(difference.kept as u64, "permission");
    let fine = (difference.kept > 0)
        .then(|| format!("the new role certainly has {kept} that the old one has"));
    Checked {
        findings,
        fine: fine.into_iter().collect(),
    }
}

fn permissions(read: &RoleWithPolicies) -> Permissions {
    let policies = &read.policies;
    let identity = policies.identity.iter().map(named);
    // A list that could not be read stands for policies that may allow and deny anything.
    let gaps = policies.gaps.iter().map(|gap| NamedDocument {
        name: format!("a list of policies ({gap})"),
        document: Document::parse(""),
    });
    Permissions {
        role: read.role.arn.clone(),
        identity: identity.chain(gaps).collect(),
        boundary: policies.boundary.as_ref().map(named),
        tags: Some(read.role.tags.clone()),
    }
}

fn named(policy: &Policy) -> NamedDocument {
    let Policy { name, document } = policy;
    match document {
        Ok(document) => NamedDocument {
            name: name.clone(),
            document: Document::parse(document),
        },
        Err(why) => NamedDocument {
            name: format!("{name} ({why})"),
            document: Document::parse(""),
        },
    }
}

/// Groups what changes by service, kind of change, and whether the service was used.
fn findings(check: Check<'_>, entries: &[Entry]) -> Vec<Finding> {
    let mut groups: BTreeMap<(&str, &str, Use), Vec<&Entry>> = BTreeMap::new();
    for entry in entries {
        let group = (entry.service.as_str(), entry.change.label(), entry.last_use);
        groups.entry(group).or_default().push(entry);
    }
    let findings = groups.into_values();
    findings
        .filter_map(|group| finding(check, &group))
        .collect()
}

fn finding(check: Check<'_>, group: &[&Entry]) -> Option<Finding> {
    let first = group.first()?;
    let service = match first.service.as_str() {
        ANY_SERVICE => "any service",
        service => service,
    };
    let label = first.change.label();
    let text = match first.last_use {
        Use::Used(_) => format!("{label}, and {}: {service}", first.last_use),
        Use::NotUsed => format!("{label}, but {}: {service}", first.last_use),
        Use::Unknown => format!("{label}, and whether it was used is not known: {service}"),
    };
    let details: Vec<_> = group.iter().map(|entry| detail(entry)).collect();
    // When it was last used changes from run to run, so it is no part of the key.
    let key = format!("{service} {label} {}", details.join("\n"));
    Some(
        check
            .finding(level(first), Key(&key), text)
            .details(details),
    )
}

/// IAM tracks the use of services and not of all actions, so what is lost of a service that was
/// used may be what was used. Where IAM does not tell, it is unknown whether the loss matters.
fn level(entry: &Entry) -> Level {
    match (&entry.change, entry.last_use) {
        (_, Use::NotUsed) => Level::Note,
        (Change::Lost(_), Use::Used(_)) => Level::Denied,
        (_, Use::Used(_) | Use::Unknown) => Level::Unknown,
    }
}

fn detail(entry: &Entry) -> String {
    let (actions, resources) = (entry.actions.join(", "), entry.resources.join(", "));
    format!(
        "{actions} on {resources} ({}): {}",
        entry.policy, entry.change
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::Unreadable;
    use crate::preflight::testing::{POD_TRUST, roles, with_policies, with_trust};
    use crate::testing::now;

    fn allow(actions: &str) -> String {
        format!(
            r#"{{"Version": "2012-10-17", "Statement":
            {{"Effect": "Allow", "Action": {actions}, "Resource": "*"}}}}"#
        )
    }

    fn read(name: &str, actions: &str) -> RoleWithPolicies {
        with_policies(with_trust((name, POD_TRUST)), &[&allow(actions)])
    }

    fn checked(old: RoleWithPolicies, new: RoleWithPolicies, used: ServiceUse) -> Checked {
        check(PermissionFacts {
            roles: &roles(["app-2025", "app-2026"]),
            old: &Ok(Some(old)),
            new: &Ok(Some(new)),
            service_use: &Ok(used),
        })
    }

    #[test]
    fn what_is_lost_counts_unless_it_certainly_was_not_used() {
        let s3 = |at| ServiceUse::from([("s3".to_owned(), at)]);
        for (used, level, text) in [
            (
                s3(Some(now())),
                Level::Denied,
                "lost, and used on 2026-11-23: s3",
            ),
            (
                s3(None),
                Level::Note,
                "lost, but not used in the tracking period: s3",
            ),
            (
                ServiceUse::new(),
                Level::Unknown,
                "lost, and whether it was used is not known: s3",
            ),
        ] {
            let old = read("app-2025", r#"["s3:PutObject", "sqs:SendMessage"]"#);
            let checked = checked(old, read("app-2026", r#""sqs:*""#), used);
            let [finding] = checked.findings.as_slice() else {
                panic!("{checked:?}");
            };
            assert_eq!((finding.level, finding.text.as_str()), (level, text));
            assert_eq!(
                finding.details,
                ["s3:PutObject on * (policy-0): no statement of the new role allows it"]
            );
            assert_eq!(checked.fine.len(), 1, "{checked:?}");
        }
    }

    #[test]
    fn the_id_of_a_loss_does_not_depend_on_when_it_was_used() {
        let id = |at| {
            let old = read("app-2025", r#""s3:PutObject""#);
            let used = ServiceUse::from([("s3".to_owned(), at)]);
            checked(old, read("app-2026", r#""sqs:*""#), used).findings[0]
                .id
                .clone()
        };
        assert_eq!(id(Some(now())), id(None));
    }

    #[test]
    fn a_policy_that_cannot_be_read_makes_it_unknown_and_says_why() {
        let mut new = read("app-2026", r#""sqs:*""#);
        new.policies
            .gaps
            .push(Unreadable::new("not readable: iam:ListRolePolicies"));
        let used = ServiceUse::from([("s3".to_owned(), Some(now()))]);
        let checked = checked(read("app-2025", r#""s3:PutObject""#), new, used);
        let levels: Vec<_> = checked.findings.iter().map(|it| it.level).collect();
        assert!(
            levels.iter().all(|level| *level == Level::Unknown),
            "{checked:?}"
        );
        let text = format!("{checked:?}");
        assert!(
            text.contains("not readable: iam:ListRolePolicies"),
            "{text}"
        );
    }

    #[test]
    fn the_same_permissions_are_fine() {
        let (old, new) = (read("app-2025", r#""s3:*""#), read("app-2026", r#""s3:*""#));
        assert_eq!(checked(old, new, ServiceUse::new()).findings, []);
    }
}
