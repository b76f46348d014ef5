//! Rotations against simulated token buckets, in simulated time: a controller, and no AWS client.
//! One seed gives one run.
//!
//! A rotation describes and then updates each association, as a slice does: an update goes before a
//! Describe, a throttled update is described again, and an observation that is too old as well.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use rerole_core::pacer::{Pacer, Response, Sent};

use crate::case::{Buckets, Case, Run, Work};

/// The ceiling of a rotation.
const IN_FLIGHT_MAX: usize = 64;
/// An update is sent at most this long after the response to its Describe.
const OBSERVATION_AGE_MAX: Duration = Duration::from_secs(3);
/// How long an update waits for its permit before it is described again.
const PERMIT_WAIT_MAX: Duration = Duration::from_secs(10);
/// The time that the ledger and the index take for each association.
const SETTLE: Duration = Duration::from_millis(120);
/// A run that takes longer is stuck.
const STUCK_AFTER: Duration = Duration::from_hours(12);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Describe,
    Update,
}

/// What decides when calls are sent.
pub trait Controller {
    /// Returns when the next call may be sent: `now`, or later.
    fn next_at(&mut self, operation: Operation, now: Duration) -> Duration;
    fn acquire(&mut self, operation: Operation, now: Duration);
    fn send(&mut self, operation: Operation, now: Duration) -> Sent;
    fn record_response(&mut self, operation: Operation, now: Duration, response: (Sent, Response));
    /// Returns how many associations to work on at a time.
    fn concurrency(&self) -> usize;
    /// Returns the rate of all calls, per second.
    fn per_sec(&self) -> f64;
}

/// One pacer for all calls, as the program has.
impl Controller for Pacer {
    fn next_at(&mut self, _: Operation, now: Duration) -> Duration {
        self.next_at(now)
    }

    fn acquire(&mut self, _: Operation, now: Duration) {
        self.acquire(now);
    }

    fn send(&mut self, _: Operation, now: Duration) -> Sent {
        self.send(now)
    }

    fn record_response(&mut self, _: Operation, now: Duration, (sent, response): (Sent, Response)) {
        self.record_response(now, sent, response);
    }

    fn concurrency(&self) -> usize {
        self.load().concurrency()
    }

    fn per_sec(&self) -> f64 {
        self.load().per_sec
    }
}

struct Bucket {
    tokens: f64,
    filled_at: f64,
}

impl Bucket {
    fn admits(&mut self, case: &Case, at: f64) -> bool {
        let (from, to, _) = case.drop.unwrap_or_default();
        for until in [from, to, at] {
            if (self.filled_at..=at).contains(&until) {
                let midway = f64::midpoint(self.filled_at, until);
                let inflow = (until - self.filled_at) * case.per_sec_at(midway);
                self.tokens = (self.tokens + inflow).min(case.burst);
                self.filled_at = until;
            }
        }
        let admits = self.tokens >= 1.0;
        self.tokens -= f64::from(u8::from(admits));
        admits
    }
}

/// A call of an association.
#[derive(Debug, Clone, Copy)]
struct Call {
    association: usize,
    operation: Operation,
    sent: Sent,
}

#[derive(Debug, Clone, Copy)]
enum Event {
    PermitDue,
    Arrival(Call),
    Response(Call, Response),
    OtherCall,
    /// The association waited for its update since this time.
    PermitWaitOver(usize, Duration),
    Settled,
    Second,
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

#[derive(Debug, Clone, Copy, Default)]
struct Association {
    described_at: Duration,
    /// A permit for an update that came too late.
    has_permit: bool,
}

struct Simulation<'a> {
    case: &'a Case,
    buckets: Buckets,
    controller: &'a mut dyn Controller,
    random: fastrand::Rng,
    describes: Bucket,
    updates: Bucket,
    queue: Queue,
    associations: Vec<Association>,
    started: usize,
    in_flight: usize,
    settled: u32,
    /// Associations that wait for a permit.
    to_describe: VecDeque<usize>,
    to_update: VecDeque<usize>,
    /// The earliest `PermitDue` in the queue.
    due_at: Option<Duration>,
    run: Run,
}

/// Plays a case.
pub fn play(case: &Case, buckets: Buckets, controller: &mut dyn Controller, seed: u64) -> Run {
    let full = || Bucket {
        tokens: case.burst,
        filled_at: 0.0,
    };
    let mut queue = Queue::default();
    queue.add(Duration::ZERO, Event::PermitDue);
    queue.add(Duration::ZERO, Event::Second);
    if case.others_per_sec > 0.0 {
        queue.add(Duration::ZERO, Event::OtherCall);
    }
    let simulation = Simulation {
        case,
        buckets,
        controller,
        random: fastrand::Rng::with_seed(seed),
        describes: full(),
        updates: full(),
        queue,
        associations: vec![Association::default(); case.associations as usize],
        started: 0,
        in_flight: 0,
        settled: 0,
        to_describe: VecDeque::new(),
        to_update: VecDeque::new(),
        due_at: None,
        run: Run::default(),
    };
    simulation.run()
}

