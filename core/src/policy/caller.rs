//! Who makes a request, and whether a statement's principals include the caller.
//!
//! IAM User Guide, "AWS JSON policy elements: Principal" and "… `NotPrincipal`".

use crate::policy::truth::Judgement;
use crate::policy::{Effect, Principal, Reason, Selection};
use crate::resource::RoleArn;

/// Who makes a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// An AWS service, by its principal: `pods.eks.amazonaws.com`.
    Service(String),
    /// A session of a role. Its name may be unknown.
    RoleSession {
        role: RoleArn,
        session_name: Option<String>,
    },
}

/// Returns whether a statement is about the caller. A statement without principals is about those
/// to whom it is attached, of whom the caller is one.
pub(super) fn judge(
    principals: Option<&Selection<Principal>>,
    effect: Effect,
    caller: &Caller,
) -> Judgement {
    match (principals, effect) {
        (None, _) => Judgement::Yes,
        (Some(Selection::Only(entries)), _) => {
            Judgement::any(entries.iter().map(|entry| caller.is(entry)))
        }
        (Some(Selection::AllBut(entries)), Effect::Deny) => caller.is_exempt(entries).not(),
        // NotPrincipal is documented for Deny alone.
        (Some(Selection::AllBut(entries)), Effect::Allow) => match caller.is_exempt(entries) {
            Judgement::Yes => Judgement::No,
            _ => Judgement::undocumented("NotPrincipal with Allow"),
        },
    }
}

impl Caller {
    /// Returns whether the principal is the caller or includes the caller.
    fn is(&self, principal: &Principal) -> Judgement {
        match (self, principal) {
            (_, Principal::Everyone) | (Self::RoleSession { .. }, Principal::AnyAws) => {
                Judgement::Yes
            }
            (Self::Service(_), Principal::AnyAws) => {
                Judgement::undocumented("whether {\"AWS\": \"*\"} includes AWS services")
            }
            (Self::Service(name), Principal::Service(entry)) => ServiceName(name).is(entry),
            (Self::RoleSession { role, .. }, Principal::Account(account)) => {
                (role.account() == account).into()
            }
            (Self::RoleSession { role, session_name }, Principal::Arn(arn)) => {
                is_session(role, arn, session_name.as_deref())
            }
            (_, Principal::Unclear(text)) => {
                Judgement::undocumented(format!("the principal \"{text}\""))
            }
            (Self::RoleSession { .. }, Principal::CanonicalUser(_)) => {
                Judgement::unknown(Reason::Principal(principal.to_string()))
            }
            // IAM shows a unique ID if its role or user has been deleted.
            _ => Judgement::No,
        }
    }

    /// Returns whether `NotPrincipal` names the caller.
    ///
    /// The documentation strongly recommends to name a role and its account both, because a deny
    /// of one of them may deny the session.
    fn is_exempt(&self, entries: &[Principal]) -> Judgement {
        let any = |is_kind: fn(&Principal) -> bool| {
            Judgement::any(
                entries
                    .iter()
                    .filter(|entry| is_kind(entry))
                    .map(|entry| self.is(entry)),
            )
        };
        if let Self::Service(_) = self {
            return any(|_| true);
        }
        let account = any(|entry| matches!(entry, Principal::Account(_)));
        let other = any(|entry| !matches!(entry, Principal::Account(_)));
        let rule = "NotPrincipal with a role, or with its account, and not with both";
        match (account, other) {
            (Judgement::Yes, Judgement::Yes) => Judgement::Yes,
            (Judgement::No, Judgement::No) => Judgement::No,
            (_, unknown @ Judgement::Unknown(_)) => unknown,
            _ => Judgement::undocumented(rule),
        }
    }
}

/// The principal of a service.
struct ServiceName<'a>(&'a str);

impl ServiceName<'_> {
    /// Returns whether an entry of `Service` is this service. A principal with a region is
    /// documented for requests from an opt-in region to another one.
    fn is(&self, entry: &str) -> Judgement {
        let name = self.0;
        let prefix = name.strip_suffix("amazonaws.com").unwrap_or(name);
        let is_regional = entry.starts_with(prefix) && entry.contains(".amazonaws.com");
        if entry == name {
            Judgement::Yes
        } else if entry.contains('*') || entry.eq_ignore_ascii_case(name) || is_regional {
            Judgement::undocumented(format!("whether the service \"{entry}\" is {name}"))
        } else {
            Judgement::No
        }
    }
}

/// Returns whether the ARN is that of the role, or of the session.
fn is_session(role: &RoleArn, arn: &str, session_name: Option<&str>) -> Judgement {
    if arn == role.as_str() {
        return Judgement::Yes;
    }
    // Names of roles are unique in an account, whatever their case.
    if arn.eq_ignore_ascii_case(role.as_str()) {
        return Judgement::undocumented(format!("whether \"{arn}\" is {role}"));
    }
    let name = role.as_str().rsplit('/').next().unwrap_or_default();
    let sessions = format!(
        "arn:{}:sts::{}:assumed-role/{name}/",
        role.partition(),
        role.account()
    );
    match (arn.strip_prefix(&sessions), session_name) {
        (None, _) => Judgement::No,
        (Some(_), None) => Judgement::unknown(Reason::Principal(arn.to_owned())),
        (Some(named), Some(session_name)) => (named == session_name).into(),
    }
}
