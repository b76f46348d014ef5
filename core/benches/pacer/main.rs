//! The pacer against token buckets, in simulated time: beside other controllers, and with each of
//! its constants changed. Prints the tables of docs/performance.md.
//!
//! ```text
//! cargo bench -p rerole-core --bench pacer    # some ten seconds
//! ```

mod alternatives;
#[path = "../../tests/pacer/case.rs"]
mod case;
#[path = "../../tests/pacer/cases.rs"]
mod cases;
#[path = "../../tests/pacer/medians.rs"]
mod medians;
#[path = "../../tests/pacer/simulation.rs"]
mod simulation;

use std::time::Duration;

use rerole_core::pacer::{Pacer, RateShare, TUNING, Tuning};

use alternatives::{PacerEach, RateController, Rule};
use case::{Buckets, Case};
use cases::{Goal, OTHERS, ROTATIONS, moves};
use medians::Medians;
use simulation::{Controller, play};

const BOTH: [Buckets; 2] = [Buckets::PerRegion, Buckets::PerOperation];

type NewController = fn() -> Box<dyn Controller>;

/// What is compared, and its name in the table.
const CONTROLLERS: [(&str, NewController); 5] = [
    ("pacer", || Box::new(pacer(TUNING))),
    ("a pacer for each operation", || Box::new(PacerEach::new())),
    ("AIMD", || Box::new(RateController::new(Rule::Aimd))),
    ("CUBIC", || {
        Box::new(RateController::new(Rule::Cubic {
            plateau: 0.0,
            secs: 0.0,
        }))
    }),
    ("as BBR", || {
        Box::new(RateController::new(Rule::Bbr { admitted: vec![] }))
    }),
];

fn pacer(tuning: Tuning) -> Pacer {
    Pacer::with_tuning(tuning, None, RateShare::WHOLE, Duration::ZERO)
}

fn main() {
    // `cargo test --benches` runs this without `--bench` and measures nothing.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    for buckets in BOTH {
        println!(
            "\n{buckets:?}: time over the bound, throttled calls in percent, seconds until back\n"
        );
        print_row("rotation", CONTROLLERS.map(|(name, _)| name.to_owned()));
        print_row("---", CONTROLLERS.map(|_| "---".to_owned()));
        for rotation in &ROTATIONS {
            let cells = CONTROLLERS.map(|(_, new)| cell(rotation, buckets, new));
            print_row(rotation.0.name, cells);
        }
    }
    println!("\nEach constant changed: all cases in both worlds\n");
    let columns = [
        "mean time",
        "worst time",
        "mean throttled",
        "worst throttled",
        "slowest back",
    ];
    print_row("change", columns.map(str::to_owned));
    print_row("---", columns.map(|_| "---".to_owned()));
    for (name, tuning) in changes(&CONSTANTS) {
        print_row(&name, summary(tuning));
    }
    println!("\nWith a share of 80 %: 20/s with buckets of 1, 2 and 5 s, and drops to 5/s\n");
    print_row(
        "change",
        ["used of the rate", "slowest back"].map(str::to_owned),
    );
    print_row("---", ["---"; 2].map(str::to_owned));
    for (name, tuning) in changes(&CONSTANTS_OF_SHARES) {
        print_row(&name, share_summary(tuning));
    }
}

fn print_row<const N: usize>(first: &str, cells: [String; N]) {
    println!("| {first} | {} |", cells.join(" | "));
}

fn cell((case, goal): &(Case, Goal), buckets: Buckets, new: NewController) -> String {
    let medians = Medians::of(case, buckets, new);
    let back = medians.back_secs.map(|secs| format!(", {}", in_secs(secs)));
    let (back, missed) = (
        back.unwrap_or_default(),
        if goal.is_met(&medians) { "" } else { " ✗" },
    );
    format!(
        "{:.2}, {:.1}{back}{missed}",
        medians.time, medians.throttled
    )
}

