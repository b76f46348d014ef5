//! Whether the policies of a role itself allow a request of its sessions. Policies of the
//! organization, of resources and of sessions have no part in it.

use rerole_core::policy::{Denial, Document, Request, Verdict, evaluate};

use crate::iam::{Policies, Policy};
use crate::preflight::by_cluster::Verdict as Judged;
use crate::preflight::reasons;

/// What a role's policies must do with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    MustAllow,
    /// Another policy has allowed it.
    MustNotDeny,
}

/// Allows everything. It stands for the policy that has allowed a request.
const ALLOW_ALL: &str = r#"{"Version": "2012-10-17", "Statement":
    {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;

/// What the policies of a role say to a request.
pub fn judge(policies: &Policies, request: &Request, part: Part) -> Judged {
    let mut identity = Documents::of(&policies.identity);
    identity
        .unread
        .extend(policies.gaps.iter().map(ToString::to_string));
    if part == Part::MustNotDeny {
        identity.add(("", ALLOW_ALL));
    }
    let boundary = policies.boundary.as_ref();
    let boundary = boundary.map(|it| Documents::of(std::slice::from_ref(it)));
    let of_identity = identity.judge(request);
    let of_boundary = boundary.map(|boundary| boundary.judge(request));
    match (of_identity, of_boundary) {
        (Judged::Denied(why), _) => Judged::Denied(why),
        (_, Some(Judged::Denied(why))) => {
            let why = format!("the permissions boundary does not allow it: {why}");
            match part {
                Part::MustAllow => Judged::Denied(why),
                // A boundary does not limit all that a policy of a resource allows.
                Part::MustNotDeny => Judged::Unknown(why),
            }
        }
        (Judged::Unknown(why), _) | (_, Some(Judged::Unknown(why))) => Judged::Unknown(why),
        (Judged::Allowed, _) => Judged::Allowed,
    }
}

/// Policies that are evaluated together.
#[derive(Debug, Default)]
struct Documents {
    names: Vec<String>,
    parsed: Vec<Document>,
    /// Those that could not be read or understood, and why.
    unread: Vec<String>,
}

impl Documents {
    fn of(policies: &[Policy]) -> Self {
        let mut documents = Self::default();
        for Policy { name, document } in policies {
            match document {
                Ok(document) => documents.add((name, document)),
                Err(why) => documents.unread.push(format!("{name}: {why}")),
            }
        }
        documents
    }

    fn add(&mut self, (name, text): (&str, &str)) {
        match Document::parse(text) {
            Ok(document) => {
                self.names.push(name.to_owned());
                self.parsed.push(document);
            }
            Err(error) => self.unread.push(format!("{name}: {error}")),
        }
    }

    /// What could not be read may allow and deny anything.
    fn judge(&self, request: &Request) -> Judged {
        match evaluate(&self.parsed, request) {
            Verdict::Denied(Denial::Explicit(statement)) => {
                let name = self.names.get(statement.document);
                let name = name.map_or("a policy", String::as_str);
                Judged::Denied(format!("{statement} of {name} denies it"))
            }
            _ if !self.unread.is_empty() => Judged::Unknown(reasons::list(&self.unread)),
            Verdict::Denied(denial) => Judged::Denied(reasons::denial(&denial)),
            Verdict::Unknown(reasons) => Judged::Unknown(reasons::unknown(&reasons)),
            Verdict::Allowed => Judged::Allowed,
        }
    }
}

#[cfg(test)]
mod tests {
    use rerole_core::policy::{Caller, Context};

    use super::*;
    use crate::iam::Unreadable;
    use crate::preflight::testing::{POD_TRUST, role, with_policies, with_trust};

    const ALLOW: &str = r#"{"Version": "2012-10-17", "Statement":
        {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"}}"#;
    const OTHER: &str = r#"{"Version": "2012-10-17", "Statement":
        {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}"#;
    const DENY: &str = r#"{"Version": "2012-10-17", "Statement":
        {"Sid": "No", "Effect": "Deny", "Action": "*", "Resource": "*"}}"#;
    const CONDITION: &str = r#"{"Version": "2012-10-17", "Statement":
        {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*",
        "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}}"#;
    const UNREAD: &str = "no JSON";

    fn judged(identity: &[&str], boundary: Option<&str>, part: Part) -> Judged {
        let read = with_policies(with_trust(("rotate", POD_TRUST)), identity);
        let mut policies = read.policies;
        policies.boundary = boundary.map(|document| Policy {
            name: "edge".to_owned(),
            document: Ok(document.to_owned()),
        });
        let request = Request {
            caller: Caller::RoleSession {
                role: role("rotate"),
                session_name: None,
            },
            action: "iam:PassRole".to_owned(),
            resource: Some(role("app-2026").to_string()),
            context: Context::new(),
        };
        judge(&policies, &request, part)
    }

    #[test]
    fn each_policy_of_a_role_has_its_part() {
        let allowed = "allowed";
        let denied = "denied";
        let unknown = "unknown";
        for (identity, boundary, must_allow, must_not_deny) in [
            (vec![ALLOW], None, allowed, allowed),
            (vec![OTHER], None, denied, allowed),
            (vec![], None, denied, allowed),
            (vec![ALLOW, DENY], None, denied, denied),
            (vec![UNREAD, DENY], None, denied, denied),
            (vec![CONDITION], None, unknown, allowed),
            (vec![ALLOW, UNREAD], None, unknown, unknown),
            (vec![OTHER, UNREAD], None, unknown, unknown),
            (vec![ALLOW], Some(ALLOW), allowed, allowed),
            (vec![ALLOW], Some(OTHER), denied, unknown),
            (vec![ALLOW], Some(CONDITION), unknown, unknown),
            (vec![ALLOW], Some(UNREAD), unknown, unknown),
            (vec![OTHER], Some(UNREAD), denied, unknown),
        ] {
            for (part, expected) in [
                (Part::MustAllow, must_allow),
                (Part::MustNotDeny, must_not_deny),
            ] {
                let verdict = judged(&identity, boundary, part);
                let word = match verdict {
                    Judged::Allowed => allowed,
                    Judged::Denied(_) => denied,
                    Judged::Unknown(_) => unknown,
                };
                assert_eq!(
                    word, expected,
                    "{identity:?} {boundary:?} {part:?}: {verdict:?}"
                );
            }
        }
    }

    #[test]
    fn an_explicit_deny_is_named() {
        let denied = judged(&[ALLOW, DENY], None, Part::MustAllow);
        let expected = "statement No of policy-1 denies it".to_owned();
        assert_eq!(denied, Judged::Denied(expected));
    }

    #[test]
    fn a_list_that_could_not_be_read_makes_it_unknown() {
        let mut read = with_policies(with_trust(("rotate", POD_TRUST)), &[ALLOW]);
        read.policies
            .gaps
            .push(Unreadable::new("not readable: iam:ListRolePolicies"));
        let request = Request {
            caller: Caller::RoleSession {
                role: role("rotate"),
                session_name: None,
            },
            action: "iam:PassRole".to_owned(),
            resource: None,
            context: Context::new(),
        };
        let Judged::Unknown(why) = judge(&read.policies, &request, Part::MustAllow) else {
            panic!("it is known");
        };
        assert_eq!(why, "not readable: iam:ListRolePolicies");
    }
}
