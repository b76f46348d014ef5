//! Token buckets, one for each account and region: EKS throttles all calls of an account in a
//! region together.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::arn::Scope;
use crate::options::Throttle;

pub(crate) struct TokenBuckets {
    throttle: Option<Throttle>,
    by_account_and_region: BTreeMap<(String, String), Bucket>,
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
    pub(crate) fn new(throttle: Option<Throttle>) -> Self {
        Self {
            throttle,
            by_account_and_region: BTreeMap::new(),
        }
    }

    /// Changes rate and burst from `now` on. The buckets keep their tokens, up to the new burst.
    pub(crate) fn set_throttle(&mut self, throttle: Option<Throttle>, now: SystemTime) {
        if let Some(before) = self.throttle {
            for bucket in self.by_account_and_region.values_mut() {
                bucket.refill(before, now);
            }
        }
        self.throttle = throttle;
    }

    /// Takes one token; false if the bucket is empty. A throttled call takes no token.
    pub(crate) fn try_acquire(&mut self, scope: Scope<'_>, now: SystemTime) -> bool {
        let Some(throttle) = self.throttle else {
            return true;
        };
        let key = (scope.account.to_owned(), scope.region.to_owned());
        let full = Bucket {
            tokens: throttle.burst,
            refilled_at: now,
        };
        let bucket = self.by_account_and_region.entry(key).or_insert(full);
        bucket.refill(throttle, now);
        let is_admitted = bucket.tokens >= 1.0;
        if is_admitted {
            bucket.tokens -= 1.0;
        }
        is_admitted
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::TokenBuckets;
    use crate::arn::Scope;
    use crate::options::Throttle;

    #[test]
    fn each_region_has_a_bucket_with_its_burst_and_rate() {
        let mut buckets = buckets(2.0, 3.0);
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
        for (millis, region, is_admitted) in rows {
            let now = SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
            assert_eq!(
                buckets.try_acquire(
                    Scope {
                        account: "1",
                        region
                    },
                    now
                ),
                is_admitted,
                "{region} at {millis} ms"
            );
        }
    }

    #[test]
    fn a_new_rate_applies_from_the_time_of_the_change() {
        let at = |secs| SystemTime::UNIX_EPOCH + Duration::from_secs(secs);
        let mut buckets = buckets(1.0, 10.0);
        let scope = Scope {
            account: "1",
            region: "r1",
        };
        let admitted = |buckets: &mut TokenBuckets, now| {
            (0..20).filter(|_| buckets.try_acquire(scope, now)).count()
        };
        assert_eq!(admitted(&mut buckets, at(0)), 10);
        buckets.set_throttle(
            Some(Throttle {
                rate_per_sec: 3.0,
                burst: 10.0,
            }),
            at(2),
        );
        assert_eq!(
            admitted(&mut buckets, at(3)),
            5,
            "two at the old rate, three at the new one"
        );
    }

    fn buckets(rate_per_sec: f64, burst: f64) -> TokenBuckets {
        TokenBuckets::new(Some(Throttle {
            rate_per_sec,
            burst,
        }))
    }
}
