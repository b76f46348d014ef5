//! The rate at which calls pass a throttled EKS: the update cases of the pace bench within their
//! goals, what a rotation learns, and the limits that an operator sets. Whole rotations are in
//! `pace_of_rotations.rs`, progress reports in `progress.rs`.

#[path = "../../benches/pace/callers.rs"]
mod callers;
#[path = "../../benches/pace/cases.rs"]
pub mod cases;
#[path = "../../benches/pace/rotation_cases.rs"]
pub mod rotation_cases;
#[path = "../../benches/pace/rotations.rs"]
pub mod rotations;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use rerole_sim::{Buckets, Call, CallRecord, Fault, Options, Throttle};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::{Harness, INDEX, LEDGER, NEW, OLD, event, in_virtual_time, is_update};
use callers::{Caller, Run, play};
use cases::{CHANGING_CASES, Case, FAST_CASES, PLAIN_CASES, SLOW_CASES};

/// Both ways in which EKS may throttle.
pub const BUCKETS: [Buckets; 2] = [Buckets::PerRegion, Buckets::PerOperation];

/// A harness with one bucket for each region. The whole rate is used.
pub fn throttled_harness(rate_per_sec: f64, burst: f64) -> Harness {
    throttled_by(Buckets::PerRegion, rate_per_sec, burst)
}

/// As [`throttled_harness`], with these buckets.
pub fn throttled_by(buckets: Buckets, rate_per_sec: f64, burst: f64) -> Harness {
    let throttle = Some(Throttle {
        rate_per_sec,
        burst,
    });
    whole_rate_harness(Options {
        throttle,
        buckets,
        ..Options::default()
    })
}

/// A harness whose functions use the whole rate.
pub fn whole_rate_harness(options: Options) -> Harness {
    Harness::with_settings(options, &[("RATE_SHARE", "100")])
}

/// Throttles updates to one in each interval, and no other calls.
pub fn throttle_updates(interval: Duration) -> impl FnMut(&Call) -> Fault + Send + 'static {
    let mut free_at = Instant::now();
    move |call| {
        if !is_update(call) {
            return Fault::None;
        }
        if Instant::now() < free_at {
            return Fault::Throttle;
        }
        free_at = Instant::now() + interval;
        Fault::None
    }
}

/// Adds a cluster with `count` associations on the old role to the region.
pub fn add_associations(harness: &Harness, region: &str, count: usize) {
    let name = format!("{region}-fleet");
    harness.aws.eks(|eks| eks.create_cluster(region, &name));
    for number in 0..count {
        let service_account = format!("app-{number}");
        let arn = harness
            .aws
            .eks(|eks| eks.associate(region, &name, "apps", &service_account, OLD));
        harness.aws.index_association(INDEX, &arn);
    }
}

/// Checks that the medians of these cases are within their goals, and that no update fails, however
/// EKS throttles.
fn check_goals(cases: &[Case], seeds: u64) {
    for buckets in BUCKETS {
        check_goals_with(buckets, cases, seeds);
    }
}

fn check_goals_with(buckets: Buckets, cases: &[Case], seeds: u64) {
    for case in cases {
        let runs: Vec<Run> = (0..seeds)
            .map(|seed| play(case, buckets, Caller::Rerole, seed))
            .collect();
        assert!(
            runs.iter().all(|run| run.failed == 0),
            "{}: updates failed",
            case.name
        );
        let median = |mut figures: Vec<f64>| {
            figures.sort_by(f64::total_cmp);
            figures[figures.len() / 2]
        };
        let time = median(
            runs.iter()
                .map(|run| run.took.div_duration_f64(case.bound(buckets)))
                .collect(),
        );
        assert!(
            time <= case.goal.time,
            "{}: {time:.3} of the bound",
            case.name
        );
        let throttled = runs
            .iter()
            .map(|run| f64::from(u32::try_from(run.throttled()).unwrap()));
        let throttled = median(throttled.collect()) / f64::from(case.associations);
        assert!(
            throttled <= case.goal.throttled,
            "{}: {throttled:.3} throttled",
            case.name
        );
    }
}

