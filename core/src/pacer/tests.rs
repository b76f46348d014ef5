//! The pacer call by call. `core/tests/pacer` plays whole rotations against token buckets.

mod permits;
mod share;

use super::*;

const LATENCY: f64 = 0.1;
const THROTTLED: Response = Response::Throttled { retry_after: None };

fn secs(secs: f64) -> Duration {
    Duration::from_secs_f64(secs)
}

fn pacer(share: RateShare) -> Pacer {
    Pacer::new(None, share, Duration::ZERO)
}

/// A pacer with a fresh learned rate.
fn learned(per_sec: f64, share: RateShare) -> Pacer {
    let learned = Rate::new(per_sec).map(|rate| (rate, Duration::ZERO));
    Pacer::new(learned, share, Duration::ZERO)
}

fn share(percent: &str) -> RateShare {
    percent.parse().unwrap()
}

/// Sends calls as fast as their permits come, until the time `until`. All of them are admitted.
/// Returns how many.
fn send_all(pacer: &mut Pacer, from: f64, until: f64) -> u32 {
    let (mut now, mut sent) = (secs(from), 0);
    loop {
        let due_at = pacer.next_at(now);
        if due_at > secs(until) {
            pacer.accrue(secs(until));
            return sent;
        }
        now = due_at;
        if pacer.next_at(now) == now {
            respond(pacer, now, Response::Admitted);
            sent += 1;
        }
    }
}

/// Sends a call at `now`, and records its response.
fn respond(pacer: &mut Pacer, now: Duration, response: Response) {
    pacer.acquire(now);
    let sent = pacer.send(now);
    // The response arrives at once, so the test needs no queue. The latency is as if it did not.
    pacer.record_response(now, sent, response);
    pacer.latency = latency(LATENCY);
}

fn latency(latency_secs: f64) -> Latency {
    let mut latency = Latency::default();
    latency.note(secs(latency_secs));
    latency
}

fn throttle(pacer: &mut Pacer, at: f64) {
    respond(pacer, secs(at), THROTTLED);
}

fn assert_near(value: f64, expected: f64) {
    assert!(
        (value / expected - 1.0).abs() < 0.02,
        "{value}, expected {expected}"
    );
}

#[test]
fn the_start_doubles_the_rate_until_the_first_throttle() {
    let mut pacer = pacer(RateShare::WHOLE);
    assert_near(pacer.per_sec, TUNING.start_per_sec);
    // Without a response there is no latency, and without a latency no doubling.
    pacer.acquire(Duration::ZERO);
    assert!(pacer.next_at(Duration::ZERO) > Duration::ZERO);
    pacer.accrue(secs(0.05));
    assert_near(pacer.per_sec, TUNING.start_per_sec);
    let mut pacer = self::pacer(RateShare::WHOLE);
    respond(&mut pacer, Duration::ZERO, Response::Admitted);
    let doubling_secs = TUNING.doubling_latencies * LATENCY;
    send_all(&mut pacer, 0.0, 2.0 * doubling_secs);
    assert_near(pacer.per_sec, 4.0 * TUNING.start_per_sec);
    throttle(&mut pacer, 2.0 * doubling_secs);
    assert!(pacer.per_sec < 2.0 * TUNING.start_per_sec);
    assert_eq!(pacer.known, Some(pacer.per_sec));
}

#[test]
fn the_doubling_time_follows_the_latency_up_to_a_maximum() {
    for (latency_secs, doubling_secs) in [(0.02, 0.12), (0.1, 0.6), (0.5, 3.0), (2.0, 3.0)] {
        let mut pacer = pacer(RateShare::WHOLE);
        pacer.latency = latency(latency_secs);
        pacer.waiting_until = secs(doubling_secs);
        pacer.accrue(secs(doubling_secs));
        assert_near(pacer.per_sec, 2.0 * TUNING.start_per_sec);
    }
}

#[test]
fn the_rate_has_a_maximum() {
    let mut pacer = pacer(RateShare::WHOLE);
    pacer.latency = latency(LATENCY);
    (pacer.per_sec, pacer.per_sec_at_permit) = (900.0, 900.0);
    pacer.waiting_until = secs(60.0);
    pacer.accrue(secs(60.0));
    assert_near(pacer.per_sec, TUNING.per_sec_max);
}

/// A pacer that measured 10/s at the time 5: 50 calls between two throttles.
fn measured(share: RateShare) -> Pacer {
    let mut pacer = learned(12.0, share);
    throttle(&mut pacer, 0.0);
    for number in 1..50 {
        let at = secs(f64::from(number) * 0.1);
        pacer.acquire(at);
        pacer.send(at);
    }
    pacer.per_sec = 12.0;
    throttle(&mut pacer, 5.0);
    pacer
}

