//! What a message of a queue is about, and how it is sent again. Pure: nothing here calls AWS. What
//! cannot be classified stays in its queue.

use std::collections::BTreeMap;

use rerole::rotate::payload::{COMMAND_DETAIL_TYPE, DETAIL_TYPE, STALLED_ROTATIONS};
use rerole_core::indexing::cloudtrail::{self, Parsed};
use rerole_core::publishing::Republish;
use rerole_core::resource::OwnAccount;
use rerole_core::timestamp::Timestamp;
use serde_json::{Value, json};

use crate::verbs::index::selection::ClusterPlace;

/// The commands that the function refuses if they are older than a quarter of an hour.
const AGING_COMMANDS: [&str; 4] = ["Resume", "Retry", "Rollback", "Unfreeze"];
/// The events of a rule with a schedule.
const SCHEDULED: &str = "Scheduled Event";

/// A message as it was received.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    pub id: String,
    pub receipt: String,
    pub body: String,
    /// Its message attributes that are text.
    pub attributes: BTreeMap<String, String>,
    pub sent_at: Option<Timestamp>,
    pub receive_count: u64,
}

/// What a message is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classified {
    /// The event in some words.
    pub event: String,
    /// Why it is in the queue.
    pub error: Option<String>,
    pub action: Action,
}

/// How a message is sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// The event is put on the bus again, with its own time.
    PutAgain(Box<BusEvent>),
    /// The indexer compares the cluster with EKS.
    Reconcile(ClusterPlace),
    /// The payload of a schedule or an operator goes to its function again.
    Invoke(Function, Value),
    /// What happened to rotations in this time is published again.
    Republish(Window),
    /// It stays in the queue, for this reason.
    Stays(String),
}

/// An event as it was put on the bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusEvent {
    pub source: String,
    pub detail_type: String,
    pub detail: Value,
    pub time: Option<Timestamp>,
}

/// A function that takes payloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Function {
    Rotate,
    Indexer,
}

/// The time in which records came into the ledger's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub from: Timestamp,
    pub to: Timestamp,
}

/// What the stack is, as far as messages are held against it.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    pub own_account: Option<&'a OwnAccount>,
    /// The account of the stack.
    pub account: &'a str,
    /// The source of the events that request rotations.
    pub source: &'a str,
}

impl Message {
    /// Says what the message is about.
    pub fn classify(&self, rules: Rules<'_>) -> Classified {
        let Ok(body) = serde_json::from_str::<Value>(&self.body) else {
            return Classified {
                event: "no JSON".to_owned(),
                error: self.delivery_error(),
                action: Action::Stays("it is no JSON".to_owned()),
            };
        };
        if body.get("requestContext").is_some() {
            return failed(&body, rules);
        }
        let (event, action) = self.event(&body, rules);
        Classified {
            event,
            error: self.delivery_error(),
            action,
        }
    }

    /// Why `EventBridge` could not deliver the event.
    fn delivery_error(&self) -> Option<String> {
        let code = self.attributes.get("ERROR_CODE")?;
        let message = self.attributes.get("ERROR_MESSAGE");
        Some(message.map_or_else(|| code.clone(), |message| format!("{code}: {message}")))
    }

    /// An event, or the payload of a schedule.
    fn event(&self, body: &Value, rules: Rules<'_>) -> (String, Action) {
        if body["detail-type"] == SCHEDULED {
            let rule = self.attributes.get("RULE_ARN").map(String::as_str);
            return scheduled(rule.or_else(|| body["resources"][0].as_str()));
        }
        event(body, rules)
    }
}

