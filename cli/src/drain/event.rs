//! A record of CloudTrail, as the use of a role: who received credentials, when, and until when
//! they are valid. What many of them say together is in `evidence`.
//!
//! The reader is lenient. Members may be missing, hidden or in another place, and times come in
//! several forms. What is no use of the role is told apart from what cannot be read: the first says
//! nothing about the role, and the second may hide a use.

use std::fmt;
use std::time::Duration;

use rerole_core::indexing::cloudtrail::time::parse_time;
use rerole_core::printable::printable;
use rerole_core::timestamp::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// CloudTrail writes this text over values that it does not show.
const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";
/// The call by which service accounts with IRSA receive credentials.
const BY_TOKEN: &str = "AssumeRoleWithWebIdentity";
/// The calls by which credentials of a role are received.
const ASSUMPTIONS: [&str; 3] = ["AssumeRole", BY_TOKEN, "AssumeRoleWithSAML"];
/// The service that receives credentials for pods. Service principals of some services have a
/// suffix in China. The documentation does not say whether this one has, so both are accepted.
const POD_IDENTITY: [&str; 2] = ["pods.eks.amazonaws.com", "pods.eks.amazonaws.com.cn"];
/// Credentials of pods, if the record does not say how long they are valid.
const POD_LIFETIME: Duration = Duration::from_hours(6);
/// STS's default for a session, if the record does not say how long it lasts.
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>
const SESSION_LIFETIME: Duration = Duration::from_hours(1);
/// Texts of a record are shortened to this length. An ARN has at most 2,048 characters, and the
/// beginning of one says enough.
const TEXT_LEN_MAX: usize = 300;

/// What a record says about a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A caller received credentials of the role, or was refused them.
    Use(Box<CredentialUse>),
    /// It is about the role in another way, such as a change of its policies.
    NoUse,
    /// It may be a use, and cannot be read: why.
    Unreadable(&'static str),
}

/// Credentials of a role, and who has received them or was refused them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialUse {
    /// Null if the record has none: then it cannot be recognized in a second copy.
    pub event_id: Option<String>,
    pub at: Timestamp,
    /// Where the call was made.
    pub region: String,
    pub role_arn: String,
    pub caller: Caller,
    pub result: CallResult,
}

/// How the call for credentials ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallResult {
    ValidUntil(Timestamp),
    /// It was refused, with this error.
    Refused(String),
}

/// Who asked for credentials.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Caller {
    /// EKS Pod Identity, for a pod.
    Pod(Pod),
    Other(OtherCaller),
}

/// A pod, as far as the record names it: an association can leave out the tags of the session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Pod {
    /// The region of its cluster, and that of the call if the record does not have it.
    pub region: String,
    pub cluster_arn: Option<String>,
    pub cluster: Option<String>,
    pub namespace: Option<String>,
    pub service_account: Option<String>,
    pub name: Option<String>,
    pub uid: Option<String>,
    /// The name of the session, which has the beginnings of the cluster's and the pod's name.
    pub session: Option<String>,
}

/// A caller that is no pod with an association.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OtherCaller {
    pub kind: OtherKind,
    pub name: String,
}

/// How a caller proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum OtherKind {
    /// By a token of an identity provider, as service accounts with IRSA do.
    WebIdentity,
    /// It is an AWS service, such as EC2 for instance profiles.
    Service,
    /// It is a user, or the session of a role.
    Principal,
}

/// A record of CloudTrail, and the ARN of the role under which it was found.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    pub record: &'a str,
    pub role: &'a str,
}

/// Reads a record.
pub fn read(Found { record, role }: Found<'_>) -> Record {
    let Ok(record) = serde_json::from_str::<Value>(record) else {
        return Record::Unreadable("it is no JSON");
    };
    let name = text(&record, "eventName").unwrap_or_default();
    if name.is_empty() {
        return Record::Unreadable("it has no eventName");
    }
    if !ASSUMPTIONS.contains(&name.as_str()) {
        return Record::NoUse;
    }
    // It was found by the role, so a hidden name stands for the role.
    let named = member(&record, "requestParameters.roleArn").and_then(Value::as_str);
    let role_arn = named.filter(|it| !it.is_empty() && *it != HIDDEN);
    let role_arn = role_arn.unwrap_or(role).to_owned();
    if role_arn != role {
        return Record::NoUse;
    }
    let Some(at) = member(&record, "eventTime").and_then(parse_time) else {
        return Record::Unreadable("it has no eventTime");
    };
    let region = text(&record, "awsRegion").unwrap_or_default();
    let caller = match pod(&record, &region) {
        Some(pod) => Caller::Pod(pod),
        None => Caller::Other(other(&record, &name)),
    };
    let result = result(&record, at, &caller);
    Record::Use(Box::new(CredentialUse {
        event_id: text(&record, "eventID"),
        at,
        region,
        role_arn,
        caller,
        result,
    }))
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod(pod) => pod.fmt(f),
            Self::Other(other) => f.write_str(&other.name),
        }
    }
}

