//! EKS: looking at associations and clusters, and moving an association.
//!
//! Every call has a turn of its region's turnstile (`turnstile.rs`) before it leaves, and the SDK repeats none.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_eks::config::SharedHttpClient;
use aws_sdk_eks::operation::RequestId;
use aws_sdk_eks::primitives::DateTime;
use aws_sdk_eks::types::{ClusterStatus, PodIdentityAssociation, PodIdentityAssociationSummary};
use aws_smithy_async::time::SharedTimeSource;
use tokio::time::Instant;

use super::CONNECT_TIMEOUT;
use super::error::CallError;
use super::region::Regions;
pub use super::region::{EKS_CALL_TIMEOUT, Paces};
use super::turnstile::{Turn, Turnstile};
use crate::arn::{AssociationArn, RoleArn};
use crate::association::Association;
use crate::classify::ErrorClass;
use crate::cluster::Cluster;
use crate::role_field::{RoleField, RoleFields};
use crate::settings::Settings;
use crate::time::Timestamp;
use crate::token::Token;

/// An update leaves at most this long after the Describe that justifies it was answered (guarantee 2).
pub const OBSERVATION_AGE_MAX: Duration = Duration::from_secs(5);
/// How old an observation may be when its update is sent: it is on the wire as soon as a connection is there.
const OBSERVATION_AGE_AT_START_MAX: Duration =
    OBSERVATION_AGE_MAX.checked_sub(CONNECT_TIMEOUT).expect("a connection fits into the window");

/// The EKS clients of all regions, and the pace of each.
#[derive(Debug)]
pub struct Eks {
    regions: Regions,
}

/// An association as Describe showed it, and when.
#[derive(Debug, Clone)]
pub struct Observed {
    pub association: Association,
    answered_at: Instant,
}

/// What EKS answered to an update.
#[derive(Debug, Clone)]
pub struct Updated {
    pub association: Association,
    pub request_id: Option<String>,
}

/// What EKS says of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedCluster {
    pub cluster: Cluster,
    /// Deleting a cluster takes minutes, for which EKS still knows it.
    pub is_being_deleted: bool,
}

/// A page of names or ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePage {
    pub names: Vec<String>,
    /// The token of the next page; `None` after the last.
    pub next: Option<String>,
}

/// Why an update brought no answer.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// The observation had become too old to justify a write. Nothing was sent, and the turn is as good as before.
    #[error("the association was looked at too long ago")]
    Stale(Turn),
    /// EKS said yes, and its answer cannot be read: the update has most likely taken effect.
    #[error(transparent)]
    Malformed(CallError),
    #[error(transparent)]
    Call(#[from] CallError),
}

impl UpdateError {
    /// Whether EKS has certainly not looked at the update.
    #[must_use]
    pub fn is_left_out(&self) -> bool {
        match self {
            Self::Stale(_) => true,
            Self::Call(error) => error.class == ErrorClass::Throttled,
            Self::Malformed(_) => false,
        }
    }
}

impl Eks {
    #[must_use]
    pub fn new(settings: &Settings, http_client: SharedHttpClient, clock: SharedTimeSource) -> Self {
        Self { regions: Regions::new(settings, http_client, clock) }
    }

    /// The pacers of all regions begin anew: at a slice's beginning what an earlier one has learnt is an old figure.
    pub fn forget_paces(&self) {
        self.regions.forget_paces();
    }

    /// Begins the region's pacers with what was learnt earlier.
    pub fn begin_paces(&self, region: &str, learnt: Paces) {
        self.regions.begin_paces(region, learnt);
    }

    /// What has been learnt of the regions' paces.
    #[must_use]
    pub fn learnt_paces(&self) -> Vec<(String, Paces)> {
        self.regions.learnt_paces()
    }

    /// How many associations of the region may be in work, so that its calls are neither short of one nor queue up.
    #[must_use]
    pub fn width(&self, region: &str) -> usize {
        self.regions.get(region).width()
    }

    /// Updates per second that the region lets through now.
    #[must_use]
    pub fn update_pace(&self, region: &str) -> f64 {
        self.regions.get(region).updates.load().per_sec
    }

    /// How many calls were answered with a throttle since the last time this was asked.
    pub fn take_throttled_calls(&self) -> u64 {
        self.regions.counter.take_throttled()
    }

    /// How many calls were answered since the last time this was asked.
    pub fn take_calls(&self) -> u64 {
        self.regions.counter.take_answered()
    }

