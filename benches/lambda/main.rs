//! What the shipped binaries cost: start, first and warm events, each association, and memory. A
//! bare `lambda_runtime` binary that is built the same way is measured beside them. The bench
//! simulates the Runtime API and AWS, both on loopback.
//!
//! ```text
//! cargo build --release --target-dir target/shipped --package rerole --bins
//! cargo build --release --target-dir target/shipped --package rerole --example bare
//! cargo bench --bench lambda
//! ```
//!
//! `cargo bench --bench lambda -- start events` runs only the named parts: start, events,
//! instructions, tls, load, fleet. `SHIPPED` names another folder with binaries, and
//! `KEEP_PROFILES` keeps the files of callgrind. Times are medians of runs that alternate between
//! the binaries, so their ratio is meaningful even on a noisy machine. Callgrind counts
//! instructions, which hardly vary.

mod function;
mod harness;
mod paths;
mod runtime_api;
mod tls;

use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;

use function::{Function, Setup};
use harness::{FleetEvent, Harness, Index, LATENCY, Protocol, published_entry, rotation};
use paths::shipped;
use serde_json::Value;

/// The others are compared with the first.
const BINARIES: [&str; 4] = ["examples/bare", "rotate", "indexer", "publisher"];
const FUNCTIONS: [&str; 3] = ["rotate", "indexer", "publisher"];
/// Those that work on fleets.
const OF_FLEETS: [&str; 2] = ["rotate", "indexer"];
/// Starts of each binary. The median of this many varies by a few percent between runs of the
/// bench.
const STARTS: usize = 41;
/// Sandboxes in which events are timed.
const SANDBOXES: usize = 15;
/// Pause between two events, so the second one does not wait for a permit of the rate limiter.
const PAUSE: Duration = Duration::from_millis(300);
/// The cost of an association is the difference between these two fleets. Both are finished before
/// the lease is renewed, which would add to the cost.
const FEW: usize = 20;
const MANY: usize = 60;
const LOADS: [Load; 3] = [
    Load::new(1_000, 64, Protocol::Http),
    Load::new(1_000, 64, Protocol::Https),
    Load::new(1_000, 128, Protocol::Https),
];
const FLEETS: [Load; 2] = [
    Load::new(50_000, 64, Protocol::Https),
    Load::new(20_000, 128, Protocol::Https),
];

/// A fleet whose memory and cost are measured.
#[derive(Clone, Copy)]
struct Load {
    associations: usize,
    max_concurrency: usize,
    protocol: Protocol,
}

impl Load {
    const fn new(associations: usize, max_concurrency: usize, protocol: Protocol) -> Self {
        Self {
            associations,
            max_concurrency,
            protocol,
        }
    }
}

#[tokio::main]
async fn main() -> io::Result<()> {
    // `cargo test --benches` runs this without `--bench` and measures nothing.
    if !std::env::args().any(|arg| arg == "--bench") {
        return Ok(());
    }
    let parts: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with("--"))
        .collect();
    let is_requested = |part: &str| parts.is_empty() || parts.iter().any(|name| name == part);
    for name in BINARIES {
        println!("{name}: {} bytes", std::fs::metadata(shipped(name))?.len());
    }
    if is_requested("start") {
        starts().await?;
    }
    if is_requested("events") {
        events().await?;
    }
    if is_requested("instructions") && is_installed("valgrind", "--version") {
        instructions().await?;
    }
    if is_requested("tls")
        && is_installed("valgrind", "--version")
        && is_installed("openssl", "version")
    {
        tls().await?;
    }
    for (part, loads) in [("load", LOADS.as_slice()), ("fleet", FLEETS.as_slice())] {
        for &load in loads.iter().filter(|_| is_requested(part)) {
            if load.protocol == Protocol::Https && !is_installed("openssl", "version") {
                continue;
            }
            for binary in OF_FLEETS {
                whole_fleet(binary, load).await?;
            }
        }
    }
    Ok(())
}

/// Whether the program runs. Prints a note if it does not.
fn is_installed(program: &str, argument: &str) -> bool {
    let status = Command::new(program)
        .arg(argument)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let is_installed = status.is_ok_and(|status| status.success());
    if !is_installed {
        println!("NOT MEASURED: {program} is not installed");
    }
    is_installed
}

/// Time from exec to the first poll, and memory at that point. The binaries alternate.
async fn starts() -> io::Result<()> {
    let mut times = BINARIES.map(|_| vec![]);
    let mut resident = BINARIES.map(|_| 0);
    for run in 0..BINARIES.len() * STARTS {
        let which = run % BINARIES.len();
        let function = Function::start(&Setup {
            binary: BINARIES[which],
            ..Setup::default()
        })
        .await?;
        times[which].push(function.exec_to_poll);
        resident[which] = function.memory_kib("VmRSS")?;
        function.stop().await?;
    }
    let medians = times.map(median);
    for (which, name) in BINARIES.into_iter().enumerate() {
        let ratio = medians[which].as_secs_f64() / medians[0].as_secs_f64();
        let (median, resident) = (medians[which], resident[which]);
        println!(
            "{name}: exec to first poll {median:.2?}, {ratio:.2} of the bare one, \
             {resident} KiB resident"
        );
    }
    Ok(())
}

