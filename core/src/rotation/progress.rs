//! The progress of a rotation: its counts, its rate, and its estimated end, as a whole and by
//! region.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::rotation::Counts;
use crate::timestamp::Timestamp;

/// The number of samples. With one sample at each renewal of the lease, they cover a minute.
const SAMPLES_MAX: usize = 16;
/// A longer remaining time is not reported: a rate near zero says nothing about the end.
const REMAINING_MAX: Duration = Duration::from_hours(24 * 30);

/// The progress of a rotation while it runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// The progress in each region, once the plan is complete.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub regions: BTreeMap<String, RegionProgress>,
}

/// The progress of a rotation in one region.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegionProgress {
    pub total: u64,
    pub pending: u64,
    /// Associations settled per second, over the last minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_per_sec: Option<f64>,
}

/// What a slice counts in each region.
#[derive(Debug, Default)]
pub struct RegionMeters(BTreeMap<String, RegionMeter>);

#[derive(Debug, Default)]
struct RegionMeter {
    rows: RowCount,
    estimator: Estimator,
}

/// The number of rows of a region.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowCount {
    pub total: u64,
    pub pending: u64,
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

impl RegionProgress {
    /// Returns how long the pending associations take at this rate. Returns `None` if the rate is
    /// not known, or too low for an estimate.
    #[must_use]
    pub fn left(&self) -> Option<Duration> {
        remaining(self.pending, self.settled_per_sec?)
    }
}

impl RegionMeters {
    /// Adds new pending rows.
    pub fn note_planned(&mut self, region: &str, count: u64) {
        let rows = self.rows(region);
        rows.total += count;
        rows.pending += count;
    }

    /// Counts a row that is pending no longer.
    pub fn note_settled(&mut self, region: &str) {
        let rows = self.rows(region);
        rows.pending = rows.pending.saturating_sub(1);
    }

    /// Takes over the numbers of the ledger's rows.
    pub fn recount(&mut self, found: &BTreeMap<String, RowCount>) {
        for (region, count) in found {
            *self.rows(region) = *count;
        }
    }

    /// Takes a sample of each region for the estimates.
    pub fn sample(&mut self, at: Duration) {
        for RegionMeter { rows, estimator } in self.0.values_mut() {
            estimator.note(at, rows.total.saturating_sub(rows.pending));
        }
    }

    /// Returns the progress in each region.
    #[must_use]
    pub fn progress(&self) -> BTreeMap<String, RegionProgress> {
        let meters = self.0.iter();
        let progress = meters.map(|(region, RegionMeter { rows, estimator })| {
            let estimate = estimator.estimate(rows.pending);
            let progress = RegionProgress {
                total: rows.total,
                pending: rows.pending,
                settled_per_sec: estimate.map(|estimate| estimate.settled_per_sec),
            };
            (region.clone(), progress)
        });
        progress.collect()
    }

    fn rows(&mut self, region: &str) -> &mut RowCount {
        &mut self.0.entry(region.to_owned()).or_default().rows
    }
}

/// How long this number of associations takes at this rate, if that is less than
/// [`REMAINING_MAX`].
fn remaining(pending: u64, settled_per_sec: f64) -> Option<Duration> {
    #[expect(clippy::cast_precision_loss, reason = "no fleet has 2^52 associations")]
    let secs = pending as f64 / settled_per_sec;
    let left = Duration::try_from_secs_f64(secs).ok()?;
    (left <= REMAINING_MAX).then_some(left)
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
        let settled_per_sec = now.saturating_sub(*before) as f64 / secs;
        Some(Estimate {
            settled_per_sec,
            left: remaining(pending, settled_per_sec),
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

    #[test]
    fn each_region_has_its_own_rate_and_end() {
        let mut meters = RegionMeters::default();
        let secs = Duration::from_secs;
        meters.note_planned("eu-west-1", 100);
        meters.note_planned("us-east-1", 10);
        meters.note_planned("us-east-1", 10);
        meters.sample(secs(0));
        for _ in 0..20 {
            meters.note_settled("eu-west-1");
        }
        meters.sample(secs(10));
        let region = |total, pending, rate| RegionProgress {
            total,
            pending,
            settled_per_sec: Some(rate),
        };
        let (ireland, virginia) = (region(100, 80, 2.0), region(20, 20, 0.0));
        let progress = meters.progress();
        assert_eq!(progress["eu-west-1"], ireland);
        assert_eq!(progress["us-east-1"], virginia);
        assert_eq!(ireland.left(), Some(secs(40)));
        assert_eq!(virginia.left(), None);
        // The ledger's rows are right, whatever was counted before.
        let (total, pending) = (110, 60);
        let found = [("eu-west-1".to_owned(), RowCount { total, pending })];
        meters.recount(&found.into());
        let progress = meters.progress();
        let ireland = progress["eu-west-1"];
        assert_eq!((ireland.total, ireland.pending), (total, pending));
        assert_eq!(progress["us-east-1"], virginia);
    }
}
