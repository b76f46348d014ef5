//! One pacer against a simulated token bucket, in simulated time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::pacer::{Pacer, Rate, Response, Sent};

/// The product also bounds the calls in flight.
const IN_FLIGHT_MAX: u32 = 64;

/// A bucket, and its callers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case {
    calls: u32,
    /// Tokens per second.
    rate: f64,
    /// The size of the bucket, in tokens.
    burst: f64,
    /// The shortest and the longest latency, in milliseconds.
    latency: (u32, u32),
    /// Calls of other callers per second. They come at random and never wait.
    others: f64,
    /// Between two times, in seconds, the rate is multiplied by a factor: (from, to, factor).
    dent: Option<(f64, f64, f64)>,
    /// A learned rate, one minute old.
    learned: Option<f64>,
    /// How long every throttled call is asked to wait, in seconds.
    retry_after: Option<f64>,
}

/// Returns a case of 500 calls of 80 to 200 ms, without other callers.
pub(super) const fn bucket(rate: f64, burst: f64) -> Case {
    Case {
        calls: 500,
        rate,
        burst,
        latency: (80, 200),
        others: 0.0,
        dent: None,
        learned: None,
        retry_after: None,
    }
}

impl Case {
    pub(super) const fn calls(self, calls: u32) -> Self {
        Self { calls, ..self }
    }

    pub(super) const fn latency(self, min: u32, max: u32) -> Self {
        let latency = (min, max);
        Self { latency, ..self }
    }

    pub(super) const fn others(self, others: f64) -> Self {
        Self { others, ..self }
    }

    pub(super) const fn dent(self, from: f64, to: f64, factor: f64) -> Self {
        let dent = Some((from, to, factor));
        Self { dent, ..self }
    }

    pub(super) const fn learned(self, rate: f64) -> Self {
        let learned = Some(rate);
        Self { learned, ..self }
    }

    pub(super) const fn retry_after(self, secs: f64) -> Self {
        let retry_after = Some(secs);
        Self {
            retry_after,
            ..self
        }
    }

    /// Returns the medians over several seeds: the time divided by the lower bound, and the
    /// percentage of throttled calls.
    pub(super) fn medians(self) -> (f64, f64) {
        let results: Vec<_> = (0..9)
            .map(|seed| Simulation::new(self, seed).run())
            .collect();
        let median = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let secs = median(results.iter().map(|result| result.secs).collect());
        let throttled = median(results.iter().map(|result| result.throttled).collect());
        let time = secs / self.bound_secs();
        (time, throttled / f64::from(self.calls) * 100.0)
    }

    /// Returns the lower bound: when the bucket has given out enough tokens, plus the mean latency
    /// of the last call.
    fn bound_secs(self) -> f64 {
        const STEP_SECS: f64 = 0.001;
        let (mut missing, mut at) = (f64::from(self.calls) - self.burst, 0.0);
        while missing > 0.0 {
            missing -= (self.rate_at(at) - self.others) * STEP_SECS;
            at += STEP_SECS;
        }
        at + f64::from(self.latency.0 + self.latency.1) / 2_000.0
    }

    fn rate_at(&self, at: f64) -> f64 {
        match self.dent {
            Some((from, to, factor)) if (from..to).contains(&at) => self.rate * factor,
            _ => self.rate,
        }
    }
}

struct Bucket {
    case: Case,
    tokens: f64,
    filled_at: f64,
}

impl Bucket {
    fn admits(&mut self, at: f64) -> bool {
        let (from, to, _) = self.case.dent.unwrap_or_default();
        for until in [from, to, at] {
            if (self.filled_at..=at).contains(&until) {
                let midway = f64::midpoint(self.filled_at, until);
                let inflow = (until - self.filled_at) * self.case.rate_at(midway);
                self.tokens = (self.tokens + inflow).min(self.case.burst);
                self.filled_at = until;
            }
        }
        let admits = self.tokens >= 1.0;
        self.tokens -= f64::from(u8::from(admits));
        admits
    }
}

#[derive(Debug, Clone, Copy)]
enum Event {
    PermitDue,
    Arrival(Sent),
    /// Whether the call was admitted.
    Response(Sent, bool),
    OtherCall,
}

