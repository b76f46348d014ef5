//! What an operator does in the demo: puts events on the bus, and waits for what comes of them. It
//! reads EKS, the tables and the bus in the simulated AWS, by the documented names.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::config::{BehaviorVersion, Region};
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use rerole::rotate::response::RotateResponse;
use rerole::settings::PublisherSettings;
use rerole_core::command::Verdict;
use rerole_core::rotation::{Status, Summary};
use rerole_sim::{Association, Service, SimulatedAws};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::demo::error::DemoError;
use crate::demo::evidence::{Calls, LedgerRow, TimelineEntry, Update};
use crate::playground::{Playground, PlaygroundError, Responses};

/// Between two looks. Much shorter than anything that is waited for.
const POLL: Duration = Duration::from_millis(20);
/// Without a single call to EKS in this time, nothing is going to happen. An event that failed was
/// retried by then.
const PATIENCE: Duration = Duration::from_mins(2);
const UPDATE: &str = "UpdatePodIdentityAssociation";
const STATUS_CHANGED: &str = "Role Rotation Status Changed";

/// The operator, with the stack.
pub struct Operator {
    pub aws: SimulatedAws,
    responses: Responses,
    bus: Client,
    bus_name: String,
    pub index_table: String,
    pub ledger_table: String,
}

/// An event to put on the bus.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    pub source: &'a str,
    pub detail_type: &'a str,
    pub detail: &'a Value,
}

impl Operator {
    /// An operator of the stack that runs in this playground.
    ///
    /// # Errors
    /// If the settings for a client are invalid.
    pub fn of(playground: &Playground) -> Result<Self, DemoError> {
        let environment = playground.deployment.environment("PublisherFunction");
        let settings = PublisherSettings::from_lookup(|name| environment.get(name).cloned());
        let clients = settings.map_err(PlaygroundError::from)?.clients;
        let config = aws_sdk_eventbridge::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(clients.region))
            .credentials_provider(clients.credentials)
            .http_client(playground.deployment.aws().http_client())
            .build();
        let rendered = playground.deployment.rendered();
        Ok(Self {
            aws: playground.deployment.aws().clone(),
            responses: playground.responses(),
            bus: Client::from_conf(config),
            bus_name: rendered.name("RotationEventBus"),
            index_table: rendered.name("AssociationIndexTable"),
            ledger_table: rendered.name("RotationLedgerTable"),
        })
    }

    /// Puts an event on the bus of the stack. Returns its ID.
    ///
    /// # Errors
    /// If the bus does not take it.
    pub async fn put(&self, event: Event<'_>) -> Result<String, DemoError> {
        let entry = PutEventsRequestEntry::builder()
            .event_bus_name(&self.bus_name)
            .source(event.source)
            .detail_type(event.detail_type)
            .detail(event.detail.to_string())
            .build();
        let put = self.bus.put_events().entries(entry).send().await;
        let put = put.map_err(|error| DemoError::Put(error.to_string()))?;
        let id = put.entries().first().and_then(|entry| entry.event_id());
        let id = id.ok_or_else(|| DemoError::Put("the bus has refused it".to_owned()))?;
        Ok(id.to_owned())
    }

    /// Waits for what the function responds to the event with this ID.
    ///
    /// # Errors
    /// If it fails, or does not respond.
    pub async fn response(&self, event_id: &str) -> Result<RotateResponse, DemoError> {
        let look = || self.responses.to_event(event_id);
        let response = self.wait("wait for the function", look).await?;
        let response = response.map_err(|(error, message)| DemoError::Response {
            event: event_id.to_owned(),
            response: format!("{error}: {message}"),
        })?;
        Ok(serde_json::from_value(response)?)
    }

    /// Puts a command on the bus, and waits until the stack has accepted it. Returns its number in
    /// the timeline.
    ///
    /// # Errors
    /// If it was not accepted.
    pub async fn command(&self, event: Event<'_>) -> Result<u64, DemoError> {
        let id = self.put(event).await?;
        match self.response(&id).await? {
            RotateResponse::Command {
                verdict: Verdict::Accepted,
                seq,
                ..
            } => Ok(seq),
            other => Err(DemoError::Response {
                event: event.detail.to_string(),
                response: format!("{other:?}"),
            }),
        }
    }

    /// Waits until the end of the rotation with this key has been published.
    ///
    /// # Errors
    /// If it does not end.
    pub async fn end_of(&self, key: &str) -> Result<Summary, DemoError> {
        let look = || self.published(key).pop().filter(has_ended);
        let mut last = self.wait("wait for the end of the rotation", look).await?;
        Ok(serde_json::from_value(last["summary"].take())?)
    }

    /// Waits until the rotation with this key moves associations.
    ///
    /// # Errors
    /// If it does not get so far.
    pub async fn start_of(&self, key: &str) -> Result<(), DemoError> {
        let in_progress = |entry: &Value| entry["to"] == "InProgress";
        let look = || self.published(key).iter().any(in_progress).then_some(());
        self.wait("wait for the plan of the rotation", look).await
    }

    /// Looks until there is something.
    ///
    /// # Errors
    /// If the stack does nothing meanwhile.
    pub async fn wait<T>(
        &self,
        what: &'static str,
        mut look: impl FnMut() -> Option<T>,
    ) -> Result<T, DemoError> {
        let mut progress = (0, Instant::now());
        loop {
            if let Some(found) = look() {
                return Ok(found);
            }
            let calls = self.eks_calls();
            if calls != progress.0 {
                progress = (calls, Instant::now());
            }
            if progress.1.elapsed() > PATIENCE {
                return Err(DemoError::NoProgress(what));
            }
            sleep(POLL).await;
        }
    }

    fn eks_calls(&self) -> usize {
        let counts = self.aws.call_counts().into_iter();
        let of_eks = counts.filter(|((service, _), _)| *service == Service::Eks);
        of_eks.map(|(_, count)| count).sum()
    }
}

