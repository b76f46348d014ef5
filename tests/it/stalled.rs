//! The check for stalled rotations: which open rotations it finds, and what it reports about them.

use std::time::Duration;

use rerole::rotate::error::RotateError;
use rerole::rotate::response::RotateResponse;
use rerole::rotate::slice::DEADLINE_RESERVE;
use rerole_core::rotation::LEASE;
use rerole_core::rotation::STALLED_AFTER;
use rerole_sim::{Fault, Options, Service};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::{
    Harness, LEDGER, OLD, event, in_virtual_time, is_describe, rotation_event, stalled_check_event,
};

/// The stalled rotations in the response. The metric must agree with it.
async fn stalled(harness: &Harness) -> Vec<String> {
    let response = harness.deliver(&stalled_check_event()).await.unwrap();
    let RotateResponse::Stalled {
        stalled_rotations, ..
    } = response
    else {
        panic!("{response:?}")
    };
    assert_eq!(
        harness.metrics().last().unwrap()["StalledRotations"],
        stalled_rotations.len()
    );
    stalled_rotations
}

#[tokio::test(start_paused = true)]
async fn a_rotation_is_stalled_once_no_retry_is_to_be_expected() {
    let harness = Harness::calm(200);
    assert_eq!(stalled(&harness).await, Vec::<String>::new());
    harness
        .deliver_within(&rotation_event(), DEADLINE_RESERVE + Duration::from_secs(1))
        .await
        .unwrap_err();
    assert_eq!(harness.rotation("r-1")["status"], "InProgress");
    let ended_at = Instant::now();
    tokio::time::sleep(STALLED_AFTER / 2).await;
    assert_eq!(
        stalled(&harness).await,
        Vec::<String>::new(),
        "Lambda may still retry"
    );
    tokio::time::sleep_until(ended_at + STALLED_AFTER).await;
    assert_eq!(stalled(&harness).await, ["r-1"]);
    harness.finish(&rotation_event()).await;
    assert_eq!(stalled(&harness).await, Vec::<String>::new());
}

/// The time is counted from the end of its lease, for a plan and for a rotation in progress.
#[test]
fn a_rotation_whose_owner_crashed_is_stalled() {
    for (operation, status) in [
        ("Query", "Planning"),
        ("UpdatePodIdentityAssociation", "InProgress"),
    ] {
        in_virtual_time(async {
            let harness = Harness::calm(20);
            harness.inject(Fault::FreezeBefore, move |call| call.operation == operation);
            harness.deliver_and_crash(&rotation_event()).await;
            assert_eq!(harness.rotation("r-1")["status"], status);
            tokio::time::sleep(STALLED_AFTER).await;
            assert_eq!(
                stalled(&harness).await,
                Vec::<String>::new(),
                "{status}: counted from before the end of the lease"
            );
            tokio::time::sleep(LEASE).await;
            assert_eq!(stalled(&harness).await, ["r-1"], "{status}");
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_rotation_in_flight_is_not_stalled_however_long_it_takes() {
    let harness = Harness::with_settings(Options::default(), &[("MAX_CONCURRENCY", "1")]);
    harness.fleet(200);
    // Each association takes four seconds.
    let slow = Fault::DelayResponse(Duration::from_secs(2));
    harness.inject(slow, |call| call.service == Service::Eks);
    let request = rotation_event();
    let started_at = Instant::now();
    let checks = async {
        for _ in 0..5 {
            tokio::time::sleep(STALLED_AFTER / 4).await;
            assert_eq!(stalled(&harness).await, Vec::<String>::new());
        }
    };
    let (summary, ()) = tokio::join!(harness.finish(&request), checks);
    assert_eq!(summary["status"], "Succeeded");
    assert!(
        started_at.elapsed() > STALLED_AFTER,
        "the rotation was too short to be called stalled"
    );
}

#[tokio::test(start_paused = true)]
async fn stalled_rotations_on_all_pages_are_found() {
    let harness = Harness::new(Options::default());
    harness.associate("api", OLD);
    harness.inject(Fault::ServerError(500), is_describe);
    // Dry runs take no locks, so any number of them can be open.
    harness
        .deliver(&event(&json!({ "dryRun": true })))
        .await
        .unwrap_err();
    let open = harness.rotation("dry-run/r-1");
    for number in 0..300 {
        let mut copy = open.clone();
        copy["rotationId"] = json!(format!("dry-run/copy-{number:03}"));
        harness.aws.put_item(LEDGER, copy);
    }
    tokio::time::sleep(STALLED_AFTER).await;
    let response = harness.deliver(&stalled_check_event()).await.unwrap();
    let RotateResponse::Stalled {
        stalled_rotations, ..
    } = response
    else {
        panic!("{response:?}")
    };
    assert_eq!(harness.metrics().last().unwrap()["StalledRotations"], 301);
    assert_eq!(
        stalled_rotations.len(),
        100,
        "the response names only the first"
    );
}

#[tokio::test(start_paused = true)]
async fn a_rotation_that_cannot_be_parsed_is_stalled_and_hides_no_other() {
    let harness = Harness::calm(20);
    harness.aws.put_item(
        LEDGER,
        json!({
            "rotationId": "malformed",
            "entry": "rotation",
            "status": "InProgress",
            "startedAt": "2026-11-01T00:00:00.000Z",
        }),
    );
    harness
        .deliver_within(
            &rotation_event(),
            DEADLINE_RESERVE + Duration::from_millis(200),
        )
        .await
        .unwrap_err();
    assert_eq!(stalled(&harness).await, ["malformed"]);
    tokio::time::sleep(STALLED_AFTER).await;
    let mut found = stalled(&harness).await;
    found.sort();
    assert_eq!(found, ["malformed", "r-1"]);
}

/// A response without rotations would look as if none were stalled.
#[tokio::test(start_paused = true)]
async fn a_ledger_that_cannot_be_read_fails_the_check() {
    let harness = Harness::new(Options::default());
    harness.inject(Fault::ServerError(500), |_| true);
    let error = harness.deliver(&stalled_check_event()).await.unwrap_err();
    assert!(
        matches!(error, RotateError::StalledScanFailed(_)),
        "{error}"
    );
    assert_eq!(harness.metrics(), Vec::<Value>::new());
}
