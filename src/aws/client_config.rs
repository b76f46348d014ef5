//! The configuration that the clients of all services share: timeouts, retry budgets, and the SDK's
//! behavior version. How often a client retries is up to each service's module.

use std::time::Duration;

use aws_sdk_dynamodb::config::BehaviorVersion;
use aws_smithy_runtime::client::retries::{RetryPartition, TokenBucket};
use aws_smithy_types::timeout::TimeoutConfig;

/// How long opening a connection may take. All AWS endpoints complete the handshake well within
/// this time. The SDK sets no such limit by default, so a lost packet would block an association
/// until Lambda ends the invocation.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The size of a budget for retries. It is the SDK's default.
const RETRY_QUOTA: usize = 500;

/// Returns the SDK's behavior version. It is pinned, because a new one may change timeouts and
/// retries.
pub(crate) fn behavior_version() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

/// Creates a retry budget for one client. The whole process shares the SDK's default budgets,
/// in which tests run many simulations at the same time.
pub(crate) fn retry_partition(name: &'static str) -> RetryPartition {
    RetryPartition::custom(name)
        .token_bucket(TokenBucket::builder().capacity(RETRY_QUOTA).build())
        .build()
}

/// How long the calls of a client may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeouts {
    /// One attempt at a call.
    pub(crate) attempt: Duration,
    /// All attempts at a call.
    pub(crate) operation: Duration,
}

impl From<Timeouts> for TimeoutConfig {
    fn from(timeouts: Timeouts) -> Self {
        Self::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(timeouts.attempt)
            .operation_timeout(timeouts.operation)
            .build()
    }
}
