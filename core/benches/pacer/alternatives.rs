//! Controllers that were tried instead of the pacer. Each finds the rate in the same way at first,
//! by doubling, and differs in what follows.

use std::time::Duration;

use rerole_core::pacer::{Load, Pacer, RateShare, Response, Sent, TUNING};

use crate::simulation::{Controller, Operation};

/// A pacer for each operation, as before there was one for all of them.
pub struct PacerEach {
    describes: Pacer,
    updates: Pacer,
}

impl PacerEach {
    pub fn new() -> Self {
        let pacer = || Pacer::new(None, RateShare::WHOLE, Duration::ZERO);
        Self {
            describes: pacer(),
            updates: pacer(),
        }
    }

    fn of(&mut self, operation: Operation) -> &mut Pacer {
        match operation {
            Operation::Describe => &mut self.describes,
            Operation::Update => &mut self.updates,
        }
    }
}

impl Controller for PacerEach {
    fn next_at(&mut self, operation: Operation, now: Duration) -> Duration {
        self.of(operation).next_at(now)
    }

    fn acquire(&mut self, operation: Operation, now: Duration) {
        self.of(operation).acquire(now);
    }

    fn send(&mut self, operation: Operation, now: Duration) -> Sent {
        self.of(operation).send(now)
    }

    fn record_response(
        &mut self,
        operation: Operation,
        now: Duration,
        (sent, response): (Sent, Response),
    ) {
        self.of(operation).record_response(now, sent, response);
    }

    fn concurrency(&self) -> usize {
        let loads = [self.describes.load(), self.updates.load()];
        loads.map(Load::concurrency).into_iter().max().unwrap_or(1)
    }

    fn per_sec(&self) -> f64 {
        self.describes.load().per_sec + self.updates.load().per_sec
    }
}

/// How the rate changes after the first throttle.
pub enum Rule {
    /// Additive increase, multiplicative decrease: one more call a second in each second, and 70 %
    /// at a throttle.
    Aimd,
    /// CUBIC, as in the SDK's adaptive retries: 70 % at a throttle, and then the cubic curve whose
    /// plateau is the rate at that throttle.
    Cubic { plateau: f64, secs: f64 },
    /// As BBR: the highest rate that was admitted in a second of the last ten, times 1.25 in one
    /// second of eight and 0.75 in the next.
    Bbr { admitted: Vec<f64> },
}

/// A rate and a rule.
pub struct RateController {
    rule: Rule,
    per_sec: f64,
    is_starting: bool,
    credit: f64,
    credited_at: f64,
    corrected_at: f64,
    latency_secs: f64,
    /// The pacer only numbers and dates the calls.
    calls: Pacer,
}

impl RateController {
    pub fn new(rule: Rule) -> Self {
        Self {
            rule,
            per_sec: TUNING.start_per_sec,
            is_starting: true,
            credit: 1.0,
            credited_at: 0.0,
            corrected_at: 0.0,
            latency_secs: 0.0,
            calls: Pacer::new(None, RateShare::WHOLE, Duration::ZERO),
        }
    }

    fn accrue(&mut self, now: f64) {
        let secs = now - self.credited_at;
        self.credited_at = now;
        let credit_max = 1.0 + self.per_sec * TUNING.credit_secs;
        self.credit = (self.credit + secs * self.per_sec).min(credit_max);
        if self.is_starting {
            if self.latency_secs > 0.0 {
                let doubling_secs =
                    (self.latency_secs * TUNING.doubling_latencies).min(TUNING.doubling_secs_max);
                self.per_sec *= (secs / doubling_secs).exp2();
            }
        } else {
            self.per_sec = match &mut self.rule {
                Rule::Aimd => self.per_sec + secs,
                Rule::Cubic {
                    plateau,
                    secs: since,
                } => {
                    *since += secs;
                    let plateau_at = (*plateau * 0.3 / 0.4).cbrt();
                    0.4 * (*since - plateau_at).powi(3) + *plateau
                }
                Rule::Bbr { admitted } => {
                    let recent = admitted.iter().rev().take(10);
                    let best = recent.copied().fold(0.0, f64::max);
                    match second(now) % 8 {
                        0 => 1.25 * best,
                        1 => 0.75 * best,
                        _ => best,
                    }
                }
            };
        }
        self.per_sec = self.per_sec.clamp(TUNING.per_sec_min, TUNING.per_sec_max);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a few hours"
)]
fn second(now: f64) -> usize {
    now as usize
}

impl Controller for RateController {
    fn next_at(&mut self, _: Operation, now: Duration) -> Duration {
        self.accrue(now.as_secs_f64());
        if self.credit >= 1.0 {
            return now;
        }
        let wait = Duration::from_secs_f64((1.0 - self.credit) / self.per_sec);
        now + wait.max(Duration::from_micros(10))
    }

    fn acquire(&mut self, _: Operation, now: Duration) {
        self.accrue(now.as_secs_f64());
        self.credit -= 1.0;
    }

    fn send(&mut self, _: Operation, now: Duration) -> Sent {
        self.calls.send(now)
    }

    fn record_response(&mut self, _: Operation, now: Duration, (sent, response): (Sent, Response)) {
        self.accrue(now.as_secs_f64());
        // The latency, smoothed.
        self.calls.record_response(now, sent, Response::Admitted);
        self.latency_secs = self.calls.load().latency_secs;
        let sent_at = sent.at().as_secs_f64();
        let now = now.as_secs_f64();
        match (response, &mut self.rule) {
            (Response::Admitted, Rule::Bbr { admitted }) => {
                admitted.resize(admitted.len().max(second(now) + 1), 0.0);
                admitted[second(now)] += 1.0;
            }
            (Response::Throttled { .. }, rule) if sent_at > self.corrected_at => {
                (self.corrected_at, self.is_starting) = (now, false);
                self.credit = self.credit.min(0.0);
                match rule {
                    Rule::Aimd => self.per_sec *= 0.7,
                    Rule::Cubic { plateau, secs } => {
                        (*plateau, *secs) = (self.per_sec, 0.0);
                        self.per_sec *= 0.7;
                    }
                    Rule::Bbr { .. } => {}
                }
            }
            _ => {}
        }
    }

    fn concurrency(&self) -> usize {
        let load = Load {
            per_sec: self.per_sec,
            latency_secs: self.latency_secs,
        };
        load.concurrency()
    }

    fn per_sec(&self) -> f64 {
        self.per_sec
    }
}
