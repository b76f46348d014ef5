//! The edge to AWS: the SDK's own clients, made from [`Settings`], and what the rotation asks of each service.
//!
//! Nothing is decided here. The world is never faked on this side either: tests hand in another HTTP client, or another
//! endpoint, and the same code talks to the simulated AWS.

pub mod by_status;
pub mod eks;
pub mod entries;
pub mod error;
pub mod expression;
mod http;
pub mod index;
pub mod ledger;
pub mod machine;
pub mod paces;
pub(crate) mod region;
pub mod returned;
pub mod rows;
pub mod runs;
pub mod tls;
pub(crate) mod transaction;
pub mod turnstile;

use std::time::Duration;

use aws_sdk_dynamodb::config::{BehaviorVersion, Region, SharedHttpClient};
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_runtime::client::retries::{RetryPartition, TokenBucket};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

use crate::settings::Settings;
use crate::time::Timestamp;
use eks::Eks;
use index::Index;
use ledger::Ledger;
use machine::Machine;

/// The SDK's default sets no limit on an attempt: a lost packet would hold an association until the function ends. All
/// AWS endpoints in reach answer the handshake well within this.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// DynamoDB answers within tens of milliseconds; after this long an answer is not coming.
const DYNAMODB_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// All attempts at one DynamoDB call together.
pub(crate) const DYNAMODB_OPERATION_TIMEOUT: Duration = Duration::from_secs(6);
/// Attempts at a DynamoDB call, the first one included. Throttles of an on-demand table pass within about a second.
const DYNAMODB_ATTEMPTS: u32 = 6;
/// Items of a page. A full page of DynamoDB's, a megabyte, would be a thousand rows and several megabytes in memory at
/// once; this many cost 0.004 calls for each association and pass, and keep memory flat.
pub(crate) const PAGE_LEN: i32 = 250;
/// The SDK's own default size of the budget that attempts after the first draw on.
const RETRY_QUOTA: usize = 500;

/// Everything that a rotation talks to, and the clock it goes by.
#[derive(Debug)]
pub struct Aws {
    pub eks: Eks,
    pub ledger: Ledger,
    pub index: Index,
    /// The state machine, where one is configured.
    pub machine: Option<Machine>,
    clock: SharedTimeSource,
}

impl Aws {
    /// Makes the clients. No call is made, and no connection opened.
    #[must_use]
    pub fn new(settings: &Settings, http_client: SharedHttpClient, clock: SharedTimeSource) -> Self {
        let dynamodb = dynamodb_client(settings, http_client.clone(), clock.clone());
        Self {
            machine: Machine::new(settings, http_client.clone(), clock.clone()),
            eks: Eks::new(settings, http_client, clock.clone()),
            ledger: Ledger::new(dynamodb.clone(), settings.rotation_ledger_table.clone()),
            index: Index::new(dynamodb, settings.association_index_table.clone()),
            clock,
        }
    }

    /// The time, for records. Durations are measured on tokio's clock instead.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now().into()
    }
}

fn dynamodb_client(
    settings: &Settings,
    http_client: SharedHttpClient,
    clock: SharedTimeSource,
) -> aws_sdk_dynamodb::Client {
    let mut config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(behavior_version())
        .region(Region::new(settings.region.clone()))
        .credentials_provider(settings.credentials.clone())
        .http_client(http_client)
        .time_source(clock)
        .retry_config(RetryConfig::standard().with_max_attempts(DYNAMODB_ATTEMPTS))
        .retry_partition(own_retry_partition("dynamodb"))
        .timeout_config(timeouts(DYNAMODB_ATTEMPT_TIMEOUT, DYNAMODB_OPERATION_TIMEOUT));
    if let Some(url) = &settings.dynamodb_endpoint {
        config = config.endpoint_url(url);
    }
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

/// Pinned, so that an SDK update does not change timeouts or retries by itself.
pub(crate) fn behavior_version() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

/// A retry budget that this set of clients does not share with the rest of the process, so that two simulated runs in one
/// process do not see each other.
pub(crate) fn own_retry_partition(name: &'static str) -> RetryPartition {
    RetryPartition::custom(name).token_bucket(TokenBucket::builder().capacity(RETRY_QUOTA).build()).build()
}

pub(crate) fn timeouts(attempt: Duration, operation: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(attempt)
        .operation_timeout(operation)
        .build()
}
