//! EKS: looking at associations and clusters, and moving an association. One pair of clients for each region, made when
//! first needed.
//!
//! Every call goes through `Eks::send`; whatever paces calls belongs there, in front of the SDK.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_eks::Client;
use aws_sdk_eks::config::{Region, SharedHttpClient};
use aws_sdk_eks::operation::RequestId;
use aws_sdk_eks::primitives::DateTime;
use aws_sdk_eks::types::{ClusterStatus, PodIdentityAssociation, PodIdentityAssociationSummary};
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::retry::RetryConfig;
use tokio::time::Instant;

use super::error::CallError;
use super::{behavior_version, own_retry_partition, timeouts};
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
/// All attempts at one update together. An update that leaves at once has its last attempt within
/// [`OBSERVATION_AGE_MAX`]; what comes later describes again.
pub const UPDATE_OPERATION_TIMEOUT: Duration = Duration::from_secs(4);
/// How old an observation may be when the update's first attempt leaves: what the two above leave over.
const OBSERVATION_AGE_AT_START_MAX: Duration =
    OBSERVATION_AGE_MAX.checked_sub(UPDATE_OPERATION_TIMEOUT).expect("an update fits into the window");
/// All attempts at one Describe together.
pub const DESCRIBE_OPERATION_TIMEOUT: Duration = Duration::from_secs(8);
/// EKS has been seen to take up to two seconds for an answer.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
/// Attempts at one call, the first one included. What outlasts them is tried again, from the Describe on, by the caller.
const ATTEMPTS: u32 = 4;

/// The EKS clients of all regions.
#[derive(Debug)]
pub struct Eks {
    template: ClientTemplate,
    regions: Mutex<HashMap<String, RegionClients>>,
    counter: CallCounter,
}

/// The two clients of a region differ in how long one operation may take.
#[derive(Debug, Clone)]
struct RegionClients {
    describe: Client,
    update: Client,
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
    /// The observation had become too old to justify a write. Nothing was sent.
    #[error("the association was looked at too long ago")]
    Stale,
    /// EKS said yes, and its answer cannot be read: the update has most likely taken effect.
    #[error(transparent)]
    Malformed(CallError),
    #[error(transparent)]
    Call(#[from] CallError),
}

impl Eks {
    #[must_use]
    pub fn new(settings: &Settings, http_client: SharedHttpClient, clock: SharedTimeSource) -> Self {
        let counter = CallCounter::default();
        let template = ClientTemplate { settings: settings.clone(), http_client, clock, counter: counter.clone() };
        Self { template, regions: Mutex::default(), counter }
    }

    /// How many calls were answered with a throttle since the last time this was asked, the SDK's own retries included.
    pub fn take_throttled_calls(&self) -> u64 {
        self.counter.throttled.swap(0, Ordering::Relaxed)
    }

    /// How many calls were answered since the last time this was asked, the SDK's own retries included.
    pub fn take_calls(&self) -> u64 {
        self.counter.answered.swap(0, Ordering::Relaxed)
    }

    /// What EKS says of the association now; `None` where it does not know it.
    ///
    /// # Errors
    /// Any other error, after the SDK's retries.
    pub async fn describe(&self, arn: &AssociationArn) -> Result<Option<Observed>, CallError> {
        const OPERATION: &str = "describe association";
        let call = self
            .region(arn.region())
            .describe
            .describe_pod_identity_association()
            .cluster_name(arn.cluster_name())
            .association_id(arn.association_id());
        match Self::send(call.send()).await {
            Ok(output) => {
                let association = association(arn, output.association(), OPERATION)?;
                Ok(Some(Observed { association, answered_at: Instant::now() }))
            }
            Err(error) => found(CallError::new(OPERATION, subject(arn), &error)),
        }
    }

    /// One page of the names of a region's clusters.
    ///
    /// # Errors
    /// What EKS answered, after the SDK's retries.
    pub async fn list_clusters(&self, region: &str, start: Option<String>) -> Result<NamePage, CallError> {
        let call = self.region(region).describe.list_clusters().set_next_token(start);
        let output = Self::send(call.send()).await.map_err(|error| CallError::new("list clusters", region, &error))?;
        Ok(NamePage { next: output.next_token().map(str::to_owned), names: output.clusters.unwrap_or_default() })
    }

    /// A cluster by its name; `None` where EKS does not know it.
    ///
    /// # Errors
    /// Any other error, after the SDK's retries.
    pub async fn describe_cluster(&self, region: &str, name: &str) -> Result<Option<DescribedCluster>, CallError> {
        const OPERATION: &str = "describe cluster";
        let subject = format!("{name} in {region}");
        match Self::send(self.region(region).describe.describe_cluster().name(name).send()).await {
            Ok(output) => {
                let answer = output.cluster();
                let cluster = Cluster::parse(answer.and_then(|cluster| cluster.arn()).unwrap_or_default());
                let cluster =
                    cluster.map_err(|error| CallError::malformed_answer(OPERATION, subject, error.to_string()))?;
                let status = answer.and_then(|cluster| cluster.status());
                Ok(Some(DescribedCluster { cluster, is_being_deleted: status == Some(&ClusterStatus::Deleting) }))
            }
            Err(error) => found(CallError::new(OPERATION, subject, &error)),
        }
    }

