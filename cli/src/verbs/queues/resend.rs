//! Sends again what messages are about. What several of them ask for together is sent once: a look
//! at clusters, the same payload, and the entries of a time.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use futures_util::future::join_all;
use rerole::aws::call_error::call_error;
use rerole_core::call::Operation;
use rerole_core::indexing::{Mode, RunRequest};
use rerole_core::request::LIST_LEN_MAX;
use serde_json::{Value, json};

use crate::bus;
use crate::failure::Failure;
use crate::stack::{Name, Stack};
use crate::verbs::index::selection::ClusterPlace;
use crate::verbs::queues::message::{Action, BusEvent, Function, Window};
use crate::verbs::queues::republish::{Entries, entries};

/// What all messages together ask for.
#[derive(Debug, Default)]
pub struct Plan {
    events: Vec<BusEvent>,
    clusters: BTreeSet<ClusterPlace>,
    /// By function and text of the payload.
    payloads: BTreeMap<(Function, String), Value>,
    windows: Vec<Window>,
    entries: Vec<Entries>,
    /// Why the entries of those times are not known.
    unread: Option<String>,
}

/// What came of each of them: a text that says what was done, or why not.
#[derive(Debug, Default)]
pub struct Sent {
    events: Vec<(BusEvent, Result<String, String>)>,
    clusters: Option<Result<String, String>>,
    payloads: BTreeMap<(Function, String), Result<String, String>>,
    windows: Option<Result<String, String>>,
}

impl Plan {
    /// Collects what the messages ask for. If the ledger cannot be read, only the messages about
    /// entries of timelines cannot be sent again.
    pub async fn read<'a>(stack: &Stack, actions: impl IntoIterator<Item = &'a Action>) -> Self {
        let mut plan = Self::default();
        for action in actions {
            match action {
                Action::PutAgain(event) => plan.events.push((**event).clone()),
                Action::Reconcile(place) => {
                    plan.clusters.insert(place.clone());
                }
                Action::Invoke(function, payload) => {
                    let key = (*function, payload.to_string());
                    plan.payloads.insert(key, payload.clone());
                }
                Action::Republish(window) => plan.windows.push(*window),
                Action::Stays(_) => {}
            }
        }
        let read = entries(stack, &plan.windows).await;
        match read {
            Ok(entries) => plan.entries = entries,
            Err(error) => plan.unread = Some(text(error.into())),
        }
        plan
    }

    /// One run that covers all clusters. Of runs that wait for their turn, a later one for some
    /// clusters does not replace an earlier one, so there must not be several.
    fn reconcile(&self) -> Option<Value> {
        let regions: BTreeSet<_> = self.clusters.iter().map(|it| it.region.as_str()).collect();
        let names: BTreeSet<_> = self.clusters.iter().map(|it| it.cluster.as_str()).collect();
        if names.is_empty() {
            return None;
        }
        let mut request = json!({ "mode": "full", "regions": regions });
        if names.len() <= LIST_LEN_MAX {
            request["clusterNames"] = json!(names);
        }
        Some(json!({ "reconcile": request }))
    }
}

impl Sent {
    /// What came of a message that asks for this.
    pub fn of(&self, action: &Action) -> Result<String, String> {
        let nothing = || Err("it was not sent".to_owned());
        match action {
            Action::Stays(why) => Err(why.clone()),
            Action::PutAgain(event) => {
                let sent = self.events.iter().find(|(sent, _)| *sent == **event);
                sent.map_or_else(nothing, |(_, result)| result.clone())
            }
            Action::Reconcile(_) => self.clusters.clone().unwrap_or_else(nothing),
            Action::Invoke(function, payload) => {
                let sent = self.payloads.get(&(*function, payload.to_string()));
                sent.cloned().unwrap_or_else(nothing)
            }
            Action::Republish(_) => self.windows.clone().unwrap_or_else(nothing),
        }
    }
}

