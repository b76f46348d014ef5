//! The events that request the rotations of a history, and that command them.

use std::time::{Duration, SystemTime};

use rerole_core::timestamp::Timestamp;
use serde_json::{Value, json};

use crate::common::events;
use crate::history::{Action, Command, History, Request};
use crate::world::role;

/// Who sends the events that give a reason.
const SENDER: &str = "on-call";

/// The events of all requests, in the order in which they first arrive.
pub fn requests(history: &History) -> Vec<Value> {
    let mut events: Vec<Value> = Vec::new();
    for (number, step) in history.steps.iter().enumerate() {
        if let Action::Request(request) = &step.action {
            let event = event(request, number);
            let is_known = events
                .iter()
                .any(|known| known["detail"] == event["detail"]);
            if !is_known {
                events.push(event);
            }
        }
    }
    events
}

/// The event of a request. Each delivery has an ID of its own, as if a pipeline asked again.
pub fn event(request: &Request, number: usize) -> Value {
    let mut detail = json!({
        "rotationId": format!("r-{}", request.id),
        "oldRoleArn": role(request.from),
        "newRoleArn": role(request.to),
        "dryRun": request.dry_run,
        "maxErrors": request.max_errors,
    });
    for (name, list) in &request.scope {
        detail[name] = json!(list);
    }
    if let Some(count) = request.max_concurrency {
        detail["maxConcurrency"] = json!(count.to_string());
    }
    if let Some(reason) = &request.reason {
        detail["reason"] = json!(reason);
        detail["requestedBy"] = json!(SENDER);
    }
    let mut event = events::event(&detail);
    event["id"] = json!(format!("6a7e8feb-b491-4cf7-a9f1-{number:012}"));
    event
}

/// The event of a command that is delivered at `now`.
pub fn command_event(command: &Command, number: usize, now: SystemTime) -> Value {
    let sent_at = now - Duration::from_secs(command.age_secs);
    let dry_run = if command.dry_run { "dry-run/" } else { "" };
    let rollback = if command.of_rollback { "rollback/" } else { "" };
    let mut event = events::command_event(
        &command.name,
        &json!({
            "rotationId": command.id.map(|id| format!("{dry_run}{rollback}r-{id}")),
            "expectedSeq": command.expected_seq,
            "dryRun": command.rollback.dry_run.then_some(true),
            "includeChanged": command.rollback.include_changed.then_some(true),
            "maxErrors": command.max_errors,
            "maxConcurrency": command.max_concurrency,
            "reason": command.reason,
            "requestedBy": command.reason.as_ref().map(|_| SENDER),
        }),
    );
    event["time"] = json!(Timestamp::from(sent_at));
    event["id"] = json!(format!("0b2f3f3c-8a35-4c2c-a8a4-{number:012}"));
    event
}
