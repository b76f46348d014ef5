//! The pacer against token buckets, in simulated time: beside other controllers, and with each of
//! its constants changed. Prints the tables of docs/performance.md.
//!
//! ```text
//! cargo bench -p rerole-core --bench pacer    # some ten seconds
//! ```

mod alternatives;
#[path = "../../tests/pacer/cases.rs"]
mod cases;
#[path = "../../tests/pacer/medians.rs"]
mod medians;
#[path = "../../tests/pacer/simulation.rs"]
mod simulation;

use std::time::Duration;

use rerole_core::pacer::{Pacer, RateShare, TUNING, Tuning};

use alternatives::{PacerEach, RateController, Rule};
use cases::{Goal, OTHERS, ROTATIONS};
use medians::Medians;
use simulation::{Buckets, Case, Controller};

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
    for (name, tuning) in changes() {
        print_row(&name, summary(tuning));
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

/// The shipped constants, and each of the controller's halved and doubled.
fn changes() -> Vec<(String, Tuning)> {
    type Field = (&'static str, fn(&mut Tuning) -> &mut f64);
    let fields: [Field; 8] = [
        ("start_per_sec", |tuning| &mut tuning.start_per_sec),
        ("doubling_latencies", |tuning| {
            &mut tuning.doubling_latencies
        }),
        ("doubling_secs_max", |tuning| &mut tuning.doubling_secs_max),
        ("hold_secs", |tuning| &mut tuning.hold_secs),
        ("hold_calls", |tuning| &mut tuning.hold_calls),
        ("bucket_secs", |tuning| &mut tuning.bucket_secs),
        ("tolerated_calls", |tuning| &mut tuning.tolerated_calls),
        ("credit_secs", |tuning| &mut tuning.credit_secs),
    ];
    let mut changes = vec![("as shipped".to_owned(), TUNING)];
    for (name, field) in fields {
        for (change, factor) in [("halved", 0.5), ("doubled", 2.0)] {
            let mut tuning = TUNING;
            *field(&mut tuning) *= factor;
            changes.push((format!("`{name}` {change}"), tuning));
        }
    }
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
    changes.extend(without.map(|(name, tuning)| (name.to_owned(), tuning)));
    changes
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
