//! EventBridge, as far as a caller of `PutEvents` sees it. Rules do not run: the events stay on
//! their bus, where tests read them.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use crate::rng::Rng;
use crate::wire::{JsonRequest, Response};

const JSON: &str = "application/x-amz-json-1.1";
/// What the `x-amz-target` header of EventBridge clients starts with.
const TARGET_PREFIX: &str = "AWSEvents.";
const ENTRIES_MAX: usize = 10;
/// In bytes.
const SIZE_MAX: usize = 256 * 1024;

/// An event on a bus.
#[derive(Clone, Debug, PartialEq)]
pub struct BusEvent {
    pub id: String,
    /// The name of the bus.
    pub bus: String,
    pub source: String,
    pub detail_type: String,
    pub detail: Value,
    /// The time that the caller gave, or else when it was put.
    pub time: SystemTime,
    pub put_at: SystemTime,
}

/// All buses and their events.
pub(crate) struct EventBridge {
    buses: BTreeSet<String>,
    /// In the order in which they were put.
    events: Vec<BusEvent>,
    refused_share: f64,
}

/// An error's code and message.
type EventBridgeError = (&'static str, String);

impl EventBridge {
    /// Has the bus `default`, as each account.
    pub(crate) fn new(refused_share: f64) -> Self {
        Self {
            buses: BTreeSet::from(["default".to_owned()]),
            events: Vec::new(),
            refused_share,
        }
    }

    pub(crate) fn create_bus(&mut self, name: &str) {
        self.buses.insert(name.to_owned());
    }

    pub(crate) fn events(&self) -> &[BusEvent] {
        &self.events
    }

    /// Responds to one request at `now`.
    pub(crate) fn respond(
        &mut self,
        now: SystemTime,
        request: &JsonRequest,
        rng: &mut Rng,
    ) -> Response {
        let result = match request.operation.as_str() {
            "PutEvents" => self.put_events(now, &request.body, rng),
            operation => Err((
                "UnknownOperationException",
                format!("{operation} is not simulated"),
            )),
        };
        match result {
            Ok(body) => Response::ok(JSON, body),
            Err((code, message)) => error(400, Some(code), &message),
        }
    }

    fn put_events(
        &mut self,
        now: SystemTime,
        body: &Value,
        rng: &mut Rng,
    ) -> Result<Value, EventBridgeError> {
        let entries = body["Entries"].as_array().map_or(&[][..], Vec::as_slice);
        if !(1..=ENTRIES_MAX).contains(&entries.len()) {
            let message = format!("1 to {ENTRIES_MAX} entries, not {}", entries.len());
            return Err(("ValidationException", message));
        }
        let size: usize = entries.iter().map(size).sum();
        if size > SIZE_MAX {
            let message =
                format!("Total size of the entries in the request is over the limit: {size}");
            return Err(("ValidationException", message));
        }
        let mut failed = 0;
        let results: Vec<_> = entries
            .iter()
            .map(|entry| match self.put(now, entry, rng) {
                Ok(id) => json!({ "EventId": id }),
                Err((code, message)) => {
                    failed += 1;
                    json!({ "ErrorCode": code, "ErrorMessage": message })
                }
            })
            .collect();
        Ok(json!({ "FailedEntryCount": failed, "Entries": results }))
    }

    /// Puts one event, and returns its ID.
    fn put(
        &mut self,
        now: SystemTime,
        entry: &Value,
        rng: &mut Rng,
    ) -> Result<String, EventBridgeError> {
        let text = |member: &str| {
            let text = entry[member].as_str().filter(|text| !text.is_empty());
            text.map(str::to_owned).ok_or_else(|| {
                let message = format!(
                    "Parameter {member} is not valid. Reason: {member} is a required argument."
                );
                ("InvalidArgument", message)
            })
        };
        let (source, detail_type, detail) = (text("Source")?, text("DetailType")?, text("Detail")?);
        let bus = entry["EventBusName"].as_str().unwrap_or("default");
        let bus = bus.rsplit('/').next().unwrap_or(bus).to_owned();
        if !self.buses.contains(&bus) {
            let message = format!("Event bus {bus} does not exist.");
            return Err(("ResourceNotFoundException", message));
        }
        let detail = serde_json::from_str(&detail).ok().filter(Value::is_object);
        let Some(detail) = detail else {
            return Err(("MalformedDetail", "Detail is malformed.".to_owned()));
        };
        if rng.happens(self.refused_share) {
            return Err(("ThrottlingException", "Rate exceeded".to_owned()));
        }
        let given = entry["Time"].as_f64().map(from_epoch_secs);
        let event = BusEvent {
            id: rng.uuid(),
            bus,
            source,
            detail_type,
            detail,
            time: given.unwrap_or(now),
            put_at: now,
        };
        let id = event.id.clone();
        self.events.push(event);
        Ok(id)
    }
}

/// The time of so many seconds since the Unix epoch. A float is not exact to the nanosecond, so it
/// is rounded to the millisecond.
fn from_epoch_secs(secs: f64) -> SystemTime {
    let rounded = Duration::from_secs_f64(secs) + Duration::from_micros(500);
    UNIX_EPOCH + Duration::from_millis(u64::try_from(rounded.as_millis()).unwrap_or(u64::MAX))
}

/// The size of an entry, as the user guide counts it.
fn size(entry: &Value) -> usize {
    let text = |member: &str| entry[member].as_str().map_or(0, str::len);
    let time = if entry["Time"].is_null() { 0 } else { 14 };
    time + text("Source") + text("DetailType") + text("Detail")
}

/// The operation that an `x-amz-target` header names; none if it is not one of EventBridge.
pub(crate) fn operation(target: &str) -> Option<&str> {
    target.strip_prefix(TARGET_PREFIX)
}

/// What the request is about: the buses of its entries, joined with `+`.
pub(crate) fn subject(request: &JsonRequest) -> String {
    let entries = request.body["Entries"].as_array().into_iter().flatten();
    let buses: BTreeSet<_> = entries
        .map(|entry| entry["EventBusName"].as_str().unwrap_or("default"))
        .collect();
    buses.into_iter().collect::<Vec<_>>().join("+")
}

/// The throttling error.
pub(crate) fn throttled() -> Response {
    error(400, Some("ThrottlingException"), "Rate exceeded").rejected()
}

/// An error that a hook injects. Without a code, the one for a 5xx status.
pub(crate) fn injected(status: u16, code: Option<&str>, message: &str) -> Response {
    error(status, code.or(Some("InternalFailure")), message).rejected()
}

fn error(status: u16, code: Option<&str>, message: &str) -> Response {
    let mut members = Map::new();
    if let Some(code) = code {
        members.insert("__type".to_owned(), json!(code));
        members.insert("message".to_owned(), json!(message));
    }
    Response::error(JSON, status, code, members)
}
