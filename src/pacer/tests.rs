//! The pacer against token buckets, in simulated time: no SDK, no waiting. `tests/it/pace.rs` shows the same through the
//! SDK's clients.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::*;

/// A bucket, and who calls.
#[derive(Debug, Clone, Copy)]
struct Case {
    calls: u32,
    /// Tokens per second, and how many fit in.
    rate: f64,
    burst: f64,
    /// Of an answer, in milliseconds.
    latency: (u32, u32),
    /// Calls of others per second, at random and never held back.
    others: f64,
    /// From one second to another the rate is this share of itself.
    dent: Option<(f64, f64, f64)>,
    known: Option<f64>,
    /// What every throttled call is told to wait, in seconds.
    retry_after: Option<f64>,
}

const USUAL: Case = Case {
    calls: 500,
    rate: 10.0,
    burst: 20.0,
    latency: (80, 200),
    others: 0.0,
    dent: None,
    known: None,
    retry_after: None,
};

#[derive(Debug, Clone, Copy)]
struct Run {
    secs: f64,
    throttled: u32,
}

/// The shell bounds the calls on their way, too.
const IN_FLIGHT_MAX: u32 = 64;

struct Bucket {
    case: Case,
    tokens: f64,
    filled_at: f64,
}

impl Bucket {
    fn rate(&self, at: f64) -> f64 {
        match self.case.dent {
            Some((from, to, share)) if (from..to).contains(&at) => self.case.rate * share,
            _ => self.case.rate,
        }
    }

