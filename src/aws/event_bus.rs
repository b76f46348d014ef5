//! Puts events on an event bus. What the events say, and how many fit into a call, is decided in
//! `rerole_core::publishing`.

use std::time::Duration;

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::config::{Region, SharedHttpClient};
use aws_sdk_eventbridge::types::{PutEventsRequestEntry, PutEventsResultEntry};
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_types::DateTime;
use aws_smithy_types::retry::RetryConfig;
use rerole_core::call::{CallError, Operation};
use rerole_core::publishing::OutgoingEvent;
use rerole_core::request::SOURCE_OF_STACK;

use crate::aws::call_error::call_error;
use crate::aws::client_config::{Timeouts, behavior_version, retry_partition};
use crate::settings::PublisherSettings;

/// A call takes tens of milliseconds. After this long a response is unlikely to come.
const TIMEOUTS: Timeouts = Timeouts {
    attempt: Duration::from_secs(2),
    operation: Duration::from_secs(6),
};
/// The first attempt at a call and its retries. Consumers must accept an event twice, so every call
/// may be retried. Lambda delivers again what fails for longer.
const ATTEMPTS: u32 = 3;

/// The bus on which events are published.
#[derive(Debug)]
pub struct EventBus {
    name: String,
    client: Client,
}

/// Why the bus refused an event of a call that succeeded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refused {
    pub code: String,
    pub message: String,
}

impl EventBus {
    /// Creates the client. This sends no call and opens no connection.
    #[must_use]
    pub fn new(
        settings: &PublisherSettings,
        http_client: SharedHttpClient,
        clock: SharedTimeSource,
    ) -> Self {
        let clients = &settings.clients;
        let mut config = aws_sdk_eventbridge::Config::builder()
            .behavior_version(behavior_version())
            .region(Region::new(clients.region.clone()))
            .credentials_provider(clients.credentials.clone())
            .http_client(http_client)
            .time_source(clock)
            .use_fips(clients.endpoints.use_fips)
            .use_dual_stack(clients.endpoints.use_dual_stack)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .retry_partition(retry_partition("events"))
            .timeout_config(TIMEOUTS.into());
        config.set_endpoint_url(clients.endpoints.event_bridge.clone());
        Self {
            name: settings.event_bus_name.clone(),
            client: Client::from_conf(config.build()),
        }
    }

    /// Puts these events with one call. Returns for each whether the bus has accepted it.
    ///
    /// # Errors
    /// If EventBridge cannot be reached, rejects the call, or does not respond about each event.
    /// Some of them may have been put.
    pub async fn put(
        &self,
        events: &[OutgoingEvent],
    ) -> Result<Vec<Result<(), Refused>>, CallError> {
        let operation = Operation::on("put events on", &self.name);
        let entries = events.iter().map(|event| self.entry(event)).collect();
        let call = self.client.put_events().set_entries(Some(entries));
        let response = call.send().await;
        let response = response.map_err(|error| call_error(operation, &error))?;
        let results: Vec<_> = response.entries().iter().map(result).collect();
        if results.len() == events.len() {
            return Ok(results);
        }
        let (put, responded) = (events.len(), results.len());
        let problem = format!("it is about {responded} events, and the call was about {put}");
        Err(CallError::malformed_response(operation, problem))
    }

    fn entry(&self, event: &OutgoingEvent) -> PutEventsRequestEntry {
        PutEventsRequestEntry::builder()
            .event_bus_name(&self.name)
            .source(SOURCE_OF_STACK)
            .detail_type(event.detail_type)
            .time(DateTime::from_millis(event.time.as_millis()))
            .detail(&event.detail)
            .build()
    }
}

fn result(entry: &PutEventsResultEntry) -> Result<(), Refused> {
    match entry.error_code() {
        None => Ok(()),
        Some(code) => Err(Refused {
            code: code.to_owned(),
            message: entry.error_message().unwrap_or_default().to_owned(),
        }),
    }
}
