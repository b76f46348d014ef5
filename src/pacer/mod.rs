//! How fast calls may leave. EKS throttles all callers of an account and region together, by a token bucket whose rate and
//! size nobody publishes; a [`Pacer`] finds the rate from what is admitted and what is not, and follows it.
//!
//! Pure: the time comes in with each call, as what has passed since some fixed moment. Waiting is the shell's
//! (`aws/turnstile.rs`). One pacer stands for one class of calls in one rate domain.
//!
//! A throttle says that the bucket is empty. So between two throttles the bucket has given out what it took in: calls
//! admitted over time is the very rate, whatever the bucket's size (`windows.rs`). The pacer
//!
//! 1. starts at a modest pace and doubles it until the first throttle,
//! 2. then follows the rate it has measured, call by call on credit, so that a token is taken soon after it is there,
//! 3. and creeps upwards, slowly at first and faster the longer nothing is throttled, since rates change and a rate that is
//!    too low is never complained about.

mod learnt;
mod load;
mod windows;

use std::time::Duration;

pub use learnt::Learnt;
pub use load::{Load, width};
use windows::Throttles;

/// Where nothing is known. About twice the rate at which EKS has been reported to throttle, so that the usual bucket, full at
/// first, is found empty within seconds and not all at once.
const START_PACE: f64 = 11.0;
/// The start doubles its pace in this time, in seconds, or in [`DOUBLING_LATENCIES`] where answers are slow: what is on its
/// way when the first throttle is told may all be throttled.
const DOUBLING_SECS: f64 = 1.5;
const DOUBLING_LATENCIES: f64 = 2.5;
/// A bucket that was full holds what flows into it in about two seconds: as AWS's published ones do. It only has to be a
/// good guess, since the second throttle tells the rate itself.
const BUCKET_SECS: f64 = 2.0;
/// The guess is taken a little high: too low would not be noticed before long.
const GUESS_LEAD: f64 = 1.04;
/// Where the very first call is throttled somebody else has emptied the bucket, and nothing is known of its rate.
const GUESS_MIN: f64 = 0.5;
/// No rate is believed to be outside of these, per second. Less than one call in 5 s is an outage, from which the way back
/// should be short; and a function of one CPU does not send a thousand.
const PACE_MIN: f64 = 0.2;
const PACE_MAX: f64 = 1_000.0;
/// After a throttle the next call waits a little longer than the token takes that was missing,
const SAFETY_CALLS: f64 = 0.2;
/// and, by so many deviations of the latency, for calls that overtake one another on their way.
const SAFETY_DEVIATIONS: f64 = 1.5;
/// While nothing is throttled the pace creeps up by this share for every [`CREEP_CALLS`]: one throttle for about as many calls.
const CREEP: f64 = 0.02;
const CREEP_CALLS: f64 = 45.0;
/// A rate that was right would have been throttled by now: in calls at first, but no longer than in seconds. From here on the
/// pace doubles.
const CALM_CALLS: f64 = 1.5 * CREEP_CALLS;
const CALM_SECS: f64 = 15.0;
/// At a very low rate a few calls say little.
const CALM_CALLS_MIN: f64 = 10.0;
/// Each time that the same rate is found again the next search waits longer, up to so many times.
const PATIENCE_MAX: f64 = 3.0;
const PATIENCE_GROWTH: f64 = 1.5;
/// A rate that has fallen to less than this is expected to come back, and looked for more often,
const FALLEN: f64 = 1.0 / 1.6;
/// after so many seconds without a throttle,
const FALLEN_CALM_SECS: f64 = 4.0;
/// and for so long.
const BEST_KEPT: Duration = Duration::from_mins(5);
/// The pace doubles in this many seconds then, but not within fewer than this many calls.
const REGAIN_SECS: f64 = 3.0;
const REGAIN_CALLS: f64 = 6.0;
/// What was not used is kept for up to a second, as the bucket keeps it.
const CREDIT_SECS: f64 = 1.0;
/// Fewer admitted than this share of what was expected: the rate has fallen. Halved when that is seen twice in a row.
const MISSED: f64 = 0.35;
/// A window that ends at a pace well above its mean, after this many calls, may have begun with the bucket full: then its
/// mean is too low, and the pace at which it ended is the better guess, less this.
const OVERFLOWN_CALLS: f64 = 8.0;
const OVERFLOWN_PACE: f64 = 0.93;
/// Calls that a window needs to speak for the best rate.
const SUPPORT_MIN: f64 = 15.0;
/// Throttled so soon again that no window can be measured: a step down.
const STEP_DOWN: f64 = 0.85;
/// Where a throttle costs a pause that the service asks for, so many times the pause lies between one search and the next.
const PAUSE_SPREAD: f64 = 8.0;
/// A service that asks for more than this does not mean it.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(1);

