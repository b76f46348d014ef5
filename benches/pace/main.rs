//! How fast updates go through a throttled EKS: by the SDK's own retries, by its adaptive mode, and by the product, in
//! virtual time and over several seeds. Prints docs/performance.md's table, and draws its plot.
//!
//! ```text
//! cargo bench --bench pace    # draws docs/pace.svg anew
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
    // `cargo test --benches` runs this without `--bench`: nothing is measured then.
    if !std::env::args().any(|arg| arg == "--bench") {
        return Ok(());
    }
    println!("| updates and bucket | bound | SDK standard | SDK adaptive | rerole |");
    println!("| --- | --- | --- | --- | --- |");
    for case in PLAIN_CASES.iter().chain(&SLOW_CASES).chain(&FAST_CASES).chain(&CHANGING_CASES) {
        let bound = case.bound();
        let cells = [Caller::Standard, Caller::Adaptive, Caller::Ours].map(|caller| {
            let runs: Vec<Run> = (0..SEEDS).map(|seed| play(case, caller, seed)).collect();
            Medians::of(&runs).shown(case, caller)
        });
        println!("| {} | {:.1} s | {} |", case.name, bound.as_secs_f64(), cells.join(" | "));
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pace.svg");
    plot::draw(&file)
}

/// Of each figure the median over the seeds, but for failures: of those the most.
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

    /// Seconds, and over the bound where all was done; throttled calls, and as a share of the updates; failed updates. Of
    /// ours also whether the goal is missed.
    #[expect(clippy::cast_precision_loss, reason = "thousands of calls")]
    fn shown(&self, case: &Case, caller: Caller) -> String {
        let Self { took, throttled, failed } = self;
        let secs = took.as_secs_f64();
        if *failed > 0 {
            return format!("{secs:.1} s, {throttled} throttled, **{failed} failed**");
        }
        let (time, share) = (secs / case.bound().as_secs_f64(), *throttled as f64 / f64::from(case.updates));
        let is_missed = caller == Caller::Ours && (time > case.goal.time || share > case.goal.throttled);
        let note = if is_missed { ", goal missed" } else { "" };
        format!("{secs:.1} s ({time:.2}), {throttled} throttled ({:.1} %){note}", share * 100.0)
    }
}

fn median<T: Ord>(figures: impl Iterator<Item = T>) -> T {
    let mut figures: Vec<T> = figures.collect();
    figures.sort();
    figures.swap_remove(figures.len() / 2)
}
