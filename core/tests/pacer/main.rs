//! The pacer against token buckets, in simulated time: whole rotations and single operations,
//! without the SDK and without waiting. `tests/it/pace.rs` goes through the SDK's clients.

mod case;
mod cases;
mod medians;
mod simulation;

use std::fmt::Write;
use std::time::Duration;

use expect_test::{Expect, expect};
use rerole_core::pacer::{Pacer, RateShare};

use case::{Buckets, Case};
use cases::{Goal, OTHERS, ROTATIONS, moves};
use medians::Medians;
use simulation::{Controller, play};

const BOTH: [Buckets; 2] = [Buckets::PerRegion, Buckets::PerOperation];

fn pacer() -> Box<dyn Controller> {
    Box::new(Pacer::new(None, RateShare::WHOLE, Duration::ZERO))
}

fn check_goals(cases: &[(Case, Goal)]) {
    let mut missed = vec![];
    for (case, goal) in cases {
        for buckets in BOTH {
            let medians = Medians::of(case, buckets, pacer);
            println!("{:>40} {buckets:?} {medians:?}", case.name);
            if !goal.is_met(&medians) {
                missed.push((case.name, buckets, medians));
            }
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn rotations_use_nearly_the_whole_rate_and_are_soon_back_after_a_drop() {
    check_goals(&ROTATIONS);
}

#[test]
fn other_calls_and_corners_cost_little_time() {
    check_goals(&OTHERS);
}

/// The searches use more than the share: what is in the bucket, and the whole rate for seconds.
#[test]
fn a_share_of_the_rate_is_left_to_other_callers() {
    for (percent, part) in [("80", 0.8), ("50", 0.5), ("10", 0.1)] {
        for burst in [20.0, 40.0] {
            let case = Case {
                burst,
                ..moves("20/s", if part < 0.5 { 1_000 } else { 3_000 }, 20.0)
            };
            for buckets in BOTH {
                let run = play(&case, buckets, &mut share(percent), 1);
                // After the start.
                let from = 60.0;
                let admitted = run.admitted.iter().filter(|at| **at > from);
                let per_sec = admitted.map(|_| 1.0).sum::<f64>() / (run.secs - from);
                let used = per_sec / case.whole_rate(buckets) / part;
                assert!(
                    (0.95..1.25).contains(&used),
                    "{percent} %, burst {burst}, {buckets:?}: {used:.2} of the share"
                );
            }
        }
    }
}

#[test]
fn with_a_share_a_rotation_is_back_within_a_minute_of_a_drop() {
    for (percent, part) in [("80", 0.8), ("50", 0.5)] {
        for secs in [30.0, 60.0, 100.0, 200.0, 400.0] {
            let case = Case {
                drop: Some((30.0, 30.0 + secs, 5.0)),
                ..moves("20/s, 5/s", 4_000, 20.0)
            };
            for buckets in BOTH {
                let run = play(&case, buckets, &mut share(percent), 1);
                let back = case.back_secs_at(0.9 * part, &run, buckets);
                assert!(
                    back.is_some_and(|secs| secs <= 60.0),
                    "{percent} %, 5/s for {secs} s, {buckets:?}: back after {back:?}"
                );
            }
        }
    }
}

/// It is not seen while the share is less than the new rate. The next search finds it.
#[test]
fn with_a_share_a_fall_of_the_rate_is_found() {
    for (percent, part) in [("80", 0.8), ("50", 0.5)] {
        for per_sec in [17.0, 11.0] {
            let case = Case {
                drop: Some((100.0, f64::INFINITY, per_sec)),
                ..moves("20/s", 3_000, 20.0)
            };
            let run = play(&case, Buckets::PerRegion, &mut share(percent), 1);
            let from = 200.0;
            let admitted = run.admitted.iter().filter(|at| **at > from);
            let used = admitted.map(|_| 1.0).sum::<f64>() / (run.secs - from) / per_sec / part;
            assert!(
                (0.95..1.3).contains(&used),
                "{percent} %, fall to {per_sec}: {used:.2} of the share"
            );
        }
    }
}

fn share(percent: &str) -> Pacer {
    let share = percent.parse().expect("a share");
    Pacer::new(None, share, Duration::ZERO)
}

/// The picture in the head of the pacer's module, in numbers: what the controller does second by
/// second. A change of the controller changes them, and the reader of the diff sees how.
#[test]
fn a_drop_second_by_second() {
    let case = Case {
        drop: Some((10.0, 40.0, 5.0)),
        ..moves("20/s, 5/s for 30 s", 500, 20.0)
    };
    let mut text = String::from("secs  bucket  rate  admitted  throttled\n");
    let mut controller = Pacer::new(None, RateShare::WHOLE, Duration::ZERO);
    let run = play(&case, Buckets::PerRegion, &mut controller, 1);
    for (second, rate) in run.rates.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "a few minutes")]
        let second = second as f64;
        let count = |times: &[f64]| {
            let times = times.iter();
            times
                .filter(|at| (second..second + 1.0).contains(*at))
                .count()
        };
        let bucket = if (10.0..40.0).contains(&second) {
            5
        } else {
            20
        };
        let (admitted, throttled) = (count(&run.admitted), count(&run.throttled));
        writeln!(
            text,
            "{second:4} {bucket:7} {rate:5.1} {admitted:9} {throttled:10}"
        )
        .unwrap();
    }
    SECOND_BY_SECOND.assert_eq(&text);
}

