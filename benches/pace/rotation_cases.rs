//! Whole rotations against a bucket: what the fastest possible caller achieves, and the goals. The
//! rotations of docs/performance.md are in `rotation_table.rs`; the tests have shorter ones.

use std::time::Duration;

use rerole_sim::{Buckets, Throttle};

use super::callers::{Decision, Run};
use super::cases::{Case, Goal, RateDrop, plain};

/// The region that has no rate drop, in the case with two regions.
pub const STEADY_REGION: &str = "eu-west-1";
/// The window in which the rate after a drop is measured.
const BACK_WINDOW: Duration = Duration::from_secs(10);
/// The share of the rate at which a rotation counts as back.
const BACK_SHARE: f64 = 0.9;

/// A whole rotation.
#[derive(Debug, Clone, Copy)]
pub struct RotationCase {
    /// The bucket of each region, and the associations of the first region.
    pub case: Case,
    /// The associations of a second region, whose rate does not drop.
    pub steady_region: u32,
}

/// What a rotation took.
#[derive(Debug)]
pub struct RotationRun {
    pub run: Run,
    /// The decisions about calls in the region whose rate drops.
    pub dropping_region: Vec<Decision>,
}

/// A rate that does not change, and the usual latency: only the start costs time.
const STEADY: Goal = Goal {
    time: 1.05,
    throttled: 0.04,
};
/// A drop, other callers, or latencies of seconds. The rotation is back at the rate within
/// [`BACK_MAX`] of a drop's end.
const CHANGING: Goal = Goal {
    time: 1.30,
    throttled: 0.10,
};
/// The longest time from the end of a drop until the rate is back.
pub const BACK_MAX: Duration = Duration::from_mins(1);

const fn rotation(case: Case) -> RotationCase {
    RotationCase {
        case,
        steady_region: 0,
    }
}

pub const fn steady(name: &'static str, associations: u32, rate_per_sec: f64) -> RotationCase {
    let throttle = Throttle {
        rate_per_sec,
        burst: 2.0 * rate_per_sec,
    };
    rotation(Case {
        goal: STEADY,
        ..plain(name, associations, throttle)
    })
}

pub const fn changing(name: &'static str, associations: u32, rate_per_sec: f64) -> RotationCase {
    let RotationCase { case, .. } = steady(name, associations, rate_per_sec);
    rotation(Case {
        goal: CHANGING,
        ..case
    })
}

/// The rate drops to `drop.share` of 20/s for a while.
pub const fn dropping(name: &'static str, associations: u32, drop: RateDrop) -> RotationCase {
    let RotationCase { case, .. } = changing(name, associations, 20.0);
    rotation(Case {
        rate_drop: Some(drop),
        ..case
    })
}

/// A drop of the rate of 20/s, after `from_secs`.
pub const fn drop_to(rate_per_sec: f64, from_secs: u64, lasts: Duration) -> RateDrop {
    RateDrop {
        from: Duration::from_secs(from_secs),
        lasts,
        share: rate_per_sec / 20.0,
    }
}

/// Other callers describe at random times.
pub const fn with_others(rotation_case: RotationCase, others_per_sec: f64) -> RotationCase {
    let RotationCase { case, .. } = rotation_case;
    rotation(Case {
        others_per_sec,
        ..case
    })
}

/// The latency of each call is random between these two.
pub const fn with_latency(rotation_case: RotationCase, latency_ms: (u64, u64)) -> RotationCase {
    let RotationCase { case, .. } = rotation_case;
    rotation(Case { latency_ms, ..case })
}

impl RotationCase {
    /// The earliest time at which both calls of each association can be done.
    pub fn bound(&self, buckets: Buckets) -> Duration {
        let case = &self.case;
        let steady_region = Case {
            associations: self.steady_region,
            rate_drop: None,
            ..*case
        };
        [*case, steady_region]
            .map(|case| case.bound_of(calls_in_bucket(case.associations, buckets)))
            .into_iter()
            .max()
            .unwrap_or_default()
    }

    /// The calls that the rotation makes at least.
    pub fn calls(&self) -> u32 {
        2 * (self.case.associations + self.steady_region)
    }

    /// How long after the end of the drop the calls were back at the bucket's rate. `None` if there
    /// is no drop, or they were not back before the rotation was nearly done.
    pub fn back_after(&self, run: &RotationRun, buckets: Buckets) -> Option<Duration> {
        let (drop, throttle) = (self.case.rate_drop?, self.case.throttle);
        let rate = match buckets {
            Buckets::PerRegion => throttle.rate_per_sec,
            Buckets::PerOperation => 2.0 * throttle.rate_per_sec,
        };
        let expected = BACK_SHARE * rate * BACK_WINDOW.as_secs_f64();
        let ended_at = drop.from + drop.lasts;
        let seconds = (0..).map(Duration::from_secs);
        seconds
            .take_while(|after| ended_at + *after + BACK_WINDOW <= run.run.took)
            .find(|after| {
                let window = ended_at + *after..ended_at + *after + BACK_WINDOW;
                let admitted = run
                    .dropping_region
                    .iter()
                    .filter(|(at, is_admitted)| *is_admitted && window.contains(at));
                #[expect(clippy::cast_precision_loss, reason = "a few hundred calls")]
                let admitted = admitted.count() as f64;
                admitted >= expected
            })
    }
}

/// The calls that go through each bucket of a region.
fn calls_in_bucket(associations: u32, buckets: Buckets) -> u32 {
    match buckets {
        Buckets::PerRegion => 2 * associations,
        Buckets::PerOperation => associations,
    }
}
