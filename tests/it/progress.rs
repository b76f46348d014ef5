//! What the ledger shows of the progress of an open rotation.

use std::time::Duration;

use rerole::rotate::slice::DEADLINE_RESERVE;
use rerole_sim::Options;

use crate::harness::{Harness, rotation_event, timestamp};
use crate::pace::{add_associations, throttled_harness};

/// An operator reads it with one `GetItem`.
#[tokio::test(start_paused = true)]
async fn an_open_rotation_reports_its_progress() {
    let harness = throttled_harness(10.0, 20.0);
    add_associations(&harness, "us-east-1", 400);
    let event = rotation_event();
    let read_later = async {
        tokio::time::sleep(Duration::from_secs(45)).await;
        harness.rotation("r-1")
    };
    let (summary, seen) = tokio::join!(harness.finish(&event), read_later);
    let progress = &seen["progress"];
    assert_eq!(seen["status"], "InProgress");
    let (pending, updated) = (
        progress["counts"]["pending"].as_u64(),
        progress["counts"]["updated"].as_u64(),
    );
    assert_eq!(pending.unwrap() + updated.unwrap(), 400, "{seen}");
    let region = &progress["regions"][0];
    assert_eq!(region["region"], "us-east-1", "{progress}");
    assert_eq!(region["total"], 400, "{progress}");
    assert_eq!(
        region["pending"], progress["counts"]["pending"],
        "{progress}"
    );
    assert_eq!(
        region["settledPerSec"], progress["settledPerSec"],
        "it is the only region"
    );
    assert!(
        progress["settledPerSec"]
            .as_f64()
            .is_some_and(|rate| (3.0..7.0).contains(&rate)),
        "{progress}"
    );
    let estimated = timestamp(&progress["estimatedEndAt"]);
    let finished = timestamp(&summary["finishedAt"]);
    let difference = (estimated.as_millis() - finished.as_millis()).abs();
    assert!(
        difference < 15_000,
        "estimated {estimated}, finished {finished}"
    );
    assert!(
        harness.rotation("r-1").get("progress").is_none(),
        "a finished rotation has no progress"
    );
}

/// What one slice has counted by region, the next one finds in the rows.
#[tokio::test(start_paused = true)]
async fn each_region_reports_its_own_progress_across_slices() {
    let harness = throttled_harness(10.0, 20.0);
    add_associations(&harness, "us-east-1", 400);
    add_associations(&harness, "eu-west-1", 30);
    let (event, slice) = (rotation_event(), DEADLINE_RESERVE + Duration::from_secs(30));
    for _ in 0..2 {
        let end = harness.deliver_within(&event, slice).await;
        assert!(end.is_err(), "{end:?}");
        let progress = &harness.rotation("r-1")["progress"];
        let count = |region: &str, member: &str| {
            let regions = progress["regions"].as_array().into_iter().flatten();
            let mut named = regions.filter(|it| it["region"] == region);
            let count = named.next().and_then(|it| it[member].as_u64());
            count.unwrap_or_else(|| panic!("{region} {member}: {progress}"))
        };
        assert_eq!(count("us-east-1", "total"), 400, "{progress}");
        assert_eq!(count("eu-west-1", "total"), 30, "{progress}");
        assert_eq!(count("eu-west-1", "pending"), 0, "{progress}");
        let pending = count("us-east-1", "pending");
        assert_eq!(Some(pending), progress["counts"]["pending"].as_u64());
        assert!(0 < pending && pending < 400, "{progress}");
    }
}

/// The total must not drop when a second slice resumes the plan.
#[tokio::test(start_paused = true)]
async fn a_long_plan_reports_its_progress_across_slices() {
    let latency = Duration::from_secs(1)..=Duration::from_secs(1);
    let harness = Harness::new(Options {
        latency,
        keep_log: false,
        ..Options::default()
    });
    add_associations(&harness, "us-east-1", 1_500);
    let planned = async |after: Duration| {
        tokio::time::sleep(after).await;
        let seen = harness.rotation("r-1");
        assert_eq!(seen["status"], "Planning");
        let counts = &seen["progress"]["counts"];
        assert_eq!(counts["total"], counts["pending"]);
        counts["total"].as_u64().unwrap()
    };
    let (event, slice) = (rotation_event(), DEADLINE_RESERVE + Duration::from_secs(15));
    let (first, early) = tokio::join!(
        harness.deliver_within(&event, slice),
        planned(Duration::from_secs(14))
    );
    assert!(first.is_err(), "{first:?}");
    let saved = planned(Duration::ZERO).await;
    assert!(
        0 < early && early <= saved && saved < 1_500,
        "{early} early in the slice, {saved} after it"
    );
    let (_, later) = tokio::join!(
        harness.deliver_within(&event, slice),
        planned(Duration::from_secs(13))
    );
    assert!(
        saved <= later,
        "{saved} after the first slice, {later} in the second"
    );
}
