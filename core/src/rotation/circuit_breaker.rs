//! A circuit breaker for each region, which keeps an unreachable region from using up the slice's
//! time. The next slice tries the region again.

use std::collections::BTreeMap;

use crate::call::CallError;

/// The number of successive failures that open a region's breaker. Each of them has cost about a
/// minute of retries.
const FAILURES_MAX: u32 = 3;

/// For each region: the number of successive associations that stayed pending because a retryable
/// error outlasted its retries, and the last of these errors.
#[derive(Debug, Default)]
pub struct CircuitBreaker(BTreeMap<String, (u32, CallError)>);

impl CircuitBreaker {
    /// Records that an association of this region stays pending because of this error.
    pub fn note_failure(&mut self, region: &str, error: &CallError) {
        let count = self.0.get(region).map_or(0, |(count, _)| *count);
        self.0.insert(region.to_owned(), (count + 1, error.clone()));
    }

    /// Records that an association of this region was settled.
    pub fn note_success(&mut self, region: &str) {
        self.0.remove(region);
    }

    /// Returns the last error if this region's breaker is open. The slice then starts no more of
    /// the region's associations.
    #[must_use]
    pub fn tripped(&self, region: &str) -> Option<CallError> {
        self.0
            .get(region)
            .filter(|(count, _)| *count >= FAILURES_MAX)
            .map(|(_, error)| error.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Operation;

    #[test]
    fn three_successive_failures_open_the_breaker_of_their_region_until_a_success() {
        let mut breaker = CircuitBreaker::default();
        let error = CallError::contention(
            Operation::on("describe association", &"a-1"),
            "no response".to_owned(),
        );
        for _ in 1..FAILURES_MAX {
            breaker.note_failure("eu-west-1", &error);
        }
        assert!(breaker.tripped("eu-west-1").is_none());
        breaker.note_failure("eu-west-1", &error);
        assert!(breaker.tripped("eu-west-1").is_some());
        assert!(breaker.tripped("us-east-1").is_none());
        breaker.note_success("eu-west-1");
        assert!(breaker.tripped("eu-west-1").is_none());
    }
}
