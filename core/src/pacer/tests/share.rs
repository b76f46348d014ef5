//! What changes if only a share of the rate is used.

use super::*;

#[test]
fn a_share_of_a_known_rate_is_used() {
    // The start is not limited: its rate is not known.
    let start = pacer(share("50"));
    assert_near(start.load().per_sec, TUNING.start_per_sec);
    let mut pacer = measured(share("50"));
    assert_near(pacer.load().per_sec, 5.0);
    let sent = send_all(&mut pacer, 5.0, 5.0 + TUNING.hold_secs);
    assert!((58..=61).contains(&sent), "{sent}");
    // The whole rate is passed on.
    assert_near(pacer.learned().unwrap().per_sec(), 10.0);
}

#[test]
fn with_a_share_an_exact_rate_is_held_for_longer() {
    for (percent, hold_secs) in [("80", 45.0), ("50", 72.0), ("10", 360.0), ("100", 12.0)] {
        let mut pacer = measured(share(percent));
        assert_near(pacer.hold_secs(), hold_secs);
        // A guess is held for the usual time, and so is a learned rate.
        pacer.is_exact = false;
        assert_near(pacer.hold_secs(), 12.0);
        assert_near(learned(10.0, share(percent)).hold_secs(), 12.0);
    }
    // So is it with the pauses that the service requests: each search costs one.
    let mut pacer = measured(RateShare::WHOLE);
    pacer.pause_secs = 3.0;
    assert_near(pacer.hold_secs(), 24.0);
}

#[test]
fn a_share_applies_once_the_rate_was_measured_over_enough_calls() {
    let mut pacer = pacer(share("50"));
    assert!(!pacer.is_exact);
    // Two calls are admitted between the first two throttles, then ten.
    for (calls, is_exact) in [(1, false), (2, false), (10, true)] {
        for _ in 1..calls {
            let now = pacer.credited_at + secs(0.2);
            respond(&mut pacer, now, Response::Admitted);
        }
        let now = pacer.credited_at + secs(0.2);
        respond(&mut pacer, now, THROTTLED);
        assert_eq!(pacer.is_exact, is_exact, "{calls}");
        let used = pacer.load().per_sec / pacer.per_sec;
        assert_near(used, if is_exact { 0.5 } else { 1.0 });
    }
}

#[test]
fn a_small_share_of_a_low_rate_is_at_least_the_lowest_rate() {
    let pacer = learned(0.6, share("10"));
    assert_near(pacer.load().per_sec, TUNING.per_sec_min);
}