#[test]
fn plain_buckets_are_emptied_as_fast_as_they_fill() {
    check_goals(&PLAIN_CASES, 5);
}

#[test]
fn slow_or_fast_responses_and_low_rates_cost_little_time() {
    check_goals(&SLOW_CASES, 3);
}

#[test]
fn large_buckets_and_high_rates_are_found() {
    check_goals(&FAST_CASES, 3);
}

#[test]
fn the_rate_follows_other_callers_and_changing_limits() {
    check_goals(&CHANGING_CASES, 3);
}

/// This is why the SDK's retries are disabled for EKS.
#[test]
fn the_retries_of_the_sdk_lose_updates_or_time() {
    let case = &PLAIN_CASES[2];
    let buckets = Buckets::PerRegion;
    assert!(play(case, buckets, Caller::Standard, 0).failed > 300);
    let adaptive = play(case, buckets, Caller::Adaptive, 0);
    assert!(
        adaptive.took > case.bound(buckets) * 3 / 2 && adaptive.throttled() > 100,
        "{:?}",
        adaptive.took
    );
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let play = |seed| play(&PLAIN_CASES[0], Buckets::PerRegion, Caller::Rerole, seed).calls;
    let runs = [1, 1, 2].map(play);
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}

/// Rotates all associations, and returns how long it took.
pub async fn rotate(harness: &Harness, detail: &Value) -> Duration {
    let started_at = Instant::now();
    let summary = harness.finish(&event(detail)).await;
    assert_eq!(summary["status"], "Succeeded", "{summary}");
    started_at.elapsed()
}

pub fn eks_calls(harness: &Harness) -> Vec<CallRecord> {
    let is_eks = |record: &CallRecord| record.call.operation.ends_with("PodIdentityAssociation");
    harness.aws.calls().into_iter().filter(is_eks).collect()
}

pub fn throttled(calls: &[CallRecord]) -> usize {
    calls
        .iter()
        .filter(|record| record.status == Some(429))
        .count()
}

#[test]
fn the_next_rotation_starts_at_the_learned_rate() {
    for (buckets, whole_rate) in [(Buckets::PerRegion, 5.0), (Buckets::PerOperation, 10.0)] {
        in_virtual_time(async {
            let harness = throttled_by(buckets, 5.0, 20.0);
            add_associations(&harness, "us-east-1", 200);
            rotate(&harness, &json!({})).await;
            let saved = harness
                .ledger_item("rates/us-east-1", "rates")
                .expect("the rate is saved");
            let share = saved["rate"]["perSec"].as_f64().unwrap() / whole_rate;
            assert!((0.9..1.1).contains(&share), "{buckets:?}: {saved}");
            assert!(saved["rate"]["learnedAt"].as_str().is_some(), "{saved}");

            let throttled_at_start = || {
                let calls = eks_calls(&harness);
                let until = calls[0].sent_at + Duration::from_secs(10);
                let calls = calls.into_iter().filter(|call| call.sent_at < until);
                throttled(&calls.collect::<Vec<_>>())
            };
            assert!(throttled_at_start() > 0, "the rate is not known");
            // After a minute the bucket is full again.
            tokio::time::sleep(Duration::from_mins(1)).await;
            harness.aws.clear_calls();
            let back = json!({ "rotationId": "r-2", "oldRoleArn": NEW, "newRoleArn": OLD });
            rotate(&harness, &back).await;
            assert_eq!(throttled_at_start(), 0, "the rate is known");
        });
    }
}

