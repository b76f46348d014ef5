//! The medians of a case over several seeds.

use crate::case::{Buckets, Case, Run};
use crate::simulation::{Controller, play};

const SEEDS: u64 = 5;

/// The medians over several seeds.
#[derive(Debug, Clone, Copy)]
pub struct Medians {
    /// The time divided by the lower bound.
    pub time: f64,
    /// The throttled calls in percent of the calls that are needed.
    pub throttled: f64,
    /// Seconds from the end of a drop until the rate is back; infinite if it never is. `None`
    /// without a drop.
    pub back_secs: Option<f64>,
}

impl Medians {
    /// Plays the case once for each seed, each time with a new controller.
    pub fn of(case: &Case, buckets: Buckets, controller: impl Fn() -> Box<dyn Controller>) -> Self {
        let runs: Vec<Run> = (0..SEEDS)
            .map(|seed| play(case, buckets, &mut *controller(), seed))
            .collect();
        let throttled = median(&runs, |run| run.throttled.iter().map(|_| 1.0).sum());
        Self {
            time: median(&runs, |run| run.secs) / case.bound_secs(buckets),
            throttled: throttled / f64::from(case.calls()) * 100.0,
            back_secs: case.drop.map(|_| {
                median(&runs, |run| {
                    case.back_secs(run, buckets).unwrap_or(f64::INFINITY)
                })
            }),
        }
    }
}

fn median(runs: &[Run], figure: impl Fn(&Run) -> f64) -> f64 {
    let mut figures: Vec<f64> = runs.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
