//! DynamoDB: the client of both tables, and everything that is the same for each of their items:
//! reads, queries, conditional writes and transactions. What the tables contain is in `ledger` and
//! `index_table`.

mod attributes;
mod expression;
mod query;
mod table;
mod transaction;
mod write;

pub(crate) use attributes::{Item, from_item, number, text, to_item};
pub(crate) use expression::{Change, Condition};
pub(crate) use query::Query;
pub(crate) use table::Table;
pub(crate) use transaction::{Refusal, TRANSACTION_TIMEOUT, Transacted, TransactionPart};
pub(crate) use write::{Write, Written};

use std::time::Duration;

use aws_sdk_dynamodb::config::{Region, SharedHttpClient};
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_types::retry::RetryConfig;

use crate::aws::client_config::{Timeouts, behavior_version, retry_partition};
use crate::settings::ClientSettings;

/// The limit for all attempts at one call.
pub(crate) const DYNAMODB_OPERATION_TIMEOUT: Duration = Duration::from_secs(6);
/// A call takes tens of milliseconds. After this long a response is unlikely to come.
const DYNAMODB_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// The first attempt at a call and its retries. An on-demand table stops throttling within about a
/// second.
const DYNAMODB_ATTEMPTS: u32 = 6;

/// Creates the client of both tables.
#[must_use]
pub(crate) fn client(
    settings: &ClientSettings,
    http_client: SharedHttpClient,
    clock: SharedTimeSource,
) -> aws_sdk_dynamodb::Client {
    let timeouts = Timeouts {
        attempt: DYNAMODB_ATTEMPT_TIMEOUT,
        operation: DYNAMODB_OPERATION_TIMEOUT,
    };
    let endpoints = &settings.endpoints;
    let mut config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(behavior_version())
        .region(Region::new(settings.region.clone()))
        .credentials_provider(settings.credentials.clone())
        .http_client(http_client)
        .time_source(clock)
        .use_fips(endpoints.use_fips)
        .use_dual_stack(endpoints.use_dual_stack)
        .retry_config(RetryConfig::standard().with_max_attempts(DYNAMODB_ATTEMPTS))
        .retry_partition(retry_partition("dynamodb"))
        .timeout_config(timeouts.into());
    config.set_endpoint_url(endpoints.dynamodb.clone());
    aws_sdk_dynamodb::Client::from_conf(config.build())
}
