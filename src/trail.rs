//! Where a CloudTrail event says that EKS should be looked at: one association, or a cluster.
//!
//! The event is a hint: whoever follows it asks EKS, and stores what EKS says. No sample of these events is public, so
//! they are read leniently: members in any capitalisation and in each place where they may be, names percent-encoded or
//! not. Caller and version are for the record only.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use chrono::NaiveDateTime;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::arn::AssociationArn;
use crate::cluster::Cluster;
use crate::intake::event_id;
use crate::time::Timestamp;

/// The `detail-type` under which EventBridge passes on what CloudTrail saw.
pub const DETAIL_TYPE: &str = "AWS API Call via CloudTrail";

/// CloudTrail's name for EKS, in every partition.
const EVENT_SOURCE: &str = "eks.amazonaws.com";

/// CloudTrail writes this over what it keeps to itself. It would pass for a cluster's name.
const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";

const REGION: &[&str] = &["detail.awsRegion", "region"];
const ACCOUNT: &[&str] = &["detail.recipientAccountId", "account", "detail.userIdentity.accountId"];
/// The EKS API has it as `name` in its paths, and as `clusterName` in associations.
const CLUSTER_NAME: &[&str] = &[
    "detail.requestParameters.name",
    "detail.requestParameters.clusterName",
    "detail.responseElements.association.clusterName",
    "detail.responseElements.cluster.name",
    "detail.responseElements.cluster.clusterName",
];
const ASSOCIATION_ID: &[&str] =
    &["detail.requestParameters.associationId", "detail.responseElements.association.associationId"];
const CALLER: &[&str] = &[
    "detail.userIdentity.arn",
    "detail.userIdentity.sessionContext.sessionIssuer.arn",
    "detail.userIdentity.principalId",
    "detail.userIdentity.invokedBy",
];
/// Where an ARN can be, besides `resources`: first those that say the most, last those that a caller can choose.
const ARNS: &[&str] = &[
    "detail.responseElements.association.associationArn",
    "detail.responseElements.cluster.arn",
    "detail.userIdentity.arn",
    "detail.userIdentity.sessionContext.sessionIssuer.arn",
    "detail.responseElements.association.roleArn",
    "detail.requestParameters.roleArn",
];

/// What to do about an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// Something may have changed.
    Look(Box<TrailEvent>),
    /// The event is none of ours, or nothing has changed.
    Ignore(Ignored),
}

/// A call that changed an association or a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailEvent {
    pub subject: Subject,
    pub event_name: EventName,
    /// When EKS was done with the call, in whole seconds.
    pub at: Option<Timestamp>,
    /// Who called: an ARN where the event has one, else a principal id or an AWS service.
    pub caller: Option<String>,
    pub user_agent: Option<String>,
    /// The `modifiedAt` that the call gave the association, where the event shows it.
    pub made_version: Option<Timestamp>,
}

impl TrailEvent {
    /// Whether this call made the version that Describe shows with this `modifiedAt`; false where the event does not
    /// say.
    #[must_use]
    pub fn made(&self, modified_at: Timestamp) -> bool {
        // CloudTrail may have cut the milliseconds off: a whole second stands for all of it.
        let second = modified_at.as_millis().div_euclid(1_000).saturating_mul(1_000);
        self.made_version.is_some_and(|made| made == modified_at || made.as_millis() == second)
    }
}

/// What has to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// This association.
    Association(AssociationArn),
    /// Some association of this cluster, created or deleted: a list of them, held against the index, shows which.
    AssociationsOf(Cluster),
    /// This cluster, whose deletion has begun, with all its associations.
    DeletedCluster(Cluster),
}

/// The calls that change which associations there are, or their roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventName {
    CreatePodIdentityAssociation,
    UpdatePodIdentityAssociation,
    DeletePodIdentityAssociation,
    DeleteCluster,
}

impl EventName {
    const ALL: [Self; 4] = [
        Self::CreatePodIdentityAssociation,
        Self::UpdatePodIdentityAssociation,
        Self::DeletePodIdentityAssociation,
        Self::DeleteCluster,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreatePodIdentityAssociation => "CreatePodIdentityAssociation",
            Self::UpdatePodIdentityAssociation => "UpdatePodIdentityAssociation",
            Self::DeletePodIdentityAssociation => "DeletePodIdentityAssociation",
            Self::DeleteCluster => "DeleteCluster",
        }
    }

    fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.as_str() == text)
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The member that makes an event uninteresting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{member} is {value}")]
pub struct Ignored {
    pub member: &'static str,
    pub value: String,
}

/// An event that does not say where to look. The index may never learn what has changed, so a person should see it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read CloudTrail event {event_id}: {problem}")]
pub struct Unreadable {
    /// The event's id, or its hash where it has none.
    pub event_id: String,
    /// The member that is missing or not allowed.
    pub problem: String,
}

