//! How fast updates pass a throttled EKS with the SDK's standard retries, with its adaptive
//! retries, and with rerole, in virtual time and over several seeds. Prints the table of
//! docs/performance.md and draws its plot.
//!
//! ```text
//! cargo bench --bench pace    # also draws docs/pace.svg
//! ```

mod callers;
mod cases;
mod plot;

use std::path::Path;
use std::time::Duration;

use callers::{Caller, Run, play};
use cases::{CHANGING_CASES, Case, FAST_CASES, PLAIN_CASES, SLOW_CASES};

const SEEDS: u64 = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // `cargo test --benches` runs this without `--bench` and measures nothing.
    if !std::env::args().any(|arg| arg == "--bench") {
        return Ok(());
    }
    println!("| updates and bucket | bound | SDK standard | SDK adaptive | rerole |");
    println!("| --- | --- | --- | --- | --- |");
    for case in PLAIN_CASES
        .iter()
        .chain(&SLOW_CASES)
        .chain(&FAST_CASES)
        .chain(&CHANGING_CASES)
    {
        let cells = [Caller::Standard, Caller::Adaptive, Caller::Rerole].map(|caller| {
            let runs: Vec<Run> = (0..SEEDS).map(|seed| play(case, caller, seed)).collect();
            Medians::of(&runs).cell(case, caller)
        });
        println!(
            "| {} | {:.1} s | {} |",
            case.name,
            case.bound().as_secs_f64(),
            cells.join(" | ")
        );
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pace.svg");
    plot::draw(&file)
}

/// Medians over the seeds. Of the failures it is the maximum, because none is acceptable.
struct Medians {
    took: Duration,
    throttled: usize,
    failed: usize,
}

impl Medians {
    fn of(runs: &[Run]) -> Self {
        Self {
            took: median(runs.iter().map(|run| run.took)),
            throttled: median(runs.iter().map(Run::throttled)),
            failed: runs.iter().map(|run| run.failed).max().unwrap_or_default(),
        }
    }

    /// A cell of the table. If all updates succeeded, it shows the time with its ratio to the
    /// bound, and the throttled calls with their share of the updates. For rerole it also says if
    /// the goal is missed.
    #[expect(clippy::cast_precision_loss, reason = "thousands of calls")]
    fn cell(&self, case: &Case, caller: Caller) -> String {
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
            secs / case.bound().as_secs_f64(),
            *throttled as f64 / f64::from(case.updates),
        );
        let is_missed =
            caller == Caller::Rerole && (time > case.goal.time || share > case.goal.throttled);
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
