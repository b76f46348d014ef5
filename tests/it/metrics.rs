//! What the metrics of whole rotations add up to.

use std::time::Duration;

use rerole::rotation::DEADLINE_RESERVE;
use rerole_sim::{Fault, Options, Throttle};
use serde_json::{Value, json};

use crate::world::{LEDGER, World, event, plain};

/// All that was written of one metric, added up.
fn sum(world: &World, name: &str) -> u64 {
    world.metrics().iter().filter_map(|line| line[name].as_u64()).sum()
}

/// How the rotations ended that were counted.
fn statuses(world: &World) -> Vec<Value> {
    world.metrics().iter().filter(|line| line["Rotations"] == 1).map(|line| line["Status"].clone()).collect()
}

/// Shows that each association counts once, however many slices and deaths a rotation takes.
#[tokio::test(start_paused = true)]
async fn slices_add_up() {
    let world = World::calm(120);
    world.deliver_within(&plain(), DEADLINE_RESERVE + Duration::from_secs(1)).await.unwrap_err();
    let first = sum(&world, "AssociationsUpdated");
    assert!((1..120).contains(&first), "the first slice has moved {first}");
    let mut left = 30;
    world.aws.on_call(move |call| {
        left -= i32::from(call.operation == "UpdatePodIdentityAssociation");
        if left < 0 { Fault::FreezeBefore } else { Fault::None }
    });
    world.deliver_and_die(&plain()).await;
    assert_eq!(sum(&world, "AssociationsUpdated"), first, "the dead say nothing");
    tokio::time::sleep(Duration::from_mins(1)).await;
    world.finish(&plain()).await;
    assert_eq!(sum(&world, "AssociationsUpdated"), 120);
    assert_eq!(statuses(&world), ["Succeeded"]);

    world.finish(&plain()).await;
    assert_eq!(sum(&world, "AssociationsUpdated"), 120, "a redelivery moves nothing");
    assert_eq!(statuses(&world), ["Succeeded"]);
}

/// Shows that a holder which could not say how far it came leaves the counting to its successor: each association counts
/// once, also where two slices overlap.
#[tokio::test(start_paused = true)]
async fn a_slice_that_cannot_say_what_it_did_leaves_it_to_the_next() {
    let world = World::calm(120);
    // Nothing of the lease is renewed or given back.
    world.aws.on_call(|call| {
        let is_lease = call.operation == "UpdateItem" && call.subject.ends_with("/r-1/rotation");
        if is_lease && call.body["UpdateExpression"].as_str().is_some_and(|text| text.contains("#leaseUntil")) {
            Fault::ServerError(500)
        } else {
            Fault::None
        }
    });
    world.deliver_within(&plain(), DEADLINE_RESERVE + Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(sum(&world, "AssociationsUpdated"), 0);
    world.aws.clear_hook();
    tokio::time::sleep(Duration::from_mins(1)).await;
    world.finish(&plain()).await;
    assert_eq!(sum(&world, "AssociationsUpdated"), 120);
}

/// Shows that every throttle at the wire counts, with and without an error code.
#[tokio::test(start_paused = true)]
async fn throttles_are_counted_at_the_wire() {
    for bare_throttle in [false, true] {
        let throttle = Some(Throttle { rate_per_sec: 5.0, burst: 10.0 });
        let world = World::new(Options { throttle, bare_throttle, ..Options::default() });
        world.fleet(60);
        world.finish(&plain()).await;
        let throttled = world.aws.calls().iter().filter(|record| record.status == Some(429)).count() as u64;
        assert!(throttled > 0);
        assert_eq!(sum(&world, "ThrottledCalls"), throttled);
    }
}

/// Shows that a dry run counts as a rotation, and moves nothing; and that a rejection counts as one, too.
#[tokio::test(start_paused = true)]
async fn rehearsals_and_rejections_count_by_status_only() {
    let world = World::calm(10);
    world.finish(&event(&json!({ "dryRun": true }))).await;
    world.deliver(&event(&json!({ "dryrun": true }))).await.unwrap();
    // EventBridge delivers at least once.
    world.deliver(&event(&json!({ "dryrun": true }))).await.unwrap();
    assert_eq!(statuses(&world), ["Planned", "Rejected"]);
    assert!(world.metrics().iter().all(|line| line.get("AssociationsUpdated").is_none()));
}

/// Shows that no dimension is an id: each would be a metric of its own, for ever.
#[tokio::test(start_paused = true)]
async fn no_dimension_is_an_id() {
    let world = World::calm(3);
    world.finish(&plain()).await;
    world.deliver(&event(&json!({ "dryrun": true }))).await.unwrap();
    world.deliver(&json!({ "watch": "stalledRotations" })).await.unwrap();
    for line in world.metrics() {
        for directive in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
            for dimension in directive["Dimensions"].as_array().unwrap().iter().flat_map(|set| set.as_array().unwrap())
            {
                assert!(dimension == "FunctionName" || dimension == "Status", "{line}");
            }
        }
    }
}

/// Shows that a rotation which is left keeps its counts in the ledger, where they can be read while it waits.
#[tokio::test(start_paused = true)]
async fn counts_are_kept_between_slices() {
    let world = World::calm(120);
    world.deliver_within(&plain(), DEADLINE_RESERVE + Duration::from_secs(1)).await.unwrap_err();
    let counts = &world.rotation("r-1")["counts"];
    let rows = |outcome| world.count("r-1", outcome);
    assert_eq!(counts["updated"], rows("Updated"));
    assert_eq!(counts["pending"], rows("Pending"));
    assert!(world.aws.items(LEDGER).iter().any(|item| item["idleSince"].is_string()));
}