    /// One page of the ids of a cluster's associations; `None` where EKS does not know the cluster.
    ///
    /// # Errors
    /// Any other error, after the SDK's retries.
    pub async fn list_associations(
        &self,
        region: &str,
        cluster: &str,
        start: Option<String>,
    ) -> Result<Option<NamePage>, CallError> {
        const OPERATION: &str = "list associations";
        let subject = format!("cluster {cluster} in {region}");
        let call =
            self.region(region).describe.list_pod_identity_associations().cluster_name(cluster).set_next_token(start);
        match Self::send(call.send()).await {
            Ok(output) => {
                let next = output.next_token().map(str::to_owned);
                let id = |summary: PodIdentityAssociationSummary| summary.association_id;
                let names = output.associations.unwrap_or_default().into_iter().map(id).collect::<Option<Vec<_>>>();
                let names = names.ok_or_else(|| {
                    CallError::malformed_answer(OPERATION, subject, "an association has no associationId".to_owned())
                })?;
                Ok(Some(NamePage { names, next }))
            }
            Err(error) => found(CallError::new(OPERATION, subject, &error)),
        }
    }

    /// Sets these role fields of the association to `new_role`, and nothing else. `observed` is the Describe that justifies
    /// it.
    ///
    /// # Errors
    /// [`UpdateError::Stale`] where `observed` is too old, [`UpdateError::Malformed`] where EKS said yes unreadably; else
    /// what EKS answered, after the SDK's retries. After a passing error it is unknown whether the update took effect.
    pub async fn update_role(
        &self,
        observed: &Observed,
        fields: RoleFields,
        new_role: &RoleArn,
        token: &Token,
    ) -> Result<Updated, UpdateError> {
        const OPERATION: &str = "update association";
        if observed.answered_at.elapsed() > OBSERVATION_AGE_AT_START_MAX {
            return Err(UpdateError::Stale);
        }
        let arn = &observed.association.association_arn;
        let call = self
            .region(arn.region())
            .update
            .update_pod_identity_association()
            .cluster_name(arn.cluster_name())
            .association_id(arn.association_id())
            .set_role_arn(fields.contains(RoleField::RoleArn).then(|| new_role.to_string()))
            .set_target_role_arn(fields.contains(RoleField::TargetRoleArn).then(|| new_role.to_string()))
            .client_request_token(token.as_str());
        let output = Self::send(call.send()).await.map_err(|error| CallError::new(OPERATION, subject(arn), &error))?;
        Ok(Updated {
            association: association(arn, output.association(), OPERATION).map_err(UpdateError::Malformed)?,
            request_id: output.request_id().map(str::to_owned),
        })
    }

    /// The one way out to EKS.
    async fn send<T>(call: impl Future<Output = T>) -> T {
        call.await
    }

    fn region(&self, region: &str) -> RegionClients {
        // The map is whole after every statement, so that a panic elsewhere leaves nothing to fear.
        let mut regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
        match regions.get(region) {
            Some(clients) => clients.clone(),
            None => regions.entry(region.to_owned()).or_insert(self.template.clients(region)).clone(),
        }
    }
}

/// What the clients of all regions have in common.
#[derive(Debug)]
struct ClientTemplate {
    settings: Settings,
    http_client: SharedHttpClient,
    clock: SharedTimeSource,
    counter: CallCounter,
}

/// Counts answers at the wire, where each attempt of the SDK's shows.
#[derive(Debug, Clone, Default)]
struct CallCounter {
    answered: Arc<AtomicU64>,
    throttled: Arc<AtomicU64>,
}

impl Intercept for CallCounter {
    fn name(&self) -> &'static str {
        "CallCounter"
    }

    /// EKS answers a throttle with 429, whatever code comes with it.
    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.answered.fetch_add(1, Ordering::Relaxed);
        if context.response().status().as_u16() == 429 {
            self.throttled.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl ClientTemplate {
    fn clients(&self, region: &str) -> RegionClients {
        let mut config = aws_sdk_eks::Config::builder()
            .behavior_version(behavior_version())
            .region(Region::new(region.to_owned()))
            .credentials_provider(self.settings.credentials.clone())
            .http_client(self.http_client.clone())
            .time_source(self.clock.clone())
            .interceptor(self.counter.clone())
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .retry_partition(own_retry_partition("eks"));
        if let Some(url) = &self.settings.eks_endpoint {
            config = config.endpoint_url(url);
        }
        let client =
            |operation| Client::from_conf(config.clone().timeout_config(timeouts(ATTEMPT_TIMEOUT, operation)).build());
        RegionClients { describe: client(DESCRIBE_OPERATION_TIMEOUT), update: client(UPDATE_OPERATION_TIMEOUT) }
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
