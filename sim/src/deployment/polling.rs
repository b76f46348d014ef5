//! Lambda's pollers: they read queues and streams, and invoke the functions with what is there.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::spawn_local;
use tokio::time::sleep;

use crate::clock::{rfc3339_millis, since_epoch};
use crate::deployment::functions::Functions;
use crate::deployment::runner::Runner;
use crate::sqs::Message;
use crate::stream_mapping::StreamMapping;

impl<F: Functions> Runner<F> {
    /// Receives messages of a queue, and invokes the function with each batch.
    pub(super) async fn poll_queue(self: Rc<Self>, index: usize) {
        let source = &self.stack.queue_sources[index];
        let in_flight = Arc::new(Semaphore::new(source.concurrency));
        loop {
            let Ok(permit) = Arc::clone(&in_flight).acquire_owned().await else {
                return;
            };
            let batch = self.stack.receive(&source.queue_arn, source.batch_len);
            if batch.is_empty() {
                drop(permit);
                sleep(self.stack.pace.poll).await;
                continue;
            }
            let runner = Rc::clone(&self);
            spawn_local(async move {
                runner.follow(index, batch).await;
                drop(permit);
            });
        }
    }

    /// Invokes the function with a batch, and deletes the messages that did not fail. The others
    /// are received again when their visibility timeout is over.
    async fn follow(&self, index: usize, batch: Vec<Message>) {
        let source = &self.stack.queue_sources[index];
        let region = &self.stack.rendered.stack().region;
        let records: Vec<_> = batch
            .iter()
            .map(|message| record(message, &source.queue_arn, region))
            .collect();
        let result = self
            .invoke(&source.function, json!({ "Records": records }))
            .await;
        let Ok(response) = result else {
            return;
        };
        let failures = response["batchItemFailures"].as_array();
        let failures = failures.filter(|_| source.reports_failures);
        let is_failed = |message: &Message| {
            let failures = failures.into_iter().flatten();
            let mut ids = failures.map(|failure| &failure["itemIdentifier"]);
            ids.any(|id| *id == message.id)
        };
        for message in batch.iter().filter(|message| !is_failed(message)) {
            self.stack.delete(&source.queue_arn, message);
        }
    }

    /// Passes the records of a stream to the function.
    pub(super) async fn poll_stream(self: Rc<Self>, index: usize) {
        let source = &self.stack.stream_sources[index];
        let (aws, function) = (&self.stack.aws, source.function.as_str());
        let mut mapping = StreamMapping::new(&source.properties);
        loop {
            let invoke = async |payload: Value| {
                let now = aws.now();
                let age_ms = age(&payload, now).as_secs_f64() * 1_000.0;
                self.record_of_function(function, "IteratorAge", age_ms, now);
                self.invoke(function, payload).await
            };
            mapping.deliver(aws, source.table(), invoke).await;
            self.send_given_up(index, &mut mapping);
            sleep(self.stack.pace.poll).await;
        }
    }

    /// Sends the positions of the records that were given up to the destination of the mapping.
    fn send_given_up(&self, index: usize, mapping: &mut StreamMapping) {
        let source = &self.stack.stream_sources[index];
        let given_up = std::mem::take(&mut mapping.given_up);
        let destination = &source.properties["DestinationConfig"]["OnFailure"]["Destination"];
        let (Some(first), Some(last), Some(queue)) =
            (given_up.first(), given_up.last(), destination.as_str())
        else {
            return;
        };
        let message = json!({
            "requestContext": {
                "requestId": self.draw_id(),
                "functionArn": self.stack.rendered.arn(&source.function),
                "condition": "RecordAgeExceeded",
                "approximateInvokeCount": 1,
            },
            "version": "1.0",
            "timestamp": rfc3339_millis(self.stack.aws.now()),
            "DDBStreamBatchInfo": {
                "shardId": "shardId-00000000000000000001-00000001",
                "startSequenceNumber": first,
                "endSequenceNumber": last,
                "batchSize": given_up.len(),
                "streamArn": source.stream_arn,
            },
        });
        self.stack.send(queue, &message.to_string());
    }
}

/// The age of the last record of a batch.
fn age(payload: &Value, now: SystemTime) -> Duration {
    let records = payload["Records"].as_array();
    let last = records.and_then(|records| records.last());
    let at = last.and_then(|last| last["dynamodb"]["ApproximateCreationDateTime"].as_f64());
    let at = Duration::from_secs_f64(at.unwrap_or_default());
    since_epoch(now).saturating_sub(at)
}

/// A message as a function sees it.
fn record(message: &Message, queue_arn: &str, region: &str) -> Value {
    let millis = |time: SystemTime| since_epoch(time).as_millis().to_string();
    json!({
        "messageId": message.id,
        "receiptHandle": message.receipt,
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": message.receive_count.to_string(),
            "SentTimestamp": millis(message.sent_at),
            "ApproximateFirstReceiveTimestamp": message.first_received_at.map(millis),
        },
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": region,
    })
}
