//! The rate at which calls may be sent. EKS throttles all callers of an account in a region by a
//! token bucket. Neither the bucket's rate nor its size is published. A [`Pacer`] finds the rate
//! from the calls that are admitted and throttled, and follows it. One pacer serves one class of
//! calls in one region.
//!
//! This is arithmetic: times are arguments, as the time since a fixed moment, and nothing here
//! waits. The waiting is in `src/aws/eks/rate_limiter.rs`.
//!
//! Between two throttles the admitted calls, divided by the time, are the bucket's rate
//! (`windows.rs`). The pacer starts at a moderate rate and doubles it until the first throttle.
//! From then on it follows the measured rate, call by call, and raises it while no call is
//! throttled (`probe.rs`).

mod concurrency;
mod latency;
mod learned_rates;
mod probe;
mod rate;
mod response;
mod windows;

pub use concurrency::{Load, MoveLoad, concurrency};
pub use learned_rates::{LearnedRate, LearnedRates};
pub use rate::Rate;
pub use response::{Response, Sent};

use std::time::Duration;

use crate::pacer::latency::Latency;
use crate::pacer::probe::{CREDIT_SECS, Probe};
use crate::pacer::rate::{RATE_MAX, RATE_MIN};
use crate::pacer::windows::Throttles;

/// The rate at which a pacer starts if nothing is known, per second. It is about twice the rate at
/// which EKS has been reported to throttle. So the usual bucket, full at first, is found empty
/// within seconds, but not all at once.
const START_RATE: f64 = 11.0;
/// The start doubles its rate in this time, in seconds, or in [`DOUBLING_LATENCIES`] latencies if
/// responses are slow: all calls in flight may be throttled when the first throttle arrives.
const DOUBLING_SECS: f64 = 1.5;
const DOUBLING_LATENCIES: f64 = 2.5;
/// A full bucket is assumed to hold the inflow of this many seconds, as AWS's published buckets do.
/// An estimate is enough, because the second throttle measures the rate itself.
const BUCKET_SECS: f64 = 2.0;
/// The estimate is raised a little, because a rate that is too low is noticed late.
const ESTIMATE_FACTOR: f64 = 1.04;
/// If the very first call is throttled, other callers have emptied the bucket, and its rate is
/// unknown. The pacer then starts from this rate.
const ESTIMATE_MIN: f64 = 0.5;
/// After a throttle the next call waits for the missing token, for this part of another token, …
const SAFETY_CALLS: f64 = 0.2;
/// … and for this many deviations of the latency, because calls overtake each other in flight.
const SAFETY_DEVIATIONS: f64 = 1.5;
/// If less than this share of the expected calls was admitted, the rate has fallen. The second time
/// in succession, the pacer halves it.
const MISS: f64 = 0.35;
/// If the rate was well above a window's mean when its last call was sent, after this many admitted
/// calls, the bucket may have been full and overflowed in that window. Then the mean is too low,
/// and the rate at the end, reduced by [`OVERFLOW_RATE`], is the better estimate.
const OVERFLOW_CALLS: f64 = 8.0;
const OVERFLOW_RATE: f64 = 0.93;
/// If the next throttle comes too soon to measure a window, the rate is multiplied by this.
const STEP_DOWN: f64 = 0.85;
/// A longer pause than this, if the service requests one, is taken for a mistake.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(1);

/// Decides when calls may be sent.
#[derive(Debug, Clone)]
pub struct Pacer {
    stage: Stage,
    /// The number of calls that may be sent now. Negative after a throttle.
    credit: f64,
    credited_at: Duration,
    held_until: Duration,
    /// Permits that were acquired and have been neither used nor released.
    permits_out: u32,
    /// Whether a caller has been told to wait and has not acquired its permit yet.
    has_waiter: bool,
    sent_count: u64,
    throttles: Throttles,
    /// When the rate was last corrected. Throttles of calls sent before that have the same cause.
    corrected_at: Option<Duration>,
    /// Calls that were sent after that and admitted.
    admitted_since: f64,
    /// Successive corrections that found far fewer calls admitted than expected.
    misses: u32,
    probe: Probe,
    latency: Latency,
}

