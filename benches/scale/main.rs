//! What a rotation costs as fleets grow: time, processor time, calls and memory of the release binary, against a simulated
//! AWS that answers at once and throttles nobody. Each association should cost the same, whatever the fleet.
//!
//! ```text
//! cargo build --release --target-dir target/shipped --package rerole --bin rotate --bin index
//! cargo bench --bench scale
//! ```
//!
//! `SHIPPED` names another folder with binaries.

#[path = "../lambda/function.rs"]
#[expect(dead_code, reason = "the bench of one function's costs uses all of it")]
mod function;
#[path = "../lambda/runtime_api.rs"]
mod runtime_api;
#[path = "../lambda/tls.rs"]
mod tls;
#[path = "../lambda/world.rs"]
#[expect(dead_code, reason = "the bench of one function's costs uses all of it")]
mod world;

use std::io;
use std::time::Duration;

use function::{Function, Setup};
use world::{World, reconcile, rotation};

const FLEETS: [usize; 3] = [1_000, 10_000, 100_000];

/// What one event about a whole fleet has cost.
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
    // `cargo test --benches` runs this without `--bench`: nothing is measured then.
    if !std::env::args().any(|arg| arg == "--bench") {
        return Ok(());
    }
    println!("| event | associations | time | processor time for each | calls for each | peak memory |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for binary in ["rotate", "index"] {
        let mut smallest = None;
        for associations in FLEETS {
            let cost = cost(binary, associations).await?;
            println!("{}", cost.row(binary, smallest.get_or_insert((cost.busy_each(), cost.calls_each()))));
        }
    }
    Ok(())
}

/// Moves every association, or builds the index of them from nothing.
async fn cost(binary: &str, associations: usize) -> io::Result<Cost> {
    let (event, counted) = match binary {
        "rotate" => (rotation(0)?, "updated"),
        _ => (reconcile(), "added"),
    };
    let world = World::new(associations, binary == "rotate").await?;
    let mut function = Function::start(&Setup { binary, aws_url: &world.url(), ..Setup::default() }).await?;
    let answered = function.handle(event).await?;
    if answered.answer["counts"][counted] != associations {
        return Err(io::Error::other(format!("{binary} did not come to its end: {}", answered.answer)));
    }
    let calls = world.aws.call_counts().values().sum();
    let peak_kib = function.memory_kib("VmHWM")?;
    function.stop().await?;
    world.shutdown().await;
    Ok(Cost { associations, took: answered.took, busy: answered.busy, calls, peak_kib })
}

#[expect(clippy::cast_precision_loss, reason = "a few hundred thousand calls")]
impl Cost {
    /// In microseconds.
    fn busy_each(&self) -> f64 {
        self.busy.as_secs_f64() * 1e6 / self.associations as f64
    }

    fn calls_each(&self) -> f64 {
        self.calls as f64 / self.associations as f64
    }

    /// A row of the table. `smallest` are processor time and calls for each association of the smallest fleet.
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