/// The first and the second event of a sandbox, each about one association.
async fn events() -> io::Result<()> {
    for binary in FUNCTIONS {
        let mut took = [vec![], vec![]];
        let mut busy = [vec![], vec![]];
        let mut calls = 0;
        for _ in 0..SANDBOXES {
            let harness = Harness::new(1, Index::Complete, Protocol::Http).await?;
            let mut function = Function::start(&Setup {
                binary,
                aws_url: &harness.url(),
                ..Setup::default()
            })
            .await?;
            for number in [0, 1] {
                let event = small_event(binary, &harness, number)?;
                let handled = function.handle(event).await?;
                took[number].push(handled.took);
                busy[number].push(handled.busy);
                tokio::time::sleep(PAUSE).await;
            }
            calls = harness.aws.call_counts().values().sum();
            function.stop().await?;
            harness.shutdown().await;
        }
        let ([first, warm], [first_busy, warm_busy]) = (took.map(median), busy.map(median));
        println!(
            "{binary}: first event {first:.2?} ({first_busy:.2?} busy), \
             warm event {warm:.2?} ({warm_busy:.2?} busy), {calls} calls in both"
        );
    }
    Ok(())
}

/// Instructions of start, first event, warm event and association. Each is the difference of two
/// runs.
async fn instructions() -> io::Result<()> {
    for binary in BINARIES {
        let setup = Setup {
            binary,
            callgrind: true,
            ..Setup::default()
        };
        let total = Function::start(&setup).await?.stop().await?;
        println!("{binary}: {} to the first poll", millions(total));
    }
    for binary in FUNCTIONS {
        let mut totals = vec![];
        for events in 0..=2 {
            let harness = Harness::new(1, Index::Complete, Protocol::Http).await?;
            let events = (0..events).map(|number| small_event(binary, &harness, number));
            let events = events.collect::<io::Result<_>>()?;
            totals.push(instructions_of(binary, harness, events).await?);
        }
        let (first, warm) = (totals[1] - totals[0], totals[2] - totals[1]);
        println!(
            "{binary}: {} for a first event, {} for a warm one",
            millions(first),
            millions(warm)
        );
        if !OF_FLEETS.contains(&binary) {
            continue;
        }
        let mut totals = vec![];
        for associations in [FEW, MANY] {
            let FleetEvent { event, index, .. } = FleetEvent::of(binary)?;
            let harness = Harness::new(associations, index, Protocol::Http).await?;
            totals.push(instructions_of(binary, harness, vec![event]).await?);
        }
        let each = (totals[1] - totals[0]) / (MANY - FEW) as u64;
        println!("{binary}: {} for each association", millions(each));
    }
    Ok(())
}

/// Instructions that TLS adds to a first event. The function opens a connection to DynamoDB, and in
/// some events also one to EKS.
async fn tls() -> io::Result<()> {
    for binary in FUNCTIONS {
        let mut totals = vec![];
        for protocol in [Protocol::Http, Protocol::Https] {
            for events in 0..=1 {
                let harness = Harness::new(1, Index::Complete, protocol).await?;
                let events = (0..events).map(|number| small_event(binary, &harness, number));
                let events = events.collect::<io::Result<_>>()?;
                totals.push(instructions_of(binary, harness, events).await?);
            }
        }
        let (http, https) = (totals[1] - totals[0], totals[3] - totals[2]);
        println!(
            "{binary}: {} for a first event by http, {} by https",
            millions(http),
            millions(https)
        );
    }
    Ok(())
}

/// Instructions from exec to the end of these events.
async fn instructions_of(binary: &str, harness: Harness, events: Vec<Value>) -> io::Result<u64> {
    let ca_bundle = harness.ca_bundle();
    let setup = Setup {
        binary,
        aws_url: &harness.url(),
        ca_bundle: ca_bundle.as_deref(),
        callgrind: true,
        ..Setup::default()
    };
    let mut function = Function::start(&setup).await?;
    for event in events {
        function.handle(event).await?;
    }
    let total = function.stop().await?;
    harness.shutdown().await;
    Ok(total)
}

/// One event about a whole fleet: the cost of each association, and the peak of memory.
async fn whole_fleet(binary: &str, load: Load) -> io::Result<()> {
    let Load {
        associations,
        max_concurrency,
        protocol,
    } = load;
    let FleetEvent {
        event,
        index,
        count,
    } = FleetEvent::of(binary)?;
    let harness = Harness::with_latency(associations, index, protocol, LATENCY).await?;
    let ca_bundle = harness.ca_bundle();
    let setup = Setup {
        binary,
        aws_url: &harness.url(),
        ca_bundle: ca_bundle.as_deref(),
        max_concurrency,
        ..Setup::default()
    };
    let mut function = Function::start(&setup).await?;
    let handled = function.handle(event).await?;
    let peak = function.memory_kib("VmHWM")?;
    let calls: usize = harness.aws.call_counts().values().sum();
    let hundredths = 100 * calls / associations;
    let each = handled.busy / u32::try_from(associations).map_err(io::Error::other)?;
    println!(
        "{binary}, {associations} associations by {}, at most {max_concurrency} in flight: \
         {} {count} in {:.1?}, peak {peak} KiB, {each:.0?} busy and {}.{:02} calls for each",
        match protocol {
            Protocol::Http => "http",
            Protocol::Https => "https",
        },
        handled.response["counts"][count],
        handled.took,
        hundredths / 100,
        hundredths % 100,
    );
    for ((service, operation), count) in harness.aws.call_counts() {
        println!("    {service:?} {operation}: {count}");
    }
    function.stop().await?;
    harness.shutdown().await;
    Ok(())
}

/// An event about one association, or one entry of a timeline.
fn small_event(binary: &str, harness: &Harness, number: usize) -> io::Result<Value> {
    match binary {
        "rotate" => rotation(number),
        "publisher" => published_entry(number),
        _ => harness.update_message(0),
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn millions(instructions: u64) -> String {
    format!(
        "{}.{:02} M instructions",
        instructions / 1_000_000,
        instructions / 10_000 % 100
    )
}
