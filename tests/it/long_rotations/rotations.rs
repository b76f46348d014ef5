//! Rotations that the state machine runs slice by slice.

use std::time::Duration;

use rerole::rotate::slice::DEADLINE_RESERVE;
use rerole_core::rotation::LEASE;
use rerole_sim::state_machine::End;
use rerole_sim::{ExecutionStatus, Fault, Options, RoleState, Service, Throttle};
use serde_json::json;

use crate::common::state_machine::slices;
use crate::guarantees::{Before, check};
use crate::harness::{
    NEW, STATE_MACHINE, TIMEOUT, event, in_virtual_time, rotate_handler, rotation_event,
};
use crate::long_rotations::{
    SLICE, TOO_SHORT, assert_executions, error_type, hand_over, with_state_machine,
    with_state_machine_in,
};

#[tokio::test(start_paused = true)]
async fn a_rotation_that_fits_into_an_invocation_starts_no_execution() {
    let harness = with_state_machine(100);
    assert_eq!(
        harness.finish(&rotation_event()).await["counts"]["updated"],
        100
    );
    assert_eq!(harness.call_count(Service::StepFunctions), 0);
}

/// The delivery runs the first slice. The execution runs the others, ends with the rotation's
/// summary, and no association is updated twice.
#[tokio::test(start_paused = true)]
async fn the_state_machine_finishes_a_long_rotation() {
    let throttle = Throttle {
        rate_per_sec: 15.0,
        burst: 15.0,
    };
    let options = Options {
        throttle: Some(throttle),
        ..Options::default()
    };
    let harness = with_state_machine_in(options, 300);
    let before = Before::of(&harness);
    let response = hand_over(&harness, &rotation_event()).await;
    let rotation = harness.rotation("r-1");
    let (counts, progress) = (&rotation["counts"], &rotation["progress"]);
    let expected = json!({ "rotationId": "r-1", "status": "InProgress", "counts": counts });
    assert_eq!(response, expected);
    assert_eq!(&progress["counts"], counts);
    let settled_per_sec = progress["settledPerSec"].as_f64().unwrap();
    assert!(settled_per_sec > 1.0, "{progress:#}");
    assert!(
        progress["estimatedEndAt"].as_str() > progress["at"].as_str(),
        "{progress:#}"
    );
    assert_executions(&harness, &[("r-1-1", ExecutionStatus::Running)]);
    let started = harness.aws.executions().remove(0);
    assert_eq!(started.state_machine_arn, STATE_MACHINE);
    assert_eq!(started.input, json!({ "rotationId": "r-1" }));
    check(&harness, &before);

    let played = harness.play(SLICE).await;
    assert_eq!(played.output()["status"], "Succeeded");
    assert_eq!(played.output()["counts"]["updated"], 300);
    assert!(slices(&played) >= 3, "{:?}", played.path);
    assert_eq!(harness.rotation("r-1")["fence"], slices(&played) + 1);
    let updates = harness.accepted_update_count();
    assert_eq!(updates, 300, "an association was updated twice");
    let starts = harness.call_count(Service::StepFunctions);
    assert_eq!(starts, 1, "the execution started another execution");
    check(&harness, &before);
    // The start, the first choice, each slice with its choice, the last state, and the end.
    let slices = u32::try_from(slices(&played)).unwrap();
    assert_eq!(played.events, 1 + 2 + 7 * slices + 2 + 1);

    let repeated = harness.finish(&rotation_event()).await;
    assert_eq!(
        &repeated,
        played.output(),
        "a later delivery gets another response"
    );
    assert_executions(&harness, &[("r-1-1", ExecutionStatus::Succeeded)]);
}

/// The status of the rotation is its own; its execution succeeds.
/// DynamoDB is slow at first, so the first slices have the time for a few transactions only.
#[tokio::test(start_paused = true)]
async fn the_state_machine_finishes_a_long_plan() {
    let harness = with_state_machine(2_000);
    harness.aws.on_call(|call| {
        let delay = match call.index {
            0..30 => 500,
            30..80 => 150,
            _ => 0,
        };
        Fault::DelayResponse(Duration::from_millis(delay))
    });
    let response = harness.deliver_within(&rotation_event(), SLICE).await;
    let response = serde_json::to_value(response.unwrap()).unwrap();
    assert_eq!(response["status"], "Planning", "{response:#}");
    let played = harness.play(SLICE).await;
    assert!(slices(&played) > 1, "{played:?}");
    assert_eq!(played.output()["counts"]["updated"], 2_000);
}