impl Pacer {
    /// Creates a pacer at the time `now`. `learned` is an earlier pacer's rate and its age, if
    /// known.
    #[must_use]
    pub fn new(learned: Option<(Rate, Duration)>, now: Duration) -> Self {
        let stage = match learned {
            None => Stage::Start {
                rate: START_RATE,
                started_at: None,
            },
            Some((learned, age)) => match learned.if_fresh(age) {
                Some(rate) => Stage::Follow { rate },
                None => Stage::Start {
                    rate: learned.decayed(age, START_RATE),
                    started_at: None,
                },
            },
        };
        Self {
            stage,
            credit: 1.0,
            credited_at: now,
            held_until: now,
            permits_out: 0,
            has_waiter: false,
            sent_count: 0,
            throttles: Throttles::default(),
            corrected_at: None,
            admitted_since: 0.0,
            misses: 0,
            probe: Probe::new(now),
            latency: Latency::default(),
        }
    }

    /// Returns when the next call may be sent: `now`, or later.
    #[must_use]
    pub fn next_at(&mut self, now: Duration) -> Duration {
        self.accrue(now);
        if self.credit >= 1.0 {
            return now.max(self.held_until);
        }
        self.has_waiter = true;
        let wait = Duration::from_secs_f64((1.0 - self.credit) / self.rate_at(now));
        // At least 10 µs: if the wait were rounded to zero, the waiting loop would spin.
        (now + wait.max(Duration::from_micros(10))).max(self.held_until)
    }

    /// Takes a permit for one call.
    pub fn acquire(&mut self, now: Duration) {
        self.accrue(now);
        self.has_waiter = false;
        self.credit -= 1.0;
        self.permits_out += 1;
    }

    /// Returns the permit of a call that will not be sent.
    pub fn release(&mut self) {
        self.credit += 1.0;
        self.permits_out = self.permits_out.saturating_sub(1);
    }

    /// Returns whether the service has asked callers to wait until a time after `now`.
    #[must_use]
    pub fn is_held(&self, now: Duration) -> bool {
        now < self.held_until
    }

    /// Records that a call with a permit is sent.
    pub fn send(&mut self, now: Duration) -> Sent {
        self.sent_count += 1;
        self.permits_out = self.permits_out.saturating_sub(1);
        if let Stage::Start { started_at, .. } = &mut self.stage {
            started_at.get_or_insert(now);
        }
        Sent {
            number: self.sent_count,
            at: now,
        }
    }

    /// Records the response to a call.
    pub fn record_response(&mut self, now: Duration, sent: Sent, response: Response) {
        // Before the response changes the rate, accrue credit at the rate until now.
        self.accrue(now);
        match response {
            Response::Lost => {}
            Response::Admitted => {
                self.latency.note(now.saturating_sub(sent.at));
                if self
                    .corrected_at
                    .is_some_and(|corrected_at| sent.at > corrected_at)
                {
                    self.admitted_since += 1.0;
                }
            }
            Response::Throttled { retry_after } => {
                self.latency.note(now.saturating_sub(sent.at));
                self.record_throttle(now, sent);
                let pause = retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
                self.probe.pause_secs = pause.as_secs_f64();
                if !pause.is_zero() {
                    self.hold_until(now + pause);
                }
            }
        }
    }

    /// Returns the current rate, in calls per second.
    #[must_use]
    pub fn rate_at(&self, now: Duration) -> f64 {
        match self.stage {
            Stage::Start { rate, .. } => rate,
            Stage::Follow { rate } => self.probe.rate_at(now, rate, self.latency),
        }
    }

    /// Returns the current load.
    #[must_use]
    pub fn load(&self, now: Duration) -> Load {
        Load {
            is_used: self.sent_count > 0,
            per_sec: self.rate_at(now),
            latency_secs: self.latency.mean,
        }
    }

    /// Returns the rate that the next pacer of this kind should start from. Returns `None` if no
    /// call was throttled: a learned rate that this pacer only received is not passed on as its
    /// own.
    #[must_use]
    pub fn learned(&self) -> Option<Rate> {
        match self.stage {
            Stage::Follow { rate } if self.corrected_at.is_some() => Rate::new(rate),
            Stage::Start { .. } | Stage::Follow { .. } => None,
        }
    }

