//! The events that request the rotations of a history.

use serde_json::{Value, json};

use crate::common::events;
use crate::history::{Action, History, Request};
use crate::world::role;

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
    let mut event = events::event(&detail);
    event["id"] = json!(format!("6a7e8feb-b491-4cf7-a9f1-{number:012}"));
    event
}
