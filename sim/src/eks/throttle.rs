//! Token buckets, one for each (account, region): EKS throttles all calls of an account in a region together.

use crate::options::Throttle;
use std::collections::BTreeMap;
use std::time::SystemTime;

pub(crate) struct Buckets {
    throttle: Option<Throttle>,
    levels: BTreeMap<(String, String), Level>,
}

struct Level {
    tokens: f64,
    refilled_at: SystemTime,
}

impl Buckets {
    pub(crate) fn new(throttle: Option<Throttle>) -> Self {
        Self { throttle, levels: BTreeMap::new() }
    }

    /// Takes one token; false where there is none. A call turned away costs nothing.
    pub(crate) fn admits(&mut self, account: &str, region: &str, now: SystemTime) -> bool {
        let Some(throttle) = self.throttle else { return true };
        let level = self
            .levels
            .entry((account.to_owned(), region.to_owned()))
            .or_insert(Level { tokens: throttle.burst, refilled_at: now });
        let elapsed = now.duration_since(level.refilled_at).unwrap_or_default();
        level.tokens = (level.tokens + elapsed.as_secs_f64() * throttle.rate_per_sec).min(throttle.burst);
        level.refilled_at = now;
        let admitted = level.tokens >= 1.0;
        if admitted {
            level.tokens -= 1.0;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_bucket_admits_its_burst_and_then_its_rate_for_each_domain() {
        let mut buckets = Buckets::new(Some(Throttle { rate_per_sec: 2.0, burst: 3.0 }));
        // Milliseconds since the start, region, admitted.
        let rows = [
            (0, "r1", true),
            (0, "r1", true),
            (0, "r1", true),
            (0, "r1", false),
            (0, "r2", true),
            (499, "r1", false),
            (500, "r1", true),
            (500, "r1", false),
            (60_000, "r1", true),
            (60_000, "r1", true),
            (60_000, "r1", true),
            (60_000, "r1", false),
        ];
        for (millis, region, admitted) in rows {
            let now = SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
            assert_eq!(buckets.admits("1", region, now), admitted, "{region} at {millis} ms");
        }
    }
}
