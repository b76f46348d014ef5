//! What throttles tell about a rate. At each of them the bucket is empty, so that what was admitted between two is what came
//! in between them: at most one call more or less.

use std::collections::VecDeque;
use std::time::Duration;

/// Throttles to remember. Many more than a window takes.
const THROTTLES_MAX: usize = 256;
/// A window of this many admitted calls is exact to a percent. A longer one would only be slow to notice a change.
const WINDOW_CALLS: f64 = 120.0;
/// A window of fewer calls says nothing,
const WINDOW_CALLS_MIN: f64 = 3.0;
/// unless it is longer than so many calls should take.
const WINDOW_CALLS_DUE: f64 = 3.0;
/// From this many calls on a window is believed against an older one.
const TRUSTED_CALLS: f64 = 4.0;
/// In a window of fewer calls than this the one that did not get in counts.
const SHORT_WINDOW_CALLS: f64 = 8.0;

/// The calls that were throttled lately: number and time of leaving, in the order of numbers.
#[derive(Debug, Clone, Default)]
pub(super) struct Throttles(VecDeque<(u64, Duration)>);

/// What was admitted between two throttles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Window {
    pub(super) admitted: f64,
    pub(super) secs: f64,
}

impl Window {
    /// Calls per second. The last token was there in part: in a short window it may have been nearly whole.
    pub(super) fn rate(self) -> f64 {
        let part = if self.admitted < SHORT_WINDOW_CALLS { 1.0 } else { 0.5 };
        (self.admitted + part) / self.secs
    }

    /// Whether an older stretch is what one would expect of this window's rate. Other callers come and go, so that the
    /// tolerance grows with the root of the calls.
    fn agrees_with(self, older: Self) -> bool {
        let expected = self.admitted / self.secs * older.secs;
        (older.admitted - expected).abs() <= 2.0 + expected.sqrt()
    }
}

impl Throttles {
    pub(super) fn note(&mut self, number: u64, at: Duration) {
        if self.0.len() == THROTTLES_MAX {
            self.0.pop_front();
        }
        // Answers overtake one another.
        let place = self.0.iter().rposition(|(earlier, _)| *earlier < number).map_or(0, |place| place + 1);
        self.0.insert(place, (number, at));
    }

    pub(super) fn newest(&self) -> Option<(u64, Duration)> {
        self.0.back().copied()
    }

    pub(super) fn keep_newest(&mut self, count: usize) {
        self.0.drain(..self.0.len().saturating_sub(count));
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The longest window up to now that does not contradict itself, and forgets what is before it. `None` where there is
    /// none yet. `rate` is what was believed so far.
    pub(super) fn measure(&mut self, rate: f64) -> Option<Window> {
        let mut best: Option<(usize, Window)> = None;
        for first in (0..self.0.len().saturating_sub(1)).rev() {
            let window = self.since(first);
            if window.secs <= 0.0 {
                continue;
            }
            let is_longer = match best {
                None => window.admitted >= WINDOW_CALLS_MIN || window.secs > WINDOW_CALLS_DUE / rate,
                Some((_, newer)) => {
                    let older = Window { admitted: window.admitted - newer.admitted, secs: window.secs - newer.secs };
                    if newer.admitted >= TRUSTED_CALLS && !newer.agrees_with(older) {
                        break;
                    }
                    true
                }
            };
            if is_longer {
                best = Some((first, window));
            }
            if best.is_some_and(|(_, window)| window.admitted > WINDOW_CALLS) {
                break;
            }
        }
        let (first, window) = best?;
        self.keep_newest(self.0.len() - first);
        Some(window)
    }

    /// From this throttle to the newest one.
    fn since(&self, first: usize) -> Window {
        let ((number, at), last) = (self.0[first], self.0.len() - 1);
        let (newest_number, newest_at) = self.0[last];
        #[expect(clippy::cast_precision_loss, reason = "the calls of a window are a few hundred")]
        let admitted = (newest_number - number) as f64 - (last - first) as f64;
        Window { admitted, secs: newest_at.saturating_sub(at).as_secs_f64() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttles(rows: &[(u64, f64)]) -> Throttles {
        let mut throttles = Throttles::default();
        for (number, secs) in rows {
            throttles.note(*number, Duration::from_secs_f64(*secs));
        }
        throttles
    }

    #[test]
    fn what_was_admitted_between_throttles_over_time_is_the_rate() {
        for (rows, admitted, secs) in [
            // One says nothing, and neither do two in a row.
            (&[(5, 1.0)][..], None, 0.0),
            (&[(5, 1.0), (6, 1.1)], None, 0.0),
            // 20 calls, of which the last was throttled.
            (&[(5, 1.0), (25, 5.0)], Some(19.0), 4.0),
            // In any order of answers.
            (&[(25, 5.0), (5, 1.0), (15, 3.0)], Some(18.0), 4.0),
            // The older stretch was at another rate: 100 in 5 s, then 10 in 5 s.
            (&[(1, 0.0), (102, 5.0), (113, 10.0)], Some(10.0), 5.0),
            // Nothing came in for a long time.
            (&[(1, 0.0), (2, 9.0)], Some(0.0), 9.0),
        ] {
            let window = throttles(rows).measure(5.0);
            assert_eq!(window, admitted.map(|admitted| Window { admitted, secs }), "{rows:?}");
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut throttles = Throttles::default();
        for number in 0..10_000 {
            throttles.note(number, Duration::from_millis(number));
        }
        assert_eq!(throttles.0.len(), THROTTLES_MAX);
        assert_eq!(throttles.newest(), Some((9_999, Duration::from_millis(9_999))));
    }
}
