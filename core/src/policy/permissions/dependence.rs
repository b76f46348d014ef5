//! Which condition keys and policy variables have another value in the session of another role.
//!
//! Only the role is exchanged: the pod, its cluster, the session tags, the request and the resource
//! stay what they are. So a key differs only if it is a property of the principal (IAM User Guide,
//! "AWS global condition context keys").

use super::input::{BothRoles, Permissions};

const PRINCIPAL_TAG: &str = "aws:principaltag/";
/// Properties of the principal that are the same for any two roles: both are assumed by a pod.
const SAME_FOR_ROLES: [&str; 5] = [
    "aws:principalisawsservice",
    "aws:principalservicename",
    "aws:principalservicenameslist",
    "aws:principaltype",
    "aws:username",
];
/// Properties of the principal's account.
const OF_ACCOUNT: [&str; 4] = [
    "aws:principalaccount",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "kms:calleraccount",
];

/// What two roles have in common.
pub(super) struct Dependence {
    is_same_account: bool,
    /// The tags of both roles; `None` if they are not known of both.
    tags: Option<[Vec<(String, String)>; 2]>,
}

impl Dependence {
    pub(super) fn new(BothRoles { old, new }: BothRoles<&Permissions>) -> Self {
        Self {
            is_same_account: old.role.account() == new.role.account()
                && old.role.partition() == new.role.partition(),
            tags: old
                .tags
                .clone()
                .zip(new.tags.clone())
                .map(|(old, new)| [old, new]),
        }
    }

    /// Returns whether the condition key may have another value if the role is exchanged. A policy
    /// variable is a key, perhaps with a default: `aws:PrincipalTag/team, 'none'`.
    pub(super) fn differs(&self, key: &str) -> bool {
        let key = key
            .split(',')
            .next()
            .unwrap_or(key)
            .trim()
            .to_ascii_lowercase();
        if let Some(tag) = key.strip_prefix(PRINCIPAL_TAG) {
            return self.tag_differs(tag);
        }
        if OF_ACCOUNT.contains(&key.as_str()) {
            return !self.is_same_account;
        }
        let is_of_principal = key.starts_with("aws:principal") || key == "aws:userid";
        is_of_principal && !SAME_FOR_ROLES.contains(&key.as_str())
    }

    /// A session tag overrides a tag of the role with the same key, and sessions have the same tags
    /// under both roles. So equal tags of the roles are enough. The keys of tags have no case in
    /// conditions.
    fn tag_differs(&self, key: &str) -> bool {
        let Some([old, new]) = &self.tags else {
            return true;
        };
        let value = |tags: &[(String, String)]| {
            let tag = tags.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
            tag.map(|(_, value)| value.clone())
        };
        value(old) != value(new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(name: &str, tags: Option<&[(&str, &str)]>) -> Permissions {
        let tag = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Permissions {
            role: format!("arn:aws:iam::{name}").parse().unwrap(),
            identity: Vec::new(),
            boundary: None,
            tags: tags.map(|tags| tags.iter().map(tag).collect()),
        }
    }

    #[test]
    fn only_properties_of_the_role_differ() {
        let old = role(
            "111122223333:role/old",
            Some(&[("team", "a"), ("env", "prod")]),
        );
        let new = role(
            "111122223333:role/new",
            Some(&[("Team", "b"), ("ENV", "prod")]),
        );
        let other_account = role("444455556666:role/new", None);
        let to = |new| Dependence::new(BothRoles { old: &old, new });
        let within = to(&new);
        let across = to(&other_account);
        for (key, differs_within, differs_across) in [
            ("aws:PrincipalArn", true, true),
            ("AWS:PRINCIPALARN", true, true),
            ("aws:userid", true, true),
            ("aws:PrincipalTag/team", true, true),
            ("aws:PrincipalTag/env", false, true),
            ("aws:PrincipalTag/kubernetes-namespace", false, true),
            ("aws:PrincipalTag/team, 'none'", true, true),
            ("aws:PrincipalAccount", false, true),
            ("aws:PrincipalOrgID", false, true),
            ("kms:CallerAccount", false, true),
            ("aws:PrincipalType", false, false),
            ("aws:username", false, false),
            ("aws:SourceVpc", false, false),
            ("aws:ResourceTag/team", false, false),
            ("s3:prefix", false, false),
        ] {
            assert_eq!(within.differs(key), differs_within, "{key}");
            assert_eq!(across.differs(key), differs_across, "{key}");
        }
    }
}