impl fmt::Display for Pod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let region = &self.region;
        let names = (&self.cluster, &self.namespace, &self.name);
        if let (Some(cluster), Some(namespace), Some(name)) = names {
            return write!(f, "pod {namespace}/{name} in {region}/{cluster}");
        }
        let session = self.session.as_deref().unwrap_or("without a name");
        write!(f, "a pod that is not named, session {session}, in {region}")
    }
}

fn result(record: &Value, at: Timestamp, caller: &Caller) -> CallResult {
    if let Some(code) = text(record, "errorCode") {
        let message = text(record, "errorMessage");
        return CallResult::Refused(message.map_or(code.clone(), |it| format!("{code}: {it}")));
    }
    let expiration = member(record, "responseElements.credentials.expiration");
    let secs = || member(record, "requestParameters.durationSeconds")?.as_u64();
    let lifetime = || match caller {
        Caller::Pod(_) => POD_LIFETIME,
        Caller::Other(_) => SESSION_LIFETIME,
    };
    let until = expiration
        .and_then(parse_time)
        .unwrap_or_else(|| at + secs().map_or_else(lifetime, Duration::from_secs));
    CallResult::ValidUntil(until)
}

/// The pod that the credentials are for, if EKS Pod Identity has asked for them.
fn pod(record: &Value, call_region: &str) -> Option<Pod> {
    let callers = ["userIdentity.invokedBy", "sourceIPAddress"];
    let mut callers = callers.iter().filter_map(|it| text(record, it));
    let is_service = callers.any(|it| POD_IDENTITY.contains(&it.as_str()));
    let tag = |name: &str| {
        let given = || {
            let places = ["requestParameters.tags", "requestParameters.principalTags"];
            places.iter().find_map(|it| tag(member(record, it)?, name))
        };
        let inherited = || {
            tag(
                member(record, "requestParameters.incomingTransitiveTags")?,
                name,
            )
        };
        // Whoever may tag a session can claim to be a pod. Only a former session's tags, which the
        // caller cannot choose, are believed from another caller than the service.
        inherited().or_else(|| if is_service { given() } else { None })
    };
    let cluster_arn = tag("eks-cluster-arn");
    let name = tag("kubernetes-pod-name");
    if !is_service && (cluster_arn.is_none() || name.is_none()) {
        return None;
    }
    let region = cluster_arn.as_deref().and_then(|arn| arn.split(':').nth(3));
    Some(Pod {
        region: region.unwrap_or(call_region).to_owned(),
        cluster: tag("eks-cluster-name").or_else(|| {
            let (_, name) = cluster_arn.as_deref()?.split_once(":cluster/")?;
            Some(name.to_owned())
        }),
        cluster_arn,
        namespace: tag("kubernetes-namespace"),
        service_account: tag("kubernetes-service-account"),
        name,
        uid: tag("kubernetes-pod-uid"),
        session: text(record, "requestParameters.roleSessionName"),
    })
}

/// The value of a tag, in a list of pairs or in an object.
fn tag(tags: &Value, name: &str) -> Option<String> {
    match tags {
        Value::Array(pairs) => {
            let mut pairs = pairs.iter();
            let pair = pairs.find(|pair| text(pair, "key").as_deref() == Some(name))?;
            text(pair, "value")
        }
        // A dot in the name of a tag would be a path for `member`.
        Value::Object(tags) => tags.get(name).and_then(shown),
        _ => None,
    }
}

fn other(record: &Value, event_name: &str) -> OtherCaller {
    let first = |paths: &[&str]| paths.iter().find_map(|path| text(record, path));
    let unnamed = || "a caller that the record does not name".to_owned();
    if event_name == BY_TOKEN {
        let name = first(&["userIdentity.userName", "userIdentity.principalId"]);
        return OtherCaller {
            kind: OtherKind::WebIdentity,
            name: name.unwrap_or_else(unnamed),
        };
    }
    let is_service = text(record, "userIdentity.type").as_deref() == Some("AWSService");
    let name = if is_service {
        first(&["userIdentity.invokedBy", "sourceIPAddress"])
    } else {
        first(&[
            "userIdentity.arn",
            "userIdentity.sessionContext.sessionIssuer.arn",
            "userIdentity.principalId",
            "userIdentity.accountId",
            "userIdentity.invokedBy",
        ])
    };
    OtherCaller {
        kind: if is_service {
            OtherKind::Service
        } else {
            OtherKind::Principal
        },
        name: name.unwrap_or_else(unnamed),
    }
}

fn text(value: &Value, path: &str) -> Option<String> {
    shown(member(value, path)?)
}

/// The text of a value, fit to be shown, unless CloudTrail has left it out.
fn shown(value: &Value) -> Option<String> {
    let text = value
        .as_str()
        .filter(|it| !it.is_empty() && *it != HIDDEN)?;
    Some(printable(text.to_owned(), TEXT_LEN_MAX))
}

fn member<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.')
        .try_fold(value, |value, name| value.get(name))
}

#[cfg(test)]
pub mod tests;
