//! The progress of a rotation: its counts, its rate, and its estimated end.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::rotation::Counts;
use crate::timestamp::Timestamp;

/// The number of samples. With one sample at each renewal of the lease, they cover a minute.
const SAMPLES_MAX: usize = 16;
/// A longer remaining time is not reported: a rate near zero says nothing about the end.
const REMAINING_MAX: Duration = Duration::from_hours(24 * 30);

/// The progress of a rotation while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    pub at: Timestamp,
    pub counts: Counts,
    /// Associations settled per second, over the last minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_per_sec: Option<f64>,
    /// When the rotation will be finished at this rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_end_at: Option<Timestamp>,
}

/// The latest counts of settled associations, with their times since a fixed moment.
#[derive(Debug, Default)]
pub struct Estimator(VecDeque<(Duration, u64)>);

/// The rate and the remaining time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Associations settled per second, over the last minute.
    pub settled_per_sec: f64,
    /// The remaining time at this rate. `None` if the rate is too low for an estimate.
    pub left: Option<Duration>,
}

impl Estimator {
    /// Adds a sample.
    pub fn note(&mut self, at: Duration, settled: u64) {
        if self.0.len() == SAMPLES_MAX {
            self.0.pop_front();
        }
        self.0.push_back((at, settled));
    }

    /// Returns the estimate for this number of pending associations. Returns `None` before there
    /// are two samples.
    pub fn estimate(&self, pending: u64) -> Option<Estimate> {
        let ((from, before), (to, now)) = (self.0.front()?, self.0.back()?);
        let secs = to.saturating_sub(*from).as_secs_f64();
        if secs <= 0.0 {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "no fleet has 2^52 associations")]
        let (settled, pending) = (now.saturating_sub(*before) as f64, pending as f64);
        let settled_per_sec = settled / secs;
        let left = Duration::try_from_secs_f64(pending / settled_per_sec)
            .ok()
            .filter(|left| *left <= REMAINING_MAX);
        Some(Estimate {
            settled_per_sec,
            left,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_in_more_than_thirty_days_is_not_estimated() {
        let mut estimator = Estimator::default();
        estimator.note(Duration::ZERO, 0);
        estimator.note(Duration::from_secs(1), 1);
        let month = 30 * 24 * 60 * 60;
        for (pending, left) in [(month, Some(Duration::from_secs(month))), (month + 1, None)] {
            assert_eq!(estimator.estimate(pending).unwrap().left, left);
        }
    }

    #[test]
    fn the_rate_of_the_last_minute_gives_the_remaining_time() {
        let mut estimator = Estimator::default();
        let secs = Duration::from_secs;
        assert_eq!(estimator.estimate(10), None);
        estimator.note(secs(0), 0);
        assert_eq!(estimator.estimate(10), None, "one sample gives no rate");
        estimator.note(secs(10), 0);
        assert_eq!(
            estimator.estimate(10),
            Some(Estimate {
                settled_per_sec: 0.0,
                left: None
            })
        );
        estimator.note(secs(20), 100);
        assert_eq!(
            estimator.estimate(50),
            Some(Estimate {
                settled_per_sec: 5.0,
                left: Some(secs(10))
            })
        );
        // Samples from ten minutes ago do not count.
        for sample in 0..20 {
            estimator.note(secs(600 + 4 * sample), 1_000 + 8 * sample);
        }
        assert_eq!(
            estimator.estimate(50),
            Some(Estimate {
                settled_per_sec: 2.0,
                left: Some(secs(25))
            })
        );
    }
}