/// Sends everything. One that fails does not stop the others.
pub async fn resend(stack: &Stack, plan: &Plan) -> Sent {
    let mut sent = Sent::default();
    for event in &plan.events {
        let result = put(stack, event).await;
        let result = result.map(|id| format!("put on the bus as event {id}"));
        sent.events.push((event.clone(), result.map_err(text)));
    }
    if let Some(request) = plan.reconcile() {
        let result = reconcile(stack, &request, &plan.clusters).await;
        sent.clusters = Some(result.map_err(text));
    }
    for (key, payload) in &plan.payloads {
        let result = invoke(stack, key.0, payload).await;
        let result = result.map(|()| "the function was invoked".to_owned());
        sent.payloads.insert(key.clone(), result.map_err(text));
    }
    if !plan.windows.is_empty() {
        sent.windows = Some(match &plan.unread {
            Some(problem) => Err(problem.clone()),
            None => republish(stack, &plan.entries).await.map_err(text),
        });
    }
    sent
}

/// Puts the event again with its own time, so a command that has become too old is refused.
async fn put(stack: &Stack, event: &BusEvent) -> Result<String, Failure> {
    let time = event
        .time
        .map(|time| DateTime::from_millis(time.as_millis()));
    let entry = PutEventsRequestEntry::builder()
        .source(&event.source)
        .detail_type(&event.detail_type)
        .detail(event.detail.to_string())
        .set_time(time);
    bus::put_entry(stack, entry).await
}

/// Asks for the run, unless another one waits: one request waits at a time, so this one would be
/// dropped, or would replace the other. A waiting run that covers all clusters does the same.
async fn reconcile(
    stack: &Stack,
    request: &Value,
    clusters: &BTreeSet<ClusterPlace>,
) -> Result<String, Failure> {
    match stack.aws.ledger.index_runs().waiting().await? {
        None => {
            invoke(stack, Function::Indexer, request).await?;
            Ok("the indexer looks at the cluster".to_owned())
        }
        Some(waiting) if covers(&waiting, clusters) => {
            Ok("an index run that waits for its turn looks at the cluster".to_owned())
        }
        Some(_) => Err(Failure::Refused(
            "another index run waits for its turn, and only one can wait; try again when it has \
             started (rerole index status)"
                .to_owned(),
        )),
    }
}

/// Whether a run describes everything in the regions of these clusters.
fn covers(waiting: &RunRequest, clusters: &BTreeSet<ClusterPlace>) -> bool {
    waiting.mode == Mode::Full
        && waiting.cluster_names.is_none()
        && clusters
            .iter()
            .all(|it| waiting.regions.contains(&it.region))
}

async fn republish(stack: &Stack, entries: &[Entries]) -> Result<String, Failure> {
    let invocations = entries.iter().map(|entries| {
        let payload = entries.payload();
        async move { invoke(stack, Function::Rotate, &payload).await }
    });
    for result in join_all(invocations).await {
        result?;
    }
    let ids: Vec<_> = entries
        .iter()
        .map(|it| format!("{} ({} to {})", it.rotation_id, it.from_seq, it.to_seq))
        .collect();
    Ok(if ids.is_empty() {
        "no timeline has an entry of that time, so there is nothing to publish".to_owned()
    } else {
        format!("published again: {}", crate::words::list(&ids, 5))
    })
}

/// Lets Lambda take the payload, which it retries by itself.
async fn invoke(stack: &Stack, function: Function, payload: &Value) -> Result<(), Failure> {
    let arn = stack.output(match function {
        Function::Rotate => Name::RotateFunctionArn,
        Function::Indexer => Name::IndexerFunctionArn,
    })?;
    let operation = Operation::on("invoke function (lambda:InvokeFunction)", &arn);
    let client = aws_sdk_lambda::Client::new(&stack.sdk);
    let invoked = client
        .invoke()
        .function_name(&arn)
        .invocation_type(InvocationType::Event)
        .payload(Blob::new(payload.to_string()))
        .send()
        .await;
    invoked.map_err(|error| call_error(operation, &error))?;
    Ok(())
}

fn text(failure: Failure) -> String {
    failure.to_string()
}
