//! The cost of an event as fleets grow: time, processor time, calls and memory of the release
//! binaries, against a simulated AWS that responds at once and throttles no call. An association
//! should cost the same in every fleet.
//!
//! ```text
//! cargo build --release --target-dir target/shipped --package rerole --bin rotate --bin indexer
//! cargo bench --bench scale
//! ```
//!
//! `SHIPPED` names another folder with binaries.

#[path = "../lambda/function.rs"]
#[expect(dead_code, reason = "only the `lambda` bench uses all of it")]
mod function;
#[path = "../lambda/harness.rs"]
#[expect(dead_code, reason = "only the `lambda` bench uses all of it")]
mod harness;
#[path = "../lambda/paths.rs"]
mod paths;
#[path = "../lambda/runtime_api.rs"]
mod runtime_api;
#[path = "../lambda/tls.rs"]
mod tls;

use std::io;
use std::time::Duration;

use function::{Function, Setup};
use harness::{FleetEvent, Harness, Protocol};

const FLEETS: [usize; 3] = [1_000, 10_000, 100_000];

/// The cost of one event about a whole fleet.
#[derive(Debug)]
struct Cost {
    associations: usize,
    took: Duration,
    busy: Duration,
    calls: usize,
    peak_kib: u64,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    // `cargo test --benches` runs this without `--bench` and measures nothing.
    if !std::env::args().any(|arg| arg == "--bench") {
        return Ok(());
    }
    println!(
        "| event | associations | time | processor time for each | calls for each | peak memory |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for binary in ["rotate", "indexer"] {
        let mut smallest = None;
        for associations in FLEETS {
            let cost = measure(binary, associations).await?;
            let smallest = smallest.get_or_insert((cost.busy_each(), cost.calls_each()));
            println!("{}", cost.row(binary, smallest));
        }
    }
    Ok(())
}

/// Measures one event about a whole fleet.
async fn measure(binary: &str, associations: usize) -> io::Result<Cost> {
    let FleetEvent {
        event,
        index,
        count,
    } = FleetEvent::of(binary)?;
    let harness = Harness::new(associations, index, Protocol::Http).await?;
    let mut function = Function::start(&Setup {
        binary,
        aws_url: &harness.url(),
        ..Setup::default()
    })
    .await?;
    let handled = function.handle(event).await?;
    if handled.response["counts"][count] != associations {
        return Err(io::Error::other(format!(
            "{binary} did not finish: {}",
            handled.response
        )));
    }
    let calls = harness.aws.call_counts().values().sum();
    let peak_kib = function.memory_kib("VmHWM")?;
    function.stop().await?;
    harness.shutdown().await;
    Ok(Cost {
        associations,
        took: handled.took,
        busy: handled.busy,
        calls,
        peak_kib,
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "at most a few hundred thousand calls"
)]
impl Cost {
    /// Processor time of an association, in microseconds.
    fn busy_each(&self) -> f64 {
        self.busy.as_secs_f64() * 1e6 / self.associations as f64
    }

    fn calls_each(&self) -> f64 {
        self.calls as f64 / self.associations as f64
    }

    /// A row of the table. `smallest` holds the processor time and the calls of an association in
    /// the smallest fleet.
    fn row(&self, binary: &str, smallest: &(f64, f64)) -> String {
        let (busy, calls) = (self.busy_each(), self.calls_each());
        format!(
            "| {binary} | {} | {:.1} s | {busy:.0} µs ({:.2}) | {calls:.3} ({:.2}) | {:.1} MiB |",
            self.associations,
            self.took.as_secs_f64(),
            busy / smallest.0,
            calls / smallest.1,
            self.peak_kib as f64 / 1024.0
        )
    }
}
