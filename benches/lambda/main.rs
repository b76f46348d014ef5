//! What the shipped binaries cost: start, first and warm events, each association, and memory, beside a bare
//! `lambda_runtime` binary built the same way. The harness plays the Runtime API and the simulated AWS, both on loopback.
//!
//! ```text
//! cargo build --release --target-dir target/shipped --package rerole --bin rotate --bin index
//! cargo build --release --target-dir target/shipped --package rerole --example bare
//! cargo bench --bench lambda
//! ```
//!
//! `cargo bench --bench lambda -- start events` takes only the parts that are named: start, events, instructions, tls, load,
//! fleet. `SHIPPED` names another folder with binaries, and `KEEP_PROFILES` keeps callgrind's files. Times are medians of runs
//! that alternate between the binaries, so that their ratio means something on a noisy machine; instructions are what
//! callgrind counts, and hardly vary.

mod function;
mod runtime_api;
mod tls;
mod world;

use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;

use function::{Function, Setup, shipped};
use serde_json::Value;
use world::{LATENCY, World, reconcile, rotation};

/// The first is what the others are measured against.
const BINARIES: [&str; 3] = ["examples/bare", "rotate", "index"];
/// Starts of each binary. The median of this many moves by a few percent from one run of the bench to the next.
const STARTS: usize = 41;
/// Sandboxes in which events are timed.
const SANDBOXES: usize = 15;
/// Between two events, so that the second does not wait for its turn at EKS.
const PAUSE: Duration = Duration::from_millis(300);
/// The cost of an association is the difference between these two fleets: as many as are done before the lease is renewed,
/// which would count.
const FEW: usize = 20;
const MANY: usize = 60;
/// Fleets for memory, `MaxConcurrency` with them, and whether they are reached by TLS, whose buffers count.
const LOADS: [(usize, usize, bool); 3] = [(1_000, 64, false), (1_000, 64, true), (1_000, 128, true)];
const FLEETS: [(usize, usize, bool); 2] = [(50_000, 64, true), (20_000, 128, true)];

#[tokio::main]
async fn main() -> io::Result<()> {
    // `cargo test --benches` runs this without `--bench`: nothing is measured then.
    if !std::env::args().any(|arg| arg == "--bench") {
        return Ok(());
    }
    let asked: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let is_asked = |part: &str| asked.is_empty() || asked.iter().any(|name| name == part);
    for name in BINARIES {
        println!("{name}: {} bytes", std::fs::metadata(shipped(name))?.len());
    }
    if is_asked("start") {
        starts().await?;
    }
    if is_asked("events") {
        events().await?;
    }
    let has = |program: &str, argument: &str| {
        let status = Command::new(program).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status();
        let is_there = status.is_ok_and(|status| status.success());
        if !is_there {
            println!("NOT MEASURED: {program} is not there");
        }
        is_there
    };
    if is_asked("instructions") && has("valgrind", "--version") {
        instructions().await?;
    }
    if is_asked("tls") && has("valgrind", "--version") && has("openssl", "version") {
        tls().await?;
    }
    for (part, loads) in [("load", LOADS.as_slice()), ("fleet", FLEETS.as_slice())] {
        for &(associations, max_concurrency, is_tls) in loads.iter().filter(|_| is_asked(part)) {
            if is_tls && !has("openssl", "version") {
                continue;
            }
            for binary in ["rotate", "index"] {
                load(binary, associations, max_concurrency, is_tls).await?;
            }
        }
    }
    Ok(())
}

/// Exec to first poll, and memory at that moment, the binaries in turn.
async fn starts() -> io::Result<()> {
    let mut times = BINARIES.map(|_| vec![]);
    let mut resident = BINARIES.map(|_| 0);
    for run in 0..BINARIES.len() * STARTS {
        let which = run % BINARIES.len();
        let function = Function::start(&Setup { binary: BINARIES[which], ..Setup::default() }).await?;
        times[which].push(function.exec_to_poll);
        resident[which] = function.memory_kib("VmRSS")?;
        function.stop().await?;
    }
    let medians = times.map(median);
    for (which, name) in BINARIES.into_iter().enumerate() {
        let ratio = medians[which].as_secs_f64() / medians[0].as_secs_f64();
        let (median, resident) = (medians[which], resident[which]);
        println!("{name}: exec to first poll {median:.2?}, {ratio:.2} of the bare one; {resident} KiB resident then");
    }
    Ok(())
}

/// The first and the second event of a sandbox, each about one association.
async fn events() -> io::Result<()> {
    for binary in ["rotate", "index"] {
        let mut took = [vec![], vec![]];
        let mut busy = [vec![], vec![]];
        let mut calls = 0;
        for _ in 0..SANDBOXES {
            let world = World::new(1, true).await?;
            let mut function = Function::start(&Setup { binary, aws_url: &world.url(), ..Setup::default() }).await?;
            for number in [0, 1] {
                let answered = function.handle(small_event(binary, &world, number)?).await?;
                took[number].push(answered.took);
                busy[number].push(answered.busy);
                tokio::time::sleep(PAUSE).await;
            }
            calls = world.aws.call_counts().values().sum();
            function.stop().await?;
            world.shutdown().await;
        }
        let ([first, warm], [first_busy, warm_busy]) = (took.map(median), busy.map(median));
        println!(
            "{binary}: first event to answer {first:.2?} ({first_busy:.2?} busy), warm event {warm:.2?} ({warm_busy:.2?} busy), \
             {calls} calls in both"
        );
    }
    Ok(())
}

