//! Index runs that the state machine runs slice by slice.

use std::time::Duration;

use rerole::indexer::reconciler::RECONCILE_RESERVE;
use rerole_sim::fleet::Fleet;
use rerole_sim::{ExecutionStatus, Fault, Options, Service, Throttle};
use serde_json::json;

use crate::common::state_machine::slices;
use crate::harness::{Harness, indexer_handler, rotation_event, timestamp};
use crate::long_rotations::{assert_executions, error_type};

/// A harness with a state machine, and with rates so low that a full reconcile takes several
/// invocations.
fn throttled(associations: usize) -> Harness {
    let throttle = Some(Throttle {
        rate_per_sec: 20.0,
        burst: 20.0,
    });
    let harness = Harness::with_state_machine(Options {
        throttle,
        ..Options::default()
    });
    harness.build(&Fleet {
        rotating: associations / 2,
        associations,
        ..Fleet::default()
    });
    harness
}

/// The schedules do not start a second execution. If a schedule resumes the run meanwhile, the
/// state machine waits.
#[tokio::test(start_paused = true)]
async fn the_state_machine_finishes_a_long_index_run() {
    let harness = throttled(1_200);
    harness.empty_index();
    let slice = RECONCILE_RESERVE + Duration::from_secs(10);
    let (full, resume) = (json!({ "mode": "full" }), json!({ "mode": "resume" }));
    let report = harness.reconcile_within(&full, slice).await;
    assert_eq!(report["status"], "InProgress", "{report:#}");
    let started_at = timestamp(&report["startedAt"]);
    let name = format!("index-{}-1", started_at.as_millis());
    assert_executions(&harness, &[(&name, ExecutionStatus::Running)]);
    assert_eq!(
        harness.aws.executions()[0].input,
        json!({ "reconcile": { "mode": "resume" } })
    );
    // The schedule that resumes a run, and the one that requests a full reconcile again.
    assert_eq!(
        harness.reconcile_within(&resume, slice).await["status"],
        "InProgress"
    );
    assert_eq!(harness.call_count(Service::StepFunctions), 1);
    assert_eq!(
        harness.reconcile_within(&full, slice).await["status"],
        "InProgress"
    );
    assert_executions(&harness, &[(&name, ExecutionStatus::Running)]);

    let other = indexer_handler(&harness.aws);
    let (payload, invocation) = (json!({ "reconcile": resume }), harness.invocation(slice));
    let later = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        harness.play(slice).await
    };
    let (_, played) = tokio::join!(harness.run_indexer(&other, payload, &invocation), later);
    assert_eq!(
        played.path[..4],
        ["ChooseTask", "Reconcile", "IsRunFinished", "WaitForRun"]
    );
    assert_eq!(
        played.output()["status"],
        "Finished",
        "{:#}",
        played.output()
    );
    assert!(slices(&played) >= 3, "{:?}", played.path);
    harness.check_index();
}

#[tokio::test(start_paused = true)]
async fn a_run_that_yields_to_a_rotation_is_left_to_the_schedule() {
    let harness = throttled(600);
    let slice = RECONCILE_RESERVE + Duration::from_secs(10);
    let report = harness
        .reconcile_within(&json!({ "mode": "full" }), slice)
        .await;
    assert_eq!(report["status"], "InProgress");
    let event = rotation_event();
    let later = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        harness.play(slice).await
    };
    let (_, played) = tokio::join!(harness.finish(&event), later);
    assert_eq!(
        played.path,
        ["ChooseTask", "Reconcile", "IsRunFinished", "Done"]
    );
    assert_eq!(played.output()["status"], "Yielded");
    assert_eq!(harness.reconcile("resume").await["status"], "Finished");
}

/// Unlike a rotation, it does not fail its invocation.
#[tokio::test(start_paused = true)]
async fn a_run_that_cannot_be_handed_over_is_left_to_the_schedule() {
    let harness = Harness::with_state_machine(Options::default());
    harness.build(&Fleet {
        rotating: 400,
        associations: 800,
        ..Fleet::default()
    });
    harness.empty_index();
    harness.inject(Fault::LoseRequest, |call| {
        call.service == Service::StepFunctions
    });
    let slice = RECONCILE_RESERVE + Duration::from_secs(4);
    let report = harness
        .reconcile_within(&json!({ "mode": "full" }), slice)
        .await;
    assert_eq!(report["status"], "InProgress");
    assert_executions(&harness, &[]);
    assert_eq!(harness.reconcile("resume").await["status"], "Finished");
    harness.check_index();
}

#[tokio::test(start_paused = true)]
async fn a_slice_of_a_run_without_progress_is_an_error() {
    let harness = Harness::with_state_machine(Options::default());
    harness.fleet(100);
    let too_short = RECONCILE_RESERVE + Duration::from_millis(1);
    let full = json!({ "reconcile": { "mode": "full" } });
    let error = harness.invoke_indexer(full, too_short).await.unwrap_err();
    assert_eq!(error_type(error), "NoProgress");
    assert_executions(&harness, &[]);
}
