//! When permits are due.

use super::*;

#[test]
fn after_a_throttle_calls_wait_for_what_is_missing() {
    let mut pacer = learned(10.0, RateShare::WHOLE);
    pacer.acquire(Duration::ZERO);
    let first = pacer.send(Duration::ZERO);
    for _ in 0..2 {
        pacer.acquire(secs(0.1));
        pacer.send(secs(0.1));
    }
    pacer.record_response(secs(0.3), first, THROTTLED);
    // Three tokens flowed in since, and two calls were sent.
    assert_near(pacer.credit, 1.0);
    assert_eq!(pacer.next_at(secs(0.3)), secs(0.3));
}

#[test]
fn a_held_permit_is_not_issued_again_after_a_throttle() {
    // After a throttle, how long until the next call may be sent while permits are held?
    let wait = |held: u32| {
        let mut pacer = learned(5.0, RateShare::WHOLE);
        pacer.acquire(Duration::ZERO);
        let sent = pacer.send(Duration::ZERO);
        (0..held).for_each(|_| pacer.acquire(Duration::ZERO));
        pacer.record_response(secs(0.1), sent, THROTTLED);
        pacer.next_at(secs(0.1)).as_secs_f64() - 0.1
    };
    // Half a token has flowed in.
    assert_near(wait(0), 0.1);
    assert_near(wait(1), 0.3);
    assert_near(wait(2), 0.5);
}

#[test]
fn a_released_permit_is_available_again() {
    let mut pacer = pacer(RateShare::WHOLE);
    pacer.acquire(Duration::ZERO);
    assert_eq!(pacer.permits_out, 1);
    assert!(pacer.next_at(Duration::ZERO) > Duration::ZERO);
    pacer.release();
    assert_eq!(pacer.permits_out, 0);
    assert_eq!(pacer.next_at(Duration::ZERO), Duration::ZERO);
}

#[test]
fn unused_permits_are_kept_for_a_moment() {
    let mut pacer = learned(50.0, RateShare::WHOLE);
    pacer.accrue(secs(60.0));
    assert_near(pacer.credit, 6.0);
}

#[test]
fn a_wait_is_never_rounded_to_zero() {
    let mut pacer = learned(50.0, RateShare::WHOLE);
    pacer.credit = 1.0 - 1e-12;
    assert_eq!(pacer.next_at(secs(0.0)), Duration::from_micros(10));
}

#[test]
fn a_requested_pause_is_kept_for_at_most_a_minute() {
    let throttle_with = |pacer: &mut Pacer, at: f64, pause: Duration| {
        pacer.acquire(secs(at));
        let sent = pacer.send(secs(at));
        let retry_after = Some(pause);
        pacer.record_response(secs(at + 0.1), sent, Response::Throttled { retry_after });
    };
    let mut pacer = pacer(RateShare::WHOLE);
    throttle_with(&mut pacer, 0.0, secs(7.0));
    assert!(pacer.next_at(secs(0.2)) >= secs(7.1));
    assert!(pacer.is_held(secs(7.0)) && !pacer.is_held(secs(7.1)));
    // The time of the pause does not count as used.
    pacer.accrue(secs(7.1));
    assert!(pacer.used_secs < 0.01, "{}", pacer.used_secs);
    // A shorter pause does not end a longer one.
    throttle_with(&mut pacer, 0.3, secs(1.0));
    assert!(pacer.is_held(secs(7.0)));
    // A mistake of the service costs at most a minute.
    throttle_with(&mut pacer, 8.0, Duration::from_hours(9));
    assert_eq!(pacer.next_at(secs(8.2)), secs(68.1));
}
