//! The calls of the recent past, and what their throttles say about the bucket's rate.
//!
//! At a throttle the bucket is empty. Two rules follow:
//!
//! - **Between two throttles** the bucket has given out exactly what flowed in. So the admitted
//!   calls divided by the time are its rate, whatever its size.
//! - **Before the first throttle** the bucket was full at some time. It cannot have given out more
//!   since than its content then and the inflow. Each stretch of calls up to the throttle therefore
//!   gives a lower bound of the rate, and the highest of them is the rate, if the size is assumed.
//!
//! A bucket may overflow if calls use less than the rate. The first rule then gives too low a rate,
//! so [`Pacer`](super::Pacer) clears the history.

use std::collections::VecDeque;
use std::time::Duration;

use crate::pacer::TUNING;

/// Marks in the sequence of calls, in order: each throttled call, and others at intervals.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    sent_count: u64,
    marks: VecDeque<Mark>,
}

/// A call that is remembered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Mark {
    /// The first call has number 1.
    pub(super) number: u64,
    pub(super) sent_at: Duration,
    is_throttled: bool,
}

/// The calls between two throttles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Window {
    pub(super) admitted: f64,
    secs: f64,
}

impl Window {
    /// Returns the calls per second. The throttled call counts as well: the bucket held nearly a
    /// token.
    pub(super) fn rate(self) -> f64 {
        (self.admitted + 1.0) / self.secs
    }

    /// Returns whether the calls of an older window fit this window's rate.
    fn agrees_with(self, older: Self, tolerated_calls: f64) -> bool {
        let expected = self.admitted / self.secs * older.secs;
        (older.admitted - expected).abs() <= tolerated_calls + expected.sqrt()
    }
}

impl History {
    /// Records a call, and returns its number.
    pub(super) fn send(&mut self, now: Duration) -> u64 {
        self.sent_count += 1;
        let is_close = |last: &Mark| now < last.sent_at + TUNING.mark_gap;
        if !self.marks.back().is_some_and(is_close) {
            self.insert(Mark {
                number: self.sent_count,
                sent_at: now,
                is_throttled: false,
            });
        }
        self.sent_count
    }

    /// Records that the call with this number, sent at `sent_at`, was throttled.
    pub(super) fn note_throttle(&mut self, number: u64, sent_at: Duration) {
        self.insert(Mark {
            number,
            sent_at,
            is_throttled: true,
        });
    }

    /// Returns the newest throttled call.
    pub(super) fn newest_throttle(&self) -> Option<Mark> {
        let mut newest_first = self.marks.iter().rev();
        newest_first.find(|mark| mark.is_throttled).copied()
    }

    /// Returns how many calls were sent after this one.
    #[expect(clippy::cast_precision_loss, reason = "few calls are in flight")]
    pub(super) fn sent_after(&self, mark: Mark) -> f64 {
        (self.sent_count - mark.number) as f64
    }

    /// Forgets all calls, because the bucket may have overflowed since.
    pub(super) fn clear(&mut self) {
        self.marks.clear();
    }

    /// Returns the longest window, up to the newest throttle, in which the rate did not change.
    /// Forgets the calls before it. Returns `None` if fewer than two calls were throttled.
    pub(super) fn between_throttles(&mut self, tolerated_calls: f64) -> Option<Window> {
        let newest = self.newest_throttle()?;
        let mut longest: Option<(u64, Window)> = None;
        let newest_first = self.marks.iter().rev().filter(|mark| mark.is_throttled);
        for (mark, throttled) in newest_first.zip(0..) {
            let secs = newest.sent_at.saturating_sub(mark.sent_at).as_secs_f64();
            if secs <= 0.0 {
                continue;
            }
            #[expect(clippy::cast_precision_loss, reason = "at most some thousand calls")]
            let admitted = (newest.number - mark.number - throttled) as f64;
            let window = Window { admitted, secs };
            let has_changed = longest.is_some_and(|(_, newer)| {
                let older = Window {
                    admitted: admitted - newer.admitted,
                    secs: secs - newer.secs,
                };
                !newer.agrees_with(older, tolerated_calls)
            });
            if has_changed {
                break;
            }
            longest = Some((mark.number, window));
        }
        let (first, window) = longest?;
        self.marks.retain(|mark| mark.number >= first);
        Some(window)
    }

    /// Returns the rate of a bucket that was full at some time since the throttle before the newest
    /// one, and that the calls since then have emptied. It holds the inflow of `bucket_secs`.
    /// Returns zero if no call was admitted.
    pub(super) fn rate_of_full_bucket(&self, bucket_secs: f64) -> f64 {
        let Some(newest) = self.newest_throttle() else {
            return 0.0;
        };
        let before = self.marks.iter().rev();
        let before = before.skip_while(|mark| mark.number >= newest.number);
        let admitted = before.take_while(|mark| !mark.is_throttled);
        let stretches = admitted.map(|mark| {
            let secs = newest.sent_at.saturating_sub(mark.sent_at).as_secs_f64();
            #[expect(clippy::cast_precision_loss, reason = "at most some thousand calls")]
            let calls = (newest.number - mark.number + 1) as f64;
            calls / (secs + bucket_secs)
        });
        stretches.fold(0.0, f64::max)
    }

    /// Inserts a mark in the order of numbers: responses may overtake each other.
    fn insert(&mut self, mark: Mark) {
        let place = self
            .marks
            .partition_point(|other| other.number < mark.number);
        match self.marks.get_mut(place) {
            Some(same) if same.number == mark.number => *same = mark,
            _ => self.marks.insert(place, mark),
        }
        if self.marks.len() > TUNING.marks_max {
            self.marks.pop_front();
        }
    }
}

#[cfg(test)]
mod tests;
