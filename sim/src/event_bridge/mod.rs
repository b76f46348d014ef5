//! EventBridge, as far as a caller of `PutEvents` and a reader of buses and rules sees it. Rules do
//! not run: the events stay on their bus, where tests read them, and listeners hear of them.
//!
//! A bus exists in every account and region; rules belong to one.

mod bus_event;
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

pub use bus_event::BusEvent;
pub(crate) use rules::Rules;
pub use rules::{Rule, RuleTarget, RuleTrigger};

use crate::protocol::{ApiError, ApiRequest};
use crate::regional::Regional;
use crate::rng::Rng;

const ENTRIES_MAX: usize = 10;
/// In bytes.
const SIZE_MAX: usize = 256 * 1024;

/// All buses and their events.
pub(crate) struct EventBridge {
    /// The buses, and the resource policies of those that have one.
    buses: BTreeMap<String, Option<String>>,
    pub(crate) rules: Regional<Rules>,
    /// In the order in which they were put.
    events: Vec<BusEvent>,
    /// How many of the events `take_new` has returned.
    taken: usize,
    refused_share: f64,
}

impl EventBridge {
    /// Has the bus `default`, as each account.
    pub(crate) fn new(refused_share: f64) -> Self {
        Self {
            buses: BTreeMap::from([("default".to_owned(), None)]),
            rules: Regional::default(),
            events: Vec::new(),
            taken: 0,
            refused_share,
        }
    }

    pub(crate) fn create_bus(&mut self, name: &str) {
        self.buses.entry(name.to_owned()).or_default();
    }

    /// Sets the resource policy of a bus.
    ///
    /// # Panics
    /// If the bus does not exist.
    pub(crate) fn set_policy(&mut self, bus: &str, policy: &Value) {
        let state = self.buses.get_mut(bus);
        let state = state.unwrap_or_else(|| panic!("a test sets buses that exist, not {bus}"));
        *state = Some(policy.to_string());
    }

    pub(crate) fn events(&self) -> &[BusEvent] {
        &self.events
    }

    /// The events that were put since the last call.
    pub(crate) fn take_new(&mut self) -> Vec<BusEvent> {
        let new = self.events[self.taken..].to_vec();
        self.taken = self.events.len();
        new
    }

    /// Responds to one request at `now`.
    pub(crate) fn respond(
        &mut self,
        now: SystemTime,
        request: &ApiRequest,
        rng: &mut Rng,
    ) -> Result<Value, ApiError> {
        match request.operation.as_str() {
            "PutEvents" => self.put_events(now, request, rng),
            "DescribeEventBus" => self.describe_bus(request),
            "ListRules" => {
                let bus = self.bus(request)?;
                self.rules.of(request.scope()).list(request, &bus)
            }
            "DescribeRule" => {
                let bus = self.bus(request)?;
                self.rules.of(request.scope()).describe(request, &bus)
            }
            "ListTargetsByRule" => {
                let bus = self.bus(request)?;
                self.rules.of(request.scope()).list_targets(request, &bus)
            }
            operation => Err(ApiError::not_simulated(operation)),
        }
    }

    fn describe_bus(&self, request: &ApiRequest) -> Result<Value, ApiError> {
        let member = request.text("Name").unwrap_or("default");
        let name = self.existing(member)?;
        Ok(json!({
            "Name": name,
            "Arn": request.scope().arn("events", &format!("event-bus/{name}")),
            "Policy": self.buses[&name],
        }))
    }

    /// The bus whose rules the request is about.
    fn bus(&self, request: &ApiRequest) -> Result<String, ApiError> {
        self.existing(request.text("EventBusName").unwrap_or("default"))
    }

    /// The name in a name or an ARN, if there is such a bus.
    fn existing(&self, bus: &str) -> Result<String, ApiError> {
        let name = bus.rsplit('/').next().unwrap_or(bus);
        if self.buses.contains_key(name) {
            return Ok(name.to_owned());
        }
        let message = format!("Event bus {name} does not exist.");
        Err(ApiError::new("ResourceNotFoundException", message))
    }

    fn put_events(
        &mut self,
        now: SystemTime,
        request: &ApiRequest,
        rng: &mut Rng,
    ) -> Result<Value, ApiError> {
        let entries = request.parameters["Entries"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        if !(1..=ENTRIES_MAX).contains(&entries.len()) {
            let message = format!("1 to {ENTRIES_MAX} entries, not {}", entries.len());
            return Err(request.invalid(message));
        }
        let size: usize = entries.iter().map(size).sum();
        if size > SIZE_MAX {
            let message =
                format!("Total size of the entries in the request is over the limit: {size}");
            return Err(request.invalid(message));
        }
        let mut failed = 0;
        let results: Vec<_> = entries
            .iter()
            .map(|entry| match self.put(now, request, entry, rng) {
                Ok(id) => json!({ "EventId": id }),
                Err(error) => {
                    failed += 1;
                    json!({ "ErrorCode": error.code, "ErrorMessage": error.message })
                }
            })
            .collect();
        Ok(json!({ "FailedEntryCount": failed, "Entries": results }))
    }

    /// Puts one event, and returns its ID.
    fn put(
        &mut self,
        now: SystemTime,
        request: &ApiRequest,
        entry: &Value,
        rng: &mut Rng,
    ) -> Result<String, ApiError> {
        let text = |member: &str| {
            let text = entry[member].as_str().filter(|text| !text.is_empty());
            text.map(str::to_owned).ok_or_else(|| {
                let message = format!(
                    "Parameter {member} is not valid. Reason: {member} is a required argument."
                );
                ApiError::new("InvalidArgument", message)
            })
        };
        let (source, detail_type, detail) = (text("Source")?, text("DetailType")?, text("Detail")?);
        let bus = self.existing(entry["EventBusName"].as_str().unwrap_or("default"))?;
        let detail = serde_json::from_str(&detail).ok().filter(Value::is_object);
        let Some(detail) = detail else {
            return Err(ApiError::new("MalformedDetail", "Detail is malformed."));
        };
        if rng.happens(self.refused_share) {
            return Err(ApiError::new("ThrottlingException", "Rate exceeded"));
        }
        let resources = entry["Resources"].as_array().map_or(&[][..], Vec::as_slice);
        let given = entry["Time"].as_f64().map(from_epoch_secs);
        let event = BusEvent {
            id: rng.uuid(),
            bus,
            account: request.account.clone(),
            region: request.region.clone(),
            source,
            detail_type,
            detail,
            resources: resources
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
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

/// What the request is about: the buses of its entries, joined with `+`; or `<bus>/<rule>`.
pub(crate) fn subject(request: &ApiRequest) -> String {
    let bus = || request.text("EventBusName").unwrap_or("default");
    match request.operation.as_str() {
        "PutEvents" => {}
        "DescribeRule" => return format!("{}/{}", bus(), request.text("Name").unwrap_or_default()),
        "ListTargetsByRule" => {
            return format!("{}/{}", bus(), request.text("Rule").unwrap_or_default());
        }
        "DescribeEventBus" => return request.text("Name").unwrap_or("default").to_owned(),
        _ => return bus().to_owned(),
    }
    let entries = request.parameters["Entries"]
        .as_array()
        .into_iter()
        .flatten();
    let buses: BTreeSet<_> = entries
        .map(|entry| entry["EventBusName"].as_str().unwrap_or("default"))
        .collect();
    buses.into_iter().collect::<Vec<_>>().join("+")
}