    fn admits(&mut self, at: f64) -> bool {
        let (from, to, _) = self.case.dent.unwrap_or_default();
        for until in [from, to, at] {
            if (self.filled_at..=at).contains(&until) {
                let midway = f64::midpoint(self.filled_at, until);
                self.tokens = (self.tokens + (until - self.filled_at) * self.rate(midway)).min(self.case.burst);
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
    Turn,
    Arrival(Sent),
    Answer(Sent, bool),
    Other,
}

/// What will happen, in order of time; at the same time in the order in which it was foreseen.
#[derive(Default)]
struct Agenda {
    times: BinaryHeap<Reverse<(Duration, usize)>>,
    events: Vec<Event>,
}

impl Agenda {
    fn add(&mut self, at: Duration, event: Event) {
        self.times.push(Reverse((at, self.events.len())));
        self.events.push(event);
    }

    fn next(&mut self) -> (Duration, Event) {
        let Reverse((at, place)) = self.times.pop().expect("calls are waiting, or on their way");
        (at, self.events[place])
    }
}

fn simulate(case: Case, seed: u64) -> Run {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut bucket = Bucket { case, tokens: case.burst, filled_at: 0.0 };
    let known = case.known.and_then(Learnt::new).map(|learnt| (learnt, Duration::from_mins(1)));
    let mut pacer = Pacer::new(known, Duration::ZERO);
    let mut agenda = Agenda::default();
    agenda.add(Duration::ZERO, Event::Turn);
    if case.others > 0.0 {
        agenda.add(Duration::ZERO, Event::Other);
    }
    let (mut waiting, mut in_flight, mut throttled) = (case.calls, 0, 0);
    let mut turn_at: Option<Duration> = None;
    while waiting + in_flight > 0 {
        let (now, event) = agenda.next();
        assert!(now < Duration::from_hours(4), "it comes to an end");
        let one_way = Duration::from_micros((random.u32(case.latency.0 * 1_000..=case.latency.1 * 1_000) / 2).into());
        match event {
            Event::Turn => turn_at = turn_at.filter(|at| *at > now),
            Event::Other => {
                bucket.admits(now.as_secs_f64());
                let pause = -random.f64().max(1e-9).ln() / case.others;
                agenda.add(now + Duration::from_secs_f64(pause), Event::Other);
            }
            Event::Arrival(sent) => {
                agenda.add(now + one_way, Event::Answer(sent, bucket.admits(now.as_secs_f64())));
            }
            Event::Answer(sent, is_admitted) => {
                in_flight -= 1;
                let answer = if is_admitted {
                    Answer::Admitted
                } else {
                    (waiting, throttled) = (waiting + 1, throttled + 1);
                    Answer::Throttled { retry_after: case.retry_after.map(secs) }
                };
                pacer.answered(now, sent, answer);
            }
        }
        if waiting > 0 && in_flight < IN_FLIGHT_MAX {
            let mut next_at = pacer.next_at(now);
            if next_at <= now {
                pacer.take(now);
                agenda.add(now + one_way, Event::Arrival(pacer.send(now)));
                (waiting, in_flight) = (waiting - 1, in_flight + 1);
                next_at = pacer.next_at(now);
            }
            if turn_at.is_none_or(|at| next_at < at) {
                turn_at = Some(next_at);
                agenda.add(next_at, Event::Turn);
            }
        }
        if waiting + in_flight == 0 {
            return Run { secs: now.as_secs_f64(), throttled };
        }
    }
    unreachable!("the loop ends with the last answer")
}

/// When the bucket has given out enough, and the mean latency of the last call.
fn bound_secs(case: Case) -> f64 {
    const STEP_SECS: f64 = 0.001;
    let bucket = Bucket { case, tokens: 0.0, filled_at: 0.0 };
    let (mut missing, mut at) = (f64::from(case.calls) - case.burst, 0.0);
    while missing > 0.0 {
        missing -= (bucket.rate(at) - case.others) * STEP_SECS;
        at += STEP_SECS;
    }
    at + f64::from(case.latency.0 + case.latency.1) / 2_000.0
}

/// The medians of some seeds: time over the bound, and the share of throttled calls in percent.
fn medians(case: Case) -> (f64, f64) {
    let runs: Vec<Run> = (0..9).map(|seed| simulate(case, seed)).collect();
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let time = median(runs.iter().map(|run| run.secs).collect()) / bound_secs(case);
    let throttled = median(runs.iter().map(|run| f64::from(run.throttled)).collect()) / f64::from(case.calls) * 100.0;
    (time, throttled)
}

#[test]
fn buckets_are_emptied_as_fast_as_they_fill() {
    // What is the case, then time over the bound and the share of throttled calls, at most.
    for (name, case, time_max, throttled_max) in [
        ("50, 5, 10", Case { calls: 50, rate: 5.0, burst: 10.0, ..USUAL }, 1.03, 4.0),
        ("500, 5, 10", Case { rate: 5.0, burst: 10.0, ..USUAL }, 1.03, 4.0),
        ("500, 10, 20", USUAL, 1.03, 4.0),
        ("500, 20, 40", Case { rate: 20.0, burst: 40.0, ..USUAL }, 1.03, 4.0),
        ("20 ms", Case { latency: (20, 20), ..USUAL }, 1.10, 4.0),
        ("2 s", Case { latency: (1_500, 2_000), ..USUAL }, 1.10, 16.0),
        ("20 ms to 2 s", Case { latency: (20, 2_000), ..USUAL }, 1.10, 12.0),
        ("1 a second", Case { calls: 200, rate: 1.0, burst: 5.0, ..USUAL }, 1.10, 10.0),
        ("a burst of 100", Case { calls: 1_000, rate: 20.0, burst: 100.0, ..USUAL }, 1.10, 6.0),
        ("a burst of 500", Case { calls: 2_000, rate: 50.0, burst: 500.0, ..USUAL }, 1.10, 10.0),
        ("100 a second", Case { calls: 5_000, rate: 100.0, burst: 100.0, ..USUAL }, 1.10, 14.0),
        ("others take 4 of 10", Case { others: 4.0, ..USUAL }, 1.10, 8.0),
        ("others take 8 of 10", Case { others: 8.0, calls: 200, ..USUAL }, 1.10, 12.0),
        ("a tenth for a minute", Case { dent: Some((20.0, 80.0, 0.1)), ..USUAL }, 1.10, 10.0),
        (
            "a tenth of 20 for a minute",
            Case { calls: 1_000, rate: 20.0, burst: 40.0, dent: Some((20.0, 80.0, 0.1)), ..USUAL },
            1.10,
            10.0,
        ),
        ("half for a minute", Case { calls: 1_000, dent: Some((10.0, 70.0, 0.5)), ..USUAL }, 1.10, 6.0),
        ("told to wait 1 s", Case { calls: 2_000, retry_after: Some(1.0), ..USUAL }, 1.03, 4.0),
        ("told to wait 3 s", Case { calls: 2_000, retry_after: Some(3.0), ..USUAL }, 1.15, 4.0),
        ("a known rate", Case { known: Some(10.0), ..USUAL }, 1.06, 3.0),
        ("a rate known too high", Case { known: Some(30.0), ..USUAL }, 1.05, 6.0),
    ] {
        let (time, throttled) = medians(case);
        println!("{name:>28} {time:.3} of the bound, {throttled:.1} % throttled");
        assert!(time <= time_max, "{name}: {time:.3} of the bound");
        assert!(throttled <= throttled_max, "{name}: {throttled:.1} % throttled");
    }
}

fn secs(secs: f64) -> Duration {
    Duration::from_secs_f64(secs)
}

#[test]
fn a_service_that_names_a_time_is_heard() {
    let mut pacer = Pacer::new(None, Duration::ZERO);
    pacer.take(Duration::ZERO);
    let sent = pacer.send(Duration::ZERO);
    pacer.answered(secs(0.1), sent, Answer::Throttled { retry_after: Some(secs(7.0)) });
    assert!(pacer.next_at(secs(0.2)) >= secs(7.1));
    assert!(pacer.is_held(secs(7.0)) && !pacer.is_held(secs(7.1)));
    // A mistake of the service's costs a minute at most.
    pacer.take(secs(8.0));
    let sent = pacer.send(secs(8.0));
    pacer.answered(secs(8.1), sent, Answer::Throttled { retry_after: Some(Duration::from_hours(9)) });
    assert_eq!(pacer.next_at(secs(8.2)), secs(68.1));
}

#[test]
fn a_turn_given_back_is_there_for_the_next() {
    let mut pacer = Pacer::new(None, Duration::ZERO);
    pacer.take(Duration::ZERO);
    assert!(pacer.next_at(Duration::ZERO) > Duration::ZERO);
    pacer.give_back();
    assert_eq!(pacer.next_at(Duration::ZERO), Duration::ZERO);
}

#[test]
fn nobody_waiting_is_no_reason_to_go_faster() {
    let mut pacer = Pacer::new(None, Duration::ZERO);
    for second in 0..600 {
        let now = secs(f64::from(second));
        pacer.take(now);
        let sent = pacer.send(now);
        pacer.answered(now + secs(0.1), sent, Answer::Admitted);
    }
    assert!(pacer.pace_at(secs(600.0)) < 2.0 * START_PACE, "{}", pacer.pace_at(secs(600.0)));
}

#[test]
fn only_a_pacer_that_was_throttled_has_learnt() {
    let mut pacer = Pacer::new(None, Duration::ZERO);
    pacer.take(Duration::ZERO);
    let sent = pacer.send(Duration::ZERO);
    assert_eq!(pacer.learnt(), None);
    pacer.answered(secs(0.1), sent, Answer::Throttled { retry_after: None });
    assert!(pacer.learnt().is_some());

    // A figure that was handed on is none that was measured, however fresh it is.
    let mut pacer = Pacer::new(Learnt::new(5.0).map(|learnt| (learnt, Duration::ZERO)), Duration::ZERO);
    assert_eq!(pacer.learnt(), None);
    pacer.take(Duration::ZERO);
    let sent = pacer.send(Duration::ZERO);
    pacer.answered(secs(0.1), sent, Answer::Throttled { retry_after: None });
    assert!(pacer.learnt().is_some());
}

#[test]
fn a_turn_that_is_kept_is_not_given_out_twice() {
    // After a throttle, how long until the next call may leave, while so many turns are kept?
    let wait = |kept: u32| {
        let mut pacer = Pacer::new(Learnt::new(5.0).map(|learnt| (learnt, Duration::ZERO)), Duration::ZERO);
        pacer.take(Duration::ZERO);
        let sent = pacer.send(Duration::ZERO);
        (0..kept).for_each(|_| pacer.take(Duration::ZERO));
        pacer.answered(secs(0.1), sent, Answer::Throttled { retry_after: None });
        pacer.next_at(secs(0.1))
    };
    assert!(wait(2) > wait(1) && wait(1) > wait(0), "{:?}", [wait(0), wait(1), wait(2)]);
}
