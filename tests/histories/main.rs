//! Random histories of a stack: rotations, index runs and people beside each other, while calls
//! fail, functions die, and AWS lags. The handlers and the SDK are the real ones, and time is
//! virtual. After each history, every guarantee is checked.
//!
//! `cargo test --test histories` plays a few, and CI plays 2,400. For more:
//! `cargo test --test histories -- --seeds 0..10000`. A history that fails is printed in its
//! shortest form. Stored in `regressions/`, it is played again each time.

#[path = "../common/mod.rs"]
mod common;

/// The arguments of the binary.
mod args;
/// Checks that failed.
mod failed_check;
/// What happens to each call.
mod faults;
/// A history from a seed.
mod generate;
/// A history as data.
mod history;
/// Sandboxes, retries and the state machine.
mod lambda;
/// What others do in EKS.
mod people;
/// From a change in EKS to the indexer.
mod queue;
/// The situations that a history has reached.
mod reached;
/// The events that request rotations.
mod requests;
/// One history from its start to its end.
mod run;
/// Invocations that die or stand still.
mod sandbox;
/// The shortest form of a history that fails.
mod shorten;
/// What histories must reach.
mod situations;
/// AWS at the start.
mod world;

use std::ops::Range;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::args::Args;
use crate::failed_check::{FailedCheck, keep_panics};
use crate::generate::generate;
use crate::history::History;
use crate::run::{Played, play};
use crate::shorten::shorten;
use crate::situations::{Counts, missing};

const REGRESSIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/histories/regressions");
/// So many histories reach every situation that is required.
const REACHES_ALL: u64 = 1_000;
/// So many histories are played twice, to see that one seed gives one trace.
const REPEATED: u64 = 3;
/// After so many failures, the rest most likely fails for the same reasons.
const FAILURES_MAX: usize = 500;

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(problem) => {
            println!("{problem}");
            return ExitCode::from(2);
        }
    };
    keep_panics();
    let is_good = match args {
        Args::List => {
            println!("histories: test");
            true
        }
        Args::Nothing => true,
        Args::History(file) => play_file(&file),
        Args::Seeds { seeds, at_least } => play_regressions() && play_seeds(seeds, at_least),
    };
    if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Plays each history that has failed before.
fn play_regressions() -> bool {
    let files = std::fs::read_dir(REGRESSIONS).expect("the folder exists");
    let mut files: Vec<_> = files.flatten().map(|file| file.path()).collect();
    files.sort();
    // Each of them, also after one has failed.
    let results: Vec<_> = files.iter().map(|file| play_file(file)).collect();
    results.into_iter().all(|is_good| is_good)
}

/// Plays the history in a file. It is the shortest of its kind, so a fault that hits nothing means
/// that rerole has changed, and that the history does not test any more what it is there for.
fn play_file(file: &Path) -> bool {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| {
        println!("{}: {error}", file.display());
        String::new()
    });
    let history: History = match serde_json::from_str(&text) {
        Ok(history) => history,
        Err(error) => {
            println!("{}: no history: {error}", file.display());
            return false;
        }
    };
    match play(&history) {
        Ok(Played { missed, .. }) if missed.is_empty() => true,
        Ok(Played { missed, .. }) => {
            println!(
                "{} has faults that hit nothing: {missed:#?}",
                file.display()
            );
            false
        }
        Err(failure) => {
            println!("{}", failure.calls);
            println!("{} fails: {}", file.display(), failure.text);
            false
        }
    }
}

/// What the threads have found.
#[derive(Default)]
struct Results {
    /// How many histories were played.
    played: u64,
    counts: Counts,
    failures: Vec<(u64, FailedCheck)>,
    /// The traces of the first seeds.
    traces: Vec<(u64, u64)>,
}

fn play_seeds(seeds: Range<u64>, at_least: Duration) -> bool {
    let (started_at, next) = (Instant::now(), AtomicU64::new(seeds.start));
    let results = Mutex::new(Results::default());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let is_over = seed >= seeds.end && started_at.elapsed() >= at_least;
                    let played = (!is_over).then(|| play(&generate(seed)));
                    let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                    results.played += u64::from(played.is_some());
                    match played {
                        Some(Ok(played)) => results.add(seed, &seeds, played),
                        Some(Err(failure)) => results.failures.push((seed, failure)),
                        None => return,
                    }
                    if results.failures.len() >= FAILURES_MAX {
                        return;
                    }
                }
            });
        }
    });
    let elapsed = started_at.elapsed();
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.report(elapsed)
}

impl Results {
    fn add(&mut self, seed: u64, seeds: &Range<u64>, played: Played) {
        for (name, count) in played.situations {
            *self.counts.entry(name).or_default() += count;
        }
        if seed < seeds.start + REPEATED {
            self.traces.push((seed, played.trace));
        }
    }

    /// Prints what was found. Returns whether nothing is wrong.
    fn report(self, elapsed: Duration) -> bool {
        let played = self.played;
        for (name, count) in &self.counts {
            println!("{count:8}  {name}");
        }
        #[expect(clippy::cast_precision_loss, reason = "a number of histories")]
        let per_sec = played as f64 / elapsed.as_secs_f64();
        println!(
            "{played} histories in {:.0} s, {per_sec:.1} per second",
            elapsed.as_secs_f64()
        );
        let mut is_good = self.failures.is_empty();
        for (seed, failure) in &self.failures {
            println!("\nseed {seed} fails: {}", failure.text);
        }
        if let Some((seed, failure)) = self.failures.first() {
            let shortest = shorten(&generate(*seed), failure);
            let text = serde_json::to_string_pretty(&shortest).expect("a history is JSON");
            println!("\nthe shortest form of seed {seed}:\n{text}");
        }
        for (seed, trace) in &self.traces {
            let again = play(&generate(*seed));
            if !again.is_ok_and(|again| again.trace == *trace) {
                println!("seed {seed} has another trace the second time");
                is_good = false;
            }
        }
        let missing = if played >= REACHES_ALL {
            missing(&self.counts)
        } else {
            Vec::new()
        };
        if !missing.is_empty() {
            println!("not reached: {}", missing.join(", "));
        }
        is_good && missing.is_empty()
    }
}
