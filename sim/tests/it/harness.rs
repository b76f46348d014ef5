//! What the tests have in common: virtual time, clients, and one association to work with.

use std::future::Future;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_eks::Client;
use aws_sdk_eks::config::http::HttpResponse;
use aws_sdk_eks::config::retry::RetryConfig;
use aws_sdk_eks::config::{BehaviorVersion, Region, SharedAsyncSleep};
use aws_sdk_eks::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_eks::operation::create_cluster::builders::CreateClusterFluentBuilder;
use aws_sdk_eks::operation::create_pod_identity_association::builders::CreatePodIdentityAssociationFluentBuilder;
use aws_sdk_eks::operation::delete_pod_identity_association::builders::DeletePodIdentityAssociationFluentBuilder;
use aws_sdk_eks::operation::describe_pod_identity_association::builders::DescribePodIdentityAssociationFluentBuilder;
use aws_sdk_eks::operation::list_pod_identity_associations::builders::ListPodIdentityAssociationsFluentBuilder;
use aws_sdk_eks::operation::update_pod_identity_association::builders::UpdatePodIdentityAssociationFluentBuilder;
use aws_sdk_eks::operation::update_pod_identity_association::{
    UpdatePodIdentityAssociationError, UpdatePodIdentityAssociationOutput,
};
use aws_sdk_eks::types::VpcConfigRequest;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_runtime::client::retries::RetryPartition;
use rerole_sim::{Association, Options, SimulatedAws};
use tokio::runtime;

pub const REGION: &str = "eu-west-1";
pub const OLD: &str = "arn:aws:iam::111122223333:role/old";
pub const NEW: &str = "arn:aws:iam::111122223333:role/new";
pub const TOKEN: &str = "0123456789012345678901234567890123456789";
pub const NO_LATENCY: RangeInclusive<Duration> = Duration::ZERO..=Duration::ZERO;

static PARTITIONS: AtomicU64 = AtomicU64::new(0);

/// Runs in tokio's virtual time.
pub fn in_virtual_time<T>(work: impl Future<Output = T>) -> T {
    runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime with only time can be built")
        .block_on(work)
}

/// Runs in real time, with sockets.
pub fn in_real_time<T>(work: impl Future<Output = T>) -> T {
    runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be built")
        .block_on(work)
}

/// A client of EKS without retries.
pub fn eks(aws: &SimulatedAws) -> Client {
    eks_with(aws, "AKIDEXAMPLE", REGION, RetryConfig::disabled())
}

/// A client of EKS with this access key, region and retries.
pub fn eks_with(
    aws: &SimulatedAws,
    access_key: &str,
    region: &'static str,
    retry: RetryConfig,
) -> Client {
    // By default a process shares its retry budget; a partition of its own isolates each test.
    let partition = format!("test-{}", PARTITIONS.fetch_add(1, Ordering::Relaxed));
    let config = aws_sdk_eks::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static(region))
        .credentials_provider(credentials(access_key))
        .retry_config(retry)
        .retry_partition(RetryPartition::new(partition))
        .http_client(aws.http_client())
        .time_source(aws.time_source())
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .build();
    Client::from_conf(config)
}

/// A client of this SDK crate without retries, over HTTP to this URL.
macro_rules! client_at {
    ($sdk:ident, $url:expr) => {{
        let config = $sdk::Config::builder()
            .behavior_version($sdk::config::BehaviorVersion::latest())
            .region($sdk::config::Region::from_static($crate::harness::REGION))
            .credentials_provider($crate::harness::credentials("AKIDEXAMPLE"))
            .retry_config($sdk::config::retry::RetryConfig::disabled())
            .endpoint_url($url)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        $sdk::Client::from_conf(config)
    }};
}
pub(crate) use client_at;

/// A client of EKS without retries, over HTTP to this URL.
pub fn eks_at(url: &str) -> Client {
    client_at!(aws_sdk_eks, url)
}

/// For each service a function that makes a client of it in process, without retries.
macro_rules! clients {
    ($($name:ident: $sdk:ident,)*) => {
        $(pub fn $name(aws: &SimulatedAws) -> $sdk::Client {
            let config = $sdk::Config::builder()
                .behavior_version($sdk::config::BehaviorVersion::latest())
                .region($sdk::config::Region::from_static(REGION))
                .credentials_provider(credentials("AKIDEXAMPLE"))
                .retry_config($sdk::config::retry::RetryConfig::disabled())
                .http_client(aws.http_client())
                .time_source(aws.time_source())
                .build();
            $sdk::Client::from_conf(config)
        })*
    };
}

clients! {
    access_analyzer: aws_sdk_accessanalyzer,
    cloudformation: aws_sdk_cloudformation,
    cloudtrail: aws_sdk_cloudtrail,
    cloudwatch: aws_sdk_cloudwatch,
    dynamodb: aws_sdk_dynamodb,
    event_bridge: aws_sdk_eventbridge,
    iam: aws_sdk_iam,
    lambda: aws_sdk_lambda,
    sns: aws_sdk_sns,
    sqs: aws_sdk_sqs,
    step_functions: aws_sdk_sfn,
    sts: aws_sdk_sts,
}

