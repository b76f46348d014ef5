//! The pacer against token buckets, in simulated time: without the SDK and without waiting. The
//! tests in `tests/it` go through the SDK's clients.

mod simulation;

use super::*;
use simulation::{Case, bucket};

/// A case, then the limits: the time divided by the lower bound, and the percentage of throttled
/// calls.
const CASES: [(&str, Case, f64, f64); 20] = [
    (
        "5 a second, 50 calls",
        bucket(5.0, 10.0).calls(50),
        1.03,
        4.0,
    ),
    ("5 a second", bucket(5.0, 10.0), 1.03, 4.0),
    ("10 a second", bucket(10.0, 20.0), 1.03, 4.0),
    ("20 a second", bucket(20.0, 40.0), 1.03, 4.0),
    ("20 ms", bucket(10.0, 20.0).latency(20, 20), 1.10, 4.0),
    (
        "1.5 to 2 s",
        bucket(10.0, 20.0).latency(1_500, 2_000),
        1.10,
        16.0,
    ),
    (
        "20 ms to 2 s",
        bucket(10.0, 20.0).latency(20, 2_000),
        1.10,
        12.0,
    ),
    ("1 a second", bucket(1.0, 5.0).calls(200), 1.10, 10.0),
    (
        "a burst of 100",
        bucket(20.0, 100.0).calls(1_000),
        1.10,
        6.0,
    ),
    (
        "a burst of 500",
        bucket(50.0, 500.0).calls(2_000),
        1.10,
        10.0,
    ),
    (
        "100 a second",
        bucket(100.0, 100.0).calls(5_000),
        1.10,
        14.0,
    ),
    (
        "other callers use 4 of 10",
        bucket(10.0, 20.0).others(4.0),
        1.10,
        8.0,
    ),
    (
        "other callers use 8 of 10",
        bucket(10.0, 20.0).others(8.0).calls(200),
        1.10,
        12.0,
    ),
    (
        "a tenth of 10 for a minute",
        bucket(10.0, 20.0).dent(20.0, 80.0, 0.1),
        1.10,
        10.0,
    ),
    (
        "a tenth of 20 for a minute",
        bucket(20.0, 40.0).calls(1_000).dent(20.0, 80.0, 0.1),
        1.10,
        10.0,
    ),
    (
        "half of 10 for a minute",
        bucket(10.0, 20.0).calls(1_000).dent(10.0, 70.0, 0.5),
        1.10,
        6.0,
    ),
    (
        "asked to wait 1 s",
        bucket(10.0, 20.0).calls(2_000).retry_after(1.0),
        1.03,
        4.0,
    ),
    (
        "asked to wait 3 s",
        bucket(10.0, 20.0).calls(2_000).retry_after(3.0),
        1.15,
        4.0,
    ),
    (
        "a learned rate",
        bucket(10.0, 20.0).learned(10.0),
        1.06,
        3.0,
    ),
    (
        "a learned rate that is too high",
        bucket(10.0, 20.0).learned(30.0),
        1.05,
        6.0,
    ),
];

#[test]
fn the_pacer_uses_nearly_the_whole_rate_with_few_throttles() {
    for (name, case, time_max, throttled_max) in CASES {
        let (time, throttled) = case.medians();
        println!("{name:>32} {time:.3} of the bound, {throttled:.1} % throttled");
        assert!(time <= time_max, "{name}: {time:.3} of the bound");
        assert!(
            throttled <= throttled_max,
            "{name}: {throttled:.1} % throttled"
        );
    }
}

fn secs(secs: f64) -> Duration {
    Duration::from_secs_f64(secs)
}

#[test]
fn a_requested_pause_is_kept_for_at_most_a_minute() {
    let mut pacer = Pacer::new(None, Duration::ZERO);
    pacer.acquire(Duration::ZERO);
    let sent = pacer.send(Duration::ZERO);
    pacer.record_response(
        secs(0.1),
        sent,
        Response::Throttled {
            retry_after: Some(secs(7.0)),
        },
    );
    assert!(pacer.next_at(secs(0.2)) >= secs(7.1));
    assert!(pacer.is_held(secs(7.0)) && !pacer.is_held(secs(7.1)));
    // A mistake of the service costs at most a minute.
    pacer.acquire(secs(8.0));
    let sent = pacer.send(secs(8.0));
    pacer.record_response(
        secs(8.1),
        sent,
        Response::Throttled {
            retry_after: Some(Duration::from_hours(9)),
        },
    );
    assert_eq!(pacer.next_at(secs(8.2)), secs(68.1));
}

#[test]
fn a_released_permit_is_available_again() {
    let mut pacer = Pacer::new(None, Duration::ZERO);
    pacer.acquire(Duration::ZERO);
    assert!(pacer.next_at(Duration::ZERO) > Duration::ZERO);
    pacer.release();
    assert_eq!(pacer.next_at(Duration::ZERO), Duration::ZERO);
}

#[test]
fn the_rate_does_not_rise_while_calls_do_not_use_it() {
    let mut pacer = Pacer::new(None, Duration::ZERO);
    for second in 0..600 {
        let now = secs(f64::from(second));
        pacer.acquire(now);
        let sent = pacer.send(now);
        pacer.record_response(now + secs(0.1), sent, Response::Admitted);
    }
    assert!(
        pacer.rate_at(secs(600.0)) < 2.0 * START_RATE,
        "{}",
        pacer.rate_at(secs(600.0))
    );
}

#[test]
fn only_a_pacer_that_was_throttled_has_a_learned_rate() {
    let mut pacer = Pacer::new(None, Duration::ZERO);
    pacer.acquire(Duration::ZERO);
    let sent = pacer.send(Duration::ZERO);
    assert_eq!(pacer.learned(), None);
    pacer.record_response(secs(0.1), sent, Response::Throttled { retry_after: None });
    assert!(pacer.learned().is_some());

    // A rate that the pacer received is not one that it measured, however fresh it is.
    let mut pacer = Pacer::new(
        Rate::new(5.0).map(|learned| (learned, Duration::ZERO)),
        Duration::ZERO,
    );
    assert_eq!(pacer.learned(), None);
    pacer.acquire(Duration::ZERO);
    let sent = pacer.send(Duration::ZERO);
    pacer.record_response(secs(0.1), sent, Response::Throttled { retry_after: None });
    assert!(pacer.learned().is_some());
}

#[test]
fn a_held_permit_is_not_issued_again_after_a_throttle() {
    // After a throttle, how long until the next call may be sent while permits are held?
    let wait = |held: u32| {
        let mut pacer = Pacer::new(
            Rate::new(5.0).map(|learned| (learned, Duration::ZERO)),
            Duration::ZERO,
        );
        pacer.acquire(Duration::ZERO);
        let sent = pacer.send(Duration::ZERO);
        (0..held).for_each(|_| pacer.acquire(Duration::ZERO));
        pacer.record_response(secs(0.1), sent, Response::Throttled { retry_after: None });
        pacer.next_at(secs(0.1))
    };
    assert!(
        wait(2) > wait(1) && wait(1) > wait(0),
        "{:?}",
        [wait(0), wait(1), wait(2)]
    );
}
