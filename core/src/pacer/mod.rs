//! The rate at which calls may be sent.
//!
//! # The problem
//!
//! EKS throttles with a token bucket: each call takes a token, tokens flow in at a constant rate,
//! and the bucket holds only so many. A call that finds no token is throttled. Neither rate nor
//! size is published, other callers take tokens from the same bucket, and the rate may change at
//! any time. Calls that are too fast are throttled, and nothing complains about calls that are too
//! slow.
//!
//! # The controller
//!
//! A [`Pacer`] finds the rate of one region and follows it. There is one for all calls of the
//! region, although AWS does not say whether they share a bucket: a rotation needs as many updates
//! as Describes, so the bucket that is empty first limits both.
//!
//! 1. **Start.** The first calls are sent at a moderate rate, which doubles until the first
//!    throttle.
//! 2. **Measure.** At a throttle the bucket is empty. So between two throttles it has given out
//!    exactly what flowed in: the admitted calls divided by the time are its rate (`history.rs`).
//! 3. **Hold.** The measured rate is used for twelve seconds. Each throttle in that time makes the
//!    measurement longer and more exact, and starts the twelve seconds anew.
//! 4. **Search.** If no throttle came, the rate doubles again until the next one, since nothing
//!    else would show that the bucket's rate has risen. At a constant rate, most searches find the
//!    same one again. Each costs a few throttles and no time.
//!
//! This is what it does when the bucket's rate drops from 20 to 5 calls a second, from the tenth to
//! the fortieth second. `core/tests/pacer` has the same in numbers, docs/performance.md as a plot.
//!
//! ```text
//! 50/s   ╷                                                   ╷
//!       ╱│ start                                             │ search
//! 20/s ╱ └─── hold ───┐                                     ╱└── hold
//!                     │                                    ╱
//!  5/s                └── measure, hold ──────────────────╯
//!      ├─────────────┼──────────────────────────┼──────────┼─────────
//!      0 s           10 s                       40 s       52 s
//! ```
//!
//! What is known of the rate does not change while calls do not use it. A pacer without calls
//! learns nothing and forgets nothing: neither hold nor search goes on. But the bucket fills, and
//! may overflow. Then earlier throttles say nothing about it any more, and the measurement starts
//! anew.
//!
//! With a [`RateShare`] below 100 %, only that part of an exactly known rate is used. No throttle
//! is expected then, so the rate is held for longer. After the throttle that ends a search, the
//! rate is used in full until the following throttles have measured it.
//!
//! This is arithmetic: times are arguments, as the time since a fixed moment, and nothing here
//! waits. The waiting is in `src/aws/eks/rate_limiter.rs`. All constants are in `tuning.rs`.

mod concurrency;
mod history;
mod latency;
mod learned_rate;
mod rate;
mod rate_share;
mod response;
mod tuning;

pub use concurrency::Load;
pub use learned_rate::LearnedRate;
pub use rate::Rate;
pub use rate_share::{InvalidRateShare, RATE_SHARE_FORM, RateShare};
pub use response::{Response, Sent};
pub use tuning::{TUNING, Tuning};

use std::time::Duration;

use crate::pacer::history::History;
use crate::pacer::latency::Latency;

/// Decides when calls may be sent.
#[derive(Debug, Clone)]
pub struct Pacer {
    tuning: Tuning,
    share: RateShare,
    /// The rate now. It is above the known rate during a search.
    per_sec: f64,
    /// The rate that was measured last, or that an earlier pacer measured. `None` during the start.
    known: Option<f64>,
    /// When the rate was last measured. Throttles of calls sent before that have the same cause.
    measured_at: Option<Duration>,
    /// Whether the known rate was measured between two throttles, over enough calls. Otherwise it
    /// is a guess, and is used in full until it has been measured.
    is_exact: bool,
    /// The rate when the last permit was acquired.
    per_sec_at_permit: f64,
    /// The pause that the service requested with the last throttle, in seconds.
    pause_secs: f64,
    /// For how long calls have waited for their permits, since the last throttle, in seconds.
    used_secs: f64,
    /// The tokens in the bucket, if the known rate is its rate: none at a throttle.
    tokens: f64,
    /// The number of calls that may be sent now. Negative if calls have used more than flowed in.
    credit: f64,
    credited_at: Duration,
    held_until: Duration,
    /// Permits that were acquired and have been neither used nor released.
    permits_out: u32,
    /// Until when a caller has been told to wait. It may have given up since: then the time after
    /// this does not count as used.
    waiting_until: Duration,
    history: History,
    latency: Latency,
}

