//! The simulated AWS through the real SDK clients. One binary; each module is one subject.

mod clusters; // Clusters: their lives, their pages, and denied ones.
mod dynamodb; // Switches in front of the embedded DynamoDB: lag, unprocessed entries, conflicts, throttles.
mod eks; // What EKS answers: shapes, limits, tokens, roles, pages, throttles.
mod faults; // Hooks: what each fault does to state, log and client.
mod fleet; // Fleets from a seed.
mod loopback; // The same handlers through a socket.
mod states; // Executions of state machines: their names, and starting twice.
mod trace; // One seed, one trace.
mod trail; // The events that EKS calls leave.

use aws_credential_types::Credentials;
use aws_sdk_eks::config::retry::RetryConfig;
use aws_sdk_eks::config::{BehaviorVersion, Region};
use aws_sdk_eks::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime::client::retries::RetryPartition;
use rerole_sim::SimulatedAws;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) const REGION: &str = "eu-west-1";
pub(crate) const OLD: &str = "arn:aws:iam::111122223333:role/old";
pub(crate) const NEW: &str = "arn:aws:iam::111122223333:role/new";

static PARTITIONS: AtomicU64 = AtomicU64::new(0);

/// Runs in tokio's virtual time.
pub(crate) fn in_virtual_time<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime with nothing but time can be built")
        .block_on(work)
}

pub(crate) fn eks(aws: &SimulatedAws) -> aws_sdk_eks::Client {
    eks_with(aws, "AKIDEXAMPLE", REGION, RetryConfig::disabled())
}

/// Retry state is shared across a process by default; a partition of its own keeps one test out of another's.
pub(crate) fn eks_with(
    aws: &SimulatedAws,
    access_key: &str,
    region: &'static str,
    retry: RetryConfig,
) -> aws_sdk_eks::Client {
    let config = aws_sdk_eks::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static(region))
        .credentials_provider(Credentials::new(access_key, "secret", None, None, "test"))
        .retry_config(retry)
        .retry_partition(RetryPartition::new(format!("test-{}", PARTITIONS.fetch_add(1, Ordering::Relaxed))))
        .http_client(aws.http_client())
        .time_source(aws.time_source())
        .sleep_impl(aws_sdk_eks::config::SharedAsyncSleep::new(aws_smithy_async::rt::sleep::TokioSleep::new()))
        .build();
    aws_sdk_eks::Client::from_conf(config)
}

pub(crate) fn dynamodb(aws: &SimulatedAws) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
        .region(aws_sdk_dynamodb::config::Region::from_static(REGION))
        .credentials_provider(Credentials::new("AKIDEXAMPLE", "secret", None, None, "test"))
        .retry_config(aws_sdk_dynamodb::config::retry::RetryConfig::disabled())
        .http_client(aws.http_client())
        .time_source(aws.time_source())
        .build();
    aws_sdk_dynamodb::Client::from_conf(config)
}

/// The code and message of a failed call; "" where it succeeded.
pub(crate) fn code_of<T, E: ProvideErrorMetadata>(result: Result<T, SdkError<E>>) -> (String, String) {
    match result {
        Ok(_) => Default::default(),
        Err(SdkError::ServiceError(error)) => {
            let text = |text: Option<&str>| text.unwrap_or("none").to_owned();
            (text(error.err().code()), text(error.err().message()))
        }
        Err(_) => ("no answer".to_owned(), String::new()),
    }
}
