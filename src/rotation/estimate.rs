//! How fast a slice settles associations, and when the rotation will be at its end at that pace. Pure.

use std::collections::VecDeque;
use std::time::Duration;

/// Samples to look back on: with one at each renewal of the lease, a minute.
const SAMPLES_MAX: usize = 7;
/// Nothing is expected to take longer: a pace near zero says nothing about the end.
const LEFT_MAX: Duration = Duration::from_hours(24 * 30);

/// The latest counts of settled associations, and when they were taken, as what has passed since some fixed moment.
#[derive(Debug, Default)]
pub(super) struct Estimator(VecDeque<(Duration, u64)>);

/// What follows from them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Estimate {
    /// Associations settled per second, over the last minute.
    pub(super) settled_per_sec: f64,
    /// How much longer it takes at that pace. `None` where nothing is settled.
    pub(super) left: Option<Duration>,
}

impl Estimator {
    pub(super) fn note(&mut self, at: Duration, settled: u64) {
        if self.0.len() == SAMPLES_MAX {
            self.0.pop_front();
        }
        self.0.push_back((at, settled));
    }

    /// `None` before there are two samples.
    pub(super) fn estimate(&self, pending: u64) -> Option<Estimate> {
        let ((from, before), (to, now)) = (self.0.front()?, self.0.back()?);
        let secs = to.saturating_sub(*from).as_secs_f64();
        if secs <= 0.0 {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "no fleet has 2^52 associations")]
        let (settled, pending) = (now.saturating_sub(*before) as f64, pending as f64);
        let settled_per_sec = settled / secs;
        let left = Duration::try_from_secs_f64(pending / settled_per_sec).ok().filter(|left| *left <= LEFT_MAX);
        Some(Estimate { settled_per_sec, left })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_minute_tells_when_it_will_end() {
        let mut estimator = Estimator::default();
        let secs = Duration::from_secs;
        assert_eq!(estimator.estimate(10), None);
        estimator.note(secs(0), 0);
        assert_eq!(estimator.estimate(10), None, "one sample is no pace");
        estimator.note(secs(10), 0);
        assert_eq!(estimator.estimate(10), Some(Estimate { settled_per_sec: 0.0, left: None }));
        estimator.note(secs(20), 100);
        assert_eq!(estimator.estimate(50), Some(Estimate { settled_per_sec: 5.0, left: Some(secs(10)) }));
        // What was ten minutes ago does not count.
        for sample in 0..10 {
            estimator.note(secs(600 + 10 * sample), 1_000 + 20 * sample);
        }
        assert_eq!(estimator.estimate(50), Some(Estimate { settled_per_sec: 2.0, left: Some(secs(25)) }));
    }
}
