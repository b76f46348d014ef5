//! How long whole rotations take against throttled buckets, however EKS throttles: the smaller
//! rotations of the pace bench within their goals, the start, several regions, and a share of the
//! rate.

use std::time::Duration;

use rerole_sim::{Buckets, Options, Throttle};
use serde_json::json;

use crate::harness::{Harness, in_virtual_time};
use crate::pace::rotation_cases::{
    BACK_MAX, RotationCase, changing, drop_to, dropping, steady, with_latency, with_others,
};
use crate::pace::rotations::play_rotation;
use crate::pace::{BUCKETS, add_associations, eks_calls, rotate, throttled_by};

const BUCKET: Throttle = Throttle {
    rate_per_sec: 10.0,
    burst: 20.0,
};
/// Rotations without a drop.
const CASES_WITHOUT_DROP: [RotationCase; 4] = [
    steady("5/s", 100, 5.0),
    steady("20/s", 400, 20.0),
    with_latency(steady("10/s, latency 20 ms", 200, 10.0), (20, 20)),
    with_others(changing("10/s, others take 4/s", 200, 10.0), 4.0),
];
const DROPPING_CASES: [RotationCase; 6] = [
    after_10_s("20/s, 5/s for 30 s", 5.0, 30),
    after_10_s("20/s, 0.5/s for 30 s", 0.5, 30),
    after_10_s("20/s, 0.05/s for 30 s", 0.05, 30),
    after_10_s("20/s, outage of 20 s", 0.0, 20),
    after_10_s("20/s, outage of 60 s", 0.0, 60),
    RotationCase {
        steady_region: 600,
        ..after_10_s("20/s, 2/s for 30 s in one of two regions", 2.0, 30)
    },
];

/// 800 associations at 20/s. The rate drops to `rate_per_sec` after 10 s. With fewer, a rotation
/// can end before it is known whether it is back.
const fn after_10_s(name: &'static str, rate_per_sec: f64, secs: u64) -> RotationCase {
    let drop = drop_to(rate_per_sec, 10, Duration::from_secs(secs));
    dropping(name, 800, drop)
}

/// A short rotation has the same start and the same search as a long one, and they are a larger
/// part of it: so much more than the goal is allowed.
const START: Duration = Duration::from_secs(5);
const START_THROTTLES: f64 = 6.0;

fn check_goals(cases: &[RotationCase]) {
    let mut missed = vec![];
    for rotation in cases {
        for buckets in BUCKETS {
            let run = play_rotation(rotation, buckets, 0);
            let (took, bound) = (run.run.took, rotation.bound(buckets));
            let throttled = u32::try_from(run.run.throttled()).unwrap();
            let back = rotation.back_after(&run, buckets);
            let goal = rotation.case.goal;
            let throttled_max = f64::from(rotation.calls()) * goal.throttled;
            let is_met = took <= bound.mul_f64(goal.time) + START
                && f64::from(throttled) <= throttled_max + START_THROTTLES
                && (rotation.case.rate_drop.is_none() || back.is_some_and(|back| back <= BACK_MAX));
            if !is_met {
                missed.push((rotation.case.name, buckets, [took, bound], throttled, back));
            }
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn rotations_use_nearly_the_whole_rate() {
    check_goals(&CASES_WITHOUT_DROP);
}

#[test]
fn rotations_are_soon_back_at_the_rate_after_a_drop() {
    check_goals(&DROPPING_CASES);
}

#[test]
fn two_regions_take_as_long_as_the_slower_one() {
    for buckets in BUCKETS {
        let time = |fleet: &[(&str, usize)]| {
            in_virtual_time(async {
                let harness = throttled_by(buckets, 5.0, 10.0);
                for (region, count) in fleet {
                    add_associations(&harness, region, *count);
                }
                rotate(&harness, &json!({})).await
            })
        };
        let slower = time(&[("us-east-1", 150)]);
        let both = time(&[("eu-west-1", 100), ("us-east-1", 150)]);
        assert!(
            both < slower.mul_f64(1.05),
            "{buckets:?}: {both:?} for both, {slower:?} for the slower one"
        );
    }
}

/// The pacer does not know that EKS will throttle no call. With as many associations in flight as
/// may be, they would take 1.6 s.
#[tokio::test(start_paused = true)]
async fn a_fleet_that_eks_does_not_throttle_is_moved_within_seconds() {
    let latency = Duration::from_millis(60);
    let harness = Harness::new(Options {
        latency: latency..=latency,
        ..Options::default()
    });
    for region in ["eu-west-1", "us-east-1"] {
        add_associations(&harness, region, 200);
    }
    // The rotation itself ends later: its last sweep starts five seconds after it was opened.
    let scope = json!({});
    let (_, took) = tokio::join!(rotate(&harness, &scope), harness.time_until_moved(400));
    assert!(took <= Duration::from_secs(4), "{took:?}");
}

/// Seeds of which the mean is taken.
const SEEDS: [u64; 4] = [1, 2, 3, 4];

/// The start and the searches use more. So the second half of a rotation is looked at.
#[test]
fn a_share_of_the_rate_is_left_to_other_callers() {
    for buckets in BUCKETS {
        for (percent, share) in [("80", 0.8), ("50", 0.5)] {
            // When the search for the rate falls into the second half decides about a tenth of it.
            let rates = SEEDS.map(|seed| {
                in_virtual_time(async {
                    let options = Options {
                        throttle: Some(BUCKET),
                        buckets,
                        seed,
                        ..Options::default()
                    };
                    let harness = Harness::with_settings(options, &[("RATE_SHARE", percent)]);
                    add_associations(&harness, "us-east-1", 500);
                    rotate(&harness, &json!({})).await;
                    admitted_per_sec_in_second_half(&harness)
                })
            });
            let per_sec = rates.iter().sum::<f64>() / f64::from(u8::try_from(rates.len()).unwrap());
            let whole_rate = match buckets {
                Buckets::PerRegion => BUCKET.rate_per_sec,
                Buckets::PerOperation => 2.0 * BUCKET.rate_per_sec,
            };
            let used = per_sec / whole_rate;
            assert!(
                (0.9 * share..1.15 * share).contains(&used),
                "{buckets:?}, {percent} %: {used:.2} used"
            );
        }
    }
}

fn admitted_per_sec_in_second_half(harness: &Harness) -> f64 {
    let calls = eks_calls(harness);
    let mut admitted: Vec<_> = calls.iter().filter_map(|call| call.applied_at).collect();
    admitted.sort();
    let (first, last) = (admitted[0], admitted[admitted.len() - 1]);
    let half = last.duration_since(first).unwrap() / 2;
    let count = admitted.iter().filter(|at| **at >= first + half).count();
    f64::from(u32::try_from(count).unwrap()) / half.as_secs_f64()
}