/// An AWS whose home is `REGION`.
pub fn at_home() -> SimulatedAws {
    SimulatedAws::new(Options {
        region: REGION.to_owned(),
        ..Options::default()
    })
}

/// The error code of a failed call; "" if it succeeded.
pub fn code_of<T, E: ProvideErrorMetadata>(result: Result<T, SdkError<E>>) -> String {
    error_of(result).0
}

/// The error code and message of a failed call; both "" if it succeeded.
pub fn error_of<T, E: ProvideErrorMetadata>(result: Result<T, SdkError<E>>) -> (String, String) {
    match result {
        Ok(_) => Default::default(),
        Err(SdkError::ServiceError(error)) => {
            let text = |text: Option<&str>| text.unwrap_or("none").to_owned();
            (text(error.err().code()), text(error.err().message()))
        }
        Err(_) => ("no response".to_owned(), String::new()),
    }
}

/// A string attribute.
pub fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

/// A valid `CreateCluster`.
pub fn create_cluster(client: &Client, name: &str) -> CreateClusterFluentBuilder {
    let vpc = VpcConfigRequest::builder().subnet_ids("subnet-1").build();
    let create = client.create_cluster().name(name).role_arn(OLD);
    create.resources_vpc_config(vpc)
}

/// A valid `CreatePodIdentityAssociation`, on the role `OLD`.
pub fn create(client: &Client, cluster: &str) -> CreatePodIdentityAssociationFluentBuilder {
    let create = client.create_pod_identity_association();
    let create = create.cluster_name(cluster).namespace("ns");
    create.service_account("sa").role_arn(OLD)
}

pub fn list(client: &Client, cluster: &str) -> ListPodIdentityAssociationsFluentBuilder {
    let list = client.list_pod_identity_associations();
    list.cluster_name(cluster)
}

/// Describes the association `<cluster>/<id>`.
pub fn describe(client: &Client, subject: &str) -> DescribePodIdentityAssociationFluentBuilder {
    let (cluster, id) = cluster_and_id(subject);
    let describe = client.describe_pod_identity_association();
    describe.cluster_name(cluster).association_id(id)
}

/// An update of the association `<cluster>/<id>` that changes nothing yet.
pub fn update(client: &Client, subject: &str) -> UpdatePodIdentityAssociationFluentBuilder {
    let (cluster, id) = cluster_and_id(subject);
    let update = client.update_pod_identity_association();
    update.cluster_name(cluster).association_id(id)
}

/// Deletes the association `<cluster>/<id>`.
pub fn delete(client: &Client, subject: &str) -> DeletePodIdentityAssociationFluentBuilder {
    let (cluster, id) = cluster_and_id(subject);
    let delete = client.delete_pod_identity_association();
    delete.cluster_name(cluster).association_id(id)
}

pub type UpdateResult = Result<
    UpdatePodIdentityAssociationOutput,
    SdkError<UpdatePodIdentityAssociationError, HttpResponse>,
>;

/// An AWS with one association, of the service account `sa` in the namespace `ns`, on the role
/// `OLD`.
pub struct OneAssociation {
    pub aws: SimulatedAws,
    pub client: Client,
    pub arn: String,
    /// `<cluster>/<id>`
    pub subject: String,
}

impl OneAssociation {
    /// The association is in the cluster `prod`.
    pub fn new(options: Options) -> Self {
        Self::in_cluster("prod", options)
    }

    pub fn in_cluster(cluster: &str, options: Options) -> Self {
        let aws = SimulatedAws::new(options);
        let arn = aws.eks(|eks| eks.associate(REGION, cluster, "ns", "sa", OLD));
        let (_, subject) = arn.split_once('/').expect("a resource type and a subject");
        Self {
            client: eks(&aws),
            subject: subject.to_owned(),
            arn,
            aws,
        }
    }

    /// Updates the role. The SDK draws the token at random.
    pub async fn update(&self, role: &str) -> UpdateResult {
        let update = update(&self.client, &self.subject);
        update.role_arn(role).send().await
    }

    /// Updates the role, with `TOKEN`.
    pub async fn update_with_token(&self, role: &str) -> UpdateResult {
        let update = update(&self.client, &self.subject).client_request_token(TOKEN);
        update.role_arn(role).send().await
    }

    /// The association as EKS has it.
    pub fn association(&self) -> Association {
        let association = self.aws.eks(|eks| eks.association(&self.arn).cloned());
        association.expect("it exists")
    }

    /// Another caller moves the association to this role.
    pub fn set_role(&self, role: &str) {
        let now = self.aws.now();
        self.aws.eks(|eks| eks.set_role(&self.arn, role, now));
    }

    /// How many associations are on this role.
    pub fn count_on(&self, role: &str) -> usize {
        self.aws.eks(|eks| eks.association_count_on(role))
    }
}

fn cluster_and_id(subject: &str) -> (&str, &str) {
    subject.rsplit_once('/').expect("a cluster and an id")
}

/// The credentials of a caller with this access key.
pub fn credentials(access_key: &str) -> Credentials {
    Credentials::new(access_key, "secret", None, None, "test")
}
