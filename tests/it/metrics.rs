//! The metrics of whole rotations: each association, throttle and rotation counts exactly once.

use std::time::Duration;

use rerole::rotate::slice::DEADLINE_RESERVE;
use rerole_sim::{Fault, Options, Throttle};
use serde_json::{Value, json};

use crate::harness::{
    Harness, LEDGER, command_event, error, event, is_lease_write, is_update, rotation_event,
    stalled_check_event,
};

/// The timeout of a rotate function that has a second to work in.
const SHORT: Duration = DEADLINE_RESERVE.saturating_add(Duration::from_secs(1));

/// The statuses of the rotations that were counted.
fn statuses(harness: &Harness) -> Vec<Value> {
    let lines = harness
        .metrics()
        .into_iter()
        .filter(|line| line["Rotations"] == 1);
    lines.map(|line| line["Status"].clone()).collect()
}

/// Neither slices nor a crash nor a redelivery changes the sum.
#[tokio::test(start_paused = true)]
async fn each_association_counts_once() {
    let harness = Harness::calm(120);
    harness
        .deliver_within(&rotation_event(), SHORT)
        .await
        .unwrap_err();
    let first = harness.metric_sum("AssociationsUpdated");
    assert!((1..120).contains(&first), "the first slice moved {first}");
    let mut updates_left = 30;
    harness.inject(Fault::FreezeBefore, move |call| {
        updates_left -= i32::from(is_update(call));
        updates_left < 0
    });
    harness.deliver_and_crash(&rotation_event()).await;
    let after_crash = harness.metric_sum("AssociationsUpdated");
    assert_eq!(after_crash, first, "a handler that crashed wrote metrics");
    tokio::time::sleep(Duration::from_mins(1)).await;
    harness.finish(&rotation_event()).await;
    assert_eq!(harness.metric_sum("AssociationsUpdated"), 120);
    assert_eq!(statuses(&harness), ["Succeeded"]);

    harness.finish(&rotation_event()).await;
    assert_eq!(
        harness.metric_sum("AssociationsUpdated"),
        120,
        "a redelivery moves nothing"
    );
    assert_eq!(statuses(&harness), ["Succeeded"]);
}

/// The next slice counts the associations of a slice that could not record its counts. Each
/// association counts once, also if the two slices overlap.
#[tokio::test(start_paused = true)]
async fn a_slice_that_cannot_record_its_counts_leaves_them_to_the_next() {
    let harness = Harness::calm(120);
    // The lease can be neither renewed nor released.
    harness.inject(Fault::ServerError(500), is_lease_write);
    harness
        .deliver_within(&rotation_event(), SHORT)
        .await
        .unwrap_err();
    assert_eq!(harness.metric_sum("AssociationsUpdated"), 0);
    harness.aws.clear_hook();
    tokio::time::sleep(Duration::from_mins(1)).await;
    harness.finish(&rotation_event()).await;
    assert_eq!(harness.metric_sum("AssociationsUpdated"), 120);
}

/// Throttles are counted on the wire, with and without an error code.
#[tokio::test(start_paused = true)]
async fn every_throttled_call_counts() {
    for bare_throttle in [false, true] {
        let throttle = Some(Throttle {
            rate_per_sec: 5.0,
            burst: 10.0,
        });
        let harness = Harness::new(Options {
            throttle,
            bare_throttle,
            ..Options::default()
        });
        harness.fleet(60);
        harness.finish(&rotation_event()).await;
        let calls = harness.aws.calls();
        let throttled = calls
            .iter()
            .filter(|record| record.status == Some(429))
            .count() as u64;
        assert!(throttled > 0);
        assert_eq!(harness.metric_sum("ThrottledCalls"), throttled);
    }
}

/// A service that answers throttles with another status says in the code what they are.
#[tokio::test(start_paused = true)]
async fn a_throttle_with_another_status_counts() {
    let harness = Harness::calm(20);
    let mut throttles = 0;
    let throttle = error((400, "ThrottlingException"), "Rate exceeded");
    harness.inject(throttle, move |call| {
        let is_hit = is_update(call) && throttles < 5;
        throttles += u32::from(is_hit);
        is_hit
    });
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["counts"]["updated"], 20, "{summary:#}");
    assert_eq!(harness.metric_sum("ThrottledCalls"), 5);
}

#[tokio::test(start_paused = true)]
async fn dry_runs_and_rejections_count_as_rotations_that_move_nothing() {
    let harness = Harness::calm(10);
    harness.finish(&event(&json!({ "dryRun": true }))).await;
    harness
        .deliver(&event(&json!({ "dryrun": true })))
        .await
        .unwrap();
    // EventBridge delivers at least once. The second delivery does not count.
    harness
        .deliver(&event(&json!({ "dryrun": true })))
        .await
        .unwrap();
    assert_eq!(statuses(&harness), ["Planned", "Rejected"]);
    assert!(
        harness
            .metrics()
            .iter()
            .all(|line| line.get("AssociationsUpdated").is_none())
    );
}

/// No slice writes the metric of a rotation that never starts.
#[tokio::test(start_paused = true)]
async fn a_rotation_that_is_cancelled_in_its_queue_counts_once() {
    let harness = Harness::calm(3);
    let of_stack = json!({ "rotationId": null });
    harness.command("Freeze", of_stack).await;
    harness.deliver(&rotation_event()).await.unwrap();
    let cancel = command_event("Cancel", &json!({}));
    for _ in 0..2 {
        harness.deliver(&cancel).await.unwrap();
    }
    assert_eq!(harness.rotation("r-1")["status"], "Cancelled");
    assert_eq!(statuses(&harness), ["Cancelled"]);
}

/// Each value of a dimension is a metric of its own, so an id would add one for each rotation.
#[tokio::test(start_paused = true)]
async fn no_dimension_is_an_id() {
    let harness = Harness::calm(3);
    harness.finish(&rotation_event()).await;
    harness
        .deliver(&event(&json!({ "dryrun": true })))
        .await
        .unwrap();
    harness.deliver(&stalled_check_event()).await.unwrap();
    for line in harness.metrics() {
        for directive in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
            let sets = directive["Dimensions"].as_array().unwrap().iter();
            for dimension in sets.flat_map(|set| set.as_array().unwrap()) {
                assert!(
                    dimension == "FunctionName" || dimension == "Status",
                    "{line}"
                );
            }
        }
    }
}

/// Operators read the counts of an unfinished rotation in the ledger.
#[tokio::test(start_paused = true)]
async fn an_unfinished_rotation_keeps_its_counts_in_the_ledger() {
    let harness = Harness::calm(120);
    harness
        .deliver_within(&rotation_event(), SHORT)
        .await
        .unwrap_err();
    let counts = &harness.rotation("r-1")["counts"];
    let rows = |outcome| harness.count("r-1", outcome);
    assert_eq!(counts["updated"], rows("Updated"));
    assert_eq!(counts["pending"], rows("Pending"));
    assert!(
        harness
            .aws
            .items(LEDGER)
            .iter()
            .any(|item| item["idleSince"].is_string())
    );
}
