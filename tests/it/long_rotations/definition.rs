//! What the definition of the state machine promises without being run: the errors it names exist,
//! its delays fit the leases, and its history has room for a week.

use rerole::indexer::error::IndexerError;
use rerole::rotate::error::RotateError;
use rerole::rotate::slice::DEADLINE_RESERVE;
use rerole_core::rotation::{
    LEASE, Open, PauseCause, PausedFrom, STALLED_AFTER, State, Status, Work,
};
use rerole_sim::state_machine::{choose, seconds};
use serde_json::{Value, json};
use strum::VariantNames;

use crate::common::template::properties;
use crate::harness::TIMEOUT;

/// The most events that Step Functions keeps in the history of an execution.
const HISTORY_EVENTS_MAX: u64 = 25_000;
/// The events of one slice: three of its task, and entering and exiting the task and its choice.
const EVENTS_PER_SLICE: u64 = 7;

fn definition() -> &'static Value {
    &properties("StateMachine")["Definition"]
}

/// The template sets the execution's timeout to a week.
#[test]
fn a_history_has_room_for_a_week_of_full_slices() {
    let slice = TIMEOUT.saturating_sub(DEADLINE_RESERVE);
    let slices = seconds(&definition()["TimeoutSeconds"]).as_secs() / slice.as_secs();
    assert!(
        EVENTS_PER_SLICE * slices < HISTORY_EVENTS_MAX,
        "{slices} slices"
    );
}

/// An execution ends with the rotation, or when the rotation waits. Until then it goes on.
#[test]
fn an_execution_goes_on_while_slices_work() {
    let states = &definition()["States"];
    for (open, goes_on) in [
        (Open::Queued, false),
        (Open::Running(Work::Planning), true),
        (Open::Running(Work::Executing), true),
        (Open::Cancelling(Work::Planning), true),
        (
            Open::Paused {
                from: PausedFrom::Running(Work::Executing),
                cause: PauseCause::Operator,
            },
            false,
        ),
    ] {
        let data = json!({ "slice": { "Payload": { "status": open.status() } } });
        let next = choose(&states["IsRotationFinished"], &data);
        assert_eq!(next == "Rotate", goes_on, "{open:?}");
        assert_eq!(State::Open(open).work().is_some(), goes_on, "{open:?}");
    }
    for status in [Status::Succeeded, Status::Cancelled] {
        let data = json!({ "slice": { "Payload": { "status": status } } });
        assert_eq!(choose(&states["IsRotationFinished"], &data), "Done");
    }
}

/// A retry or a catch of an error that the function cannot return would never apply.
#[test]
fn the_definition_names_only_errors_that_the_functions_return() {
    for (state, errors) in [
        ("Rotate", RotateError::VARIANTS),
        ("Reconcile", IndexerError::VARIANTS),
    ] {
        let rules = ["Retry", "Catch"].into_iter();
        let rules = rules.filter_map(|name| definition()["States"][state][name].as_array());
        let names = rules
            .flatten()
            .flat_map(|rule| rule["ErrorEquals"].as_array().unwrap());
        let names = names.map(|name| name.as_str().unwrap());
        // Names with a dot are errors of Lambda and Step Functions.
        let names: Vec<_> = names.filter(|name| !name.contains('.')).collect();
        for name in &names {
            assert!(errors.contains(name), "{name} is no error of {state}");
        }
        assert!(names.len() >= 2, "{names:?}");
    }
}

/// Step Functions' own definitions retry the first four of these.
#[test]
fn transient_errors_of_lambda_are_retried() {
    for state in ["Rotate", "Reconcile"] {
        let rules = definition()["States"][state]["Retry"].as_array().unwrap();
        for name in [
            "Lambda.ClientExecutionTimeoutException",
            "Lambda.ServiceException",
            "Lambda.AWSLambdaException",
            "Lambda.SdkClientException",
            "Lambda.TooManyRequestsException",
            "Lambda.Unknown",
            "Sandbox.Timedout",
            "Runtime.ExitError",
            "States.Timeout",
        ] {
            let is_retried = rules.iter().any(|rule| {
                let names = rule["ErrorEquals"].as_array().unwrap();
                names.iter().any(|other| other == name)
            });
            assert!(is_retried, "{name} in {state}");
        }
    }
}

/// The state machine retries after a killed slice has lost its lease, and before the rotation
/// counts as stalled.
#[test]
fn delays_are_longer_than_a_lease_and_raise_no_alarm() {
    let states = &definition()["States"];
    for state in ["Rotate", "Reconcile"] {
        for rule in states[state]["Retry"].as_array().unwrap() {
            let longest = rule
                .get("MaxDelaySeconds")
                .unwrap_or(&rule["IntervalSeconds"]);
            assert!(seconds(&rule["IntervalSeconds"]) > LEASE, "{rule:#}");
            assert!(seconds(longest) < STALLED_AFTER, "{rule:#}");
        }
    }
    assert!(seconds(&states["WaitForRotation"]["Seconds"]) > LEASE);
}