impl Pacer {
    /// Creates a pacer at the time `now`. `learned` is an earlier pacer's rate and its age, if
    /// known.
    #[must_use]
    pub fn new(learned: Option<(Rate, Duration)>, share: RateShare, now: Duration) -> Self {
        Self::with_tuning(TUNING, learned, share, now)
    }

    /// As [`Pacer::new`], with other constants of the controller: to measure what each contributes.
    #[must_use]
    pub fn with_tuning(
        tuning: Tuning,
        learned: Option<(Rate, Duration)>,
        share: RateShare,
        now: Duration,
    ) -> Self {
        let known = learned.and_then(|(rate, age)| rate.if_fresh(age));
        let start = |(rate, age): (Rate, Duration)| rate.decayed(age, tuning.start_per_sec);
        let per_sec = known.unwrap_or_else(|| learned.map_or(tuning.start_per_sec, start));
        Self {
            tuning,
            share,
            per_sec,
            known,
            measured_at: None,
            is_exact: known.is_some(),
            per_sec_at_permit: per_sec,
            pause_secs: 0.0,
            used_secs: 0.0,
            tokens: 0.0,
            credit: 1.0,
            credited_at: now,
            held_until: now,
            permits_out: 0,
            waiting_until: now,
            history: History::default(),
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
        let wait = Duration::from_secs_f64((1.0 - self.credit) / self.permits_per_sec());
        // At least 10 µs: if the wait were rounded to zero, the waiting loop would spin.
        self.waiting_until = (now + wait.max(Duration::from_micros(10))).max(self.held_until);
        self.waiting_until
    }

    /// Takes a permit for one call.
    pub fn acquire(&mut self, now: Duration) {
        self.accrue(now);
        self.waiting_until = now;
        self.per_sec_at_permit = self.per_sec;
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
        self.permits_out = self.permits_out.saturating_sub(1);
        self.tokens = (self.tokens - 1.0).max(0.0);
        Sent {
            number: self.history.send(now),
            at: now,
        }
    }

    /// Records the response to a call.
    pub fn record_response(&mut self, now: Duration, sent: Sent, response: Response) {
        // Before the response changes the rate, accrue credit at the rate until now.
        self.accrue(now);
        match response {
            Response::Lost => {}
            Response::Admitted => self.latency.note(now.saturating_sub(sent.at)),
            Response::Throttled { retry_after } => {
                self.latency.note(now.saturating_sub(sent.at));
                self.record_throttle(now, sent);
                let pause = retry_after
                    .unwrap_or_default()
                    .min(self.tuning.retry_after_max);
                self.pause_secs = pause.as_secs_f64();
                if !pause.is_zero() {
                    self.held_until = self.held_until.max(now + pause);
                }
            }
        }
    }

    /// Returns the load now.
    #[must_use]
    pub fn load(&self) -> Load {
        Load {
            per_sec: self.permits_per_sec(),
            latency_secs: self.latency.secs(),
        }
    }

    /// Returns the rate that the next pacer should start from. Returns `None` if no call was
    /// throttled: a learned rate that this pacer only received is not passed on as its own.
    #[must_use]
    pub fn learned(&self) -> Option<Rate> {
        self.measured_at?;
        self.known.and_then(Rate::new)
    }

    /// Returns the rate of permits: of a rate that is known exactly, only the share. Even a small
    /// share of a low rate is at least the lowest rate. Otherwise an update would wait for its
    /// permit for longer than its observation justifies it.
    fn permits_per_sec(&self) -> f64 {
        if self.is_exact {
            (self.share.fraction() * self.per_sec).max(self.tuning.per_sec_min)
        } else {
            self.per_sec
        }
    }

    /// Brings the rate, the credit and the tokens to the time `now`.
    fn accrue(&mut self, now: Duration) {
        let secs = now.saturating_sub(self.credited_at).as_secs_f64();
        if secs <= 0.0 {
            return;
        }
        let before = self.permits_per_sec();
        self.search(now);
        self.credited_at = now;
        // The mean of the rates at both ends.
        let inflow = secs * f64::midpoint(before, self.permits_per_sec());
        let credit_max = 1.0 + self.permits_per_sec() * self.tuning.credit_secs;
        self.credit = (self.credit + inflow).min(credit_max);
        if let Some(known) = self.known {
            self.tokens += secs * known;
            let full = 1.0 + known * self.tuning.bucket_secs;
            if self.tokens >= full {
                // The bucket may have overflowed.
                self.tokens = full;
                self.history.clear();
            }
        }
    }

    /// Raises the rate if it has been held for long enough. Only the time counts in which a call
    /// waited for its permit: a rate that calls do not use is not tested.
    fn search(&mut self, now: Duration) {
        let latency_secs = self.latency.secs();
        if latency_secs <= 0.0 {
            return;
        }
        let from = self.credited_at.max(self.held_until);
        let secs = now
            .min(self.waiting_until)
            .saturating_sub(from)
            .as_secs_f64();
        self.used_secs += secs;
        let search_secs = (self.used_secs - self.hold_secs()).clamp(0.0, secs);
        let doubling_secs =
            (latency_secs * self.tuning.doubling_latencies).min(self.tuning.doubling_secs_max);
        let risen = self.per_sec * (search_secs / doubling_secs).exp2();
        // If calls are rare, one of them is sent before the rate doubles again.
        let tested_max = 2.0 * self.per_sec_at_permit;
        self.per_sec = risen.min(tested_max).min(self.tuning.per_sec_max);
    }

    /// Returns how long the rate is held before the search, in seconds.
    fn hold_secs(&self) -> f64 {
        let Some(known) = self.known else {
            return 0.0;
        };
        // A learned rate may be out of date: an earlier pacer may have measured it in an outage.
        let is_own = self.is_exact && self.measured_at.is_some();
        let hold_secs = if is_own && !self.share.is_whole() {
            self.tuning.share_hold_secs / self.share.fraction()
        } else {
            self.tuning.hold_secs.min(self.tuning.hold_calls / known)
        };
        hold_secs.max(self.tuning.hold_pauses * self.pause_secs)
    }

    fn record_throttle(&mut self, now: Duration, sent: Sent) {
        self.history.note_throttle(sent.number, sent.at);
        let is_new = self
            .measured_at
            .is_none_or(|measured_at| sent.at > measured_at);
        let known = match self.known {
            Some(known) if !is_new => known,
            _ => {
                self.measured_at = Some(now);
                self.measure()
            }
        };
        (self.known, self.per_sec, self.per_sec_at_permit) = (Some(known), known, known);
        (self.used_secs, self.tokens) = (0.0, 0.0);
        if let Some(newest) = self.history.newest_throttle() {
            // The bucket was empty then. The calls sent since use what flowed in since.
            let secs = now.saturating_sub(newest.sent_at).as_secs_f64();
            let used = self.history.sent_after(newest) + f64::from(self.permits_out);
            self.credit = secs * self.permits_per_sec() - used;
        }
    }

    /// Returns the bucket's rate as the calls up to the newest throttle show it.
    fn measure(&mut self) -> f64 {
        let full_bucket = self.history.rate_of_full_bucket(self.tuning.bucket_secs);
        let between_throttles = self.history.between_throttles(self.tuning.tolerated_calls);
        let is_exact =
            between_throttles.is_some_and(|window| window.admitted >= self.tuning.exact_calls);
        let was_exact = std::mem::replace(&mut self.is_exact, is_exact);
        let measured = match (between_throttles, self.known) {
            // Both are lower bounds, and one of them is tight.
            (Some(window), _) => full_bucket.max(window.rate()),
            // The bucket was empty at the first call, for example because others have emptied it.
            (None, None) if full_bucket == 0.0 => self.per_sec / 2.0,
            (None, None) => full_bucket,
            // One throttle does not show that the rate has fallen. The next one measures it, …
            (None, Some(known)) if was_exact => full_bucket.max(known),
            // … unless the bucket may have overflowed in between, for example in a requested pause.
            (None, Some(known)) => full_bucket.max(known / 2.0),
        };
        // A throttle never raises the rate above the one that was in use.
        measured.min(self.per_sec).max(self.tuning.per_sec_min)
    }
}

#[cfg(test)]
mod tests;
