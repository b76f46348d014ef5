//! A case played in virtual time, with the SDK's own client against the simulated EKS: by the SDK's retries, or by the
//! product's turnstile. One seed gives one run.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sdk_eks::config::retry::RetryConfig;
use aws_sdk_eks::config::{BehaviorVersion, Region};
use aws_sdk_eks::operation::update_pod_identity_association::builders::UpdatePodIdentityAssociationFluentBuilder;
use aws_sdk_eks::{Client, config};
use aws_smithy_runtime::client::retries::{ClientRateLimiter, RetryPartition, TokenBucket};
use futures_util::stream::{self, StreamExt};
use rerole::aws::error::CallError;
use rerole::aws::turnstile::Turnstile;
use rerole::classify::ErrorClass;
use rerole::pacer::Learnt;
use rerole_sim::{CallRecord, Options, SimulatedAws, Throttle};
use tokio::time::Instant;

use super::cases::{Case, Dent};

const CLUSTER: &str = "prod";
const OLD: &str = "arn:aws:iam::111122223333:role/platform/app-2025";
const NEW: &str = "arn:aws:iam::111122223333:role/platform/app-2026";
/// Updates in work at the same time, whoever calls.
const IN_WORK: usize = 50;
/// The SDK's default.
const RETRY_QUOTA: usize = 500;
/// More than any run needs. Not more by much: the SDK adds up a sum of so many terms for each call.
const ATTEMPTS_MAX: u32 = 500;

/// Who repeats what is throttled, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// The SDK, as it comes: three attempts, and a budget for those after the first.
    Standard,
    /// The SDK's rate limiter, without a limit on attempts.
    Adaptive,
    /// The product.
    Ours,
}

/// What came of it.
#[derive(Debug)]
pub struct Run {
    pub took: Duration,
    /// Updates that were given up.
    pub failed: usize,
    /// When each call was decided, since the beginning, and whether it was let in.
    pub calls: Vec<(Duration, bool)>,
}

impl Run {
    pub fn throttled(&self) -> usize {
        self.calls.iter().filter(|(_, let_in)| !let_in).count()
    }
}

/// Plays the case.
pub fn play(case: &Case, caller: Caller, seed: u64) -> Run {
    // The SDK's jitter comes from this generator.
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without a reactor can be made").block_on(run(case, caller, seed))
}

async fn run(case: &Case, caller: Caller, seed: u64) -> Run {
    let (least, most) = case.latency_ms;
    let latency = Duration::from_millis(least)..=Duration::from_millis(most);
    let aws = SimulatedAws::new(Options {
        seed,
        latency,
        throttle: Some(case.throttle),
        retry_after_secs: case.retry_after_secs,
        ..Options::default()
    });
    let ids = fleet(&aws, case.updates);
    let (began_at, began_on) = (Instant::now(), aws.now());
    if let Some(dent) = case.dent {
        tokio::spawn(make_dent(aws.clone(), case.throttle, dent));
    }
    if case.others_per_sec > 0.0 {
        tokio::spawn(call_as_others(aws.clone(), ids[0].clone(), case.others_per_sec, seed));
    }
    let client = client(&aws, caller);
    let learnt = case.learnt.and_then(Learnt::new).map(|learnt| (learnt, Duration::from_mins(1)));
    let turnstile = Arc::new(Turnstile::new(learnt));
    let updates = stream::iter(&ids).map(async |id| match caller {
        Caller::Ours => is_updated_in_turn(&turnstile, &client, id).await,
        Caller::Standard | Caller::Adaptive => is_updated(&client, id).await,
    });
    let failed = updates.buffer_unordered(IN_WORK).filter(|is_updated| std::future::ready(!is_updated)).count().await;
    let took = began_at.elapsed();
    Run { took, failed, calls: updates_of(&aws.calls(), began_on) }
}

