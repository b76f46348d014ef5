//! Whether a role can assume the target role of an association (`targetRoleArn`). The target's
//! trust policy is one side; what the role's own policies must allow is returned for the other.
//!
//! EKS User Guide, "Access AWS Resources using EKS Pod Identity Target IAM Roles"; IAM User Guide,
//! "Cross-account policy evaluation logic".

use crate::policy::trust::{actions, always_present, trusts, with_tag_values, with_tags};
use crate::policy::{Caller, Context, Document, Effect, KeyFact, PodSession, Principal, Request};
use crate::policy::{Selection, SessionTags, TrustVerdict};
use crate::resource::RoleArn;

/// How a role assumes the target role of an association.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The role that the pod's session has: the association's `roleArn`.
    pub source: RoleArn,
    /// The role that is assumed: the association's `targetRoleArn`.
    pub target: RoleArn,
    pub external_id: ExternalId,
    /// The pod's session, whose tags are transitive.
    pub session: PodSession,
}

/// The external ID that EKS sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExternalId {
    Sent(String),
    Absent,
    Unknown,
}

/// What both sides say of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainVerdict {
    /// What the trust policy of the target says.
    pub trust: TrustVerdict,
    pub identity: IdentityPart,
    /// The requests that the policies of the source must allow, or must not deny. If it is unknown
    /// whether tags are sent, there are two cases, with and without tags.
    pub cases: Vec<Vec<Request>>,
}

/// Which part the source's own policies have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityPart {
    /// They must allow the requests: the target is in another account, or its trust policy
    /// delegates to the source's account.
    MustAllow,
    /// The trust policy names the source in its own account, so they only must not deny the
    /// requests.
    MustNotDeny,
    /// The first, unless the trust policy names the source, which is unknown.
    Unknown,
}

/// Returns whether a role can assume the target role of an association, which has this trust
/// policy.
#[must_use]
pub fn role_can_chain(trust_of_target: &Document, chain: &Chain) -> ChainVerdict {
    let tags = chain.session.session_tags;
    let judge = |trust: &Document| with_tags(tags, |tags| trusts(trust, &chain.requests(tags)));
    let identity = if chain.source.account() == chain.target.account() {
        match judge(&without_accounts(trust_of_target)) {
            TrustVerdict::Allowed => IdentityPart::MustNotDeny,
            TrustVerdict::Denied { .. } => IdentityPart::MustAllow,
            TrustVerdict::Unknown(_) => IdentityPart::Unknown,
        }
    } else {
        IdentityPart::MustAllow
    };
    let cases: &[_] = match tags {
        SessionTags::Unknown => &[SessionTags::Sent, SessionTags::Disabled],
        known => &[known],
    };
    ChainVerdict {
        trust: judge(trust_of_target),
        identity,
        cases: cases.iter().map(|tags| chain.requests(*tags)).collect(),
    }
}

impl Chain {
    fn requests(&self, tags: SessionTags) -> Vec<Request> {
        let context = self.context(tags);
        let request = |action: &&str| Request {
            caller: Caller::RoleSession {
                role: self.source.clone(),
                session_name: None,
            },
            action: (*action).to_owned(),
            resource: Some(self.target.to_string()),
            context: context.clone(),
        };
        actions(tags).iter().map(request).collect()
    }

    fn context(&self, tags: SessionTags) -> Context {
        let context = always_present(Context::new())
            .with_value("aws:PrincipalArn", self.source.as_str())
            .with_value("aws:PrincipalAccount", self.source.account())
            .with_value("aws:PrincipalType", "AssumedRole")
            .with_value("aws:PrincipalIsAWSService", "false")
            .with("aws:TokenIssueTime", KeyFact::Exists)
            .with("aws:userid", KeyFact::Exists)
            .with("aws:username", KeyFact::Absent)
            .with("sts:RoleSessionName", KeyFact::Exists)
            .with("sts:ExternalId", self.external_id.fact());
        match tags {
            // The documentation has the tags of the first session in the request for the second.
            SessionTags::Sent => {
                let context = with_tag_values(context, "aws:RequestTag/", &self.session);
                with_tag_values(context, "aws:PrincipalTag/", &self.session)
            }
            // The role itself may have tags with the same keys.
            SessionTags::Disabled | SessionTags::Unknown => context
                .without_others_in("aws:RequestTag/")
                .with("aws:TagKeys", KeyFact::Absent)
                .with("sts:TransitiveTagKeys", KeyFact::Absent),
        }
    }
}

impl ExternalId {
    fn fact(&self) -> KeyFact {
        match self {
            Self::Sent(id) => KeyFact::Present(vec![id.clone()]),
            Self::Absent => KeyFact::Absent,
            Self::Unknown => KeyFact::Unknown,
        }
    }
}

/// Returns the document without the permissions that it delegates to accounts.
fn without_accounts(trust: &Document) -> Document {
    let mut document = trust.clone();
    for statement in &mut document.statements {
        if let (Effect::Allow, Some(Selection::Only(principals))) =
            (statement.effect, &mut statement.principals)
        {
            principals.retain(|principal| !matches!(principal, Principal::Account(_)));
        }
    }
    document
}
