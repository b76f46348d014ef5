//! Which association or cluster a CloudTrail event is about.
//!
//! The event is only a hint: the indexer then describes the association and stores what EKS shows.
//! AWS publishes no sample of these events, so the parser is lenient. It accepts members in any
//! capitalization and in every place where they may be, and names with or without percent-encoding.
//! Caller and version are only recorded.

pub mod time;

use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::indexing::cloudtrail::time::parse_time;
use crate::printable::printable;
use crate::request::event_id;
use crate::resource::{AssociationArn, Cluster, OwnAccount};
use crate::timestamp::Timestamp;

/// The `detail-type` of the events that EventBridge receives from CloudTrail.
pub const DETAIL_TYPE: &str = "AWS API Call via CloudTrail";
/// EKS in CloudTrail, in every partition.
const EVENT_SOURCE: &str = "eks.amazonaws.com";
/// CloudTrail replaces sensitive values with this text, which would be a valid cluster name.
const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";
const REGION: &[&str] = &["detail.awsRegion", "region"];
const ACCOUNT: &[&str] = &[
    "detail.recipientAccountId",
    "account",
    "detail.userIdentity.accountId",
];
/// The EKS API has the cluster name as `name` in its paths, and as `clusterName` in associations.
const CLUSTER_NAME: &[&str] = &[
    "detail.requestParameters.name",
    "detail.requestParameters.clusterName",
    "detail.responseElements.association.clusterName",
    "detail.responseElements.cluster.name",
    "detail.responseElements.cluster.clusterName",
];
const ASSOCIATION_ID: &[&str] = &[
    "detail.requestParameters.associationId",
    "detail.responseElements.association.associationId",
];
/// Text of an event that is logged or recorded is shortened to this length, in bytes.
const SHOWN_LEN_MAX: usize = 1_000;
const CALLER: &[&str] = &[
    "detail.userIdentity.arn",
    "detail.userIdentity.sessionContext.sessionIssuer.arn",
    "detail.userIdentity.principalId",
    "detail.userIdentity.invokedBy",
];
/// Where an ARN can be, besides `resources`. The most specific ARNs come first, and those that a
/// caller can choose come last.
const ARNS: &[&str] = &[
    "detail.responseElements.association.associationArn",
    "detail.responseElements.cluster.arn",
    "detail.userIdentity.arn",
    "detail.userIdentity.sessionContext.sessionIssuer.arn",
    "detail.responseElements.association.roleArn",
    "detail.requestParameters.roleArn",
];

/// The result of parsing an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// An association or a cluster may have changed.
    Change(Box<CloudTrailEvent>),
    /// The event is about something else, or the call failed and changed nothing.
    Ignored(Ignored),
}

/// A call that changed an association or a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudTrailEvent {
    pub subject: Subject,
    pub event_name: EventName,
    /// When EKS finished the call, in whole seconds.
    pub at: Option<Timestamp>,
    /// The caller: an ARN if the event has one, otherwise a principal ID or an AWS service.
    pub caller: Option<String>,
    pub user_agent: Option<String>,
    /// The `modifiedAt` that the call gave the association, if the event shows it.
    pub made_version: Option<Timestamp>,
}

impl CloudTrailEvent {
    /// Returns whether this call made the version with this `modifiedAt`. Returns false if the
    /// event does not show the version.
    #[must_use]
    pub fn made(&self, modified_at: Timestamp) -> bool {
        // CloudTrail may have removed the milliseconds, so a whole second matches all of its
        // milliseconds.
        let second = modified_at
            .as_millis()
            .div_euclid(1_000)
            .saturating_mul(1_000);
        self.made_version
            .is_some_and(|version| version == modified_at || version.as_millis() == second)
    }
}

/// What the indexer must check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// This association.
    Association(AssociationArn),
    /// Unknown associations of this cluster: one that was created or deleted, or those of an
    /// add-on. The diff of EKS's list and the index shows which.
    ClusterAssociations(Cluster),
    /// This cluster, whose deletion has started, with all its associations.
    DeletedCluster(Cluster),
}

impl Subject {
    /// Returns the region.
    #[must_use]
    pub fn region(&self) -> &str {
        match self {
            Self::Association(arn) => arn.region(),
            Self::ClusterAssociations(cluster) | Self::DeletedCluster(cluster) => &cluster.region,
        }
    }