const SECOND_BY_SECOND: Expect = expect![[r"
    secs  bucket  rate  admitted  throttled
       0      20  15.0        13          0
       1      20  22.5        33          0
       2      20  53.4        45          8
       3      20  20.4        20          0
       4      20  20.4        20          1
       5      20  20.4        20          0
       6      20  20.4        20          1
       7      20  20.3        19          0
       8      20  20.3        21          0
       9      20  20.3        19          1
      10       5  20.2         6          8
      11       5   7.9         5          2
      12       5   6.6         5          1
      13       5   6.1         5          1
      14       5   5.8         5          1
      15       5   5.6         4          1
      16       5   5.4         6          0
      17       5   5.4         5          0
      18       5   5.4         5          1
      19       5   5.3         5          0
      20       5   5.3         5          0
      21       5   5.3         5          1
      22       5   5.2         5          0
      23       5   5.2         5          0
      24       5   5.2         5          0
      25       5   5.2         5          0
      26       5   5.2         5          1
      27       5   5.2         5          0
      28       5   5.2         5          0
      29       5   5.2         5          0
      30       5   5.2         5          0
      31       5   5.2         5          0
      32       5   5.2         4          1
      33       5   5.1         6          0
      34       5   5.1         5          0
      35       5   5.1         5          0
      36       5   5.1         5          0
      37       5   5.1         5          0
      38       5   5.1         5          0
      39       5   5.1         4          1
      40      20   5.1         5          0
      41      20   5.1         5          0
      42      20   5.1         5          0
      43      20   5.1         6          0
      44      20   5.1         5          0
      45      20   5.1         5          0
      46      20   5.1         5          0
      47      20   5.1         5          0
      48      20   5.1         5          0
      49      20   5.1         5          0
      50      20   5.1         5          0
      51      20   5.1         5          0
      52      20   5.4         8          0
      53      20  12.3        19          0
      54      20  27.6        39          0
      55      20  63.3        36          8
      56      20  19.8        20          0
      57      20  19.8        20          0
      58      20  19.8        20          0
      59      20  19.8        20          0
      60      20  19.8        20          0
      61      20  19.8        20          0
      62      20  19.8        19          0
      63      20  19.8        20          0
      64      20  19.8        20          0
      65      20  19.8        20          0
      66      20  19.8        19          0
      67      20  19.8        22          0
      68      20  29.2        20          2
      69      20  20.1        21          0
      70      20  20.1        20          0
      71      20  20.1        21          0
      72      20  20.1        19          0
      73      20  20.1        20          0
      74      20  20.1        19          1
      75      20  20.0        21          0
      76      20  20.0        19          0
      77      20  20.0        21          0
      78      20  20.0        20          0
      79      20  20.0        16          0
      80      20  20.0         0          0
"]];
