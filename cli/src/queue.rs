//! The queues of the stack, and how many messages are in them.

use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use clap::ValueEnum;
use rerole::aws::call_error::call_error;
use rerole_core::call::{CallError, Operation};
use serde::Serialize;

use crate::failure::Failure;
use crate::stack::{Name, Stack};

/// A queue of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Queue {
    /// Events that a function failed three times
    OnFailure,
    /// Events that `EventBridge` could not deliver
    Undelivered,
    /// Changes in EKS that the indexer could not process
    IndexerDeadLetter,
    /// Changes in EKS that the indexer has yet to process
    Indexer,
}

/// How many messages are in a queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Messages that can be received.
    pub waiting: u64,
    /// Messages that a consumer has received and not deleted yet.
    pub in_flight: u64,
}

impl Queue {
    pub const ALL: [Self; 4] = [
        Self::OnFailure,
        Self::Undelivered,
        Self::IndexerDeadLetter,
        Self::Indexer,
    ];
    /// The queues of what failed.
    pub const OF_FAILURES: [Self; 3] =
        [Self::OnFailure, Self::Undelivered, Self::IndexerDeadLetter];

    /// The name that the command line has for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::OnFailure => "on-failure",
            Self::Undelivered => "undelivered",
            Self::IndexerDeadLetter => "indexer-dead-letter",
            Self::Indexer => "indexer",
        }
    }

    /// What a message in it means.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::OnFailure => "events that a function failed three times",
            Self::Undelivered => "events that EventBridge could not deliver",
            Self::IndexerDeadLetter => "changes in EKS that the indexer could not process",
            Self::Indexer => "changes in EKS that the indexer has yet to process",
        }
    }

    /// Returns its URL.
    ///
    /// # Errors
    /// If the stack does not say.
    pub fn url(self, stack: &Stack) -> Result<String, Failure> {
        let output = match self {
            Self::OnFailure => Name::OnFailureQueueUrl,
            Self::Undelivered => Name::UndeliveredQueueUrl,
            Self::IndexerDeadLetter => Name::IndexerDeadLetterQueueUrl,
            Self::Indexer => Name::IndexerQueueUrl,
        };
        Ok(stack.output(output)?)
    }

    /// Counts its messages. SQS's numbers are approximate.
    ///
    /// # Errors
    /// If the caller may not, or there is no such queue.
    pub async fn count(self, stack: &Stack) -> Result<Numbers, Failure> {
        let waiting = QueueAttributeName::ApproximateNumberOfMessages;
        let in_flight = QueueAttributeName::ApproximateNumberOfMessagesNotVisible;
        let subject = format!("{} (sqs:GetQueueAttributes)", self.name());
        let operation = Operation::on("look at queue", &subject);
        let client = aws_sdk_sqs::Client::new(&stack.sdk);
        let get = client.get_queue_attributes().queue_url(self.url(stack)?);
        let get = get
            .attribute_names(waiting.clone())
            .attribute_names(in_flight.clone());
        let attributes = get
            .send()
            .await
            .map_err(|error| call_error(operation, &error))?;
        let attributes = attributes.attributes.unwrap_or_default();
        let number = |name: &QueueAttributeName| {
            let text = attributes.get(name);
            text.and_then(|text| text.parse().ok()).unwrap_or_default()
        };
        Ok(Numbers {
            waiting: number(&waiting),
            in_flight: number(&in_flight),
        })
    }

    /// How old its oldest message is, from the metric of SQS. `None` if there is no recent value,
    /// or the caller may not see it.
    pub async fn oldest_age(self, stack: &Stack) -> Option<Duration> {
        use aws_sdk_cloudwatch::primitives::DateTime;
        use aws_sdk_cloudwatch::types::{Dimension, Statistic};
        // SQS sends the metric every minute, and late.
        const WINDOW_SECS: i64 = 600;
        let url = self.url(stack).ok()?;
        let name = url.rsplit('/').next()?.to_owned();
        let now = stack.aws.now().as_millis() / 1_000;
        let dimension = Dimension::builder().name("QueueName").value(name).build();
        let client = aws_sdk_cloudwatch::Client::new(&stack.sdk);
        let get = client
            .get_metric_statistics()
            .namespace("AWS/SQS")
            .metric_name("ApproximateAgeOfOldestMessage")
            .dimensions(dimension)
            .start_time(DateTime::from_secs(now - WINDOW_SECS))
            .end_time(DateTime::from_secs(now))
            .period(60)
            .statistics(Statistic::Maximum);
        let points = get.send().await.ok()?.datapoints.unwrap_or_default();
        let last = points
            .into_iter()
            .max_by_key(|point| point.timestamp.map(|at| at.secs()))?;
        Duration::try_from_secs_f64(last.maximum?).ok()
    }

    /// Returns its ARN.
    ///
    /// # Errors
    /// As [`Self::count`].
    pub async fn arn(self, stack: &Stack) -> Result<String, Failure> {
        let name = QueueAttributeName::QueueArn;
        let subject = format!("{} (sqs:GetQueueAttributes)", self.name());
        let operation = Operation::on("look at queue", &subject);
        let client = aws_sdk_sqs::Client::new(&stack.sdk);
        let get = client.get_queue_attributes().queue_url(self.url(stack)?);
        let attributes = get.attribute_names(name.clone()).send().await;
        let attributes = attributes.map_err(|error| call_error(operation, &error))?;
        let arn = attributes.attributes.unwrap_or_default().remove(&name);
        arn.ok_or_else(|| {
            CallError::malformed_item(operation, "the response has no ARN".to_owned()).into()
        })
    }
}
