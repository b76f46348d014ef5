//! Cancelling a rotation: what was updated stays so, the rest is recorded as not attempted, and the
//! roles are free again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rerole_core::rotation::LEASE;
use rerole_sim::{Fault, Options, Service};
use serde_json::{Value, json};

use crate::guarantees::{Before, check};
use crate::harness::{
    Harness, NEW, OLD, STATE_MACHINE, TIMEOUT, error, event, in_virtual_time, is_describe,
    is_update, rotation_event,
};
use crate::pace::throttled_harness;

/// Delivers the event and cancels the rotation once this many rows are settled. Returns the
/// response to the event.
async fn cancel_after(harness: &Harness, settled: usize) -> Value {
    let event = rotation_event();
    let cancel = async {
        while harness.count("r-1", "Updated") < settled {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        harness
            .command("Cancel", json!({ "reason": "CHG-7" }))
            .await
    };
    let (response, verdict) = tokio::join!(harness.deliver(&event), cancel);
    assert_eq!(verdict["verdict"], "Accepted", "{verdict:#}");
    serde_json::to_value(response.unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_rotation_in_flight_is_cancelled_by_its_own_invocation() {
    let harness = throttled_harness(20.0, 10.0);
    harness.fleet(400);
    let before = Before::of(&harness);
    let response = cancel_after(&harness, 100).await;
    assert_eq!(response["status"], "Cancelled", "{response:#}");
    assert_eq!(
        response["reason"].as_str().unwrap().split(';').next(),
        Some("cancelled: CHG-7")
    );
    let (updated, not_attempted) = (
        response["counts"]["updated"].as_u64().unwrap(),
        response["counts"]["notAttempted"].as_u64().unwrap(),
    );
    assert!(updated >= 100 && not_attempted > 0, "{response:#}");
    assert_eq!(updated + not_attempted, 400);
    let on_new = harness.aws.eks(|eks| eks.association_count_on(NEW));
    assert_eq!(on_new, usize::try_from(updated).unwrap());
    for role in [OLD, NEW] {
        assert!(harness.role(role).get("heldBy").is_none());
    }
    assert!(harness.role(OLD).get("inUse").is_some(), "the rest uses it");
    check(&harness, &before);
    // The roles are free for another rotation.
    let next = harness
        .finish(&event(&json!({ "rotationId": "r-2" })))
        .await;
    assert_eq!(next["counts"]["updated"], not_attempted);
}

/// After the command is recorded, and before the slice knows of it, an update fails that is one too
/// many. The ledger refuses the record of that stop, so nothing of it is on its way, and the lease
/// need not be left to expire.
#[tokio::test(start_paused = true)]
async fn a_cancellation_just_before_a_stop_describes_no_pending_row() {
    let harness = throttled_harness(20.0, 10.0);
    harness.fleet(400);
    let before = Before::of(&harness);
    let is_recorded = Arc::new(AtomicBool::new(false));
    let fails = is_recorded.clone();
    let not_valid = error((400, "InvalidRequestException"), "not valid");
    harness.inject(not_valid, move |call| {
        is_update(call) && fails.load(Ordering::Relaxed)
    });
    let cancel = async {
        while harness.count("r-1", "Updated") < 100 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        harness.command("Cancel", json!({})).await;
        is_recorded.store(true, Ordering::Relaxed);
    };
    let event = event(&json!({ "maxErrors": "0" }));
    let (response, ()) = tokio::join!(harness.deliver(&event), cancel);
    let response = serde_json::to_value(response.unwrap()).unwrap();
    assert_eq!(response["status"], "Cancelled", "{response:#}");
    assert!(response["counts"]["failed"].as_u64().unwrap() > 0);
    assert!(response["counts"]["notAttempted"].as_u64().unwrap() > 200);
    let described: BTreeSet<String> = harness
        .aws
        .calls()
        .into_iter()
        .filter(|call| is_describe(&call.call))
        .map(|call| call.call.subject)
        .collect();
    assert!(described.len() < 200, "{} were described", described.len());
    check(&harness, &before);
}

/// A pause in the middle of the plan, and a cancellation in the middle of the updates. The latter
/// takes seconds, because no association is described.
#[tokio::test(start_paused = true)]
async fn ten_thousand_rows_are_planned_in_two_parts_and_cancelled_in_seconds() {
    let harness = Harness::with_state_machine(Options::default());
    harness.fleet(10_000);
    let event = rotation_event();
    let pause = async {
        while harness.call_count(Service::DynamoDb) < 60 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let paused = harness.command("Pause", json!({})).await;
        (paused, harness.aws.now())
    };
    let (response, (paused, paused_at)) = tokio::join!(harness.deliver(&event), pause);
    assert_eq!(paused["verdict"], "Accepted");
    let response = serde_json::to_value(response.unwrap()).unwrap();
    assert_eq!(response["status"], "Paused", "{response:#}");
    assert_eq!(harness.rotation("r-1")["pausedFrom"], "Planning");
    let ended_after = harness.aws.now().duration_since(paused_at).unwrap();
    assert!(ended_after <= Duration::from_secs(10), "{ended_after:?}");
    assert!(harness.aws.calls().iter().all(|call| call.status.is_some()));
    let planned = harness.rows("r-1").len();
    assert!((1_000..10_000).contains(&planned), "{planned} rows");
    assert_eq!(harness.call_count(Service::Eks), 0);

    harness.command("Resume", json!({})).await;
    let cancel = async {
        while harness.call_count(Service::Eks) < 100 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let cancelled_at = harness.aws.now();
        harness.command("Cancel", json!({})).await;
        cancelled_at
    };
    let (played, cancelled_at) = tokio::join!(harness.play(TIMEOUT), cancel);
    assert_eq!(played.output()["status"], "Cancelled");
    let took = harness.aws.now().duration_since(cancelled_at).unwrap();
    assert!(took < Duration::from_secs(15), "{took:?}");
    println!("10,000 rows were cancelled in {took:?}");
    let counts = &played.output()["counts"];
    let settled = counts["updated"].as_u64().unwrap() + counts["notAttempted"].as_u64().unwrap();
    assert_eq!(settled, 10_000);
    assert!(
        counts["notAttempted"].as_u64().unwrap() > 5_000,
        "{counts:#}"
    );
}

/// A slice that died may have updated rows that are still pending, so they are described.
#[test]
fn after_a_slice_that_died_each_row_is_described() {
    for operation in ["UpdatePodIdentityAssociation", "UpdateItem"] {
        in_virtual_time(async {
            let harness = Harness::with_state_machine(Options::default());
            harness.fleet(60);
            let before = Before::of(&harness);
            let mut calls = 0;
            harness.inject(Fault::FreezeAfter, move |call| {
                calls += u32::from(call.operation == operation);
                calls == 10
            });
            harness.deliver_and_crash(&rotation_event()).await;
            tokio::time::sleep(LEASE).await;
            harness.command("Cancel", json!({})).await;
            let played = harness.play(TIMEOUT).await;
            let output = played.output();
            assert_eq!(output["status"], "Cancelled", "{output:#}");
            let moved = harness.aws.eks(|eks| eks.association_count_on(NEW));
            assert_eq!(
                output["counts"]["updated"], moved,
                "what was updated is known"
            );
            check(&harness, &before);
        });
    }
}

/// An update without an answer may have taken effect, although its slice released the lease.
#[tokio::test(start_paused = true)]
async fn an_update_without_an_answer_is_looked_for() {
    let harness = Harness::with_state_machine(Options::default());
    harness.fleet(40);
    let before = Before::of(&harness);
    let mut updates = 0;
    harness.inject(Fault::FreezeAfter, move |call| {
        updates += u32::from(is_update(call));
        is_update(call) && updates == 20
    });
    let event = rotation_event();
    let pause = async {
        harness.aws.wait_for_frozen_call().await;
        harness.command("Pause", json!({})).await
    };
    let (response, _) = tokio::join!(harness.deliver(&event), pause);
    assert_eq!(
        serde_json::to_value(response.unwrap()).unwrap()["status"],
        "Paused"
    );
    harness.aws.clear_hook();
    assert!(harness.count("r-1", "Pending") > 0);
    let calls = harness.aws.calls().len();
    harness.command("Cancel", json!({})).await;
    let played = harness.play(TIMEOUT).await;
    let moved = harness.aws.eks(|eks| eks.association_count_on(NEW));
    assert_eq!(played.output()["counts"]["updated"], moved);
    let later = harness.aws.calls().split_off(calls);
    assert!(later.iter().any(|call| is_describe(&call.call)));
    check(&harness, &before);
}

#[tokio::test(start_paused = true)]
async fn a_rotation_is_cancelled_while_it_plans() {
    let harness = Harness::calm(1_000);
    let event = rotation_event();
    let cancel = async {
        while harness.rows("r-1").len() < 200 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        harness.command("Cancel", json!({})).await
    };
    let (response, verdict) = tokio::join!(harness.deliver(&event), cancel);
    assert_eq!(verdict["verdict"], "Accepted");
    let response = serde_json::to_value(response.unwrap()).unwrap();
    assert_eq!(response["status"], "Cancelled", "{response:#}");
    assert_eq!(
        response["counts"]["notAttempted"],
        harness.rows("r-1").len()
    );
    assert_eq!(harness.updates().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_is_cancelled_also() {
    let harness = Harness::calm(300);
    let event = event(&json!({ "dryRun": true }));
    let cancel = async {
        while harness.count("dry-run/r-1", "WouldUpdate") < 20 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        harness
            .command("Cancel", json!({ "rotationId": "dry-run/r-1" }))
            .await
    };
    let (response, verdict) = tokio::join!(harness.deliver(&event), cancel);
    assert_eq!(verdict["verdict"], "Accepted", "{verdict:#}");
    let response = serde_json::to_value(response.unwrap()).unwrap();
    assert_eq!(response["status"], "Cancelled", "{response:#}");
}

/// An operator has restricted the roles of the stack meanwhile. Only `Cancel` frees the roles then.
#[tokio::test(start_paused = true)]
async fn a_rotation_whose_roles_are_no_longer_allowed_is_cancelled() {
    let mut harness = Harness::with_state_machine(Options::default());
    harness.fleet(60);
    harness.freeze_after_update(10);
    harness.deliver_and_crash(&rotation_event()).await;
    tokio::time::sleep(LEASE).await;
    harness.redeploy_rotate(&[
        ("STATE_MACHINE_ARN", STATE_MACHINE),
        ("ROLE_PATH", "/elsewhere/"),
    ]);
    harness.command("Cancel", json!({})).await;
    let played = harness.play(TIMEOUT).await;
    assert_eq!(played.output()["status"], "Cancelled", "{played:?}");
    assert!(harness.role(OLD).get("heldBy").is_none());
}

/// The first attempt has got no answer to an update, and could not look for its effect either.
#[tokio::test(start_paused = true)]
async fn an_update_of_an_earlier_attempt_is_looked_for() {
    let harness = Harness::with_state_machine(Options::default());
    let arn = harness.associate("api", OLD);
    harness.associate("worker", OLD);
    let before = Before::of(&harness);
    let id = arn.rsplit('/').next().unwrap().to_owned();
    let mut is_sent = false;
    harness.aws.on_call(move |call| {
        let is_of_eks = is_update(call) || is_describe(call);
        if !is_of_eks || !call.subject.contains(&id) {
            Fault::None
        } else if is_sent {
            Fault::ServerError(503)
        } else {
            is_sent = is_update(call);
            if is_sent {
                Fault::LoseResponse
            } else {
                Fault::None
            }
        }
    });
    harness.deliver(&rotation_event()).await.unwrap();
    let first = harness.play(TIMEOUT).await;
    assert_eq!(first.output()["counts"]["failed"], 1, "{first:?}");
    assert_eq!(harness.row("r-1", &arn)["outcome"], "Failed");
    assert_eq!(harness.role_of(&arn).as_deref(), Some(NEW));
    harness.aws.clear_hook();
    tokio::time::sleep(Duration::from_secs(1)).await;
    // The next attempt opens the row again, and is cancelled before it describes it.
    harness.inject(Fault::FreezeBefore, is_describe);
    harness.command("Retry", json!({})).await;
    let cancel = async {
        harness.aws.wait_for_frozen_call().await;
        harness.command("Cancel", json!({})).await;
        harness.aws.clear_hook();
    };
    tokio::join!(harness.play(TIMEOUT), cancel);
    let row = harness.row("r-1", &arn);
    assert_eq!(row["outcome"], "Updated", "{row:#}");
    assert_eq!(harness.rotation("r-1")["status"], "Cancelled");
    check(&harness, &before);
}
