//! The handler of the `publisher` function: a batch of the stream's records in, and the record from
//! which Lambda has to deliver again out.

use aws_lambda_events::event::dynamodb::Event;
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use aws_sdk_eventbridge::config::SharedHttpClient;
use aws_smithy_async::time::SharedTimeSource;
use lambda_runtime::{Diagnostic, LambdaEvent};
use rerole_core::publishing::{OutgoingEvent, batches};
use rerole_core::timestamp::Timestamp;
use serde_json::Value;
use tracing::{Instrument, error, error_span, info, warn};

use crate::aws::event_bus::EventBus;
use crate::lambda::diagnostic::diagnostic;
use crate::lambda::metrics::{Metrics, PublishMetrics};
use crate::publisher::records::Batch;
use crate::settings::PublisherSettings;

/// Why an invocation fails.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr)]
pub enum PublisherError {
    #[error("the payload is no batch of a DynamoDB stream: {0}")]
    InvalidPayload(#[from] serde_json::Error),
}

impl From<PublisherError> for Diagnostic {
    fn from(error: PublisherError) -> Self {
        diagnostic(&error)
    }
}

/// The `publisher` function: its client, made once and used for every batch.
#[derive(Debug)]
pub struct PublisherHandler {
    bus: EventBus,
    metrics: Metrics,
    clock: SharedTimeSource,
}

impl PublisherHandler {
    /// Makes the client, without any call. The caller passes HTTP client, clock and metrics, so a
    /// test can simulate them.
    #[must_use]
    pub fn new(
        settings: &PublisherSettings,
        http_client: SharedHttpClient,
        clock: SharedTimeSource,
        metrics: Metrics,
    ) -> Self {
        Self {
            bus: EventBus::new(settings, http_client, clock.clone()),
            metrics,
            clock,
        }
    }

    /// Handles a batch as the Lambda runtime delivers it.
    ///
    /// # Errors
    /// If the payload is no batch of a DynamoDB stream.
    pub async fn invoke(
        &self,
        event: LambdaEvent<Value>,
    ) -> Result<DynamoDbEventResponse, PublisherError> {
        let span = error_span!("batch", requestId = event.context.request_id);
        self.handle(event.payload).instrument(span).await
    }

    /// Publishes a batch. If an event cannot be put, the response names the first such record, and
    /// Lambda delivers the batch again from there. So the records of a rotation are published in
    /// order, and none is left out.
    ///
    /// # Errors
    /// If the payload is no batch of a DynamoDB stream.
    pub async fn handle(&self, payload: Value) -> Result<DynamoDbEventResponse, PublisherError> {
        let event = serde_json::from_value::<Event>(payload)
            .map_err(PublisherError::from)
            .inspect_err(|error| warn!(%error, "invocation failed"))?;
        let batch = Batch::of(event);
        let published = self.publish(&batch.events).await;
        let now = Timestamp::from(self.clock.now());
        self.metrics.published(
            now,
            &PublishMetrics {
                published: published as u64,
                unpublishable: batch.unpublishable,
            },
        );
        info!(published, records = batch.events.len(), "batch published");
        let mut response = DynamoDbEventResponse::default();
        if let Some(sequence_number) = batch.sequence_numbers.get(published) {
            let mut failure = DynamoDbBatchItemFailure::default();
            failure.item_identifier = Some(sequence_number.clone());
            response.batch_item_failures.push(failure);
        }
        Ok(response)
    }

    /// Puts the events in order, until one fails. Returns how many were put before it.
    async fn publish(&self, events: &[OutgoingEvent]) -> usize {
        for batch in batches(events) {
            let first = batch.start;
            match self.bus.put(&events[batch]).await {
                Ok(results) => {
                    let refused = results.into_iter().enumerate();
                    let refused = refused.filter_map(|(at, result)| Some((at, result.err()?)));
                    if let Some((at, problem)) = refused.min_by_key(|(at, _)| *at) {
                        error!(%problem, "event refused");
                        return first + at;
                    }
                }
                Err(problem) => {
                    error!(%problem, "events not put");
                    return first;
                }
            }
        }
        events.len()
    }
}