fn fleet(aws: &SimulatedAws, associations: u32) -> Vec<String> {
    aws.eks(|eks| {
        eks.create_cluster("us-east-1", CLUSTER);
        let arns =
            (0..associations).map(|place| eks.associate("us-east-1", CLUSTER, "apps", &format!("app-{place}"), OLD));
        arns.map(|arn| arn.rsplit('/').next().unwrap_or_default().to_owned()).collect()
    })
}

fn update(client: &Client, id: &str) -> UpdatePodIdentityAssociationFluentBuilder {
    client.update_pod_identity_association().cluster_name(CLUSTER).association_id(id).role_arn(NEW)
}

async fn is_updated(client: &Client, id: &str) -> bool {
    update(client, id).send().await.is_ok()
}

async fn is_updated_in_turn(turnstile: &Arc<Turnstile>, client: &Client, id: &str) -> bool {
    let call = || async {
        let answer = update(client, id).send().await;
        answer.map_err(|error| CallError::new("update association", id, &error))
    };
    let until = Instant::now() + Duration::from_hours(24);
    while let Some(turn) = turnstile.turn(until).await {
        match turn.send(call()).await {
            Ok(_) => return true,
            Err(error) if error.class == ErrorClass::Throttled => {}
            Err(_) => return false,
        }
    }
    false
}

fn config(aws: &SimulatedAws, who: &str) -> config::Builder {
    config::Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new(who, "secret", None, None, "bench"))
        .http_client(aws.http_client())
        .time_source(aws.time_source())
}

fn client(aws: &SimulatedAws, caller: Caller) -> Client {
    let (config, partition) = (config(aws, "rotate"), RetryPartition::custom("bench"));
    let config = match caller {
        Caller::Standard => {
            let quota = TokenBucket::builder().capacity(RETRY_QUOTA).build();
            config.retry_config(RetryConfig::standard()).retry_partition(partition.token_bucket(quota).build())
        }
        Caller::Adaptive => {
            let secs = aws.now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
            let limiter = ClientRateLimiter::new(secs);
            let partition = partition.token_bucket(TokenBucket::unlimited()).client_rate_limiter(limiter);
            config
                .retry_config(RetryConfig::adaptive().with_max_attempts(ATTEMPTS_MAX))
                .retry_partition(partition.build())
        }
        Caller::Ours => config.retry_config(RetryConfig::disabled()),
    };
    Client::from_conf(config.build())
}

async fn make_dent(aws: SimulatedAws, throttle: Throttle, dent: Dent) {
    tokio::time::sleep(dent.from).await;
    let rate_per_sec = throttle.rate_per_sec * dent.share;
    aws.eks(|eks| eks.set_throttle(Some(Throttle { rate_per_sec, ..throttle })));
    tokio::time::sleep(dent.lasts).await;
    aws.eks(|eks| eks.set_throttle(Some(throttle)));
}

/// Others look at associations, at random times (a Poisson process), and do not care whether they are throttled. Ends with
/// the run.
async fn call_as_others(aws: SimulatedAws, id: String, per_sec: f64, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let client = Client::from_conf(config(&aws, "others").retry_config(RetryConfig::disabled()).build());
    loop {
        let pause = -random.f64().max(f64::MIN_POSITIVE).ln() / per_sec;
        tokio::time::sleep(Duration::from_secs_f64(pause)).await;
        let call = client.describe_pod_identity_association().cluster_name(CLUSTER).association_id(&id);
        tokio::spawn(call.send());
    }
}

/// Every answer to an update came half of its latency after it was decided: what the log has for calls that were let in.
fn updates_of(calls: &[CallRecord], began_on: SystemTime) -> Vec<(Duration, bool)> {
    let updates = calls.iter().filter(|record| record.call.operation == "UpdatePodIdentityAssociation");
    let decided = updates.filter_map(|record| Some((record.applied_at.or(record.answered_at)?, record.status? == 200)));
    decided.map(|(at, let_in)| (at.duration_since(began_on).unwrap_or_default(), let_in)).collect()
}
