//! As fast as EKS lets calls in: the cases of the pace bench within their goals, and whole rotations at throttled buckets.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use rerole_sim::{CallRecord, Options, Throttle};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::world::{LEDGER, World, event, in_virtual_time, plain};
use callers::{Caller, Run, play};
use cases::{CHANGING_CASES, Case, FAST_CASES, PLAIN_CASES, SLOW_CASES};

#[path = "../../benches/pace/callers.rs"]
mod callers;
#[path = "../../benches/pace/cases.rs"]
mod cases;

/// Shows that the medians of these cases are within their goals, and that no update is given up.
fn check(cases: &[Case], seeds: u64) {
    for case in cases {
        let runs: Vec<Run> = (0..seeds).map(|seed| play(case, Caller::Ours, seed)).collect();
        assert!(runs.iter().all(|run| run.failed == 0), "{}: updates failed", case.name);
        let median = |mut figures: Vec<f64>| {
            figures.sort_by(f64::total_cmp);
            figures[figures.len() / 2]
        };
        let time = median(runs.iter().map(|run| run.took.div_duration_f64(case.bound())).collect());
        assert!(time <= case.goal.time, "{}: {time:.3} of the bound", case.name);
        let throttled = runs.iter().map(|run| f64::from(u32::try_from(run.throttled()).unwrap()));
        let throttled = median(throttled.collect()) / f64::from(case.updates);
        assert!(throttled <= case.goal.throttled, "{}: {throttled:.3} throttled", case.name);
    }
}

#[test]
fn plain_buckets_are_emptied_as_fast_as_they_fill() {
    check(&PLAIN_CASES, 5);
}

#[test]
fn slow_and_quick_answers_and_low_rates_cost_little() {
    check(&SLOW_CASES, 3);
}

#[test]
fn large_buckets_and_high_rates_are_found() {
    check(&FAST_CASES, 3);
}

#[test]
fn other_callers_and_changing_rates_are_followed() {
    check(&CHANGING_CASES, 3);
}

/// Why the SDK's retries are switched off for EKS.
#[test]
fn the_retries_of_the_sdk_lose_updates_or_time() {
    let case = &PLAIN_CASES[2];
    assert!(play(case, Caller::Standard, 0).failed > 300);
    let adaptive = play(case, Caller::Adaptive, 0);
    assert!(adaptive.took > case.bound() * 3 / 2 && adaptive.throttled() > 100, "{:?}", adaptive.took);
}

#[test]
fn one_seed_gives_one_run() {
    let runs = [1, 1, 2].map(|seed| play(&PLAIN_CASES[0], Caller::Ours, seed).calls);
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}

fn throttled_world(rate_per_sec: f64, burst: f64) -> World {
    World::new(Options { throttle: Some(Throttle { rate_per_sec, burst }), ..Options::default() })
}

/// Adds so many associations of this region, and nothing else.
fn add(world: &World, region: &str, count: usize) {
    let name = format!("{region}-fleet");
    world.aws.eks(|eks| eks.create_cluster(region, &name));
    for place in 0..count {
        let service_account = format!("app-{place}");
        let arn = world.aws.eks(|eks| eks.associate(region, &name, "apps", &service_account, crate::world::OLD));
        world.aws.index_association(crate::world::INDEX, &arn);
    }
}

/// Rotates, and returns how long it took.
async fn rotate(world: &World, detail: &Value) -> Duration {
    let began_at = Instant::now();
    let summary = world.finish(&event(detail)).await;
    assert_eq!(summary["status"], "Succeeded", "{summary}");
    began_at.elapsed()
}

fn eks_calls(world: &World) -> Vec<CallRecord> {
    let is_eks = |record: &CallRecord| record.call.operation.ends_with("PodIdentityAssociation");
    world.aws.calls().into_iter().filter(is_eks).collect()
}

fn throttled(calls: &[CallRecord]) -> usize {
    calls.iter().filter(|record| record.status == Some(429)).count()
}

/// Shows that a whole rotation, whose looks and updates have pacers of their own and share a bucket, comes near what that
/// bucket gives out, too.
#[tokio::test(start_paused = true)]
async fn a_rotation_uses_what_eks_lets_in() {
    let world = throttled_world(10.0, 20.0);
    add(&world, "us-east-1", 400);
    let took = rotate(&world, &json!({})).await;
    // A look and an update for each.
    let bound = Duration::from_secs((2 * 400 - 20) / 10);
    assert!(took < bound.mul_f64(1.10), "{took:?}, and {bound:?} is possible");
    let calls = eks_calls(&world);
    assert!(throttled(&calls) * 10 < calls.len(), "{} of {} calls throttled", throttled(&calls), calls.len());
    assert_eq!(world.count("r-1", "Updated"), 400);
}