#[test]
fn a_measured_rate_is_held_and_then_doubled() {
    let mut pacer = measured(RateShare::WHOLE);
    assert_near(pacer.per_sec, 10.0);
    let hold_until = 5.0 + TUNING.hold_secs;
    let sent = send_all(&mut pacer, 5.0, hold_until);
    assert_near(pacer.per_sec, 10.0);
    assert!((118..=121).contains(&sent), "{sent}");
    send_all(&mut pacer, hold_until, hold_until + 0.6);
    assert_near(pacer.per_sec, 20.0);
    // Only the measured rate is passed on.
    assert_near(pacer.learned().unwrap().per_sec(), 10.0);
}

#[test]
fn a_high_rate_is_held_for_some_calls() {
    let mut pacer = learned(100.0, RateShare::WHOLE);
    pacer.latency = latency(LATENCY);
    send_all(&mut pacer, 0.0, 2.9);
    assert_near(pacer.per_sec, 100.0);
    send_all(&mut pacer, 2.9, 3.0 + 0.6);
    assert_near(pacer.per_sec, 200.0);
}

#[test]
fn time_counts_only_while_a_call_waits_for_its_permit() {
    let mut pacer = measured(RateShare::WHOLE);
    // For a minute, one call a second: no call waits.
    for second in 6..66 {
        respond(&mut pacer, secs(f64::from(second)), Response::Admitted);
    }
    assert_near(pacer.per_sec, 10.0);
    assert!(pacer.used_secs < 1.0, "{}", pacer.used_secs);
    // A caller that was told to wait gives up, and nobody calls for an hour.
    (0..2).for_each(|_| pacer.acquire(secs(66.0)));
    assert!(pacer.next_at(secs(66.0)) > secs(66.0));
    pacer.accrue(secs(3_666.0));
    assert_near(pacer.per_sec, 10.0);
}

#[test]
fn a_pause_of_the_calls_stops_hold_and_search_where_they_are() {
    let mut pacer = measured(RateShare::WHOLE);
    let searching_at = 5.0 + TUNING.hold_secs + 0.6;
    send_all(&mut pacer, 5.0, searching_at);
    assert_near(pacer.per_sec, 20.0);
    // The last caller was told to wait a little longer than that.
    respond(&mut pacer, secs(searching_at + 100.0), Response::Admitted);
    assert!(pacer.per_sec < 21.0, "{}", pacer.per_sec);
}

#[test]
fn a_bucket_that_may_have_overflowed_is_measured_anew() {
    for (idle_secs, is_forgotten) in [(2.05, false), (2.15, true)] {
        let mut pacer = measured(RateShare::WHOLE);
        pacer.accrue(secs(5.0 + idle_secs));
        assert_eq!(
            pacer.history.newest_throttle().is_none(),
            is_forgotten,
            "{idle_secs}"
        );
    }
    // Calls at the known rate leave nothing unused.
    let mut pacer = measured(RateShare::WHOLE);
    send_all(&mut pacer, 5.0, 5.0 + TUNING.hold_secs);
    assert!(pacer.history.newest_throttle().is_some());
    assert!(pacer.tokens < 2.0, "{}", pacer.tokens);
}

#[test]
fn the_first_throttle_lowers_only_a_rate_that_was_not_known() {
    let mut pacer = learned(20.0, RateShare::WHOLE);
    throttle(&mut pacer, 0.0);
    assert_near(pacer.per_sec, 20.0);
    // A search from 10/s: 35 calls in 0.7 s, and the bucket held the inflow of two seconds.
    for (known, expected) in [(10.0, 36.0 / 2.7), (15.0, 15.0)] {
        let mut pacer = learned(known, RateShare::WHOLE);
        pacer.per_sec = 50.0;
        for number in 0..35 {
            respond(
                &mut pacer,
                secs(f64::from(number) * 0.02),
                Response::Admitted,
            );
        }
        throttle(&mut pacer, 0.7);
        assert_near(pacer.per_sec, expected);
    }
}

#[test]
fn a_throttle_never_raises_the_rate() {
    let mut pacer = learned(5.0, RateShare::WHOLE);
    throttle(&mut pacer, 0.0);
    let before = pacer.per_sec;
    // Two calls in quick succession look like 100 per second.
    throttle(&mut pacer, 0.01);
    assert!(pacer.per_sec <= before);
}