impl Simulation<'_> {
    fn run(mut self) -> Run {
        while self.settled < self.case.associations {
            let (now, event) = self.queue.next();
            assert!(
                now < STUCK_AFTER,
                "{}: the calls do not finish",
                self.case.name
            );
            self.handle(now, event);
            self.start_associations();
            self.send_due(now);
            self.run.secs = now.as_secs_f64();
        }
        self.run
    }

    fn handle(&mut self, now: Duration, event: Event) {
        let secs = now.as_secs_f64();
        match event {
            Event::PermitDue => self.due_at = self.due_at.filter(|at| *at > now),
            Event::Second => {
                self.run.rates.push(self.controller.per_sec());
                self.queue.add(now + Duration::from_secs(1), Event::Second);
            }
            Event::OtherCall => {
                self.describes.admits(self.case, secs);
                let pause = -self.random.f64().max(1e-9).ln() / self.case.others_per_sec;
                self.queue
                    .add(now + Duration::from_secs_f64(pause), Event::OtherCall);
            }
            Event::Arrival(call) => {
                let bucket = match (call.operation, self.buckets) {
                    (Operation::Update, Buckets::PerOperation) => &mut self.updates,
                    _ => &mut self.describes,
                };
                let is_admitted = bucket.admits(self.case, secs);
                let decided = if is_admitted {
                    &mut self.run.admitted
                } else {
                    &mut self.run.throttled
                };
                decided.push(secs);
                let retry_after = self.case.retry_after.map(Duration::from_secs_f64);
                let response = if is_admitted {
                    Response::Admitted
                } else {
                    Response::Throttled { retry_after }
                };
                let at = now + self.one_way();
                self.queue.add(at, Event::Response(call, response));
            }
            Event::Response(call, response) => self.handle_response(now, call, response),
            Event::PermitWaitOver(association, since) => {
                let waits = |other: &usize| *other == association;
                if self.associations[association].described_at == since
                    && let Some(place) = self.to_update.iter().position(waits)
                {
                    self.to_update.remove(place);
                    self.to_describe.push_back(association);
                }
            }
            Event::Settled => {
                self.settled += 1;
                self.in_flight -= 1;
            }
        }
    }

    fn handle_response(&mut self, now: Duration, call: Call, response: Response) {
        self.controller
            .record_response(call.operation, now, (call.sent, response));
        let index = call.association;
        if response != Response::Admitted {
            self.to_describe.push_back(index);
        } else if call.operation == Operation::Update || self.case.work == Work::Describe {
            self.queue.add(now + SETTLE, Event::Settled);
        } else {
            let association = &mut self.associations[index];
            association.described_at = now;
            if std::mem::take(&mut association.has_permit) {
                self.send(now, index, Operation::Update);
            } else {
                self.to_update.push_back(index);
                self.queue
                    .add(now + PERMIT_WAIT_MAX, Event::PermitWaitOver(index, now));
            }
        }
    }

    /// Starts as many associations as may be in flight. The first one of a rotation goes alone.
    fn start_associations(&mut self) {
        let is_proven = self.settled > 0 || self.case.work == Work::Describe;
        let in_flight_max = if is_proven {
            self.controller.concurrency().min(IN_FLIGHT_MAX)
        } else {
            1
        };
        while self.in_flight < in_flight_max && self.started < self.associations.len() {
            self.to_describe.push_back(self.started);
            self.started += 1;
            self.in_flight += 1;
        }
    }

    /// Sends the calls whose permits are due. A waiting update goes before a waiting Describe,
    /// unless the controller has a queue for each.
    fn send_due(&mut self, now: Duration) {
        loop {
            let waiting = [
                (Operation::Update, !self.to_update.is_empty()),
                (Operation::Describe, !self.to_describe.is_empty()),
            ];
            let waiting = waiting.into_iter().filter(|(_, is_waiting)| *is_waiting);
            let next = waiting
                .map(|(operation, _)| (self.controller.next_at(operation, now), operation))
                // The first of those that are due at the same time.
                .min_by_key(|(at, _)| *at);
            let Some((at, operation)) = next else {
                return;
            };
            if at > now {
                if self.due_at.is_none_or(|due_at| at < due_at) {
                    self.due_at = Some(at);
                    self.queue.add(at, Event::PermitDue);
                }
                return;
            }
            self.controller.acquire(operation, now);
            self.use_permit(now, operation);
        }
    }

    fn use_permit(&mut self, now: Duration, operation: Operation) {
        let waiting = match operation {
            Operation::Describe => &mut self.to_describe,
            Operation::Update => &mut self.to_update,
        };
        let index = waiting.pop_front().expect("an association waits");
        let age = now.saturating_sub(self.associations[index].described_at);
        if operation == Operation::Update && age > OBSERVATION_AGE_MAX {
            self.associations[index].has_permit = true;
            self.to_describe.push_back(index);
        } else {
            self.send(now, index, operation);
        }
    }

    fn send(&mut self, now: Duration, association: usize, operation: Operation) {
        let call = Call {
            association,
            operation,
            sent: self.controller.send(operation, now),
        };
        let at = now + self.one_way();
        self.queue.add(at, Event::Arrival(call));
    }

    fn one_way(&mut self) -> Duration {
        let (min, max) = self.case.latency_ms;
        Duration::from_micros((self.random.u32(min * 1_000..=max * 1_000) / 2).into())
    }
}