    /// What EKS says of the association now; `None` where it does not know it. Waits for its turn, until then.
    ///
    /// # Errors
    /// Any other error; [`ErrorClass::Throttled`] where there was no turn in time.
    pub async fn describe(&self, arn: &AssociationArn, until: Instant) -> Result<Option<Observed>, CallError> {
        const OPERATION: &str = "describe association";
        let region = self.regions.get(arn.region());
        let call = async || {
            let call = region.client.describe_pod_identity_association();
            let call = call.cluster_name(arn.cluster_name()).association_id(arn.association_id());
            call.send().await.map_err(|error| CallError::new(OPERATION, subject(arn), &error))
        };
        match read(&region.looks, until, || CallError::no_turn(OPERATION, subject(arn)), call).await {
            Ok(output) => {
                let association = association(arn, output.association(), OPERATION)?;
                Ok(Some(Observed { association, answered_at: Instant::now() }))
            }
            Err(error) => found(error),
        }
    }

    /// One page of the names of a region's clusters.
    ///
    /// # Errors
    /// As [`Self::describe`].
    pub async fn list_clusters(
        &self,
        region: &str,
        start: Option<String>,
        until: Instant,
    ) -> Result<NamePage, CallError> {
        const OPERATION: &str = "list clusters";
        let of = self.regions.get(region);
        let call = async || {
            let call = of.client.list_clusters().set_next_token(start.clone());
            call.send().await.map_err(|error| CallError::new(OPERATION, region, &error))
        };
        let output = read(&of.lists, until, || CallError::no_turn(OPERATION, region), call).await?;
        Ok(NamePage { next: output.next_token().map(str::to_owned), names: output.clusters.unwrap_or_default() })
    }

    /// A cluster by its name; `None` where EKS does not know it.
    ///
    /// # Errors
    /// As [`Self::describe`].
    pub async fn describe_cluster(
        &self,
        region: &str,
        name: &str,
        until: Instant,
    ) -> Result<Option<DescribedCluster>, CallError> {
        const OPERATION: &str = "describe cluster";
        let of = self.regions.get(region);
        let subject = || format!("{name} in {region}");
        let call = async || {
            let call = of.client.describe_cluster().name(name);
            call.send().await.map_err(|error| CallError::new(OPERATION, subject(), &error))
        };
        match read(&of.lists, until, || CallError::no_turn(OPERATION, subject()), call).await {
            Ok(output) => {
                let answer = output.cluster();
                let cluster = Cluster::parse(answer.and_then(|cluster| cluster.arn()).unwrap_or_default());
                let cluster =
                    cluster.map_err(|error| CallError::malformed_answer(OPERATION, subject(), error.to_string()))?;
                let status = answer.and_then(|cluster| cluster.status());
                Ok(Some(DescribedCluster { cluster, is_being_deleted: status == Some(&ClusterStatus::Deleting) }))
            }
            Err(error) => found(error),
        }
    }

    /// One page of the ids of a cluster's associations; `None` where EKS does not know the cluster.
    ///
    /// # Errors
    /// As [`Self::describe`].
    pub async fn list_associations(
        &self,
        region: &str,
        cluster: &str,
        start: Option<String>,
        until: Instant,
    ) -> Result<Option<NamePage>, CallError> {
        const OPERATION: &str = "list associations";
        let of = self.regions.get(region);
        let subject = || format!("cluster {cluster} in {region}");
        let call = async || {
            let call = of.client.list_pod_identity_associations().cluster_name(cluster).set_next_token(start.clone());
            call.send().await.map_err(|error| CallError::new(OPERATION, subject(), &error))
        };
        match read(&of.lists, until, || CallError::no_turn(OPERATION, subject()), call).await {
            Ok(output) => {
                let next = output.next_token().map(str::to_owned);
                let id = |summary: PodIdentityAssociationSummary| summary.association_id;
                let names = output.associations.unwrap_or_default().into_iter().map(id).collect::<Option<Vec<_>>>();
                let names = names.ok_or_else(|| {
                    CallError::malformed_answer(OPERATION, subject(), "an association has no associationId".to_owned())
                })?;
                Ok(Some(NamePage { names, next }))
            }
            Err(error) => found(error),
        }
    }

    /// The right to send one update in this region; `None` where there is none until then.
    pub async fn update_turn(&self, region: &str, until: Instant) -> Option<Turn> {
        self.regions.get(region).updates.turn(until).await
    }