/// Decides when calls may leave.
#[derive(Debug, Clone)]
pub struct Pacer {
    stage: Stage,
    /// Calls that may leave now. Below zero after a throttle.
    credit: f64,
    credited_at: Duration,
    held_until: Duration,
    /// What the service asked for at the last throttle, in seconds.
    pause_secs: f64,
    /// Turns that were taken and have neither been used nor given back.
    turns_out: u32,
    /// Whether somebody has been told to wait, and has not taken the turn yet.
    is_waited_for: bool,
    sent_count: u64,
    throttles: Throttles,
    /// Since when nothing has been throttled, as far as that says something about the rate.
    calm_since: Duration,
    /// When the pace was last corrected. What left before that is throttled for the same reason.
    corrected_at: Option<Duration>,
    /// Calls that left after that and were admitted.
    admitted_since: f64,
    /// Corrections in a row that found much less admitted than expected.
    misses: u32,
    patience: f64,
    /// The highest rate that was well measured lately, and when.
    best: Option<(f64, Duration)>,
    latency: Latency,
}

/// A call that has left.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    number: u64,
    at: Duration,
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Whatever the service said: it was let in.
    Admitted,
    Throttled {
        /// How long the service asks to wait.
        retry_after: Option<Duration>,
    },
    /// None came.
    Lost,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    /// Nothing was throttled yet. It is at this pace, per second.
    Start { pace: f64, began_at: Option<Duration> },
    /// This rate was measured, or guessed after the first throttle, per second.
    Follow { rate: f64 },
}

/// How long answers take, in seconds. Zero until one came.
#[derive(Debug, Clone, Copy, Default)]
struct Latency {
    mean: f64,
    deviation: f64,
}

impl Pacer {
    /// A pacer that knows what was learnt `age` ago, if anything. `now` is the beginning.
    #[must_use]
    pub fn new(learnt: Option<(Learnt, Duration)>, now: Duration) -> Self {
        let stage = match learnt {
            None => Stage::Start { pace: START_PACE, began_at: None },
            Some((learnt, age)) => match learnt.if_fresh(age) {
                Some(rate) => Stage::Follow { rate },
                None => Stage::Start { pace: learnt.decayed(age, START_PACE), began_at: None },
            },
        };
        Self {
            stage,
            credit: 1.0,
            credited_at: now,
            held_until: now,
            pause_secs: 0.0,
            turns_out: 0,
            is_waited_for: false,
            sent_count: 0,
            throttles: Throttles::default(),
            calm_since: now,
            corrected_at: None,
            admitted_since: 0.0,
            misses: 0,
            patience: 1.0,
            best: None,
            latency: Latency::default(),
        }
    }

    /// When the next call may leave: `now`, or later.
    #[must_use]
    pub fn next_at(&mut self, now: Duration) -> Duration {
        self.accrue(now);
        if self.credit >= 1.0 {
            return now.max(self.held_until);
        }
        self.is_waited_for = true;
        let wait = Duration::from_secs_f64((1.0 - self.credit) / self.pace_at(now));
        // Never quite now: rounding must not let a waiting loop spin.
        (now + wait.max(Duration::from_micros(10))).max(self.held_until)
    }

    /// A call takes its turn.
    pub fn take(&mut self, now: Duration) {
        self.accrue(now);
        self.is_waited_for = false;
        self.credit -= 1.0;
        self.turns_out += 1;
    }

    /// The call that took its turn will not leave.
    pub fn give_back(&mut self) {
        self.credit += 1.0;
        self.turns_out = self.turns_out.saturating_sub(1);
    }

    /// Whether the service has asked to wait longer than until `now`.
    #[must_use]
    pub fn is_held(&self, now: Duration) -> bool {
        now < self.held_until
    }

    /// The call that took its turn leaves.
    pub fn send(&mut self, now: Duration) -> Sent {
        self.sent_count += 1;
        self.turns_out = self.turns_out.saturating_sub(1);
        if let Stage::Start { began_at, .. } = &mut self.stage {
            began_at.get_or_insert(now);
        }
        Sent { number: self.sent_count, at: now }
    }

