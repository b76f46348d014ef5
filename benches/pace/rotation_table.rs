//! The rotations of docs/performance.md.

use std::time::Duration;

use super::rotation_cases::{
    RotationCase, changing, drop_to, dropping, steady, with_latency, with_others,
};

pub const ROTATION_CASES: [RotationCase; 16] = [
    steady("5/s", 500, 5.0),
    steady("10/s", 500, 10.0),
    steady("20/s", 1_000, 20.0),
    steady("50/s", 4_000, 50.0),
    after_30_s("20/s, 5/s for 30 s", 5.0, 30),
    after_30_s("20/s, 2/s for 30 s", 2.0, 30),
    after_30_s("20/s, 0.5/s for 30 s", 0.5, 30),
    after_30_s("20/s, 0.05/s for 30 s", 0.05, 30),
    after_30_s("20/s, outage of 20 s", 0.0, 20),
    after_30_s("20/s, outage of 60 s", 0.0, 60),
    after_30_s("20/s, 5/s for 100 s", 5.0, 100),
    with_others(changing("10/s, others take 4/s", 500, 10.0), 4.0),
    with_others(changing("10/s, others take 8/s", 500, 10.0), 8.0),
    with_latency(steady("10/s, latency 20 ms", 500, 10.0), (20, 20)),
    with_latency(changing("10/s, latency 2 s", 1_000, 10.0), (1_500, 2_000)),
    RotationCase {
        steady_region: 2_000,
        ..after_30_s("20/s, 2/s for 30 s in one of two regions", 2.0, 30)
    },
];

/// 2,000 associations at 20/s. The rate drops to `rate_per_sec` after 30 s.
const fn after_30_s(name: &'static str, rate_per_sec: f64, secs: u64) -> RotationCase {
    let drop = drop_to(rate_per_sec, 30, Duration::from_secs(secs));
    dropping(name, 2_000, drop)
}