    /// Sets these role fields of the association to `new_role`, and nothing else. `observed` is the Describe that justifies
    /// it, `turn` one of its region's.
    ///
    /// # Errors
    /// [`UpdateError::Stale`] where `observed` is too old, [`UpdateError::Malformed`] where EKS said yes unreadably; else
    /// what EKS answered. After a transient error it is unknown whether the update took effect; a throttled one did not.
    pub async fn update_role(
        &self,
        turn: Turn,
        observed: &Observed,
        fields: RoleFields,
        new_role: &RoleArn,
        token: &Token,
    ) -> Result<Updated, UpdateError> {
        const OPERATION: &str = "update association";
        if observed.is_stale() {
            return Err(UpdateError::Stale(turn));
        }
        let arn = &observed.association.association_arn;
        let region = self.regions.get(arn.region());
        let call = region
            .client
            .update_pod_identity_association()
            .cluster_name(arn.cluster_name())
            .association_id(arn.association_id())
            .set_role_arn(fields.contains(RoleField::RoleArn).then(|| new_role.to_string()))
            .set_target_role_arn(fields.contains(RoleField::TargetRoleArn).then(|| new_role.to_string()))
            .client_request_token(token.as_str());
        let call = async { call.send().await.map_err(|error| CallError::new(OPERATION, subject(arn), &error)) };
        let output = turn.send(call).await?;
        Ok(Updated {
            association: association(arn, output.association(), OPERATION).map_err(UpdateError::Malformed)?,
            request_id: output.request_id().map(str::to_owned),
        })
    }
}

impl Observed {
    /// Whether it is too old to justify a write.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.answered_at.elapsed() > OBSERVATION_AGE_AT_START_MAX
    }
}

/// Reads, as often as it is throttled, while there is time: what is read twice is read no differently.
async fn read<T>(
    turnstile: &Arc<Turnstile>,
    until: Instant,
    no_turn: impl FnOnce() -> CallError,
    call: impl AsyncFn() -> Result<T, CallError>,
) -> Result<T, CallError> {
    loop {
        let Some(turn) = turnstile.turn(until).await else { return Err(no_turn()) };
        match turn.send(call()).await {
            Err(error) if error.class == ErrorClass::Throttled && Instant::now() < until => {}
            end => return end,
        }
    }
}

/// "Not found" is an answer; any other error is one.
fn found<T>(error: CallError) -> Result<Option<T>, CallError> {
    if error.class == ErrorClass::NotFound { Ok(None) } else { Err(error) }
}

fn subject(arn: &AssociationArn) -> String {
    format!("{} in cluster {} in {}", arn.association_id(), arn.cluster_name(), arn.region())
}

/// Reads an answer. Members that every answer carries must be there; that the answer is about the association that was
/// asked for is checked, since everything rests on it.
fn association(
    arn: &AssociationArn,
    answer: Option<&PodIdentityAssociation>,
    operation: &'static str,
) -> Result<Association, CallError> {
    let malformed = |problem: String| CallError::malformed_answer(operation, subject(arn), problem);
    let answer = answer.ok_or_else(|| malformed("the answer has no association".to_owned()))?;
    let required = |member: Option<&str>, name: &str| {
        member.map(str::to_owned).ok_or_else(|| malformed(format!("the answer has no {name}")))
    };
    let present = |member: Option<&str>| member.filter(|text| !text.is_empty()).map(str::to_owned);
    let association_id = required(answer.association_id(), "associationId")?;
    if association_id != arn.association_id() {
        return Err(malformed(format!("the answer is about {association_id}")));
    }
    let modified_at = answer.modified_at().ok_or_else(|| malformed("the answer has no modifiedAt".to_owned()))?;
    Ok(Association {
        association_arn: arn.clone(),
        namespace: required(answer.namespace(), "namespace")?,
        service_account: required(answer.service_account(), "serviceAccount")?,
        role_arn: required(answer.role_arn(), "roleArn")?,
        target_role_arn: present(answer.target_role_arn()),
        disable_session_tags: answer.disable_session_tags(),
        policy: present(answer.policy()),
        external_id: present(answer.external_id()),
        owner_arn: present(answer.owner_arn()),
        tags: answer.tags().into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect(),
        created_at: answer.created_at().and_then(timestamp),
        modified_at: timestamp(modified_at).ok_or_else(|| malformed(format!("modifiedAt {modified_at:?}")))?,
    })
}

/// EKS sends epoch seconds as a JSON float, in which `.123` reads as 122,999,9xx ns: rounded, not cut, so that a version
/// that the index holds with its milliseconds is the same version.
fn timestamp(time: &DateTime) -> Option<Timestamp> {
    const NANOS_PER_MILLI: i64 = 1_000_000;
    let millis = (i64::from(time.subsec_nanos()) + NANOS_PER_MILLI / 2) / NANOS_PER_MILLI;
    time.secs().checked_mul(1_000)?.checked_add(millis).map(Timestamp::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn float_seconds_come_back_as_the_milliseconds_that_were_sent() {
        for millis in (0..1_000).map(|fraction| 1_795_467_600_000 + fraction) {
            #[expect(clippy::cast_precision_loss, reason = "what EKS does")]
            let sent = DateTime::from_secs_f64(millis as f64 / 1_000.0);
            assert_eq!(timestamp(&sent), Some(Timestamp::from_millis(millis)));
        }
    }
}