    /// A call was answered, or not.
    pub fn answered(&mut self, now: Duration, sent: Sent, answer: Answer) {
        // Until here the pace was what it was.
        self.accrue(now);
        match answer {
            Answer::Lost => {}
            Answer::Admitted => {
                self.latency.note(now.saturating_sub(sent.at));
                if self.corrected_at.is_some_and(|corrected_at| sent.at > corrected_at) {
                    self.admitted_since += 1.0;
                }
            }
            Answer::Throttled { retry_after } => {
                self.latency.note(now.saturating_sub(sent.at));
                self.throttled(now, sent);
                self.hold(now, retry_after.unwrap_or_default().min(RETRY_AFTER_MAX));
            }
        }
    }

    /// Calls per second, now.
    #[must_use]
    pub fn pace_at(&self, now: Duration) -> f64 {
        match self.stage {
            Stage::Start { pace, .. } => pace,
            Stage::Follow { rate } => {
                let calm_secs = now.saturating_sub(self.calm_since).as_secs_f64();
                let patience_secs = self.patience_secs(rate);
                let creep_secs = (CREEP_CALLS / rate).max(self.lost_secs());
                let mut ahead = CREEP * calm_secs / creep_secs;
                if calm_secs > patience_secs {
                    let doubling_secs = (patience_secs / 3.0).min(REGAIN_SECS.max(REGAIN_CALLS / rate));
                    ahead += ((calm_secs - patience_secs) / doubling_secs).exp2() - 1.0;
                }
                (rate * (1.0 + ahead)).clamp(PACE_MIN, PACE_MAX)
            }
        }
    }

    /// How much goes through now.
    #[must_use]
    pub fn load(&self, now: Duration) -> Load {
        Load { is_used: self.sent_count > 0, per_sec: self.pace_at(now), latency_secs: self.latency.mean }
    }

    /// What the next pacer of this kind should know. Nothing where nothing was throttled: what this one was told it has not
    /// learnt.
    #[must_use]
    pub fn learnt(&self) -> Option<Learnt> {
        match self.stage {
            Stage::Follow { rate } if self.corrected_at.is_some() => Learnt::new(rate),
            Stage::Start { .. } | Stage::Follow { .. } => None,
        }
    }

    /// For how long nothing has to be throttled until a higher rate is looked for.
    fn patience_secs(&self, rate: f64) -> f64 {
        let secs = if self.is_fallen(rate) {
            FALLEN_CALM_SECS.max(3.0 / rate)
        } else {
            (CALM_CALLS / rate).min(CALM_SECS * self.patience).max(CALM_CALLS_MIN / rate)
        };
        secs.max(4.0 * self.latency.mean).max(self.lost_secs())
    }

    /// How long to go on for what a throttle costs in pauses. What came in during the last second of one is made up for.
    fn lost_secs(&self) -> f64 {
        PAUSE_SPREAD * (self.pause_secs - CREDIT_SECS)
    }

    fn is_fallen(&self, rate: f64) -> bool {
        self.best.is_some_and(|(best, _)| rate < FALLEN * best)
    }

    fn accrue(&mut self, now: Duration) {
        let secs = now.saturating_sub(self.credited_at).as_secs_f64();
        if secs <= 0.0 {
            return;
        }
        let midway = self.credited_at + Duration::from_secs_f64(secs / 2.0);
        let (middle_pace, latency) = (self.pace_at(midway), self.latency.mean);
        self.credited_at = now;
        match &mut self.stage {
            Stage::Start { pace, .. } => {
                self.credit = (self.credit + secs * *pace).min(self.credit.max(1.0));
                // Only while it is the pace that calls wait for: a search that nobody puts to the test finds nothing.
                if self.is_waited_for && latency > 0.0 {
                    let doubling_secs = DOUBLING_SECS.max(DOUBLING_LATENCIES * latency);
                    *pace = (*pace * (secs / doubling_secs).exp2()).min(PACE_MAX);
                }
            }
            Stage::Follow { rate } => {
                let credit_max = 1.0 + *rate * CREDIT_SECS;
                self.credit += secs * middle_pace;
                if self.credit > credit_max {
                    // Nobody was waiting, and the bucket may have been full.
                    self.credit = credit_max;
                    self.calm_since = now;
                    self.throttles.clear();
                }
            }
        }
    }

