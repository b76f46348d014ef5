//! How fast calls pass a throttled EKS, in virtual time and over several seeds: updates with the
//! SDK's standard retries, with its adaptive retries and with rerole, and whole rotations. Prints
//! the tables of docs/performance.md and draws its plots.
//!
//! ```text
//! cargo bench --bench pace                 # also draws docs/pace.svg and docs/pace-drop.svg
//! cargo bench --bench pace -- rotations    # a part: updates, rotations, plot
//! ```

mod callers;
mod cases;
mod plot;
mod rotation_cases;
mod rotation_table;
mod rotations;

use std::path::Path;
use std::time::Duration;

use callers::{Caller, Run, play};
use cases::{CHANGING_CASES, FAST_CASES, Goal, PLAIN_CASES, SLOW_CASES};
use rerole_sim::Buckets;
use rotation_cases::{BACK_MAX, RotationCase, RotationRun};
use rotation_table::ROTATION_CASES;
use rotations::play_rotation;

const SEEDS: u64 = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --benches` runs this without `--bench` and measures nothing.
    if !args.iter().any(|arg| arg == "--bench") {
        return Ok(());
    }
    let parts: Vec<&String> = args.iter().filter(|arg| !arg.starts_with("--")).collect();
    let is_wanted = |part: &str| parts.is_empty() || parts.iter().any(|name| *name == part);
    if is_wanted("updates") {
        print_updates();
    }
    if is_wanted("rotations") {
        print_rotations();
    }
    if is_wanted("plot") {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        plot::draw_updates(&docs.join("pace.svg"))?;
        plot::draw_drops(&docs.join("pace-drop.svg"))?;
    }
    Ok(())
}

fn print_updates() {
    println!("| updates and bucket | bound | SDK standard | SDK adaptive | rerole |");
    println!("| --- | --- | --- | --- | --- |");
    for case in PLAIN_CASES
        .iter()
        .chain(&SLOW_CASES)
        .chain(&FAST_CASES)
        .chain(&CHANGING_CASES)
    {
        let cells = [Caller::Standard, Caller::Adaptive, Caller::Rerole].map(|caller| {
            let runs: Vec<Run> = (0..SEEDS)
                .map(|seed| play(case, Buckets::PerRegion, caller, seed))
                .collect();
            let medians = Medians::of(&runs);
            let goal = (caller == Caller::Rerole).then_some(case.goal);
            medians.cell(case.bound(Buckets::PerRegion), case.associations, goal)
        });
        println!(
            "| {} | {:.1} s | {} |",
            case.name,
            case.bound(Buckets::PerRegion).as_secs_f64(),
            cells.join(" | ")
        );
    }
}

fn print_rotations() {
    println!("| associations and bucket | one bucket per region | one bucket per operation |");
    println!("| --- | --- | --- |");
    for rotation in &ROTATION_CASES {
        let cells = [Buckets::PerRegion, Buckets::PerOperation]
            .map(|buckets| rotation_cell(rotation, buckets));
        let case = &rotation.case;
        println!(
            "| {} at {} | {} |",
            case.associations,
            case.name,
            cells.join(" | ")
        );
    }
}

/// A cell of the table of rotations: the bound, the time and the throttled calls, and how long
/// after the end of a drop the rate was back.
fn rotation_cell(rotation: &RotationCase, buckets: Buckets) -> String {
    let runs: Vec<RotationRun> = (0..SEEDS)
        .map(|seed| play_rotation(rotation, buckets, seed))
        .collect();
    let bound = rotation.bound(buckets);
    let cell = Medians::of(runs.iter().map(|run| &run.run)).cell(
        bound,
        rotation.calls(),
        Some(rotation.case.goal),
    );
    let back = rotation.case.rate_drop.map(|_| {
        // A run that is never back counts as the longest.
        let back = runs
            .iter()
            .map(|run| rotation.back_after(run, buckets).unwrap_or(Duration::MAX));
        match median(back) {
            Duration::MAX => ", never back, goal missed".to_owned(),
            back if back > BACK_MAX => format!(", back after {} s, goal missed", back.as_secs()),
            back => format!(", back after {} s", back.as_secs()),
        }
    });
    format!(
        "{:.1} s: {cell}{}",
        bound.as_secs_f64(),
        back.unwrap_or_default()
    )
}

/// Medians over the seeds. Of the failures it is the maximum, because none is acceptable.
struct Medians {
    took: Duration,
    throttled: usize,
    failed: usize,
}

impl Medians {
    fn of<'a>(runs: impl IntoIterator<Item = &'a Run> + Clone) -> Self {
        let runs = || runs.clone().into_iter();
        Self {
            took: median(runs().map(|run| run.took)),
            throttled: median(runs().map(Run::throttled)),
            failed: runs().map(|run| run.failed).max().unwrap_or_default(),
        }
    }

    /// A cell of a table. If all updates succeeded, it shows the time with its ratio to the bound,
    /// and the throttled calls with their share of `calls`. It also says if a goal is missed.
    #[expect(clippy::cast_precision_loss, reason = "thousands of calls")]
    fn cell(&self, bound: Duration, calls: u32, goal: Option<Goal>) -> String {
        let Self {
            took,
            throttled,
            failed,
        } = self;
        let secs = took.as_secs_f64();
        if *failed > 0 {
            return format!("{secs:.1} s, {throttled} throttled, **{failed} failed**");
        }
        let (time, share) = (
            secs / bound.as_secs_f64(),
            *throttled as f64 / f64::from(calls),
        );
        let is_missed = goal.is_some_and(|goal| time > goal.time || share > goal.throttled);
        let note = if is_missed { ", goal missed" } else { "" };
        format!(
            "{secs:.1} s ({time:.2}), {throttled} throttled ({:.1} %){note}",
            share * 100.0
        )
    }
}

fn median<T: Ord>(figures: impl Iterator<Item = T>) -> T {
    let mut figures: Vec<T> = figures.collect();
    figures.sort();
    figures.swap_remove(figures.len() / 2)
}
