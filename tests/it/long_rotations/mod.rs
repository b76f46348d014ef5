//! Rotations and index runs that are longer than an invocation: a function hands them over to the
//! state machine of `template.yaml`, which then runs them slice by slice.

/// What the definition of the state machine promises.
mod definition;
/// Starts of the state machine, once and again, with and without success.
mod handover;
/// Index runs.
mod index_runs;
/// Rotations in the state machine.
mod rotations;

use std::time::Duration;

use lambda_runtime::Diagnostic;
use rerole::rotate::slice::DEADLINE_RESERVE;
use rerole_sim::{ExecutionStatus, Options};
use serde_json::Value;

use crate::harness::Harness;

/// The timeout of a rotate function that has a second and a half to work in.
const SHORT: Duration = DEADLINE_RESERVE.saturating_add(Duration::from_millis(1_500));
/// The timeout of a rotate function that also has time to wait for the indexer, and to close.
const SLICE: Duration = DEADLINE_RESERVE.saturating_add(Duration::from_secs(7));
/// The timeout of a rotate function that has only the time to acquire the lease.
const TOO_SHORT: Duration = DEADLINE_RESERVE.saturating_add(Duration::from_millis(100));

/// A harness with a state machine and this many associations to move.
fn with_state_machine(count: usize) -> Harness {
    with_state_machine_in(Options::default(), count)
}

/// The same in an AWS with these options.
fn with_state_machine_in(options: Options, count: usize) -> Harness {
    let harness = Harness::with_state_machine(options);
    harness.fleet(count);
    harness
}

/// Delivers the event to a function that runs out of time, and expects it to hand the rotation
/// over.
async fn hand_over(harness: &Harness, event: &Value) -> Value {
    let response = harness.deliver_within(event, SHORT).await;
    let response = response.unwrap_or_else(|error| panic!("{error}"));
    let response = serde_json::to_value(response).unwrap();
    assert_eq!(response["status"], "InProgress", "{response:#}");
    response
}

/// Expects exactly these executions, each with its name and status.
fn assert_executions(harness: &Harness, expected: &[(&str, ExecutionStatus)]) {
    let executions = harness.aws.executions();
    let found = executions
        .iter()
        .map(|execution| (execution.name.as_str(), execution.status));
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

/// The type that the runtime reports of an error.
fn error_type(error: impl Into<Diagnostic>) -> String {
    error.into().error_type
}
