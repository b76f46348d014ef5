//! The log of all calls, their counts, and the hash of the trace.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::Value;

use crate::call::{Call, CallRecord, Service};
use crate::clock::VirtualClock;
use crate::hash::fnv_1a;
use crate::options::Options;

/// Every call since the last `clear`, in order of arrival.
pub(crate) struct CallLog {
    keeps_records: bool,
    /// The only service whose calls are kept, if there is one.
    only: Option<Service>,
    /// How often the log was cleared.
    generation: u64,
    arrived: usize,
    records: Vec<CallRecord>,
    counts: BTreeMap<(Service, String), usize>,
}

/// Identifies the record of a call until the log is cleared.
#[derive(Clone, Copy)]
pub(crate) struct RecordId {
    generation: u64,
    /// Its position in the log. None if it is not kept.
    position: Option<usize>,
}

impl CallLog {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            keeps_records: options.keep_log,
            only: options.log_only,
            generation: 0,
            arrived: 0,
            records: Vec::new(),
            counts: BTreeMap::new(),
        }
    }

    /// Adds a call that has arrived, and sets its index.
    pub(crate) fn append(&mut self, call: &mut Call, sent_at: SystemTime) -> RecordId {
        call.index = self.arrived;
        self.arrived += 1;
        *self
            .counts
            .entry((call.service, call.operation.clone()))
            .or_default() += 1;
        let is_kept = self.keeps_records && self.only.is_none_or(|only| only == call.service);
        let position = is_kept.then_some(self.records.len());
        if is_kept {
            self.records.push(CallRecord {
                call: call.clone(),
                sent_at,
                applied_at: None,
                received_at: None,
                status: None,
                error_code: None,
                response: Arc::new(Value::Null),
                replayed: false,
            });
        }
        RecordId {
            generation: self.generation,
            position,
        }
    }

    /// The record to complete; none if records are not kept, or the log was cleared while the call
    /// was in flight.
    pub(crate) fn record_mut(&mut self, id: RecordId) -> Option<&mut CallRecord> {
        let position = id.position.filter(|_| id.generation == self.generation);
        self.records.get_mut(position?)
    }

    pub(crate) fn records(&self) -> &[CallRecord] {
        &self.records
    }

    pub(crate) fn counts(&self) -> &BTreeMap<(Service, String), usize> {
        &self.counts
    }

    pub(crate) fn clear(&mut self) {
        self.generation += 1;
        self.arrived = 0;
        self.records.clear();
        self.counts.clear();
    }

    /// The hash of all records, with times relative to the start of `clock`.
    pub(crate) fn trace_hash(&self, clock: &VirtualClock) -> u64 {
        let lines = self.records.iter().map(|record| trace_line(record, clock));
        fnv_1a(lines.flat_map(String::into_bytes))
    }
}

fn trace_line(record: &CallRecord, clock: &VirtualClock) -> String {
    let call = &record.call;
    let at = |time: Option<SystemTime>| time.map(|time| clock.since_start(time).as_nanos());
    // The SDK draws DynamoDB's tokens at random.
    let token = call
        .token
        .as_deref()
        .filter(|_| call.service == Service::Eks);
    format!(
        "{:?} {} {} {token:?} {:?} {:?} {:?} {:?} {:?}\n",
        call.service,
        call.operation,
        call.subject,
        at(Some(record.sent_at)),
        at(record.applied_at),
        at(record.received_at),
        record.status,
        record.error_code,
    )
}
