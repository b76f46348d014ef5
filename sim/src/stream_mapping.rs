//! Lambda's mapping from the stream of a table to a function, with the filters and limits of its
//! properties in a template. <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::event_pattern::matches;
use crate::simulated_aws::SimulatedAws;
use crate::state_machine::Failure;

/// Lambda does not document its pauses. They double up to this one.
const PAUSE_MAX: Duration = Duration::from_mins(1);

/// The mapping, with its position in the stream.
#[derive(Debug)]
pub struct StreamMapping {
    filters: Vec<Value>,
    batch_len: usize,
    /// After this time, a record is given up.
    pub record_age_max: Duration,
    /// The sequence number of the last record that is done.
    position: Option<String>,
    /// Delivers each batch again after it has succeeded, as Lambda may.
    pub repeats: bool,
    /// The sequence numbers of the records that were given up.
    pub given_up: Vec<String>,
}

impl StreamMapping {
    /// A mapping with these properties, as the template renders them, at the start of the stream.
    ///
    /// # Panics
    /// If the properties lack a limit, or have a filter that is no JSON.
    pub fn new(properties: &Value) -> Self {
        let number = |name: &str| {
            let number = properties[name].as_u64();
            number.unwrap_or_else(|| panic!("the mapping has no {name}"))
        };
        let filters = properties["FilterCriteria"]["Filters"].as_array();
        Self {
            filters: filters.into_iter().flatten().map(pattern).collect(),
            batch_len: usize::try_from(number("BatchSize")).unwrap_or(usize::MAX),
            record_age_max: Duration::from_secs(number("MaximumRecordAgeInSeconds")),
            position: None,
            repeats: false,
            given_up: Vec::new(),
        }
    }

    /// Whether the filters admit a record. A mapping without filters admits each one.
    pub fn admits(&self, record: &Value) -> bool {
        // A filter sees only this member.
        let seen = json!({ "dynamodb": record["dynamodb"] });
        let mut filters = self.filters.iter();
        self.filters.is_empty() || filters.any(|pattern| matches(pattern, &seen))
    }

    /// Delivers all records that are in the stream of this table, in order.
    ///
    /// # Panics
    /// If the table has no stream.
    pub async fn deliver(
        &mut self,
        aws: &SimulatedAws,
        table: &str,
        invoke: impl AsyncFn(Value) -> Result<Value, Failure>,
    ) {
        loop {
            let records = aws.stream_records(table, self.position.as_deref(), self.batch_len);
            let Some(last) = records.last() else {
                return;
            };
            let last = sequence_number(last).to_owned();
            let admitted = records.into_iter().filter(|record| self.admits(record));
            self.deliver_batch(aws, &invoke, admitted.collect()).await;
            self.position = Some(last);
        }
    }

    /// Delivers these records until each was taken or given up.
    async fn deliver_batch(
        &mut self,
        aws: &SimulatedAws,
        invoke: &impl AsyncFn(Value) -> Result<Value, Failure>,
        mut records: Vec<Value>,
    ) {
        let mut pause = Duration::from_secs(1);
        // After an error of the function, Lambda bisects the batch.
        let mut len = records.len();
        loop {
            let now = aws.now();
            let age = |record: &Value| now.duration_since(created_at(record)).unwrap_or_default();
            let (expired, left): (Vec<_>, _) = records
                .into_iter()
                .partition(|record| age(record) > self.record_age_max);
            let given_up = expired
                .iter()
                .map(|record| sequence_number(record).to_owned());
            self.given_up.extend(given_up);
            records = left;
            if records.is_empty() {
                return;
            }
            let batch = &records[..len.min(records.len())];
            match invoke(json!({ "Records": batch })).await {
                Ok(response) => {
                    let failed = response["batchItemFailures"][0]["itemIdentifier"].as_str();
                    if failed.is_none() && self.repeats {
                        let again = invoke(json!({ "Records": batch })).await;
                        assert!(again.is_ok(), "{again:?}");
                    }
                    let is_failed = |record: &Value| Some(sequence_number(record)) == failed;
                    let first_failed = batch.iter().position(is_failed);
                    let done = first_failed.unwrap_or(batch.len());
                    records.drain(..done);
                    len = records.len();
                    if first_failed.is_none() {
                        continue;
                    }
                }
                Err(_) => len = (batch.len() / 2).max(1),
            }
            sleep(pause).await;
            pause = (2 * pause).min(PAUSE_MAX);
        }
    }
}

fn pattern(filter: &Value) -> Value {
    let pattern = filter["Pattern"].as_str().map(serde_json::from_str);
    match pattern {
        Some(Ok(pattern)) => pattern,
        _ => panic!("the mapping has a filter whose pattern is no JSON: {filter}"),
    }
}

fn sequence_number(record: &Value) -> &str {
    let number = record["dynamodb"]["SequenceNumber"].as_str();
    number.expect("each record of a stream has a number")
}

fn created_at(record: &Value) -> SystemTime {
    let at = record["dynamodb"]["ApproximateCreationDateTime"].as_f64();
    UNIX_EPOCH + Duration::from_secs_f64(at.expect("each record of a stream has a time"))
}
