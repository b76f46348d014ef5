//! Token buckets: one for each account and region, or one for each operation in each of them. AWS
//! does not say which EKS has.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::arn::Scope;
use crate::options::{Buckets, Throttle};

pub(crate) struct TokenBuckets {
    buckets: Buckets,
    /// The throttle of a region without one of its own.
    throttle: Option<Throttle>,
    by_region: BTreeMap<String, Option<Throttle>>,
    by_key: BTreeMap<Key, Bucket>,
}

/// The calls that share a bucket.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    account: String,
    region: String,
    /// `None` if all operations share the bucket.
    operation: Option<&'static str>,
}

struct Bucket {
    tokens: f64,
    refilled_at: SystemTime,
}

impl Bucket {
    fn refill(&mut self, throttle: Throttle, now: SystemTime) {
        let elapsed = now.duration_since(self.refilled_at).unwrap_or_default();
        self.tokens =
            (self.tokens + elapsed.as_secs_f64() * throttle.rate_per_sec).min(throttle.burst);
        self.refilled_at = now;
    }
}

impl TokenBuckets {
    pub(crate) fn new(throttle: Option<Throttle>, buckets: Buckets) -> Self {
        Self {
            buckets,
            throttle,
            by_region: BTreeMap::new(),
            by_key: BTreeMap::new(),
        }
    }

    /// Changes rate and burst from `now` on, in all regions without a throttle of their own. The
    /// buckets keep their tokens, up to the new burst.
    pub(crate) fn set_throttle(&mut self, throttle: Option<Throttle>, now: SystemTime) {
        self.refill_all(now);
        self.throttle = throttle;
    }

    /// As [`Self::set_throttle`], in one region.
    pub(crate) fn set_region_throttle(
        &mut self,
        region: &str,
        throttle: Option<Throttle>,
        now: SystemTime,
    ) {
        self.refill_all(now);
        self.by_region.insert(region.to_owned(), throttle);
    }

    /// Takes one token; false if the bucket is empty. A throttled call takes no token.
    pub(crate) fn try_acquire(
        &mut self,
        scope: Scope<'_>,
        operation: &'static str,
        now: SystemTime,
    ) -> bool {
        let Some(throttle) = self.throttle_in(scope.region) else {
            return true;
        };
        let key = Key {
            account: scope.account.to_owned(),
            region: scope.region.to_owned(),
            operation: match self.buckets {
                Buckets::PerRegion => None,
                Buckets::PerOperation => Some(operation),
            },
        };
        let full = Bucket {
            tokens: throttle.burst,
            refilled_at: now,
        };
        let bucket = self.by_key.entry(key).or_insert(full);
        bucket.refill(throttle, now);
        let is_admitted = bucket.tokens >= 1.0;
        if is_admitted {
            bucket.tokens -= 1.0;
        }
        is_admitted
    }

    fn throttle_in(&self, region: &str) -> Option<Throttle> {
        self.by_region.get(region).copied().unwrap_or(self.throttle)
    }

    fn refill_all(&mut self, now: SystemTime) {
        for (key, bucket) in &mut self.by_key {
            let own = self.by_region.get(&key.region).copied();
            if let Some(throttle) = own.unwrap_or(self.throttle) {
                bucket.refill(throttle, now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::TokenBuckets;
    use crate::arn::Scope;
    use crate::options::{Buckets, Throttle};

    const DESCRIBE: &str = "DescribePodIdentityAssociation";
    const UPDATE: &str = "UpdatePodIdentityAssociation";

    fn at(millis: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
    }

    fn throttle(rate_per_sec: f64, burst: f64) -> Throttle {
        Throttle {
            rate_per_sec,
            burst,
        }
    }

    fn in_region(region: &str) -> Scope<'_> {
        let account = "1";
        Scope { account, region }
    }

    #[test]
    fn each_region_has_a_bucket_with_its_burst_and_rate() {
        let mut buckets = TokenBuckets::new(Some(throttle(2.0, 3.0)), Buckets::PerRegion);
        // Milliseconds since the start, region, admitted.
        for (millis, region, is_admitted) in [
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
        ] {
            assert_eq!(
                buckets.try_acquire(in_region(region), DESCRIBE, at(millis)),
                is_admitted,
                "{region} at {millis} ms"
            );
        }
    }

    #[test]
    fn operations_share_a_bucket_or_have_one_each() {
        for (kind, expected) in [
            (Buckets::PerRegion, [true, false, false]),
            (Buckets::PerOperation, [true, true, false]),
        ] {
            let mut buckets = TokenBuckets::new(Some(throttle(1.0, 1.0)), kind);
            let admitted = [DESCRIBE, UPDATE, DESCRIBE]
                .map(|operation| buckets.try_acquire(in_region("r1"), operation, at(0)));
            assert_eq!(admitted, expected, "{kind:?}");
        }
    }

    #[test]
    fn a_new_rate_applies_from_the_time_of_the_change() {
        let mut buckets = TokenBuckets::new(Some(throttle(1.0, 10.0)), Buckets::PerRegion);
        let admitted = |buckets: &mut TokenBuckets, region, millis| {
            let is_admitted = |_: &_| buckets.try_acquire(in_region(region), DESCRIBE, at(millis));
            (0..20).filter(is_admitted).count()
        };
        assert_eq!(admitted(&mut buckets, "r1", 0), 10);
        assert_eq!(admitted(&mut buckets, "r2", 0), 10);
        buckets.set_throttle(Some(throttle(3.0, 10.0)), at(2_000));
        assert_eq!(
            admitted(&mut buckets, "r1", 3_000),
            5,
            "two at the old rate, three at the new one"
        );
        // A region's own throttle changes nothing elsewhere.
        buckets.set_region_throttle("r1", Some(throttle(0.0, 10.0)), at(3_000));
        assert_eq!(admitted(&mut buckets, "r1", 9_000), 0);
        assert_eq!(admitted(&mut buckets, "r2", 3_000), 5);
        buckets.set_region_throttle("r1", None, at(9_000));
        assert_eq!(admitted(&mut buckets, "r1", 9_000), 20);
    }
}