    fn accrue(&mut self, now: Duration) {
        let secs = now.saturating_sub(self.credited_at).as_secs_f64();
        if secs <= 0.0 {
            return;
        }
        let midway = self.credited_at + Duration::from_secs_f64(secs / 2.0);
        let (midway_rate, latency) = (self.rate_at(midway), self.latency.mean);
        self.credited_at = now;
        match &mut self.stage {
            Stage::Start { rate, .. } => {
                self.credit = (self.credit + secs * *rate).min(self.credit.max(1.0));
                // The rate rises only while a call waits for it: a rate that calls do not use is
                // not tested.
                if self.has_waiter && latency > 0.0 {
                    let doubling_secs = DOUBLING_SECS.max(DOUBLING_LATENCIES * latency);
                    *rate = (*rate * (secs / doubling_secs).exp2()).min(RATE_MAX);
                }
            }
            Stage::Follow { rate } => {
                let credit_max = 1.0 + *rate * CREDIT_SECS;
                self.credit += secs * midway_rate;
                if self.credit > credit_max {
                    // Calls did not use the whole rate, so the bucket may have been full since.
                    self.credit = credit_max;
                    self.probe.calm_since = now;
                    self.throttles.clear();
                }
            }
        }
    }

    fn record_throttle(&mut self, now: Duration, sent: Sent) {
        self.throttles.note(sent.number, sent.at);
        if self
            .corrected_at
            .is_none_or(|corrected_at| sent.at > corrected_at)
        {
            self.correct(now, sent);
        }
        let Stage::Follow { rate } = self.stage else {
            return;
        };
        let Some((number, at)) = self.throttles.newest() else {
            return;
        };
        // The bucket was empty at `at`. The calls sent since then use what flowed in since then.
        #[expect(clippy::cast_precision_loss, reason = "few calls are in flight")]
        let sent_since = (self.sent_count - number) as f64;
        let inflow_since = rate * now.saturating_sub(at).as_secs_f64();
        let safety = SAFETY_CALLS + SAFETY_DEVIATIONS * self.latency.deviation * rate;
        self.credit = inflow_since - sent_since - f64::from(self.permits_out) - safety;
        self.probe.calm_since = at;
    }

    /// Corrects the rate, at the first throttle of a call that was sent after the last correction.
    fn correct(&mut self, now: Duration, sent: Sent) {
        let rate = match self.stage {
            Stage::Start { started_at, .. } => {
                let secs = sent
                    .at
                    .saturating_sub(started_at.unwrap_or(sent.at))
                    .as_secs_f64();
                #[expect(clippy::cast_precision_loss, reason = "the calls of a few seconds")]
                let admitted = (sent.number - 1) as f64;
                (ESTIMATE_FACTOR * admitted / (secs + BUCKET_SECS)).max(ESTIMATE_MIN)
            }
            Stage::Follow { rate } => self.corrected(now, sent, rate),
        };
        (self.corrected_at, self.admitted_since) = (Some(now), 0.0);
        self.stage = Stage::Follow {
            rate: rate.clamp(RATE_MIN, RATE_MAX),
        };
    }

    /// Returns the rate after the throttle of a call. `expected` is the rate that was last
    /// measured.
    fn corrected(&mut self, now: Duration, sent: Sent, expected: f64) -> f64 {
        let (admitted, rate_at_send) = (self.admitted_since, self.rate_at(sent.at));
        let secs = self
            .corrected_at
            .map_or(0.0, |at| sent.at.saturating_sub(at).as_secs_f64());
        if expected * secs >= 1.0 && admitted < MISS * expected * secs {
            self.misses += 1;
            if self.misses >= 2 {
                self.throttles.keep_newest(2);
                return expected / 2.0;
            }
        } else {
            self.misses = 0;
        }
        let Some(window) = self.throttles.measure(expected) else {
            return rate_at_send * STEP_DOWN;
        };
        let measured = window.rate();
        if !self.probe.is_fallen(expected)
            && measured < OVERFLOW_RATE * rate_at_send
            && admitted >= OVERFLOW_CALLS
        {
            self.throttles.keep_newest(1);
            return OVERFLOW_RATE * rate_at_send;
        }
        self.probe.note(now, window, expected);
        measured
    }

    /// Sends nothing during a pause that the service requests. The bucket fills meanwhile. If it
    /// may overflow, so does the credit, and `accrue` then forgets the earlier throttles.
    fn hold_until(&mut self, until: Duration) {
        self.held_until = self.held_until.max(until);
        self.probe.calm_since = self.held_until;
    }
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    /// No call has been throttled yet. The rate, per second, rises.
    Start {
        rate: f64,
        started_at: Option<Duration>,
    },
    /// The rate, per second, was measured, or estimated at the first throttle.
    Follow { rate: f64 },
}

#[cfg(test)]
mod tests;
