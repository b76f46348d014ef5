//! The progress of a rotation: its counts, its rate, and its estimated end, as a whole and by
//! region.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::rotation::{Counts, Outcome};
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
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<RegionProgress>,
}

/// The progress of a rotation in one region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegionProgress {
    pub region: String,
    pub total: u64,
    pub pending: u64,
    /// Associations settled per second, over the last minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_per_sec: Option<f64>,
}

/// The number of rows in each region. There are few regions, and each kind of map would make the
/// functions larger by some kilobytes, so this is a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegionCounts(Vec<RegionCount>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct RegionCount {
    region: String,
    total: u64,
    pending: u64,
}

/// What a slice counts in each region, with an estimator for each.
#[derive(Debug, Default)]
pub struct RegionMeters {
    counts: RegionCounts,
    estimators: Vec<Estimator>,
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

impl RegionCounts {
    /// Counts a row of this region.
    pub fn add(&mut self, region: &str, outcome: Outcome) {
        let count = self.of(region);
        count.total += 1;
        count.pending += u64::from(outcome == Outcome::Pending);
    }

    /// Returns the number of all rows.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().map(|count| count.total).sum()
    }

    fn of(&mut self, region: &str) -> &mut RegionCount {
        let found = self.0.iter().position(|count| count.region == region);
        let index = found.unwrap_or_else(|| {
            self.0.push(RegionCount {
                region: region.to_owned(),
                total: 0,
                pending: 0,
            });
            self.0.len() - 1
        });
        &mut self.0[index]
    }
}

impl RegionMeters {
    /// Adds new rows.
    pub fn note_planned(&mut self, new: &RegionCounts) {
        for RegionCount {
            region,
            total,
            pending,
        } in &new.0
        {
            let count = self.counts.of(region);
            count.total += total;
            count.pending += pending;
        }
    }

    /// Counts a row that is pending no longer. Of a region whose rows were not counted, nothing is
    /// known.
    pub fn note_settled(&mut self, region: &str) {
        let counts = &mut self.counts.0;
        if let Some(count) = counts.iter_mut().find(|count| count.region == region) {
            count.pending = count.pending.saturating_sub(1);
        }
    }

    /// Takes over the numbers of the ledger's rows.
    pub fn recount(&mut self, found: &RegionCounts) {
        for count in &found.0 {
            self.counts.of(&count.region).clone_from(count);
        }
    }

    /// Takes a sample of each region for the estimates.
    pub fn sample(&mut self, at: Duration) {
        let counts = &self.counts.0;
        self.estimators
            .resize_with(counts.len(), Estimator::default);
        for (count, estimator) in counts.iter().zip(&mut self.estimators) {
            estimator.note(at, count.total.saturating_sub(count.pending));
        }
    }

    /// Returns the progress in each region of which there is a sample.
    #[must_use]
    pub fn progress(&self) -> Vec<RegionProgress> {
        let meters = self.counts.0.iter().zip(&self.estimators);
        let progress = meters.map(|(count, estimator)| {
            let estimate = estimator.estimate(count.pending);
            RegionProgress {
                region: count.region.clone(),
                total: count.total,
                pending: count.pending,
                settled_per_sec: estimate.map(|estimate| estimate.settled_per_sec),
            }
        });
        progress.collect()
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
        let counts = |regions: &[(&str, u64, u64)]| {
            let mut counts = RegionCounts::default();
            for (region, total, pending) in regions {
                for _ in 0..*pending {
                    counts.add(region, Outcome::Pending);
                }
                for _ in *pending..*total {
                    counts.add(region, Outcome::Updated);
                }
            }
            counts
        };
        meters.note_planned(&counts(&[("eu-west-1", 100, 100), ("us-east-1", 10, 10)]));
        meters.note_planned(&counts(&[("us-east-1", 10, 10)]));
        meters.sample(secs(0));
        for _ in 0..20 {
            meters.note_settled("eu-west-1");
        }
        meters.sample(secs(10));
        let region = |name: &str, (total, pending): (u64, u64), rate: f64| RegionProgress {
            region: name.to_owned(),
            total,
            pending,
            settled_per_sec: Some(rate),
        };
        let virginia = region("us-east-1", (20, 20), 0.0);
        let progress = meters.progress();
        assert_eq!(
            progress,
            [region("eu-west-1", (100, 80), 2.0), virginia.clone()]
        );
        assert_eq!(progress[0].left(), Some(secs(40)));
        assert_eq!(progress[1].left(), None);
        // The ledger's rows are right, whatever was counted before.
        let found = counts(&[("eu-west-1", 110, 60)]);
        assert_eq!(found.total(), 110);
        meters.recount(&found);
        let progress = meters.progress();
        assert_eq!((progress[0].total, progress[0].pending), (110, 60));
        assert_eq!(progress[1], virginia);
    }
}
