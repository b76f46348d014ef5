//! Whether the trust policy of a role lets the pods of an association assume it. What a pod's
//! session carries is known for every association.
//!
//! EKS User Guide, "Create IAM role with trust policy required by EKS Pod Identity" and "Grant Pods
//! access to AWS resources based on tags".

use crate::policy::evaluate;
use crate::policy::{Caller, Context, Denial, Document, KeyFact, Reason, Request, Verdict};
use crate::resource::Cluster;

/// The service that assumes roles for pods, in all partitions.
pub const POD_SERVICE: &str = "pods.eks.amazonaws.com";
pub(super) const ASSUME_ROLE: &str = "sts:AssumeRole";
pub(super) const TAG_SESSION: &str = "sts:TagSession";

/// What is known of the session of an association's pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodSession {
    pub cluster: Cluster,
    pub namespace: String,
    pub service_account: String,
    pub session_tags: SessionTags,
}

/// Whether EKS sends session tags: the association's `disableSessionTags`, from the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionTags {
    Sent,
    Disabled,
    Unknown,
}

/// Whether a trust policy lets a role be assumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustVerdict {
    Allowed,
    /// The action that is denied, `sts:AssumeRole` or `sts:TagSession`, and why.
    Denied {
        action: &'static str,
        denial: Denial,
    },
    Unknown(Vec<Reason>),
}

/// Returns whether the pods of an association can assume the role with this trust policy.
#[must_use]
pub fn pod_can_assume(trust: &Document, session: &PodSession) -> TrustVerdict {
    with_tags(session.session_tags, |tags| {
        let context = pod_context(session, tags);
        let actions = actions(tags).iter().map(|action| Request {
            caller: Caller::Service(POD_SERVICE.to_owned()),
            action: (*action).to_owned(),
            resource: None,
            context: context.clone(),
        });
        trusts(trust, &actions.collect::<Vec<_>>())
    })
}

/// Returns the actions that a session needs. Passing tags is one of its own.
pub(super) fn actions(tags: SessionTags) -> &'static [&'static str] {
    match tags {
        SessionTags::Sent => &[ASSUME_ROLE, TAG_SESSION],
        SessionTags::Disabled | SessionTags::Unknown => &[ASSUME_ROLE],
    }
}

/// Returns the verdict of `judge`, or, if it is unknown whether tags are sent, that of both cases.
pub(super) fn with_tags(
    tags: SessionTags,
    judge: impl Fn(SessionTags) -> TrustVerdict,
) -> TrustVerdict {
    if tags != SessionTags::Unknown {
        return judge(tags);
    }
    match (judge(SessionTags::Sent), judge(SessionTags::Disabled)) {
        (TrustVerdict::Allowed, TrustVerdict::Allowed) => TrustVerdict::Allowed,
        (denied @ TrustVerdict::Denied { .. }, TrustVerdict::Denied { .. }) => denied,
        (sent, disabled) => {
            let mut reasons = vec![Reason::SessionTags];
            for verdict in [sent, disabled] {
                if let TrustVerdict::Unknown(more) = verdict {
                    reasons.extend(more);
                }
            }
            reasons.sort();
            reasons.dedup();
            TrustVerdict::Unknown(reasons)
        }
    }
}

/// Returns whether the trust policy allows all of the requests.
pub(super) fn trusts(trust: &Document, requests: &[Request]) -> TrustVerdict {
    if trust.statements.iter().any(|one| one.principals.is_none()) {
        let rule = "a statement of a trust policy without a principal";
        return TrustVerdict::Unknown(vec![Reason::Undocumented(rule.to_owned())]);
    }
    let mut unknown = Vec::new();
    for request in requests {
        match evaluate(std::slice::from_ref(trust), request) {
            Verdict::Allowed => {}
            Verdict::Denied(denial) => {
                let is_tagging = request.action == TAG_SESSION;
                let action = if is_tagging { TAG_SESSION } else { ASSUME_ROLE };
                return TrustVerdict::Denied { action, denial };
            }
            Verdict::Unknown(reasons) => unknown.extend(reasons),
        }
    }
    unknown.sort();
    unknown.dedup();
    if unknown.is_empty() {
        TrustVerdict::Allowed
    } else {
        TrustVerdict::Unknown(unknown)
    }
}

/// Returns the context of the request by which EKS assumes a role for a pod.
fn pod_context(session: &PodSession, tags: SessionTags) -> Context {
    let cluster = &session.cluster;
    let context = Context::new()
        .with_value("aws:SourceAccount", &*cluster.account)
        .with_value("aws:SourceArn", &*cluster.cluster_arn)
        // Global keys of a request that a service makes directly.
        .with_value("aws:PrincipalIsAWSService", "true")
        .with_value("aws:PrincipalServiceName", POD_SERVICE)
        .with("aws:PrincipalServiceNamesList", KeyFact::Exists)
        .with("sts:RoleSessionName", KeyFact::Exists);
    let context = always_present(context).without_others_in("aws:RequestTag/");
    match tags {
        SessionTags::Sent => {
            let keys = TAGS.map(ToOwned::to_owned).to_vec();
            with_tag_values(context, "aws:RequestTag/", session)
                .with("aws:TagKeys", KeyFact::Present(keys.clone()))
                // All tags that EKS sends are transitive.
                .with("sts:TransitiveTagKeys", KeyFact::Present(keys))
        }
        SessionTags::Disabled | SessionTags::Unknown => context
            .with("aws:TagKeys", KeyFact::Absent)
            .with("sts:TransitiveTagKeys", KeyFact::Absent),
    }
}

/// The session tags that EKS sends.
const TAGS: [&str; 6] = [
    "eks-cluster-arn",
    "eks-cluster-name",
    "kubernetes-namespace",
    "kubernetes-service-account",
    "kubernetes-pod-name",
    "kubernetes-pod-uid",
];

/// Adds the session tags as keys with this prefix. Those of the pod exist, but are not known.
pub(super) fn with_tag_values(context: Context, prefix: &str, session: &PodSession) -> Context {
    let cluster = &session.cluster;
    let known = [
        &cluster.cluster_arn,
        &cluster.cluster_name,
        &session.namespace,
        &session.service_account,
    ];
    TAGS.iter().enumerate().fold(context, |context, (at, tag)| {
        let key = format!("{prefix}{tag}");
        match known.get(at) {
            Some(value) => context.with_value(&key, *value),
            None => context.with(&key, KeyFact::Exists),
        }
    })
}

/// Adds the global keys that every request has, with values that are not known here.
pub(super) fn always_present(context: Context) -> Context {
    let keys = [
        "CurrentTime",
        "EpochTime",
        "SecureTransport",
        "RequestedRegion",
    ];
    keys.into_iter().fold(context, |context, key| {
        context.with(&format!("aws:{key}"), KeyFact::Exists)
    })
}