/// Reads an EventBridge event.
///
/// # Errors
/// [`Unreadable`] where the event may be about an association or a cluster and does not say about which.
pub fn read(event: &Value) -> Result<Reading, Unreadable> {
    let unreadable = |problem| Unreadable { event_id: event_id(event), problem };
    let ignore = |member, value: &str| Ok(Reading::Ignore(Ignored { member, value: value.to_owned() }));

    for (member, ours) in [("detail-type", DETAIL_TYPE), ("detail.eventSource", EVENT_SOURCE)] {
        let value = required(event, &[member]).map_err(unreadable)?;
        if value != ours {
            return ignore(member, value);
        }
    }
    let called = required(event, &["detail.eventName"]).map_err(unreadable)?;
    let Some(event_name) = EventName::of(called) else { return ignore("detail.eventName", called) };
    if let Some(error_code) = first(event, &["detail.errorCode"]) {
        return ignore("detail.errorCode", error_code);
    }

    Ok(Reading::Look(Box::new(TrailEvent {
        subject: subject(event, event_name).map_err(unreadable)?,
        event_name,
        at: member(event, "detail.eventTime").and_then(time),
        caller: first(event, CALLER).map(str::to_owned),
        user_agent: first(event, &["detail.userAgent"]).map(str::to_owned),
        made_version: made_version(event, event_name),
    })))
}

fn subject(event: &Value, event_name: EventName) -> Result<Subject, String> {
    if event_name == EventName::DeleteCluster {
        return cluster(event).map(Subject::DeletedCluster);
    }
    // An association's ARN says everything there is to say.
    if let Some(arn) = arns(event).find_map(|arn| arn.parse().ok()) {
        return Ok(Subject::Association(arn));
    }
    let cluster = cluster(event)?;
    let id = required(event, ASSOCIATION_ID).map(decoded);
    match id.and_then(|id| cluster.association(&id).map_err(|invalid| invalid.to_string())) {
        Ok(arn) => Ok(Subject::Association(arn)),
        // A list shows what came and went, and not what has been updated.
        Err(problem) if event_name == EventName::UpdatePodIdentityAssociation => Err(problem),
        Err(_) => Ok(Subject::AssociationsOf(cluster)),
    }
}

fn cluster(event: &Value) -> Result<Cluster, String> {
    let (region, account) = (required(event, REGION)?, required(event, ACCOUNT)?);
    let partition = arns(event).find_map(partition_in_arn).unwrap_or_else(|| partition_of(region).to_owned());
    let name = match required(event, CLUSTER_NAME) {
        Ok(name) => decoded(name).into_owned(),
        Err(problem) => arns(event).find_map(name_in_cluster_arn).ok_or(problem)?,
    };
    Cluster::new(&partition, region, account, &name).map_err(|invalid| invalid.to_string())
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

/// The ARNs in the event.
fn arns(event: &Value) -> impl Iterator<Item = Cow<'_, str>> {
    let members = ARNS.iter().filter_map(|path| text(member(event, path)?));
    let resources = ["detail.resources", "resources"].into_iter().filter_map(|path| member(event, path)?.as_array());
    let resources = resources.flatten().filter_map(|resource| text(member(resource, "arn").unwrap_or(resource)));
    members.chain(resources).map(decoded)
}

/// The version that the call made: a deletion shows the association as it was.
fn made_version(event: &Value, event_name: EventName) -> Option<Timestamp> {
    match event_name {
        EventName::CreatePodIdentityAssociation | EventName::UpdatePodIdentityAssociation => {
            time(member(event, "detail.responseElements.association.modifiedAt")?)
        }
        EventName::DeletePodIdentityAssociation | EventName::DeleteCluster => None,
    }
}

/// A time as EKS answers it (epoch seconds) or as CloudTrail writes it: RFC 3339, or `Nov 23, 2026, 9:17:00 PM`.
fn time(value: &Value) -> Option<Timestamp> {
    let Some(text) = value.as_str() else { return epoch_seconds(value.as_f64()?) };
    let written_out = || {
        // With or without a comma before the time of day, as Java's versions differ in it.
        let time = NaiveDateTime::parse_from_str(&text.replace(',', " "), "%b %d %Y %I:%M:%S %p").ok()?;
        Some(Timestamp::from_millis(time.and_utc().timestamp_millis()))
    };
    text.parse().ok().or_else(|| epoch_seconds(text.parse().ok()?)).or_else(written_out)
}

/// Rounded, not cut: as a float `.123` is 122,999,9xx ns, and it has to be the version that Describe shows.
fn epoch_seconds(seconds: f64) -> Option<Timestamp> {
    let micros = Duration::try_from_secs_f64(seconds).ok()?.as_micros();
    i64::try_from((micros + 500) / 1_000).ok().map(Timestamp::from_millis)
}

/// The first of these members that is a text, or which of them would have been right.
fn required<'a>(event: &'a Value, paths: &[&str]) -> Result<&'a str, String> {
    first(event, paths).ok_or_else(|| format!("{} is missing", paths.join(" or ")))
}

fn first<'a>(event: &'a Value, paths: &[&str]) -> Option<&'a str> {
    paths.iter().find_map(|path| text(member(event, path)?))
}

/// A text that says something.
fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty() && *text != HIDDEN)
}

/// The member at a path, in any capitalisation.
fn member<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, name| {
        value.as_object()?.iter().find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
    })
}

fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
#[path = "trail_tests.rs"]
mod tests;
