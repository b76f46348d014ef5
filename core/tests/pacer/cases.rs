//! The buckets against which the pacer is measured, and its goals. `benches/pace` has the same
//! rotations through the SDK's clients.

use crate::case::{Case, Work};
use crate::medians::Medians;

/// Upper limits for the medians over several seeds.
#[derive(Debug, Clone, Copy)]
pub struct Goal {
    /// Time divided by the lower bound.
    pub time: f64,
    /// Throttled calls in percent of the calls that are needed.
    pub throttled: f64,
    /// Seconds from the end of a drop until the rate is back.
    pub back_secs: f64,
}

impl Goal {
    pub fn is_met(&self, medians: &Medians) -> bool {
        medians.time <= self.time
            && medians.throttled <= self.throttled
            && medians.back_secs.is_none_or(|secs| secs <= self.back_secs)
    }
}

/// A rate that does not change, and the usual latency.
const STEADY: Goal = Goal {
    time: 1.05,
    throttled: 4.0,
    back_secs: 0.0,
};
/// A drop, other callers, or latencies of seconds.
const CHANGING: Goal = Goal {
    time: 1.30,
    throttled: 10.0,
    back_secs: 60.0,
};
/// Rotations that are over within seconds, and buckets for which a few throttles are many.
const HARDER: Goal = Goal {
    time: 1.15,
    throttled: 14.0,
    back_secs: 0.0,
};
/// A bucket of a single call loses what flows in while no call arrives, so a late call costs time
/// and an early one is throttled.
const WEAK: Goal = Goal {
    time: 1.25,
    throttled: 18.0,
    back_secs: 0.0,
};

pub const fn moves(name: &'static str, associations: u32, per_sec: f64) -> Case {
    Case {
        name,
        associations,
        work: Work::Move,
        per_sec,
        burst: 2.0 * per_sec,
        latency_ms: (80, 200),
        others_per_sec: 0.0,
        drop: None,
        retry_after: None,
    }
}

const fn describes(name: &'static str, associations: u32, per_sec: f64) -> Case {
    Case {
        work: Work::Describe,
        ..moves(name, associations, per_sec)
    }
}

/// 2,000 associations at 20/s. The rate drops to `per_sec` after 30 s, for `secs`.
const fn drop(name: &'static str, per_sec: f64, secs: f64) -> Case {
    Case {
        drop: Some((30.0, 30.0 + secs, per_sec)),
        ..moves(name, 2_000, 20.0)
    }
}

/// Whole rotations. They are the rows of docs/performance.md, too.
pub const ROTATIONS: [(Case, Goal); 15] = [
    (moves("5/s", 500, 5.0), STEADY),
    (moves("10/s", 500, 10.0), STEADY),
    (moves("20/s", 1_000, 20.0), STEADY),
    (moves("50/s", 4_000, 50.0), STEADY),
    (drop("20/s, 5/s for 30 s", 5.0, 30.0), CHANGING),
    (drop("20/s, 2/s for 30 s", 2.0, 30.0), CHANGING),
    (drop("20/s, 0.5/s for 30 s", 0.5, 30.0), CHANGING),
    (drop("20/s, 0.05/s for 30 s", 0.05, 30.0), CHANGING),
    (drop("20/s, outage of 20 s", 0.0, 20.0), CHANGING),
    (drop("20/s, outage of 60 s", 0.0, 60.0), CHANGING),
    (drop("20/s, 5/s for 100 s", 5.0, 100.0), CHANGING),
    (
        moves("10/s, others take 4/s", 500, 10.0).others_per_sec(4.0),
        CHANGING,
    ),
    (
        moves("10/s, others take 8/s", 500, 10.0).others_per_sec(8.0),
        CHANGING,
    ),
    (
        moves("10/s, latency 20 ms", 500, 10.0).latency_ms(20, 20),
        STEADY,
    ),
    (
        moves("10/s, latency 2 s", 1_000, 10.0).latency_ms(1_500, 2_000),
        CHANGING,
    ),
];

/// Calls of one operation, and corners.
pub const OTHERS: [(Case, Goal); 15] = [
    (describes("5/s, 500 Describes", 500, 5.0), STEADY),
    (describes("20/s, 500 Describes", 500, 20.0), STEADY),
    (describes("100/s, 5,000 Describes", 5_000, 100.0), HARDER),
    (describes("5/s, 50 Describes", 50, 5.0), HARDER),
    (
        describes("10/s, latency 2 s, Describes", 500, 10.0).latency_ms(1_500, 2_000),
        HARDER,
    ),
    (
        describes("10/s, latency 20 ms to 2 s, Describes", 500, 10.0).latency_ms(20, 2_000),
        HARDER,
    ),
    (moves("50/s, burst 500", 2_000, 50.0).burst(500.0), HARDER),
    (
        describes("100/s, burst 100, Describes", 5_000, 100.0).burst(100.0),
        HARDER,
    ),
    (moves("1/s, burst 5", 100, 1.0).burst(5.0), HARDER),
    (
        describes("1/s, burst 1, Describes", 100, 1.0).burst(1.0),
        WEAK,
    ),
    (moves("5/s, 50 associations", 50, 5.0), HARDER),
    (
        moves("10/s, asked to wait 1 s", 1_000, 10.0).retry_after(1.0),
        STEADY,
    ),
    (
        moves("10/s, asked to wait 3 s", 1_000, 10.0).retry_after(3.0),
        CHANGING,
    ),
    (
        drop("20/s, 5/s for 100 s, asked to wait 3 s", 5.0, 100.0).retry_after(3.0),
        CHANGING,
    ),
    (
        drop("20/s, 0.5/s for 30 s, latency 20 ms", 0.5, 30.0).latency_ms(20, 20),
        CHANGING,
    ),
];
