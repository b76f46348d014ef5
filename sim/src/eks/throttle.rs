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

impl Level {
    fn refill(&mut self, throttle: Throttle, now: SystemTime) {
        let elapsed = now.duration_since(self.refilled_at).unwrap_or_default();
        self.tokens = (self.tokens + elapsed.as_secs_f64() * throttle.rate_per_sec).min(throttle.burst);
        self.refilled_at = now;
    }
}

impl Buckets {
    pub(crate) fn new(throttle: Option<Throttle>) -> Self {
        Self { throttle, levels: BTreeMap::new() }
    }

    /// Another rate from `now` on. What is in the buckets stays, as far as it fits.
    pub(crate) fn change(&mut self, throttle: Option<Throttle>, now: SystemTime) {
        if let Some(before) = self.throttle {
            self.levels.values_mut().for_each(|level| level.refill(before, now));
        }
        self.throttle = throttle;
    }

    /// Takes one token; false where there is none. A call turned away costs nothing.
    pub(crate) fn admits(&mut self, account: &str, region: &str, now: SystemTime) -> bool {
        let Some(throttle) = self.throttle else { return true };
        let level = self
            .levels
            .entry((account.to_owned(), region.to_owned()))
            .or_insert(Level { tokens: throttle.burst, refilled_at: now });
        level.refill(throttle, now);
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

    #[test]
    fn a_change_of_rate_counts_from_where_it_was_made() {
        let at = |secs| SystemTime::UNIX_EPOCH + Duration::from_secs(secs);
        let mut buckets = Buckets::new(Some(Throttle { rate_per_sec: 1.0, burst: 10.0 }));
        let admitted = |buckets: &mut Buckets, now| (0..20).filter(|_| buckets.admits("1", "r1", now)).count();
        assert_eq!(admitted(&mut buckets, at(0)), 10);
        buckets.change(Some(Throttle { rate_per_sec: 3.0, burst: 10.0 }), at(2));
        assert_eq!(admitted(&mut buckets, at(3)), 5, "two at the old rate, three at the new one");
    }
}