    /// Returns the name of the cluster.
    #[must_use]
    pub fn cluster_name(&self) -> &str {
        match self {
            Self::Association(arn) => arn.cluster_name(),
            Self::ClusterAssociations(cluster) | Self::DeletedCluster(cluster) => {
                &cluster.cluster_name
            }
        }
    }

    fn arn(&self) -> &str {
        match self {
            Self::Association(arn) => arn.as_str(),
            Self::ClusterAssociations(cluster) | Self::DeletedCluster(cluster) => {
                &cluster.cluster_arn
            }
        }
    }
}

/// The calls that create, delete or change associations. A call about an add-on changes those that
/// the add-on owns, some time after the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventName {
    CreatePodIdentityAssociation,
    UpdatePodIdentityAssociation,
    DeletePodIdentityAssociation,
    CreateAddon,
    UpdateAddon,
    DeleteAddon,
    DeleteCluster,
}

impl EventName {
    const ALL: [Self; 7] = [
        Self::CreatePodIdentityAssociation,
        Self::UpdatePodIdentityAssociation,
        Self::DeletePodIdentityAssociation,
        Self::CreateAddon,
        Self::UpdateAddon,
        Self::DeleteAddon,
        Self::DeleteCluster,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreatePodIdentityAssociation => "CreatePodIdentityAssociation",
            Self::UpdatePodIdentityAssociation => "UpdatePodIdentityAssociation",
            Self::DeletePodIdentityAssociation => "DeletePodIdentityAssociation",
            Self::CreateAddon => "CreateAddon",
            Self::UpdateAddon => "UpdateAddon",
            Self::DeleteAddon => "DeleteAddon",
            Self::DeleteCluster => "DeleteCluster",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.as_str() == text)
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The member because of which an event is ignored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{member} is {value}")]
pub struct Ignored {
    pub member: &'static str,
    pub value: String,
}

/// The event does not say what has changed. The indexer cannot follow it, so an operator should see
/// it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read CloudTrail event {event_id}: {problem}")]
pub struct ParseError {
    /// The event's ID, or its hash if it has none.
    pub event_id: String,
    /// The member that is missing or not allowed.
    pub problem: String,
}

/// Parses an EventBridge event. `own_account` is the function's account, if known.
///
/// # Errors
/// If the event may be about an association or a cluster but does not say which one, or if that is
/// in another account or partition. The stack's rule passes on no such event.
pub fn parse(event: &Value, own_account: Option<&OwnAccount>) -> Result<Parsed, ParseError> {
    let invalid = |problem: String| ParseError {
        event_id: event_id(event),
        problem: shown(&problem),
    };
    let ignore = |member, value: &str| {
        Ok(Parsed::Ignored(Ignored {
            member,
            value: shown(value),
        }))
    };

    for (member, expected) in [
        ("detail-type", DETAIL_TYPE),
        ("detail.eventSource", EVENT_SOURCE),
    ] {
        let value = required_text(event, &[member]).map_err(invalid)?;
        if value != expected {
            return ignore(member, value);
        }
    }
    let called = required_text(event, &["detail.eventName"]).map_err(invalid)?;
    let Some(event_name) = EventName::parse(called) else {
        return ignore("detail.eventName", called);
    };
    if let Some(error_code) = first_text(event, &["detail.errorCode"]) {
        return ignore("detail.errorCode", error_code);
    }

    let subject = subject(event, event_name).map_err(invalid)?;
    if let Some(problem) = own_account.and_then(|own| own.excludes(subject.arn())) {
        return Err(invalid(problem));
    }
    let recorded = |paths| first_text(event, paths).map(shown);
    Ok(Parsed::Change(Box::new(CloudTrailEvent {
        subject,
        event_name,
        at: member(event, "detail.eventTime").and_then(parse_time),
        caller: recorded(CALLER),
        user_agent: recorded(&["detail.userAgent"]),
        made_version: made_version(event, event_name),
    })))
}

/// Returns a text of the event as it is logged and recorded.
fn shown(text: &str) -> String {
    printable(text.to_owned(), SHOWN_LEN_MAX)
}

fn subject(event: &Value, event_name: EventName) -> Result<Subject, String> {
    match event_name {
        EventName::DeleteCluster => return cluster(event).map(Subject::DeletedCluster),
        // The add-on's associations. The event may name some of them, and not those that it no
        // longer has.
        EventName::CreateAddon | EventName::UpdateAddon | EventName::DeleteAddon => {
            return cluster(event).map(Subject::ClusterAssociations);
        }
        EventName::CreatePodIdentityAssociation
        | EventName::UpdatePodIdentityAssociation
        | EventName::DeletePodIdentityAssociation => {}
    }
    // An association's ARN has all the parts.
    if let Some(arn) = arns(event).find_map(|arn| arn.parse().ok()) {
        return Ok(Subject::Association(arn));
    }
    let cluster = cluster(event)?;
    let id = required_text(event, ASSOCIATION_ID).map(decode);
    match id.and_then(|id| {
        cluster
            .association(&id)
            .map_err(|invalid| invalid.to_string())
    }) {
        Ok(arn) => Ok(Subject::Association(arn)),
        // A list shows which associations were created or deleted, but not which were updated.
        Err(problem) if event_name == EventName::UpdatePodIdentityAssociation => Err(problem),
        Err(_) => Ok(Subject::ClusterAssociations(cluster)),
    }
}

fn cluster(event: &Value) -> Result<Cluster, String> {
    let (region, account) = (
        required_text(event, REGION)?,
        required_text(event, ACCOUNT)?,
    );
    let partition = arns(event)
        .find_map(partition_in_arn)
        .unwrap_or_else(|| partition_of(region).to_owned());
    let name = match required_text(event, CLUSTER_NAME) {
        Ok(name) => decode(name).into_owned(),
        Err(problem) => arns(event).find_map(name_in_cluster_arn).ok_or(problem)?,
    };
    let arn = format!("arn:{partition}:eks:{region}:{account}:cluster/{name}");
    Cluster::parse(&arn).map_err(|invalid| invalid.to_string())
}

fn name_in_cluster_arn(arn: Cow<'_, str>) -> Option<String> {
    let (service, name) = arn.split_once(":cluster/")?;
    service.contains(":eks:").then(|| name.to_owned())
}

fn partition_in_arn(arn: Cow<'_, str>) -> Option<String> {
    let (partition, _) = arn.strip_prefix("arn:")?.split_once(':')?;
    partition.starts_with("aws").then(|| partition.to_owned())
}

fn partition_of(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

/// Returns the ARNs in the event.
fn arns(event: &Value) -> impl Iterator<Item = Cow<'_, str>> {
    let members = ARNS.iter().filter_map(|path| text(member(event, path)?));
    let resources = ["detail.resources", "resources"]
        .into_iter()
        .filter_map(|path| member(event, path)?.as_array());
    let resources = resources
        .flatten()
        .filter_map(|resource| text(member(resource, "arn").unwrap_or(resource)));
    members.chain(resources).map(decode)
}

/// Returns the version that the call made. A deletion makes none: its response shows the
/// association as it was before.
fn made_version(event: &Value, event_name: EventName) -> Option<Timestamp> {
    match event_name {
        EventName::CreatePodIdentityAssociation | EventName::UpdatePodIdentityAssociation => {
            parse_time(member(
                event,
                "detail.responseElements.association.modifiedAt",
            )?)
        }
        EventName::DeletePodIdentityAssociation
        | EventName::CreateAddon
        | EventName::UpdateAddon
        | EventName::DeleteAddon
        | EventName::DeleteCluster => None,
    }
}

/// Returns the first of these members that has a text. The error names all of them.
fn required_text<'a>(event: &'a Value, paths: &[&str]) -> Result<&'a str, String> {
    first_text(event, paths).ok_or_else(|| format!("{} is missing", paths.join(" or ")))
}

fn first_text<'a>(event: &'a Value, paths: &[&str]) -> Option<&'a str> {
    paths.iter().find_map(|path| text(member(event, path)?))
}

/// Returns the text of a value, unless CloudTrail left it out.
fn text(value: &Value) -> Option<&str> {
    value
        .as_str()
        .filter(|text| !text.is_empty() && *text != HIDDEN)
}

/// Returns the member at a path, in any capitalization.
fn member<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, name| {
        value
            .as_object()?
            .iter()
            .find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
    })
}

fn decode(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests;