#[test]
fn two_regions_take_as_long_as_the_slower_one() {
    let time = |fleet: &[(&str, usize)]| {
        in_virtual_time(async {
            let world = throttled_world(5.0, 10.0);
            for (region, count) in fleet {
                add(&world, region, *count);
            }
            rotate(&world, &json!({})).await
        })
    };
    let slower = time(&[("us-east-1", 150)]);
    let both = time(&[("eu-west-1", 100), ("us-east-1", 150)]);
    assert!(both < slower.mul_f64(1.05), "{both:?} for both, {slower:?} for the slower one");
}

/// Shows that a rotation leaves what it has learnt, and that the next one begins there.
#[tokio::test(start_paused = true)]
async fn what_was_learnt_is_kept() {
    let world = throttled_world(5.0, 40.0);
    add(&world, "us-east-1", 200);
    rotate(&world, &json!({})).await;
    let kept = world.ledger_item("pace/us-east-1", "pace").expect("the pace is kept");
    let sum: f64 = ["looks", "updates"].map(|class| kept[class]["perSec"].as_f64().unwrap()).iter().sum();
    assert!((4.0..7.0).contains(&sum), "{kept}");
    assert!(kept["updates"]["learntAt"].as_str().is_some(), "{kept}");

    let first_minute = |from: SystemTime| {
        let calls = eks_calls(&world).into_iter().filter(|call| call.sent_at < from + Duration::from_mins(1));
        throttled(&calls.collect::<Vec<_>>())
    };
    let found = first_minute(world.aws.options().starts_at);
    // The bucket is full again.
    tokio::time::sleep(Duration::from_mins(1)).await;
    world.aws.clear_calls();
    let from = world.aws.now();
    let back = json!({ "rotationId": "r-2", "oldRoleArn": crate::world::NEW, "newRoleArn": crate::world::OLD });
    rotate(&world, &back).await;
    assert!(first_minute(from) < found, "{} throttled, where {found} were in the search", first_minute(from));
}

/// Shows that a figure is followed while it is fresh, and is not believed when it is old.
#[test]
fn an_old_figure_does_not_hold_a_rotation_up() {
    let time = |learnt_at: &str| {
        in_virtual_time(async {
            let world = World::new(Options::default());
            add(&world, "us-east-1", 40);
            let pace = json!({ "perSec": 0.25, "learntAt": learnt_at });
            let item = json!({ "rotationId": "pace/us-east-1", "entry": "pace", "looks": pace, "updates": pace });
            world.aws.put_item(LEDGER, item);
            rotate(&world, &json!({})).await
        })
    };
    let (fresh, old) = (time("2026-11-23T20:59:00.000Z"), time("2026-11-16T21:00:00.000Z"));
    assert!(fresh > 2 * old, "{fresh:?} with a fresh figure, {old:?} with an old one");
    assert!(old < Duration::from_secs(20), "{old:?}");
}

/// Shows that a time that EKS asks to wait is waited by all calls of that kind in that region.
#[tokio::test(start_paused = true)]
async fn a_retry_after_header_is_honoured() {
    let throttle = Some(Throttle { rate_per_sec: 2.0, burst: 4.0 });
    let world = World::new(Options { throttle, retry_after_secs: Some(3), ..Options::default() });
    add(&world, "us-east-1", 150);
    rotate(&world, &json!({})).await;
    let calls = eks_calls(&world);
    assert!(throttled(&calls) > 3, "the test shows nothing");
    for refused in calls.iter().filter(|record| record.status == Some(429)) {
        let told_at = refused.answered_at.unwrap();
        let is_too_soon = |record: &&CallRecord| {
            record.call.operation == refused.call.operation
                && (told_at..told_at + Duration::from_secs(3)).contains(&record.sent_at)
                && record.sent_at != told_at
        };
        let too_soon = calls.iter().find(is_too_soon);
        assert!(too_soon.is_none(), "told at {told_at:?}, and {too_soon:?}");
    }
}