/// After a slice died, each row is described before it is settled. That takes longer than a slice.
#[tokio::test(start_paused = true)]
async fn the_state_machine_finishes_a_long_cancellation() {
    let options = Options {
        throttle: Some(Throttle {
            rate_per_sec: 5.0,
            burst: 10.0,
        }),
        ..Options::default()
    };
    let harness = with_state_machine_in(options, 300);
    harness.freeze_after_update(20);
    harness.deliver_and_crash(&rotation_event()).await;
    tokio::time::sleep(LEASE).await;
    harness.command("Cancel", json!({})).await;
    let slice = DEADLINE_RESERVE + Duration::from_secs(20);
    let played = harness.play(slice).await;
    assert!(slices(&played) > 1, "{played:?}");
    assert_eq!(played.output()["status"], "Cancelled");
    assert_executions(&harness, &[("r-1-2", ExecutionStatus::Succeeded)]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_rotation_is_no_failed_execution() {
    let harness = with_state_machine(100);
    hand_over(&harness, &event(&json!({ "maxErrors": "0" }))).await;
    harness.aws.eks(|eks| {
        eks.deny("prod-1");
        eks.deny("prod-2");
    });
    let played = harness.play(SLICE).await;
    assert_eq!(played.output()["status"], "Failed", "{:#}", played.output());
    assert_executions(&harness, &[("r-1-1", ExecutionStatus::Succeeded)]);
}

/// The name of its execution differs from that of the rotation with the same id.
#[tokio::test(start_paused = true)]
async fn the_state_machine_finishes_a_long_dry_run() {
    let harness = with_state_machine(150);
    hand_over(&harness, &event(&json!({ "dryRun": true }))).await;
    assert_eq!(
        harness.aws.executions()[0].input,
        json!({ "rotationId": "dry-run/r-1" })
    );
    let played = harness.play(SLICE).await;
    assert_eq!(played.output()["status"], "Planned");
    assert_eq!(played.output()["counts"]["wouldUpdate"], 150);
    assert_executions(&harness, &[("dry-run-r-1-1", ExecutionStatus::Succeeded)]);
}

/// It resumes the rotation.
#[tokio::test(start_paused = true)]
async fn a_failed_execution_can_be_redriven() {
    let harness = with_state_machine(150);
    hand_over(&harness, &rotation_event()).await;
    harness.inject(Fault::ServerError(500), |call| {
        call.service == Service::DynamoDb
    });
    let started = harness.aws.now();
    let played = harness.play(SLICE).await;
    let is_expected = matches!(&played.end, End::Failed(error, _) if error == "LedgerUnavailable");
    assert!(is_expected, "{played:?}");
    let elapsed = harness.aws.now().duration_since(started).unwrap();
    let expected = Duration::from_mins(45)..Duration::from_mins(75);
    assert!(
        expected.contains(&elapsed),
        "the execution retried for {elapsed:?}"
    );
    assert_executions(&harness, &[("r-1-1", ExecutionStatus::Failed)]);

    harness.aws.clear_hook();
    harness
        .aws
        .set_execution_status("r-1-1", ExecutionStatus::Running);
    assert_eq!(harness.play(SLICE).await.output()["counts"]["updated"], 150);
    assert_eq!(harness.updates().len(), 150);
}

/// A slice that makes no progress must not lead to an endless loop of such slices, in a delivery or
/// in an execution.
#[tokio::test(start_paused = true)]
async fn a_slice_without_progress_is_an_error() {
    let harness = with_state_machine(150);
    let error = harness
        .deliver_within(&rotation_event(), TOO_SHORT)
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("made no progress before time was up"),
        "{error}"
    );
    assert_eq!(error_type(error), "NoProgress");
    assert_executions(&harness, &[]);

    hand_over(&harness, &rotation_event()).await;
    let updated = harness.updates().len();
    let played = harness.play(TOO_SHORT).await;
    let is_expected = matches!(&played.end, End::Failed(error, _) if error == "NoProgress");
    assert!(is_expected, "{played:?}");
    let expected = [
        "ChooseTask",
        "Rotate",
        "(NoProgress)",
        "(NoProgress)",
        "(NoProgress)",
    ];
    assert_eq!(played.path, expected);
    assert_eq!(harness.updates().len(), updated);
}

/// Such a slice makes no progress and is no error, since the wait has a limit.
#[test]
fn a_rotation_waits_for_its_new_role_over_several_slices() {
    for (ready_after_secs, status) in [(75, "Succeeded"), (600, "Failed")] {
        in_virtual_time(async {
            let harness = with_state_machine(10);
            let ready_at = harness.aws.now() + Duration::from_secs(ready_after_secs);
            harness
                .aws
                .eks(|eks| eks.set_role_state(NEW, RoleState::MissingUntil(ready_at)));
            let slice = DEADLINE_RESERVE + Duration::from_secs(10);
            harness
                .deliver_within(&rotation_event(), slice)
                .await
                .unwrap();
            let played = harness.play(slice).await;
            assert_eq!(played.output()["status"], status, "{played:#?}");
            assert!(slices(&played) >= 3);
        });
    }
}

#[tokio::test(start_paused = true)]
async fn the_state_machine_waits_for_a_delivery_in_flight() {
    let harness = with_state_machine(150);
    let before = Before::of(&harness);
    hand_over(&harness, &rotation_event()).await;
    let other = rotate_handler(&harness.aws);
    let (event, invocation) = (rotation_event(), harness.invocation(TIMEOUT));
    let later = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        harness.play(TIMEOUT).await
    };
    let (delivered, played) = tokio::join!(harness.run_rotate(&other, &event, &invocation), later);
    assert_eq!(
        played.output(),
        &serde_json::to_value(delivered.unwrap()).unwrap()
    );
    assert_eq!(
        played.path[..4],
        ["ChooseTask", "Rotate", "(Busy)", "WaitForRotation"]
    );
    assert_eq!(harness.updates().len(), 150);
    check(&harness, &before);
}

/// The retried slice does not repeat the update whose response the killed one did not receive.
#[tokio::test(start_paused = true)]
async fn the_state_machine_retries_a_killed_slice() {
    let harness = with_state_machine(150);
    let before = Before::of(&harness);
    hand_over(&harness, &rotation_event()).await;
    harness.freeze_after_update(20);
    let played = harness.play(SLICE).await;
    assert_eq!(
        played.path[..3],
        ["ChooseTask", "Rotate", "(Lambda.Unknown)"]
    );
    assert_eq!(played.output()["counts"]["updated"], 150);
    assert!(
        harness
            .rows("r-1")
            .iter()
            .any(|row| row["inferred"] == true)
    );
    assert_eq!(
        harness.effective_update_count(),
        150,
        "an association was not moved exactly once"
    );
    check(&harness, &before);
}