    fn throttled(&mut self, now: Duration, sent: Sent) {
        let pace_then = self.pace_at(sent.at);
        self.throttles.note(sent.number, sent.at);
        if self.corrected_at.is_none_or(|corrected_at| sent.at > corrected_at) {
            self.correct(now, sent, pace_then);
        }
        let Stage::Follow { rate } = self.stage else { return };
        let Some((number, at)) = self.throttles.newest() else { return };
        // The bucket was empty at that moment; what has left since then draws on what came since then.
        #[expect(clippy::cast_precision_loss, reason = "calls on their way are few")]
        let left_since = (self.sent_count - number) as f64;
        let came_since = rate * now.saturating_sub(at).as_secs_f64();
        let safety = SAFETY_CALLS + SAFETY_DEVIATIONS * self.latency.deviation * rate;
        self.credit = came_since - left_since - f64::from(self.turns_out) - safety;
        self.calm_since = at;
    }

    /// The first throttle since the pace was corrected last.
    fn correct(&mut self, now: Duration, sent: Sent, pace_then: f64) {
        let (corrected_at, admitted) = (self.corrected_at, self.admitted_since);
        (self.corrected_at, self.admitted_since) = (Some(now), 0.0);
        let rate = match self.stage {
            Stage::Start { began_at, .. } => {
                let secs = sent.at.saturating_sub(began_at.unwrap_or(sent.at)).as_secs_f64();
                #[expect(clippy::cast_precision_loss, reason = "the calls of a few seconds")]
                let admitted = (sent.number - 1) as f64;
                (GUESS_LEAD * admitted / (secs + BUCKET_SECS)).max(GUESS_MIN)
            }
            Stage::Follow { rate } => {
                let secs = corrected_at.map_or(0.0, |at| sent.at.saturating_sub(at).as_secs_f64());
                self.corrected(now, rate, pace_then, admitted, secs)
            }
        };
        self.stage = Stage::Follow { rate: rate.clamp(PACE_MIN, PACE_MAX) };
    }

    /// The rate, after a throttle at `pace_then`, where `rate` was believed, and `admitted` calls were let in since the last
    /// correction, `secs` ago.
    fn corrected(&mut self, now: Duration, rate: f64, pace_then: f64, admitted: f64, secs: f64) -> f64 {
        if rate * secs >= 1.0 && admitted < MISSED * rate * secs {
            self.misses += 1;
            if self.misses >= 2 {
                self.throttles.keep_newest(2);
                return rate / 2.0;
            }
        } else {
            self.misses = 0;
        }
        let Some(window) = self.throttles.measure(rate) else { return pace_then * STEP_DOWN };
        let measured = window.rate();
        if !self.is_fallen(rate) && measured < OVERFLOWN_PACE * pace_then && admitted >= OVERFLOWN_CALLS {
            self.throttles.keep_newest(1);
            return OVERFLOWN_PACE * pace_then;
        }
        if window.admitted >= SUPPORT_MIN {
            let is_best = self.best.is_none_or(|(best, at)| measured > 0.8 * best || now > at + BEST_KEPT);
            if is_best {
                self.best = Some((measured, now));
            }
        }
        if (measured / rate - 1.0).abs() < 0.15 {
            self.patience = (self.patience * PATIENCE_GROWTH).min(PATIENCE_MAX);
        } else if measured > 1.5 * rate {
            self.patience = 1.0;
        }
        measured
    }

    /// Nothing leaves during this pause. The bucket fills meanwhile: where it flows over, so does the credit, and what was seen
    /// before is forgotten (`accrue`).
    fn hold(&mut self, now: Duration, pause: Duration) {
        self.pause_secs = pause.as_secs_f64();
        if !pause.is_zero() {
            self.held_until = self.held_until.max(now + pause);
            self.calm_since = self.held_until;
        }
    }
}

impl Latency {
    /// As TCP does it (RFC 6298).
    fn note(&mut self, taken: Duration) {
        let secs = taken.as_secs_f64();
        if self.mean == 0.0 {
            *self = Self { mean: secs, deviation: secs / 4.0 };
        } else {
            self.deviation += ((secs - self.mean).abs() - self.deviation) / 8.0;
            self.mean += (secs - self.mean) / 8.0;
        }
    }
}

#[cfg(test)]
mod tests;
