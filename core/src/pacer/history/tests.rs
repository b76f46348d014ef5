//! What the history says about a rate: tables of calls.

use super::*;

const TOLERATED: f64 = 2.0;

/// Calls at regular times: so many, and so many seconds apart. The last one is throttled.
type Calls = (u64, f64);

/// A history of calls, one group after the other.
fn history(groups: &[Calls]) -> History {
    let (mut history, mut at) = (History::default(), 0.0);
    for (count, gap) in groups {
        let mut last = 0;
        for _ in 0..*count {
            at += gap;
            last = history.send(Duration::from_secs_f64(at));
        }
        history.note_throttle(last, Duration::from_secs_f64(at));
    }
    history
}

fn rounded(window: Window) -> f64 {
    (window.rate() * 100.0).round() / 100.0
}

#[test]
fn the_calls_between_two_throttles_give_the_rate() {
    for (groups, expected) in [
        // One throttle says nothing.
        (&[(5, 1.0)][..], None),
        // 10 calls in 5 s, of which the last one was throttled.
        (&[(5, 1.0), (10, 0.5)], Some(2.0)),
        // 19 admitted in 10 s, and a throttled one in between.
        (&[(5, 1.0), (10, 0.5), (10, 0.5)], Some(1.9)),
        // The rate has changed: 100 calls in 5 s, then 10 in 5 s.
        (&[(1, 1.0), (100, 0.05), (10, 0.5)], Some(2.0)),
        // It has not changed by more than chance: 25 and 20 calls in 5 s.
        (&[(1, 1.0), (25, 0.2), (20, 0.25)], Some(4.4)),
        // No call was admitted for a long time.
        (&[(1, 1.0), (1, 9.0), (1, 9.0)], Some(0.06)),
        // Calls at the same time say nothing about a rate.
        (&[(1, 1.0), (1, 0.0)], None),
    ] {
        let window = history(groups).between_throttles(TOLERATED);
        assert_eq!(window.map(rounded), expected, "{groups:?}");
    }
}

#[test]
fn more_tolerance_makes_a_longer_window() {
    let groups = [(1, 1.0), (30, 1.0), (10, 1.5)];
    for (tolerated, expected) in [(0.0, 0.67), (10.0, 0.87)] {
        let window = history(&groups).between_throttles(tolerated);
        assert_eq!(window.map(rounded), Some(expected), "{tolerated}");
    }
}

#[test]
fn calls_before_a_change_of_the_rate_are_forgotten() {
    let mut history = history(&[(1, 1.0), (100, 0.05), (10, 0.5)]);
    history.between_throttles(TOLERATED);
    assert_eq!(history.marks.front().map(|mark| mark.number), Some(101));
}

#[test]
fn a_bucket_that_was_full_gives_out_its_content_and_the_inflow() {
    for (groups, expected) in [
        (&[][..], 0.0),
        // No call was admitted.
        (&[(1, 1.0)][..], 0.0),
        // It holds the inflow of 2 s, and gives out 15 calls within 3 s: 10 and 5.
        (&[(15, 3.0 / 14.0)], 3.0),
        // Only the calls since the earlier throttle count.
        (&[(100, 0.01), (3, 1.0)], 0.75),
    ] {
        let rate = history(groups).rate_of_full_bucket(2.0);
        assert!((rate - expected).abs() < 0.01, "{groups:?}: {rate}");
    }
}

/// While calls were slow, the bucket was full: only the fast ones after that count.
#[test]
fn the_stretch_of_calls_with_the_highest_rate_counts() {
    let mut history = History::default();
    for number in 0..60 {
        history.send(Duration::from_secs(number));
    }
    for number in 1..=20 {
        history.send(Duration::from_mins(1) + Duration::from_millis(100 * number));
    }
    history.note_throttle(80, Duration::from_secs(62));
    // 20 calls in 1.9 s, from a bucket with the inflow of 2 s.
    assert!((history.rate_of_full_bucket(2.0) - 20.0 / 3.9).abs() < 0.001);
}

#[test]
fn responses_may_overtake_each_other() {
    let mut history = History::default();
    let at = |number: u64| Duration::from_millis(100 * number);
    for number in 1..=30 {
        assert_eq!(history.send(at(number)), number);
    }
    for number in [25, 5, 15] {
        history.note_throttle(number, at(number));
    }
    let newest = history.newest_throttle().unwrap();
    assert_eq!((newest.number, newest.sent_at), (25, at(25)));
    assert!((history.sent_after(newest) - 5.0).abs() < f64::EPSILON);
    // 18 admitted in 2 s.
    let window = history.between_throttles(TOLERATED).unwrap();
    assert_eq!((window.admitted, window.secs), (18.0, 2.0));
}

#[test]
fn a_throttled_call_that_has_a_mark_gets_no_second_one() {
    let mut history = history(&[(1, 1.0), (3, 1.0)]);
    let (len, newest) = (history.marks.len(), history.newest_throttle().unwrap());
    history.note_throttle(newest.number, newest.sent_at);
    assert_eq!(history.marks.len(), len);
}

#[test]
fn a_cleared_history_knows_only_what_comes_later() {
    let mut history = history(&[(5, 1.0), (10, 0.5)]);
    history.clear();
    assert_eq!(history.newest_throttle(), None);
    // A throttle of a call that was in flight.
    history.note_throttle(16, Duration::from_secs(11));
    assert_eq!(history.between_throttles(TOLERATED), None);
    assert!(history.rate_of_full_bucket(2.0) == 0.0);
}

#[test]
fn the_number_of_marks_is_bounded() {
    let mut history = History::default();
    // Ten calls share a mark.
    for number in 0..1_000 {
        history.send(Duration::from_millis(10 * number));
    }
    assert_eq!(history.marks.len(), 100);
    // Each throttle has its own.
    for number in 1..=10_000 {
        history.note_throttle(number, Duration::from_millis(10 * number));
    }
    assert_eq!(history.marks.len(), TUNING.marks_max);
    assert_eq!(
        history.newest_throttle().map(|mark| mark.number),
        Some(10_000)
    );
}