#[test]
fn the_rate_has_a_minimum() {
    let mut pacer = learned(1.0, RateShare::WHOLE);
    for number in 0..10 {
        throttle(&mut pacer, f64::from(number));
    }
    assert_near(pacer.per_sec, TUNING.per_sec_min);
}

#[test]
fn throttles_of_calls_that_were_in_flight_have_one_cause() {
    let mut pacer = learned(20.0, RateShare::WHOLE);
    let at = [0.0, 0.05, 0.1].map(secs);
    let sent = at.map(|at| {
        pacer.acquire(at);
        pacer.send(at)
    });
    for sent in sent {
        pacer.record_response(secs(0.2), sent, THROTTLED);
        assert_near(pacer.per_sec, 20.0);
    }
    // So has that of a call that was sent just then.
    pacer.acquire(secs(0.2));
    let sent = pacer.send(secs(0.2));
    assert_eq!(sent.at(), secs(0.2));
    pacer.record_response(secs(0.3), sent, THROTTLED);
    assert_near(pacer.per_sec, 20.0);
    // The next throttle of a later call measures.
    pacer.acquire(secs(0.4));
    let sent = pacer.send(secs(0.4));
    pacer.record_response(secs(0.5), sent, THROTTLED);
    // In 0.4 s, no call was admitted.
    assert_near(pacer.per_sec, 1.0 / 0.4);
}

#[test]
fn only_a_pacer_that_was_throttled_has_a_learned_rate() {
    for mut pacer in [
        pacer(RateShare::WHOLE),
        // A rate that the pacer received is not one that it measured, however fresh it is.
        learned(5.0, RateShare::WHOLE),
    ] {
        pacer.acquire(Duration::ZERO);
        let sent = pacer.send(Duration::ZERO);
        assert_eq!(pacer.learned(), None);
        pacer.record_response(secs(0.1), sent, Response::Lost);
        assert_eq!(pacer.learned(), None);
        throttle(&mut pacer, 0.2);
        assert!(pacer.learned().is_some());
    }
}

#[test]
fn a_lost_response_says_nothing_about_the_latency() {
    let mut pacer = pacer(RateShare::WHOLE);
    let sent = pacer.send(Duration::ZERO);
    pacer.record_response(secs(60.0), sent, Response::Lost);
    assert!(pacer.load().latency_secs == 0.0);
    let sent = pacer.send(secs(60.0));
    pacer.record_response(secs(60.5), sent, Response::Admitted);
    assert_near(pacer.load().latency_secs, 0.5);
    let sent = pacer.send(secs(61.0));
    pacer.record_response(secs(61.1), sent, THROTTLED);
    assert_near(pacer.load().latency_secs, 0.45);
}

#[test]
fn an_old_learned_rate_is_only_where_the_search_starts() {
    let learned = |hours| {
        let rate = Rate::new(60.0).unwrap();
        Pacer::new(
            Some((rate, Duration::from_hours(hours))),
            RateShare::WHOLE,
            Duration::ZERO,
        )
    };
    assert_eq!(learned(0).known, Some(60.0));
    // After a day, it is halfway to the usual start: the geometric mean of 60 and 15.
    assert_eq!(learned(24).known, None);
    assert_near(learned(24).per_sec, 30.0);
}

#[test]
fn two_single_throttles_in_a_row_halve_the_rate() {
    let mut pacer = learned(20.0, RateShare::WHOLE);
    for expected in [20.0, 10.0, 5.0] {
        // A pause in which the bucket may have overflowed.
        pacer.history.clear();
        let now = pacer.credited_at + secs(1.0);
        respond(&mut pacer, now, THROTTLED);
        assert_near(pacer.per_sec, expected);
    }
}

#[test]
fn a_first_call_that_is_throttled_halves_the_rate() {
    let mut pacer = pacer(RateShare::WHOLE);
    throttle(&mut pacer, 0.0);
    assert_near(pacer.per_sec, TUNING.start_per_sec / 2.0);
}

#[test]
fn a_call_is_sent_before_the_rate_doubles_again() {
    let mut pacer = learned(0.5, RateShare::WHOLE);
    pacer.latency = latency(LATENCY);
    pacer.credit = -10.0;
    assert_eq!(pacer.next_at(secs(0.0)), secs(22.0));
    // The search began ten seconds ago, and a rate doubles in 0.6 s.
    pacer.accrue(secs(22.0));
    assert_near(pacer.per_sec, 1.0);
    pacer.acquire(secs(22.0));
    pacer.credit = -10.0;
    assert!(pacer.next_at(secs(22.0)) > secs(30.0));
    pacer.accrue(secs(30.0));
    assert_near(pacer.per_sec, 2.0);
}