#[test]
fn a_learned_rate_is_used_only_while_it_is_recent() {
    let time = |learned_at: &str| {
        in_virtual_time(async {
            let harness = Harness::new(Options::default());
            add_associations(&harness, "us-east-1", 40);
            let rate = json!({ "perSec": 0.5, "learnedAt": learned_at });
            let item = json!({
                "rotationId": "rates/us-east-1",
                "entry": "rates",
                "rate": rate,
            });
            harness.aws.put_item(LEDGER, item);
            rotate(&harness, &json!({})).await
        })
    };
    let (fresh, old) = (
        time("2026-11-23T20:59:00.000Z"),
        time("2026-11-16T21:00:00.000Z"),
    );
    assert!(
        fresh > 2 * old,
        "{fresh:?} with a recent rate, {old:?} with an old one"
    );
    assert!(old < Duration::from_secs(20), "{old:?}");
}

/// It holds back all calls in the same region.
#[test]
fn a_retry_after_header_is_honored() {
    for buckets in BUCKETS {
        let calls = in_virtual_time(async {
            let throttle = Some(Throttle {
                rate_per_sec: 2.0,
                burst: 4.0,
            });
            let harness = whole_rate_harness(Options {
                throttle,
                buckets,
                retry_after_secs: Some(3),
                ..Options::default()
            });
            add_associations(&harness, "us-east-1", 300);
            rotate(&harness, &json!({})).await;
            eks_calls(&harness)
        });
        assert!(throttled(&calls) > 3, "too few calls were throttled");
        for throttled in calls.iter().filter(|record| record.status == Some(429)) {
            let received_at = throttled.received_at.unwrap();
            let is_too_soon = |record: &&CallRecord| {
                (received_at..received_at + Duration::from_secs(3)).contains(&record.sent_at)
                    && record.sent_at != received_at
            };
            let too_soon = calls.iter().find(is_too_soon);
            assert!(
                too_soon.is_none(),
                "{buckets:?}: throttled at {received_at:?}, but {too_soon:?}"
            );
        }
    }
}

/// The stack's `MaxConcurrency` caps the `maxConcurrency` of a request.
#[test]
fn max_concurrency_limits_the_associations_in_flight() {
    // Throttled calls wait for a permit, and a waiting association also counts as in flight.
    let throttle = Some(Throttle {
        rate_per_sec: 4.0,
        burst: 8.0,
    });
    for (stack_limit, request_limit, throttle, expected) in [
        ("64", 1, None, 1),
        ("64", 3, None, 3),
        ("2", 5, None, 2),
        ("64", 1, throttle, 1),
    ] {
        in_virtual_time(async {
            let options = Options {
                throttle,
                ..Options::default()
            };
            let harness = Harness::with_settings(options, &[("MAX_CONCURRENCY", stack_limit)]);
            add_associations(&harness, "us-east-1", 30);
            rotate(
                &harness,
                &json!({ "maxConcurrency": request_limit.to_string() }),
            )
            .await;
            let mut spans: BTreeMap<String, (SystemTime, SystemTime)> = BTreeMap::new();
            for call in eks_calls(&harness) {
                let end = call.received_at.unwrap();
                spans
                    .entry(call.call.subject)
                    .or_insert((call.sent_at, end))
                    .1 = end;
            }
            let in_flight = |at: SystemTime| {
                spans
                    .values()
                    .filter(|(from, to)| (*from..*to).contains(&at))
                    .count()
            };
            let most = spans.values().map(|(from, _)| in_flight(*from)).max();
            assert_eq!(most, Some(expected));
        });
    }
}

#[test]
fn a_larger_fleet_needs_no_more_calls_per_association() {
    let calls_each = |fleet: u32| {
        in_virtual_time(async {
            let harness = Harness::new(Options {
                keep_log: false,
                ..Options::default()
            });
            add_associations(&harness, "us-east-1", fleet as usize);
            rotate(&harness, &json!({})).await;
            let calls: usize = harness.aws.call_counts().values().sum();
            f64::from(u32::try_from(calls).unwrap()) / f64::from(fleet)
        })
    };
    let (small, large) = (calls_each(100), calls_each(1_000));
    assert!(
        large <= 1.1 * small,
        "{large} for each of 1,000, {small} for each of 100"
    );
    assert!(large < 4.2, "{large} calls for each association");
}
