//! A circuit breaker for each cluster, which keeps a cluster that cannot be reached from using up
//! the slice's time. The next slice tries the cluster again, but not forever.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::call::CallError;
use crate::timestamp::Timestamp;

/// The number of successive failures that open a cluster's breaker. Each of them has cost up to a
/// minute of retries.
const FAILURES_MAX: u32 = 3;
/// The state machine retries for close to an hour. A cluster that has failed for this long fails
/// its associations, so the rotation ends before those retries do.
const FAILING_MAX: Duration = Duration::from_mins(30);

/// Since when calls get retryable errors, and no association is settled: for each cluster by its
/// ARN, and for each region that throttles by its name.
pub type FailingSince = BTreeMap<String, Timestamp>;

/// Where an association is.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub region: &'a str,
    pub cluster_arn: &'a str,
}

/// The clusters and regions whose calls get retryable errors.
#[derive(Debug, Default)]
pub struct CircuitBreaker {
    failing_since: FailingSince,
    /// The number of successive failures in this slice, and the last of their errors.
    failures: BTreeMap<String, (u32, CallError)>,
}

impl CircuitBreaker {
    /// Creates the breakers of a slice, all closed. `failing_since` is what earlier slices have
    /// saved.
    #[must_use]
    pub fn new(failing_since: FailingSince) -> Self {
        Self {
            failing_since,
            failures: BTreeMap::new(),
        }
    }

    /// Records that an association of this cluster stays pending because of this error.
    pub fn note_failure(&mut self, cluster_arn: &str, error: &CallError, now: Timestamp) {
        let count = self
            .failures
            .get(cluster_arn)
            .map_or(0, |(count, _)| *count);
        let failure = (count + 1, error.clone());
        self.failures.insert(cluster_arn.to_owned(), failure);
        self.start_failing(cluster_arn, now);
    }

    /// Records that EKS throttled a call in this region. Throttles open no breaker, because the
    /// pacer slows the calls down. But a region in which nothing is settled for long is given up.
    pub fn note_throttle(&mut self, region: &str, now: Timestamp) {
        self.start_failing(region, now);
    }

    fn start_failing(&mut self, key: &str, now: Timestamp) {
        self.failing_since.entry(key.to_owned()).or_insert(now);
    }

    /// Records that an association of this cluster, in this region, was settled.
    pub fn note_success(
        &mut self,
        Place {
            region,
            cluster_arn,
        }: Place<'_>,
    ) {
        self.failures.remove(cluster_arn);
        self.failing_since.remove(cluster_arn);
        self.failing_since.remove(region);
    }

    /// Returns the last error if this cluster's breaker is open. The slice then starts no more of
    /// its associations. The breaker of a cluster that is given up stays closed, because each of
    /// its associations is tried once more.
    #[must_use]
    pub fn tripped(&self, cluster_arn: &str, now: Timestamp) -> Option<CallError> {
        if self.given_up(cluster_arn, now).is_some() {
            return None;
        }
        let (count, error) = self.failures.get(cluster_arn)?;
        (*count >= FAILURES_MAX).then(|| error.clone())
    }

    /// Returns since when the cluster or region has failed, if that is so long that an association
    /// with a retryable error or a throttle fails instead of staying pending.
    #[must_use]
    pub fn given_up(&self, key: &str, now: Timestamp) -> Option<Timestamp> {
        let since = *self.failing_since.get(key)?;
        (now.since(since) >= FAILING_MAX).then_some(since)
    }

    /// Returns what the next slice has to know.
    #[must_use]
    pub fn failing_since(&self) -> &FailingSince {
        &self.failing_since
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Operation;

    const PROD_1: Place<'_> = Place {
        region: "us-east-1",
        cluster_arn: "prod-1",
    };

    fn error() -> CallError {
        let operation = Operation::on("describe association", &"a-1");
        CallError::contention(operation, "no response".to_owned())
    }

    fn at(mins: u64) -> Timestamp {
        Timestamp::from_millis(0) + Duration::from_mins(mins)
    }

    #[test]
    fn three_successive_failures_open_the_breaker_of_their_cluster_until_a_success() {
        let mut breaker = CircuitBreaker::default();
        for _ in 1..FAILURES_MAX {
            breaker.note_failure("prod-1", &error(), at(0));
        }
        assert!(breaker.tripped("prod-1", at(0)).is_none());
        breaker.note_failure("prod-1", &error(), at(0));
        assert!(breaker.tripped("prod-1", at(0)).is_some());
        assert!(breaker.tripped("prod-2", at(0)).is_none());
        breaker.note_success(PROD_1);
        assert!(breaker.tripped("prod-1", at(0)).is_none());
    }

    /// Many clusters of a region that throttles are given up together, and not one after the other.
    #[test]
    fn throttles_open_no_breaker_but_a_region_with_nothing_else_is_given_up() {
        let mut breaker = CircuitBreaker::default();
        for mins in 0..10 {
            breaker.note_throttle(PROD_1.region, at(mins));
        }
        assert!(breaker.tripped("prod-1", at(10)).is_none());
        assert_eq!(breaker.given_up(PROD_1.region, at(29)), None);
        assert_eq!(breaker.given_up(PROD_1.region, at(30)), Some(at(0)));
        assert_eq!(breaker.given_up("prod-1", at(30)), None);
        breaker.note_success(PROD_1);
        breaker.note_throttle(PROD_1.region, at(31));
        assert_eq!(breaker.given_up(PROD_1.region, at(60)), None);
    }

    #[test]
    fn a_cluster_that_has_failed_for_half_an_hour_over_all_slices_is_given_up() {
        let mut breaker = CircuitBreaker::default();
        for _ in 0..FAILURES_MAX {
            breaker.note_failure("prod-1", &error(), at(5));
        }
        let mut next = CircuitBreaker::new(breaker.failing_since().clone());
        next.note_failure("prod-1", &error(), at(20));
        for (now, expected) in [(34, None), (35, Some(at(5)))] {
            assert_eq!(next.given_up("prod-1", at(now)), expected);
            assert_eq!(
                breaker.tripped("prod-1", at(now)).is_some(),
                expected.is_none()
            );
        }
        next.note_success(PROD_1);
        assert_eq!(next.given_up("prod-1", at(99)), None);
        assert!(next.failing_since().is_empty());
    }
}
