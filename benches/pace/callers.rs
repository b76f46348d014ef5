//! Plays a case in virtual time, with the SDK's own client against the simulated EKS. The SDK
//! retries by itself, or rerole's rate limiter does. One seed gives one run.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sdk_eks::Client;
use aws_sdk_eks::config::retry::RetryConfig;
use aws_sdk_eks::config::{self, BehaviorVersion, Region};
use aws_sdk_eks::operation::update_pod_identity_association::builders;
use aws_smithy_runtime::client::retries::{ClientRateLimiter, RetryPartition, TokenBucket};
use futures_util::stream::{self, StreamExt};
use rerole::aws::call_error::call_error;
use rerole::aws::eks::{Kind, RateLimiter};
use rerole_core::call::{ErrorClass, Operation};
use rerole_core::pacer::{Rate, RateShare};
use rerole_sim::{Buckets, CallRecord, Options, SimulatedAws, Throttle};
use tokio::time::Instant;

use super::cases::{Case, RateDrop};

/// The region whose rate drops.
pub const DROPPING_REGION: &str = "us-east-1";
const CLUSTER: &str = "prod";
const OLD: &str = "arn:aws:iam::111122223333:role/platform/app-2025";
const NEW: &str = "arn:aws:iam::111122223333:role/platform/app-2026";
/// Updates in flight at a time, for every caller.
const IN_FLIGHT: usize = 50;
/// The default of the SDK.
const RETRY_QUOTA: usize = 500;
/// More than any run needs, but not many more: for each call, the SDK computes a sum with this many
/// terms.
const ATTEMPTS_MAX: u32 = 500;

/// What retries throttled calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// The SDK's default: three attempts, and a quota for retries.
    Standard,
    /// The SDK's adaptive retries, without a limit on attempts.
    Adaptive,
    /// The rate limiter of rerole.
    Rerole,
}

/// The result of a case.
#[derive(Debug)]
pub struct Run {
    pub took: Duration,
    /// Updates that were abandoned.
    pub failed: usize,
    pub calls: Vec<Decision>,
}

/// When EKS decided a call, since the start, and whether it admitted the call.
pub type Decision = (Duration, bool);

impl Run {
    pub fn throttled(&self) -> usize {
        self.calls
            .iter()
            .filter(|(_, is_admitted)| !is_admitted)
            .count()
    }
}

/// Plays the case.
pub fn play(case: &Case, buckets: Buckets, caller: Caller, seed: u64) -> Run {
    in_virtual_time(seed, run(case, buckets, caller, seed))
}

/// Runs this in virtual time. The seed is that of the jitter of the SDK and of rerole.
pub fn in_virtual_time<T>(seed: u64, run: impl Future<Output = T>) -> T {
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.expect("cannot build a runtime").block_on(run)
}

async fn run(case: &Case, buckets: Buckets, caller: Caller, seed: u64) -> Run {
    let aws = SimulatedAws::new(Options {
        seed,
        eks_latency: Some(case.latency()),
        throttle: Some(case.throttle),
        buckets,
        retry_after_secs: case.retry_after_secs,
        ..Options::default()
    });
    let ids = create_fleet(&aws, DROPPING_REGION, case.associations);
    let (started_at, epoch) = (Instant::now(), aws.now());
    if let Some(rate_drop) = case.rate_drop {
        tokio::spawn(drop_rate(aws.clone(), case.throttle, rate_drop));
    }
    if case.others_per_sec > 0.0 {
        tokio::spawn(send_calls_of_others(
            aws.clone(),
            ids[0].clone(),
            case.others_per_sec,
            seed,
        ));
    }
    let client = client(&aws, caller);
    let learned = case
        .learned
        .and_then(Rate::new)
        .map(|learned| (learned, Duration::from_mins(1)));
    let rate_limiter = Arc::new(RateLimiter::new(learned, RateShare::WHOLE));
    let updates = stream::iter(&ids).map(async |id| match caller {
        Caller::Rerole => send_update_with_permits(&rate_limiter, &client, id).await,
        Caller::Standard | Caller::Adaptive => send_update(&client, id).await,
    });
    let failed = updates
        .buffer_unordered(IN_FLIGHT)
        .filter(|is_updated| std::future::ready(!is_updated))
        .count()
        .await;
    let took = started_at.elapsed();
    let calls = aws.calls();
    let updates = calls
        .iter()
        .filter(|record| record.call.operation == "UpdatePodIdentityAssociation");
    Run {
        took,
        failed,
        calls: decisions(updates, epoch),
    }
}

