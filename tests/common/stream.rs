//! Lambda's mapping from the stream of the ledger to the publisher, with the filters and limits of
//! the template. <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rerole::publisher::handler::PublisherHandler;
use rerole_sim::SimulatedAws;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::common::environment::LEDGER;
use crate::common::template::properties;

/// Lambda does not document its pauses. They double up to this one.
const PAUSE_MAX: Duration = Duration::from_mins(1);

/// The mapping, with its position in the stream.
#[derive(Debug)]
pub struct Mapping {
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

impl Mapping {
    /// The mapping of a stack that publishes what happens to rotations.
    pub fn new() -> Self {
        let mapping = template();
        let mut filters = mapping["FilterCriteria"]["Filters"]
            .as_array()
            .unwrap()
            .iter();
        let number = |name: &str| mapping[name].as_u64().unwrap();
        Self {
            filters: vec![pattern(filters.next().unwrap())],
            batch_len: usize::try_from(number("BatchSize")).unwrap(),
            record_age_max: Duration::from_secs(number("MaximumRecordAgeInSeconds")),
            position: None,
            repeats: false,
            given_up: Vec::new(),
        }
    }

    /// The mapping of a stack with `PublishAssociationEvents`.
    pub fn with_associations() -> Self {
        let filters = &template()["FilterCriteria"]["Filters"];
        let mut mapping = Self::new();
        mapping.filters.push(pattern(&filters[1]["Fn::If"][1]));
        mapping
    }

    /// Whether the filters admit a record.
    pub fn admits(&self, record: &Value) -> bool {
        // A filter sees only this member.
        let seen = json!({ "dynamodb": record["dynamodb"] });
        let mut filters = self.filters.iter();
        filters.any(|pattern| matches(pattern, &seen))
    }

    /// Delivers all records that are in the stream, in order.
    pub async fn deliver(&mut self, aws: &SimulatedAws, publisher: &PublisherHandler) {
        loop {
            let records = aws.stream_records(LEDGER, self.position.as_deref(), self.batch_len);
            let Some(last) = records.last() else {
                return;
            };
            let last = sequence_number(last).to_owned();
            let admitted = records.into_iter().filter(|record| self.admits(record));
            self.deliver_batch(aws, publisher, admitted.collect()).await;
            self.position = Some(last);
        }
    }

    /// Delivers these records until each was taken or given up.
    async fn deliver_batch(
        &mut self,
        aws: &SimulatedAws,
        publisher: &PublisherHandler,
        mut records: Vec<Value>,
    ) {
        let mut pause = Duration::from_secs(1);
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
            match publisher.handle(json!({ "Records": records })).await {
                Ok(response) => {
                    let failed = response.batch_item_failures.first();
                    let Some(failed) = failed.and_then(|failed| failed.item_identifier.as_deref())
                    else {
                        if self.repeats {
                            let again = publisher.handle(json!({ "Records": records })).await;
                            assert!(again.is_ok(), "{again:?}");
                        }
                        return;
                    };
                    let is_failed = |record: &Value| sequence_number(record) == failed;
                    let first = records.iter().position(is_failed).unwrap();
                    records.drain(..first);
                }
                Err(error) => panic!("the publisher failed: {error}"),
            }
            sleep(pause).await;
            pause = (2 * pause).min(PAUSE_MAX);
        }
    }
}

/// Whether an event matches a pattern of EventBridge, as far as the stack and the manual use them:
/// equality and `prefix`.
pub fn matches(pattern: &Value, event: &Value) -> bool {
    match pattern {
        Value::Object(members) => {
            let mut members = members.iter();
            members.all(|(name, pattern)| matches(pattern, &event[name]))
        }
        Value::Array(alternatives) => alternatives.iter().any(|alternative| {
            if let Some(prefix) = alternative["prefix"].as_str() {
                return event.as_str().is_some_and(|text| text.starts_with(prefix));
            }
            assert!(!alternative.is_object(), "unknown pattern {alternative}");
            alternative == event
        }),
        other => panic!("{other} is no pattern"),
    }
}

/// The properties of the mapping in the template.
pub fn template() -> &'static Value {
    &properties("PublisherFunction")["Events"]["LedgerChanged"]["Properties"]
}

fn pattern(filter: &Value) -> Value {
    serde_json::from_str(filter["Pattern"].as_str().unwrap()).unwrap()
}

fn sequence_number(record: &Value) -> &str {
    record["dynamodb"]["SequenceNumber"].as_str().unwrap()
}

fn created_at(record: &Value) -> SystemTime {
    let at = record["dynamodb"]["ApproximateCreationDateTime"].as_f64();
    UNIX_EPOCH + Duration::from_secs_f64(at.unwrap())
}