/// What the operator sees.
impl Operator {
    /// All associations, by ARN.
    pub fn associations(&self) -> BTreeMap<String, Association> {
        self.aws.eks(|eks| {
            eks.associations()
                .map(|found| (found.association_arn.clone(), found.clone()))
                .collect()
        })
    }

    /// How many associations are on this role now.
    pub fn count_on(&self, role: &str) -> usize {
        self.aws.eks(|eks| eks.association_count_on(role))
    }

    /// The calls since [`SimulatedAws::clear_calls`].
    pub fn calls(&self) -> Calls {
        let throttled = self.aws.calls_where(|record| record.status == Some(429));
        Calls {
            counts: self.aws.call_counts(),
            throttled: throttled.len(),
        }
    }

    /// The updates since [`SimulatedAws::clear_calls`].
    pub fn updates(&self) -> Vec<Update> {
        let updates = self
            .aws
            .calls_where(|record| record.call.operation == UPDATE);
        let update = |record: &rerole_sim::CallRecord| Update {
            association: record.call.subject.clone(),
            sent_at: record.sent_at.into(),
        };
        updates.iter().map(update).collect()
    }

    /// The rows of the rotation with this key.
    ///
    /// # Errors
    /// If a row is not as documented.
    pub fn rows(&self, key: &str) -> Result<Vec<LedgerRow>, DemoError> {
        self.items_of((key, "association#"))
    }

    /// The timeline of the rotation with this key.
    ///
    /// # Errors
    /// If an entry is not as documented.
    pub fn timeline(&self, key: &str) -> Result<Vec<TimelineEntry>, DemoError> {
        self.items_of((key, "timeline#"))
    }

    /// The timeline of the rotation with this key, as its events have it.
    ///
    /// # Errors
    /// If an event is not as documented.
    pub fn published_timeline(&self, key: &str) -> Result<Vec<TimelineEntry>, DemoError> {
        parse(self.published(key).into_iter())
    }

    /// The items of the rotation whose sort key starts with this prefix.
    fn items_of<T: DeserializeOwned>(
        &self,
        (key, prefix): (&str, &str),
    ) -> Result<Vec<T>, DemoError> {
        let is_wanted = |item: &Value| {
            let entry = item["entry"].as_str().unwrap_or_default();
            item["rotationId"] == key && entry.starts_with(prefix)
        };
        let items = self.aws.items(&self.ledger_table).into_iter();
        parse(items.filter(is_wanted))
    }

    /// What was published about the rotation with this key, in the order of the events.
    fn published(&self, key: &str) -> Vec<Value> {
        let events = self.aws.bus_events().into_iter();
        let events = events.filter(|event| event.detail_type == STATUS_CHANGED);
        events
            .map(|event| event.detail)
            .filter(|detail| detail["rotationId"] == key)
            .collect()
    }
}

fn parse<T: DeserializeOwned>(items: impl Iterator<Item = Value>) -> Result<Vec<T>, DemoError> {
    let items = items.map(serde_json::from_value);
    Ok(items.collect::<Result<_, _>>()?)
}

fn has_ended(entry: &Value) -> bool {
    let to = serde_json::from_value::<Status>(entry["to"].clone());
    to.is_ok_and(Status::is_final)
}