/// Instructions of start, first event, warm event and association: each the difference between two runs.
async fn instructions() -> io::Result<()> {
    for binary in BINARIES {
        let setup = Setup { binary, callgrind: true, ..Setup::default() };
        println!("{binary}: {} to the first poll", millions(Function::start(&setup).await?.stop().await?));
    }
    for binary in ["rotate", "index"] {
        let mut totals = vec![];
        for events in 0..=2 {
            totals.push(
                instructions_of(binary, 1, true, |world| {
                    (0..events).map(|number| small_event(binary, world, number)).collect()
                })
                .await?,
            );
        }
        let (first, warm) = (totals[1] - totals[0], totals[2] - totals[1]);
        println!("{binary}: {} for a first event, {} for a warm one", millions(first), millions(warm));
        let mut totals = vec![];
        for associations in [FEW, MANY] {
            let event = if binary == "rotate" { rotation(0)? } else { reconcile() };
            totals.push(instructions_of(binary, associations, binary == "rotate", |_| Ok(vec![event])).await?);
        }
        let each = (totals[1] - totals[0]) / (MANY - FEW) as u64;
        println!("{binary}: {} for each association", millions(each));
    }
    Ok(())
}

/// Instructions that TLS adds to a first event: one connection to DynamoDB, and one to EKS beside it or not.
async fn tls() -> io::Result<()> {
    for binary in ["rotate", "index"] {
        let mut totals = vec![];
        for is_tls in [false, true] {
            for events in 0..=1 {
                let world = World::new(1, true).await?;
                let world = if is_tls { world.behind_tls().await? } else { world };
                let ca_bundle = world.ca_bundle();
                let (aws_url, ca_bundle) = (&world.url(), ca_bundle.as_deref());
                let setup = Setup { binary, aws_url, ca_bundle, callgrind: true, ..Setup::default() };
                let mut function = Function::start(&setup).await?;
                for number in 0..events {
                    function.handle(small_event(binary, &world, number)?).await?;
                }
                totals.push(function.stop().await?);
                world.shutdown().await;
            }
        }
        let (plain, tls) = (totals[1] - totals[0], totals[3] - totals[2]);
        println!("{binary}: {} for a first event by http, {} by https", millions(plain), millions(tls));
    }
    Ok(())
}

async fn instructions_of(
    binary: &str,
    associations: usize,
    indexed: bool,
    events: impl FnOnce(&World) -> io::Result<Vec<Value>>,
) -> io::Result<u64> {
    let world = World::new(associations, indexed).await?;
    let setup = Setup { binary, aws_url: &world.url(), callgrind: true, ..Setup::default() };
    let mut function = Function::start(&setup).await?;
    for event in events(&world)? {
        function.handle(event).await?;
    }
    let total = function.stop().await?;
    world.shutdown().await;
    Ok(total)
}

/// One event about a whole fleet: what it costs for each association, and the most memory it takes.
async fn load(binary: &str, associations: usize, max_concurrency: usize, is_tls: bool) -> io::Result<()> {
    let (event, counted) = match binary {
        "rotate" => (rotation(0)?, "updated"),
        _ => (reconcile(), "added"),
    };
    let world = World::with_latency(associations, binary == "rotate", LATENCY).await?;
    let world = if is_tls { world.behind_tls().await? } else { world };
    let ca_bundle = world.ca_bundle();
    let (aws_url, ca_bundle) = (&world.url(), ca_bundle.as_deref());
    let setup = Setup { binary, aws_url, ca_bundle, max_concurrency, ..Setup::default() };
    let mut function = Function::start(&setup).await?;
    let answered = function.handle(event).await?;
    let peak = function.memory_kib("VmHWM")?;
    let calls: usize = world.aws.call_counts().values().sum();
    let hundredths = 100 * calls / associations;
    let each = answered.busy / u32::try_from(associations).map_err(io::Error::other)?;
    println!(
        "{binary}, {associations} associations by {}, at most {max_concurrency} at once: {} {counted} in {:.1?}, peak {peak} KiB, \
         {each:.0?} busy and {}.{:02} calls for each",
        if is_tls { "https" } else { "http" },
        answered.answer["counts"][counted],
        answered.took,
        hundredths / 100,
        hundredths % 100,
    );
    for ((service, operation), count) in world.aws.call_counts() {
        println!("    {service:?} {operation}: {count}");
    }
    function.stop().await?;
    world.shutdown().await;
    Ok(())
}

/// An event about one association.
fn small_event(binary: &str, world: &World, number: usize) -> io::Result<Value> {
    if binary == "rotate" { rotation(number) } else { world.update_message(0) }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn millions(instructions: u64) -> String {
    format!("{}.{:02} M instructions", instructions / 1_000_000, instructions / 10_000 % 100)
}