/// What a function failed three times: Lambda's record with the payload, or with the position of a
/// batch of the ledger's stream.
fn failed(record: &Value, rules: Rules<'_>) -> Classified {
    let response = &record["responsePayload"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let message = text(&response["errorMessage"]);
    let kind =
        text(&response["errorType"]).or_else(|| text(&record["requestContext"]["condition"]));
    let error = match (kind, message) {
        (Some(kind), Some(message)) => Some(format!("{kind}: {message}")),
        (kind, message) => kind.or(message),
    };
    let (event, action) = match record.get("DDBStreamBatchInfo") {
        Some(batch) => stream_batch(batch),
        None => event(&record["requestPayload"], rules),
    };
    Classified {
        event,
        error,
        action,
    }
}

/// A batch of the ledger's stream that the publisher gave up. The stream no longer has it, and the
/// ledger does.
fn stream_batch(batch: &Value) -> (String, Action) {
    let time = |name: &str| batch[name].as_str().and_then(|text| text.parse().ok());
    let from: Option<Timestamp> = time("approximateArrivalOfFirstRecord");
    let (Some(from), Some(to)) = (from, time("approximateArrivalOfLastRecord")) else {
        let stays = "it does not say when its records were written".to_owned();
        return (
            "a batch of the ledger's stream".to_owned(),
            Action::Stays(stays),
        );
    };
    let size = batch["batchSize"].as_u64().unwrap_or_default();
    let event = format!("{size} records of the ledger's stream, which were not published");
    (event, Action::Republish(Window { from, to }))
}

fn event(body: &Value, rules: Rules<'_>) -> (String, Action) {
    if let Some((function, event)) = payload(body) {
        return (event, Action::Invoke(function, body.clone()));
    }
    match body["detail-type"].as_str() {
        Some(DETAIL_TYPE | COMMAND_DETAIL_TYPE) => bus_event(body, rules),
        Some(cloudtrail::DETAIL_TYPE) => change(body, rules),
        Some(other) => (
            format!("\"{other}\""),
            Action::Stays("rerole handles no such event".to_owned()),
        ),
        None => (
            "unknown".to_owned(),
            Action::Stays("it is neither an event nor a payload of rerole".to_owned()),
        ),
    }
}

/// A payload of the functions, if it is one.
fn payload(body: &Value) -> Option<(Function, String)> {
    if body["check"] == STALLED_ROTATIONS {
        return Some((
            Function::Rotate,
            "the check for stalled rotations".to_owned(),
        ));
    }
    if let Some(mode) = body["reconcile"]["mode"].as_str() {
        return Some((Function::Indexer, format!("an index run ({mode})")));
    }
    if let Some(id) = body[Republish::MEMBER]["rotationId"].as_str() {
        return Some((Function::Rotate, format!("publishing {id} again")));
    }
    let id = body["rotationId"].as_str()?;
    Some((Function::Rotate, format!("a slice of rotation {id}")))
}

/// A request or a command. One that rerole would not have accepted does not become one by being put
/// again with the operator's credentials.
fn bus_event(body: &Value, rules: Rules<'_>) -> (String, Action) {
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let (source, detail_type) = (text("source"), text("detail-type"));
    let detail = &body["detail"];
    let id = detail["rotationId"].as_str().unwrap_or("the stack");
    let event = match detail["command"].as_str() {
        Some(command) => format!("command {command} for {id}"),
        None => format!("request of rotation {id}"),
    };
    if source != rules.source || text("account") != rules.account {
        let stays = format!(
            "it is of source \"{source}\" and account {}, and not of this stack",
            text("account")
        );
        return (event, Action::Stays(stays));
    }
    let again = BusEvent {
        source,
        detail_type,
        detail: detail.clone(),
        time: text("time").parse().ok(),
    };
    (event, Action::PutAgain(Box::new(again)))
}

/// A change in EKS. The cluster is looked at as a whole, whatever the event says has changed.
fn change(body: &Value, rules: Rules<'_>) -> (String, Action) {
    match cloudtrail::parse(body, rules.own_account) {
        Ok(Parsed::Change(change)) => {
            let place = ClusterPlace {
                region: change.subject.region().to_owned(),
                cluster: change.subject.cluster_name().to_owned(),
            };
            let ClusterPlace { region, cluster } = &place;
            let event = format!("{} in {region}/{cluster}", change.event_name);
            (event, Action::Reconcile(place))
        }
        Ok(Parsed::Ignored(ignored)) => (
            "an event of CloudTrail".to_owned(),
            Action::Stays(format!("it is about something else: {ignored}")),
        ),
        Err(error) => (
            "an event of CloudTrail".to_owned(),
            Action::Stays(error.to_string()),
        ),
    }
}

/// The event of a schedule of the stack, by its rule.
fn scheduled(rule: Option<&str>) -> (String, Action) {
    let schedules = [
        ("CheckStalled", json!({ "check": STALLED_ROTATIONS })),
        ("ListOnly", json!({ "reconcile": { "mode": "listOnly" } })),
        ("Full", json!({ "reconcile": { "mode": "full" } })),
        ("Resume", json!({ "reconcile": { "mode": "resume" } })),
    ];
    let rule = rule.unwrap_or_default();
    let mut schedules = schedules.into_iter();
    let named = schedules.find(|(name, _)| rule.contains(&format!("Function{name}")));
    let payload = named.and_then(|(_, input)| payload(&input).zip(Some(input)));
    match payload {
        Some(((function, event), input)) => (event, Action::Invoke(function, input)),
        None => (
            "the event of a schedule".to_owned(),
            Action::Stays(format!("its rule is none of the stack: {rule}")),
        ),
    }
}

impl Action {
    /// What sending the message again means, in some words.
    pub fn text(&self, now: Timestamp) -> String {
        match self {
            Self::PutAgain(event) if event.is_outdated(now) => {
                "put it on the bus again; it is too old, so rerole refuses and records it"
                    .to_owned()
            }
            Self::PutAgain(_) => "put it on the bus again".to_owned(),
            Self::Reconcile(ClusterPlace { region, cluster }) => {
                format!("compare {region}/{cluster} with EKS")
            }
            Self::Invoke(Function::Rotate, _) => "invoke the rotate function".to_owned(),
            Self::Invoke(Function::Indexer, _) => "invoke the indexer".to_owned(),
            Self::Republish(_) => "publish what the ledger has of that time again".to_owned(),
            Self::Stays(why) => format!("stays: {why}"),
        }
    }
}

impl BusEvent {
    /// Whether it is a command that the function refuses because of its age.
    fn is_outdated(&self, now: Timestamp) -> bool {
        let command = self.detail["command"].as_str().unwrap_or_default();
        let age = self.time.map(|time| now.since(time));
        AGING_COMMANDS.contains(&command)
            && age.is_some_and(|age| age > rerole_core::command::AGE_MAX)
    }
}

#[cfg(test)]
mod tests;