/// Shows that `maxConcurrency` is the most associations that are in work at a time, and never more than the stack allows.
#[test]
fn people_who_want_a_ceiling_have_one() {
    // Where calls are throttled they queue up, and no more queue up than are in work.
    let throttle = Some(Throttle { rate_per_sec: 4.0, burst: 8.0 });
    for (of_the_stack, ceiling, throttle, most_at_once) in
        [("64", 1, None, 1), ("64", 3, None, 3), ("2", 5, None, 2), ("64", 3, throttle, 3)]
    {
        in_virtual_time(async {
            let options = Options { throttle, ..Options::default() };
            let world = World::with_settings(options, &[("MAX_CONCURRENCY", of_the_stack)]);
            add(&world, "us-east-1", 30);
            rotate(&world, &json!({ "maxConcurrency": ceiling.to_string() })).await;
            let mut spans: BTreeMap<String, (SystemTime, SystemTime)> = BTreeMap::new();
            for call in eks_calls(&world) {
                let end = call.answered_at.unwrap();
                spans.entry(call.call.subject).or_insert((call.sent_at, end)).1 = end;
            }
            let at_once = |at: SystemTime| spans.values().filter(|(from, to)| (*from..*to).contains(&at)).count();
            let most = spans.values().map(|(from, _)| at_once(*from)).max();
            assert_eq!(most, Some(most_at_once));
        });
    }
}

/// Shows that a larger fleet costs as much for each association as a small one.
#[test]
fn calls_grow_with_the_fleet() {
    let calls_each = |fleet: u32| {
        in_virtual_time(async {
            let world = World::new(Options { keep_log: false, ..Options::default() });
            add(&world, "us-east-1", fleet as usize);
            rotate(&world, &json!({})).await;
            let calls: usize = world.aws.call_counts().values().sum();
            f64::from(u32::try_from(calls).unwrap()) / f64::from(fleet)
        })
    };
    let (small, large) = (calls_each(100), calls_each(1_000));
    assert!(large <= 1.1 * small, "{large} for each of 1,000, {small} for each of 100");
    assert!(large < 4.2, "{large} calls for an association");
}

/// Shows what one `GetItem` tells of a rotation at work.
#[tokio::test(start_paused = true)]
async fn a_rotation_at_work_says_how_far_it_is() {
    let world = throttled_world(10.0, 20.0);
    add(&world, "us-east-1", 400);
    let event = plain();
    let look = async {
        tokio::time::sleep(Duration::from_secs(45)).await;
        world.rotation("r-1")
    };
    let (summary, seen) = tokio::join!(world.finish(&event), look);
    let progress = &seen["progress"];
    assert_eq!(seen["status"], "InProgress");
    let (pending, updated) = (progress["counts"]["pending"].as_u64(), progress["counts"]["updated"].as_u64());
    assert_eq!(pending.unwrap() + updated.unwrap(), 400, "{seen}");
    assert!(progress["settledPerSec"].as_f64().is_some_and(|pace| (3.0..7.0).contains(&pace)), "{progress}");
    let secs = |time: &Value| {
        let time = chrono::DateTime::parse_from_rfc3339(time.as_str().unwrap()).unwrap();
        time.timestamp()
    };
    let (expected, ended) = (secs(&progress["estimatedEndAt"]), secs(&summary["finishedAt"]));
    assert!((expected - ended).abs() < 15, "expected {expected}, and it was {ended}");
    assert!(world.rotation("r-1").get("progress").is_none(), "what is over has no progress");
}

/// Shows that a plan which takes its time says how far it is, also where a second slice goes on with it.
#[tokio::test(start_paused = true)]
async fn a_plan_at_work_says_how_far_it_is() {
    let latency = Duration::from_secs(1)..=Duration::from_secs(1);
    let world = World::new(Options { latency, keep_log: false, ..Options::default() });
    add(&world, "us-east-1", 1_500);
    let planned = async |after: Duration| {
        tokio::time::sleep(after).await;
        let seen = world.rotation("r-1");
        assert_eq!(seen["status"], "Planning");
        let counts = &seen["progress"]["counts"];
        assert_eq!(counts["total"], counts["pending"]);
        counts["total"].as_u64().unwrap()
    };
    let (event, slice) = (plain(), rerole::rotation::DEADLINE_RESERVE + Duration::from_secs(14));
    let (first, early) = tokio::join!(world.deliver_within(&event, slice), planned(Duration::from_secs(13)));
    assert!(first.is_err(), "{first:?}");
    let left = planned(Duration::ZERO).await;
    assert!(0 < early && early <= left && left < 1_500, "{early} at first, {left} when it was left");
    let (_, later) = tokio::join!(world.deliver_within(&event, slice), planned(Duration::from_secs(13)));
    assert!(left <= later, "{left} when it was left, {later} later");
}