/// Adds a cluster with these associations to a region. Returns their ids.
pub fn create_fleet(aws: &SimulatedAws, region: &str, associations: u32) -> Vec<String> {
    aws.eks(|eks| {
        eks.create_cluster(region, CLUSTER);
        let arns = (0..associations)
            .map(|number| eks.associate(region, CLUSTER, "apps", &format!("app-{number}"), OLD));
        arns.map(|arn| arn.rsplit('/').next().unwrap_or_default().to_owned())
            .collect()
    })
}

fn update(client: &Client, id: &str) -> builders::UpdatePodIdentityAssociationFluentBuilder {
    client
        .update_pod_identity_association()
        .cluster_name(CLUSTER)
        .association_id(id)
        .role_arn(NEW)
}

/// Sends an update, and lets the SDK retry it. Returns whether it succeeded.
async fn send_update(client: &Client, id: &str) -> bool {
    update(client, id).send().await.is_ok()
}

/// Sends an update again until it is not throttled, each time with a permit of the rate limiter.
/// Returns whether it succeeded.
async fn send_update_with_permits(
    rate_limiter: &Arc<RateLimiter>,
    client: &Client,
    id: &str,
) -> bool {
    let call = || async {
        let response = update(client, id).send().await;
        response.map_err(|error| call_error(Operation::on("update association", &id), &error))
    };
    let until = Instant::now() + Duration::from_hours(24);
    while let Some(permit) = rate_limiter.acquire(Kind::Update, until).await {
        match permit.send(call()).await {
            Ok(_) => return true,
            Err(error) if error.class == ErrorClass::Throttled => {}
            Err(_) => return false,
        }
    }
    false
}

fn config(aws: &SimulatedAws, access_key: &str) -> config::Builder {
    config::Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static(DROPPING_REGION))
        .credentials_provider(Credentials::new(access_key, "secret", None, None, "bench"))
        .http_client(aws.http_client())
        .time_source(aws.time_source())
}

fn client(aws: &SimulatedAws, caller: Caller) -> Client {
    let (config, partition) = (config(aws, "rotate"), RetryPartition::custom("bench"));
    let config = match caller {
        Caller::Standard => {
            let quota = TokenBucket::builder().capacity(RETRY_QUOTA).build();
            config
                .retry_config(RetryConfig::standard())
                .retry_partition(partition.token_bucket(quota).build())
        }
        Caller::Adaptive => {
            let secs = aws
                .now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs_f64();
            let limiter = ClientRateLimiter::new(secs);
            let partition = partition
                .token_bucket(TokenBucket::unlimited())
                .client_rate_limiter(limiter);
            config
                .retry_config(RetryConfig::adaptive().with_max_attempts(ATTEMPTS_MAX))
                .retry_partition(partition.build())
        }
        Caller::Rerole => config.retry_config(RetryConfig::disabled()),
    };
    Client::from_conf(config.build())
}

/// Lowers the rate of the bucket for a while.
pub async fn drop_rate(aws: SimulatedAws, throttle: Throttle, rate_drop: RateDrop) {
    tokio::time::sleep(rate_drop.from).await;
    let rate_per_sec = throttle.rate_per_sec * rate_drop.share;
    aws.eks(|eks| {
        eks.set_region_throttle(
            DROPPING_REGION,
            Some(Throttle {
                rate_per_sec,
                ..throttle
            }),
        );
    });
    tokio::time::sleep(rate_drop.lasts).await;
    aws.eks(|eks| eks.set_region_throttle(DROPPING_REGION, Some(throttle)));
}

/// Describes an association at random times (a Poisson process), and ignores throttles. The task
/// ends with the runtime.
pub async fn send_calls_of_others(aws: SimulatedAws, id: String, per_sec: f64, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let client = Client::from_conf(
        config(&aws, "others")
            .retry_config(RetryConfig::disabled())
            .build(),
    );
    loop {
        let pause = -random.f64().max(f64::MIN_POSITIVE).ln() / per_sec;
        tokio::time::sleep(Duration::from_secs_f64(pause)).await;
        let call = client
            .describe_pod_identity_association()
            .cluster_name(CLUSTER)
            .association_id(&id);
        tokio::spawn(call.send());
    }
}

/// The decisions about these calls. The log has no such time for a throttled call, so the arrival
/// of the response stands for it.
pub fn decisions<'a>(
    calls: impl IntoIterator<Item = &'a CallRecord>,
    started_at: SystemTime,
) -> Vec<Decision> {
    let decided = calls.into_iter().filter_map(|record| {
        Some((
            record.applied_at.or(record.received_at)?,
            record.status? == 200,
        ))
    });
    decided
        .map(|(at, is_admitted)| {
            (
                at.duration_since(started_at).unwrap_or_default(),
                is_admitted,
            )
        })
        .collect()
}