/// The coming events in order of time; events at the same time in the order in which they were
/// added.
#[derive(Default)]
struct Queue {
    times: BinaryHeap<Reverse<(Duration, usize)>>,
    events: Vec<Event>,
}

impl Queue {
    fn add(&mut self, at: Duration, event: Event) {
        self.times.push(Reverse((at, self.events.len())));
        self.events.push(event);
    }

    fn next(&mut self) -> (Duration, Event) {
        let Reverse((at, index)) = self.times.pop().expect("calls are waiting or in flight");
        (at, self.events[index])
    }
}

struct Simulation {
    case: Case,
    random: fastrand::Rng,
    bucket: Bucket,
    pacer: Pacer,
    queue: Queue,
    waiting: u32,
    in_flight: u32,
    throttled: u32,
    /// The earliest `PermitDue` in the queue.
    due_at: Option<Duration>,
}

struct SimulationResult {
    secs: f64,
    throttled: f64,
}

impl Simulation {
    fn new(case: Case, seed: u64) -> Self {
        let learned = case
            .learned
            .and_then(Rate::new)
            .map(|rate| (rate, Duration::from_mins(1)));
        let mut queue = Queue::default();
        queue.add(Duration::ZERO, Event::PermitDue);
        if case.others > 0.0 {
            queue.add(Duration::ZERO, Event::OtherCall);
        }
        Self {
            case,
            random: fastrand::Rng::with_seed(seed),
            bucket: Bucket {
                case,
                tokens: case.burst,
                filled_at: 0.0,
            },
            pacer: Pacer::new(learned, Duration::ZERO),
            queue,
            waiting: case.calls,
            in_flight: 0,
            throttled: 0,
            due_at: None,
        }
    }

    fn run(mut self) -> SimulationResult {
        loop {
            let (now, event) = self.queue.next();
            assert!(now < Duration::from_hours(4), "the calls do not finish");
            let (min, max) = self.case.latency;
            let one_way =
                Duration::from_micros((self.random.u32(min * 1_000..=max * 1_000) / 2).into());
            self.handle(now, event, one_way);
            if self.waiting > 0 && self.in_flight < IN_FLIGHT_MAX {
                self.send_if_due(now, one_way);
            }
            if self.waiting + self.in_flight == 0 {
                return SimulationResult {
                    secs: now.as_secs_f64(),
                    throttled: self.throttled.into(),
                };
            }
        }
    }

    fn handle(&mut self, now: Duration, event: Event, one_way: Duration) {
        match event {
            Event::PermitDue => self.due_at = self.due_at.filter(|at| *at > now),
            Event::OtherCall => {
                self.bucket.admits(now.as_secs_f64());
                let pause = -self.random.f64().max(1e-9).ln() / self.case.others;
                self.queue
                    .add(now + Duration::from_secs_f64(pause), Event::OtherCall);
            }
            Event::Arrival(sent) => {
                let is_admitted = self.bucket.admits(now.as_secs_f64());
                self.queue
                    .add(now + one_way, Event::Response(sent, is_admitted));
            }
            Event::Response(sent, is_admitted) => {
                self.in_flight -= 1;
                let response = if is_admitted {
                    Response::Admitted
                } else {
                    self.waiting += 1;
                    self.throttled += 1;
                    let retry_after = self.case.retry_after.map(Duration::from_secs_f64);
                    Response::Throttled { retry_after }
                };
                self.pacer.record_response(now, sent, response);
            }
        }
    }

    fn send_if_due(&mut self, now: Duration, one_way: Duration) {
        let mut next_at = self.pacer.next_at(now);
        if next_at <= now {
            self.pacer.acquire(now);
            let sent = self.pacer.send(now);
            self.queue.add(now + one_way, Event::Arrival(sent));
            self.waiting -= 1;
            self.in_flight += 1;
            next_at = self.pacer.next_at(now);
        }
        if self.due_at.is_none_or(|at| next_at < at) {
            self.due_at = Some(next_at);
            self.queue.add(next_at, Event::PermitDue);
        }
    }
}