/// A constant of the controller, and its name.
type Constant = (&'static str, fn(&mut Tuning) -> &mut f64);

const CONSTANTS: [Constant; 9] = [
    ("start_per_sec", |tuning| &mut tuning.start_per_sec),
    ("doubling_latencies", |tuning| {
        &mut tuning.doubling_latencies
    }),
    ("doubling_secs_max", |tuning| &mut tuning.doubling_secs_max),
    ("hold_secs", |tuning| &mut tuning.hold_secs),
    ("hold_calls", |tuning| &mut tuning.hold_calls),
    ("hold_pauses", |tuning| &mut tuning.hold_pauses),
    ("bucket_secs", |tuning| &mut tuning.bucket_secs),
    ("tolerated_calls", |tuning| &mut tuning.tolerated_calls),
    ("credit_secs", |tuning| &mut tuning.credit_secs),
];
/// The constants that matter with a share.
const CONSTANTS_OF_SHARES: [Constant; 2] = [
    ("share_hold_secs", |tuning| &mut tuning.share_hold_secs),
    ("exact_calls", |tuning| &mut tuning.exact_calls),
];

/// The shipped constants, and each of these halved and doubled.
fn changes(constants: &[Constant]) -> Vec<(String, Tuning)> {
    let mut changes = vec![("as shipped".to_owned(), TUNING)];
    for (name, constant) in constants {
        for (change, factor) in [("halved", 0.5), ("doubled", 2.0)] {
            let mut tuning = TUNING;
            *constant(&mut tuning) *= factor;
            changes.push((format!("`{name}` {change}"), tuning));
        }
    }
    if constants.len() == CONSTANTS.len() {
        changes.extend(without());
    }
    changes
}

/// What the controller does without one of its parts.
fn without() -> impl Iterator<Item = (String, Tuning)> {
    let without = [
        (
            "no `hold_calls`",
            Tuning {
                hold_calls: f64::INFINITY,
                ..TUNING
            },
        ),
        (
            "no `tolerated_calls`",
            Tuning {
                tolerated_calls: 0.0,
                ..TUNING
            },
        ),
        (
            "no search",
            Tuning {
                hold_secs: f64::INFINITY,
                hold_calls: f64::INFINITY,
                ..TUNING
            },
        ),
    ];
    without
        .into_iter()
        .map(|(name, tuning)| (name.to_owned(), tuning))
}

fn summary(tuning: Tuning) -> [String; 5] {
    let cases = ROTATIONS.iter().chain(&OTHERS);
    let both = cases.flat_map(|(case, _)| BOTH.map(|buckets| (case, buckets)));
    let medians: Vec<(&Case, Medians)> = both
        .map(|(case, buckets)| {
            let new = || -> Box<dyn Controller> { Box::new(pacer(tuning)) };
            (case, Medians::of(case, buckets, new))
        })
        .collect();
    let mean = |figure: fn(&Medians) -> f64| {
        let sum: f64 = medians.iter().map(|(_, medians)| figure(medians)).sum();
        #[expect(clippy::cast_precision_loss, reason = "dozens of cases")]
        let count = medians.len() as f64;
        sum / count
    };
    // The highest figure, and the case that has it.
    let worst = |figure: fn(&Medians) -> f64| {
        let figures = medians
            .iter()
            .map(|(case, medians)| (figure(medians), case.name));
        figures.fold(
            (0.0, ""),
            |worst, other| if other.0 > worst.0 { other } else { worst },
        )
    };
    let (time, slowest) = worst(|medians| medians.time);
    let (throttled, most_throttled) = worst(|medians| medians.throttled);
    let (back_secs, _) = worst(|medians| medians.back_secs.unwrap_or(0.0));
    [
        format!("{:.3}", mean(|medians| medians.time)),
        format!("{time:.2} ({slowest})"),
        format!("{:.1} %", mean(|medians| medians.throttled)),
        format!("{throttled:.1} % ({most_throttled})"),
        in_secs(back_secs),
    ]
}

fn in_secs(secs: f64) -> String {
    if secs.is_infinite() {
        "never".to_owned()
    } else {
        format!("{secs:.0} s")
    }
}

/// The part of the rate that is used after the start, and the longest time until the rate is back.
fn share_summary(tuning: Tuning) -> [String; 2] {
    const START_SECS: f64 = 60.0;
    let share: RateShare = "80".parse().expect("a share");
    let play = |case: &Case, buckets| {
        let mut pacer = Pacer::with_tuning(tuning, None, share, Duration::ZERO);
        play(case, buckets, &mut pacer, 1)
    };
    let rotation = moves("20/s", 3_000, 20.0);
    let used = [20.0, 40.0, 100.0].map(|burst| {
        let case = Case { burst, ..rotation };
        let run = play(&case, Buckets::PerRegion);
        let admitted = run.admitted.iter().filter(|at| **at > START_SECS);
        let used = admitted.map(|_| 1.0).sum::<f64>();
        format!("{:.2}", used / (run.secs - START_SECS) / case.per_sec)
    });
    let drops = [30.0, 60.0, 100.0, 200.0, 400.0].map(|secs| Case {
        drop: Some((30.0, 30.0 + secs, 5.0)),
        ..rotation
    });
    let both = drops
        .iter()
        .flat_map(|case| BOTH.map(|buckets| (case, buckets)));
    let back = both.map(|(case, buckets)| {
        let run = play(case, buckets);
        let back = case.back_secs_at(0.9 * 0.8, &run, buckets);
        back.unwrap_or(f64::INFINITY)
    });
    [used.join(", "), in_secs(back.fold(0.0, f64::max))]
}
