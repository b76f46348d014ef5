//! How the rate rises while no call is throttled. No throttle ever says that a rate is too low, so
//! the pacer must try higher ones. What a throttle does to the rate is in `mod.rs`.

use std::time::Duration;

use crate::pacer::latency::Latency;
use crate::pacer::rate::{RATE_MAX, RATE_MIN};
use crate::pacer::windows::Window;

/// Unused credit is kept for up to a second, as the bucket keeps its tokens.
pub(super) const CREDIT_SECS: f64 = 1.0;
/// While no call is throttled, the rate rises by this share for every [`CREEP_CALLS`] calls. The
/// cost is one throttle for about as many calls.
const CREEP: f64 = 0.02;
const CREEP_CALLS: f64 = 45.0;
/// At the right rate, a throttle would come within this many calls, and the search for a higher
/// rate starts. The search waits at most [`CALM_SECS`], times the patience, …
const CALM_CALLS: f64 = 1.5 * CREEP_CALLS;
const CALM_SECS: f64 = 15.0;
/// … and at least this many calls, because at a low rate a few calls say little.
const CALM_CALLS_MIN: f64 = 10.0;
/// Each time that a search finds the same rate again, the patience grows by this factor, up to
/// [`PATIENCE_MAX`].
const PATIENCE_GROWTH: f64 = 1.5;
const PATIENCE_MAX: f64 = 3.0;
/// A rate below this share of the best one is expected to rise again. The search for it starts
/// after [`FALLEN_CALM_SECS`] without a throttle.
const FALLEN: f64 = 1.0 / 1.6;
const FALLEN_CALM_SECS: f64 = 4.0;
/// The best rate is replaced by a lower one after this time.
const BEST_KEPT: Duration = Duration::from_mins(5);
/// A window needs this many admitted calls to set the best rate.
const BEST_CALLS_MIN: f64 = 15.0;
/// A search doubles the rate in this time, but not within fewer than [`SEARCH_DOUBLING_CALLS`]
/// calls.
const SEARCH_DOUBLING_SECS: f64 = 3.0;
const SEARCH_DOUBLING_CALLS: f64 = 6.0;
/// If a throttle costs a pause that the service requests, this many pauses lie between two
/// searches.
const PAUSE_SPREAD: f64 = 8.0;

/// What the rise of the rate depends on.
#[derive(Debug, Clone)]
pub(super) struct Probe {
    /// Since when no call was throttled although calls used the whole rate.
    pub(super) calm_since: Duration,
    /// The pause that the service requested with the last throttle, in seconds.
    pub(super) pause_secs: f64,
    /// How many times the usual calm the pacer waits for before it searches for a higher rate.
    patience: f64,
    /// The highest rate that was recently measured well, and when.
    best: Option<(f64, Duration)>,
}

impl Probe {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            calm_since: now,
            pause_secs: 0.0,
            patience: 1.0,
            best: None,
        }
    }

    /// Returns the rate to use at `now`, given the rate that was last measured.
    ///
    /// It rises slowly at first, and exponentially once the calm has lasted for longer than it
    /// would at the right rate.
    pub(super) fn rate_at(&self, now: Duration, measured: f64, latency: Latency) -> f64 {
        let calm_secs = now.saturating_sub(self.calm_since).as_secs_f64();
        let patience_secs = self.patience_secs(measured, latency);
        let creep_secs = (CREEP_CALLS / measured).max(self.recovery_secs());
        let mut rise = CREEP * calm_secs / creep_secs;
        if calm_secs > patience_secs {
            let doubling_secs = (patience_secs / 3.0)
                .min(SEARCH_DOUBLING_SECS.max(SEARCH_DOUBLING_CALLS / measured));
            rise += ((calm_secs - patience_secs) / doubling_secs).exp2() - 1.0;
        }
        (measured * (1.0 + rise)).clamp(RATE_MIN, RATE_MAX)
    }

    /// Returns whether the rate is so far below the best one that it will probably rise again.
    pub(super) fn is_fallen(&self, rate: f64) -> bool {
        self.best.is_some_and(|(best, _)| rate < FALLEN * best)
    }

    /// Records a window that was measured at `now`, while `expected` was the rate.
    pub(super) fn note(&mut self, now: Duration, window: Window, expected: f64) {
        let measured = window.rate();
        if window.admitted >= BEST_CALLS_MIN {
            let is_best = self
                .best
                .is_none_or(|(best, at)| measured > 0.8 * best || now > at + BEST_KEPT);
            if is_best {
                self.best = Some((measured, now));
            }
        }
        if (measured / expected - 1.0).abs() < 0.15 {
            self.patience = (self.patience * PATIENCE_GROWTH).min(PATIENCE_MAX);
        } else if measured > 1.5 * expected {
            self.patience = 1.0;
        }
    }

    /// Returns how long the calm must last before the pacer searches for a higher rate.
    fn patience_secs(&self, rate: f64, latency: Latency) -> f64 {
        let secs = if self.is_fallen(rate) {
            FALLEN_CALM_SECS.max(3.0 / rate)
        } else {
            (CALM_CALLS / rate)
                .min(CALM_SECS * self.patience)
                .max(CALM_CALLS_MIN / rate)
        };
        secs.max(4.0 * latency.mean).max(self.recovery_secs())
    }

    /// Returns how long the pacer must stay at a rate to make up for the pause that a throttle
    /// costs. The credit of the pause's last second is not lost.
    fn recovery_secs(&self) -> f64 {
        PAUSE_SPREAD * (self.pause_secs - CREDIT_SECS)
    }
}
