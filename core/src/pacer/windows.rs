//! What throttles say about a rate.
//!
//! At each throttle the bucket is empty. So between two throttles it has given out exactly what
//! flowed in, plus or minus one call: the admitted calls divided by the time are its rate.

use std::collections::VecDeque;
use std::time::Duration;

/// The number of throttles to remember, many more than a window has.
const THROTTLES_MAX: usize = 256;
/// A window of this many admitted calls is exact to one percent. A longer one would only notice a
/// change later.
const WINDOW_CALLS: f64 = 120.0;
/// A window of fewer admitted calls says nothing about the rate, …
const WINDOW_CALLS_MIN: f64 = 3.0;
/// … unless it is longer than this many calls take at the expected rate.
const WINDOW_CALLS_DUE: f64 = 3.0;
/// A window of this many admitted calls is trusted more than the time before it.
const TRUSTED_CALLS: f64 = 4.0;
/// In a window of fewer admitted calls, the throttled call counts as a whole call.
const SHORT_WINDOW_CALLS: f64 = 8.0;

/// The recently throttled calls: their numbers and the times at which they were sent, in the order
/// of numbers.
#[derive(Debug, Clone, Default)]
pub(super) struct Throttles(VecDeque<(u64, Duration)>);

/// The calls that were admitted in a period, usually between two throttles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Window {
    pub(super) admitted: f64,
    pub(super) secs: f64,
}

impl Window {
    /// Returns the calls per second. At the last throttle the bucket had a part of a token: on
    /// average half of one, and in a short window perhaps nearly a whole one.
    pub(super) fn rate(self) -> f64 {
        let token_part = if self.admitted < SHORT_WINDOW_CALLS {
            1.0
        } else {
            0.5
        };
        (self.admitted + token_part) / self.secs
    }

    /// Returns whether the calls in an older window fit this window's rate. Other callers vary at
    /// random, so the tolerance grows with the square root of the expected calls.
    fn agrees_with(self, older: Self) -> bool {
        let expected = self.admitted / self.secs * older.secs;
        (older.admitted - expected).abs() <= 2.0 + expected.sqrt()
    }
}

impl Throttles {
    /// Records that the call with this number, sent at `at`, was throttled.
    pub(super) fn note(&mut self, number: u64, at: Duration) {
        if self.0.len() == THROTTLES_MAX {
            self.0.pop_front();
        }
        // Responses may overtake each other.
        let place = self
            .0
            .iter()
            .rposition(|(earlier, _)| *earlier < number)
            .map_or(0, |place| place + 1);
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

    /// Returns the longest window, ending at the newest throttle, in which the rate has not
    /// changed. Forgets the throttles before it. Returns `None` if there is no such window yet.
    /// `rate` is the expected rate.
    pub(super) fn measure(&mut self, rate: f64) -> Option<Window> {
        let mut best: Option<(usize, Window)> = None;
        for first in (0..self.0.len().saturating_sub(1)).rev() {
            let window = self.since(first);
            if window.secs <= 0.0 {
                continue;
            }
            let is_longer = match best {
                None => {
                    window.admitted >= WINDOW_CALLS_MIN || window.secs > WINDOW_CALLS_DUE / rate
                }
                Some((_, newer)) => {
                    let older = Window {
                        admitted: window.admitted - newer.admitted,
                        secs: window.secs - newer.secs,
                    };
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

    /// Returns the window from this throttle to the newest one.
    fn since(&self, first: usize) -> Window {
        let ((number, at), last) = (self.0[first], self.0.len() - 1);
        let (newest_number, newest_at) = self.0[last];
        #[expect(
            clippy::cast_precision_loss,
            reason = "the calls of a window are a few hundred"
        )]
        let admitted = (newest_number - number) as f64 - (last - first) as f64;
        Window {
            admitted,
            secs: newest_at.saturating_sub(at).as_secs_f64(),
        }
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
    fn the_calls_admitted_between_two_throttles_give_the_rate() {
        for (rows, admitted, secs) in [
            // One throttle says nothing, and neither do two in a row.
            (&[(5, 1.0)][..], None, 0.0),
            (&[(5, 1.0), (6, 1.1)], None, 0.0),
            // 20 calls. The last one was throttled.
            (&[(5, 1.0), (25, 5.0)], Some(19.0), 4.0),
            // In any order of responses.
            (&[(25, 5.0), (5, 1.0), (15, 3.0)], Some(18.0), 4.0),
            // The rate has changed: 100 calls in 5 s, then 10 calls in 5 s.
            (&[(1, 0.0), (102, 5.0), (113, 10.0)], Some(10.0), 5.0),
            // No call was admitted for a long time.
            (&[(1, 0.0), (2, 9.0)], Some(0.0), 9.0),
        ] {
            let window = throttles(rows).measure(5.0);
            assert_eq!(
                window,
                admitted.map(|admitted| Window { admitted, secs }),
                "{rows:?}"
            );
        }
    }

    #[test]
    fn the_number_of_remembered_throttles_is_bounded() {
        let mut throttles = Throttles::default();
        for number in 0..10_000 {
            throttles.note(number, Duration::from_millis(number));
        }
        assert_eq!(throttles.0.len(), THROTTLES_MAX);
        assert_eq!(
            throttles.newest(),
            Some((9_999, Duration::from_millis(9_999)))
        );
    }
}
