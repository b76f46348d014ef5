//! Whether the policies of a role itself allow a request of its sessions. Policies of the
//! organization, of resources and of sessions have no part in it.

use rerole_core::policy::{Denial, Document, Reason, Request, Verdict, evaluate};

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

/// The policies of a role, each parsed once.
#[derive(Debug)]
pub struct OwnPolicies {
    identity: Documents,
    /// The identity policies, if another policy has allowed everything.
    not_denying: Documents,
    boundary: Option<Documents>,
}

/// What a role's policies say to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    pub verdict: Judged,
    /// What the verdict depends on, if it is unknown because of that.
    pub reasons: Vec<Reason>,
}

impl OwnPolicies {
    pub fn of(policies: &Policies) -> Self {
        let mut identity = Documents::of(&policies.identity);
        identity
            .unread
            .extend(policies.gaps.iter().map(ToString::to_string));
        let mut not_denying = identity.clone();
        not_denying.add(("", ALLOW_ALL));
        let boundary = policies.boundary.as_ref();
        Self {
            identity,
            not_denying,
            boundary: boundary.map(|it| Documents::of(std::slice::from_ref(it))),
        }
    }

    /// Judges a request of a session of the role.
    pub fn judge(&self, request: &Request, part: Part) -> Own {
        let identity = match part {
            Part::MustAllow => &self.identity,
            Part::MustNotDeny => &self.not_denying,
        };
        let identity = identity.judge(request);
        let boundary = self.boundary.as_ref().map(|it| it.judge(request));
        match (identity, boundary) {
            (own, _) if matches!(own.verdict, Judged::Denied(_)) => own,
            (
                _,
                Some(Own {
                    verdict: Judged::Denied(why),
                    ..
                }),
            ) => {
                let why = format!("the permissions boundary does not allow it: {why}");
                Own::plain(match part {
                    Part::MustAllow => Judged::Denied(why),
                    // A boundary does not limit all that a policy of a resource allows.
                    Part::MustNotDeny => Judged::Unknown(why),
                })
            }
            (own, _) if matches!(own.verdict, Judged::Unknown(_)) => own,
            (_, Some(boundary)) => boundary,
            (own, None) => own,
        }
    }
}

impl Own {
    fn plain(verdict: Judged) -> Self {
        Self {
            verdict,
            reasons: Vec::new(),
        }
    }
}

/// Policies that are evaluated together.
#[derive(Debug, Clone, Default)]
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
    fn judge(&self, request: &Request) -> Own {
        match evaluate(&self.parsed, request) {
            Verdict::Denied(Denial::Explicit(statement)) => {
                let name = self.names.get(statement.document);
                let name = name.map_or("a policy", String::as_str);
                Own::plain(Judged::Denied(format!("{statement} of {name} denies it")))
            }
            _ if !self.unread.is_empty() => {
                Own::plain(Judged::Unknown(reasons::list(&self.unread)))
            }
            Verdict::Denied(denial) => Own::plain(Judged::Denied(reasons::denial(&denial))),
            Verdict::Unknown(reasons) => Own {
                verdict: Judged::Unknown(reasons::unknown(&reasons)),
                reasons,
            },
            Verdict::Allowed => Own::plain(Judged::Allowed),
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
        OwnPolicies::of(&policies).judge(&request, part).verdict
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
        let policies = OwnPolicies::of(&read.policies);
        let Judged::Unknown(why) = policies.judge(&request, Part::MustAllow).verdict else {
            panic!("it is known");
        };
        assert_eq!(why, "not readable: iam:ListRolePolicies");
    }
}
