//! Lambda's mappings of event sources: from a queue, and from the stream of a table, to a function.

use serde_json::{Value, json};

use crate::deployment::events::{FunctionEvent, events_of_functions};
use crate::template::Rendered;

/// How many messages a batch has if the template does not say.
const BATCH_LEN: u64 = 10;
/// How many batches of a queue are in flight if the template does not say.
const CONCURRENCY: u64 = 5;

/// A mapping from a queue to a function.
#[derive(Debug)]
pub(super) struct QueueSource {
    pub(super) function: String,
    pub(super) queue_arn: String,
    pub(super) batch_len: usize,
    pub(super) concurrency: usize,
    /// Whether the response names the messages that failed.
    pub(super) reports_failures: bool,
}

/// A mapping from the stream of a table to a function.
#[derive(Debug)]
pub(super) struct StreamSource {
    pub(super) function: String,
    pub(super) stream_arn: String,
    pub(super) properties: Value,
}

/// The mappings from queues.
pub(super) fn queue_sources(rendered: &Rendered) -> Vec<QueueSource> {
    let events = events_of_functions(rendered, "SQS").into_iter();
    let source = |event: FunctionEvent| {
        let properties = &event.properties;
        let number = |value: &Value, default: u64| {
            usize::try_from(value.as_u64().unwrap_or(default)).unwrap_or(usize::MAX)
        };
        let types = properties["FunctionResponseTypes"].as_array();
        QueueSource {
            queue_arn: text(&properties["Queue"]),
            batch_len: number(&properties["BatchSize"], BATCH_LEN),
            concurrency: number(
                &properties["ScalingConfig"]["MaximumConcurrency"],
                CONCURRENCY,
            ),
            reports_failures: types
                .is_some_and(|types| types.contains(&json!("ReportBatchItemFailures"))),
            function: event.function,
        }
    };
    events.map(source).collect()
}

/// The mappings from streams.
pub(super) fn stream_sources(rendered: &Rendered) -> Vec<StreamSource> {
    let events = events_of_functions(rendered, "DynamoDB").into_iter();
    let source = |event: FunctionEvent| StreamSource {
        stream_arn: text(&event.properties["Stream"]),
        function: event.function,
        properties: event.properties,
    };
    events.map(source).collect()
}

impl StreamSource {
    /// The name of the table.
    pub(super) fn table(&self) -> &str {
        let after = self.stream_arn.split_once(":table/").map(|(_, rest)| rest);
        after
            .and_then(|rest| rest.split('/').next())
            .unwrap_or_default()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
