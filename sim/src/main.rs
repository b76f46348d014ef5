//! `rerole-sim`: the simulated AWS on loopback, for clients that are not written in Rust.
//!
//! It prints `listening on http://127.0.0.1:PORT` first, and ends on Ctrl-C, on SIGTERM, or when its time is up, so that
//! one that was forgotten does not run on.

use rerole_sim::fleet::Fleet;
use rerole_sim::{Call, Fault, Options, RoleState, SimulatedAws, Throttle};
use std::fs::File;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "\
rerole-sim: a simulated AWS (EKS Pod Identity associations, DynamoDB, the start of state machines) on 127.0.0.1

  --port N               listen here; 0, the default, takes a free port
  --seed N               everything random is drawn from this (1)
  --fleet N              start with N associations, two fifths of them on one role (0)
  --seconds N            live at most this long (600)
  --latency-ms N         latency of each call (0)
  --throttle RATE,BURST  throttle EKS per account and region, in calls per second and calls at once
  --role-missing ARN     EKS does not find this role; may be repeated
  --role-bad-trust ARN   EKS finds the role's trust policy wrong; may be repeated
  --state-machine ARN    this state machine can be started; may be repeated
  --faults-by-region     calls in a region named fault-STATUS-CODE get that error
  --trail FILE           append an event to FILE for each EKS call that changes something: a line of JSON, as CloudTrail
                         tells EventBridge, there before the caller has its answer
";

/// The tables that the product's contract names.
const INDEX_TABLE: &str = "AssociationIndex";
const LEDGER_TABLE: &str = "RotationLedger";

struct Arguments {
    port: u16,
    fleet: usize,
    lifetime: Duration,
    options: Options,
    roles: Vec<(String, RoleState)>,
    state_machines: Vec<String>,
    faults_by_region: bool,
    trail: Option<String>,
}

fn main() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(problem) => {
            eprintln!("rerole-sim: {problem}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(run(arguments))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rerole-sim: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> std::io::Result<()> {
    let aws = SimulatedAws::new(arguments.options);
    aws.create_tables(INDEX_TABLE, LEDGER_TABLE);
    if arguments.fleet > 0 {
        let (associations, rotating) = (arguments.fleet, arguments.fleet * 2 / 5);
        Fleet { associations, rotating, seed: aws.options().seed, ..Fleet::default() }.build(&aws, INDEX_TABLE);
    }
    aws.eks(|eks| {
        for (role, state) in &arguments.roles {
            eks.role_state(role, *state);
        }
    });
    for arn in &arguments.state_machines {
        aws.create_state_machine(arn);
    }
    if arguments.faults_by_region {
        aws.on_call(fault_by_region);
    }
    if let Some(path) = arguments.trail {
        follow_trail(&aws, path)?;
    }
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let server = aws.serve_on(arguments.port).await?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "listening on {}", server.url())?;
    stdout.flush()?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        () = tokio::time::sleep(arguments.lifetime) => {}
    }
    server.shutdown().await;
    Ok(())
}

/// Appends each event to the file. A file has no buffer of our own in front, so that a line is there once it is written.
fn follow_trail(aws: &SimulatedAws, path: String) -> std::io::Result<()> {
    let mut file = File::options().create(true).append(true).open(&path)?;
    aws.on_event(move |event| {
        if let Err(error) = file.write_all(format!("{event}\n").as_bytes()) {
            eprintln!("rerole-sim: {path} misses an event: {error}");
        }
    });
    Ok(())
}

/// A client in the region `fault-500-ServerException` has every call fail like that: any error of any operation can be
/// had over HTTP.
fn fault_by_region(call: &Call) -> Fault {
    let mut parts = call.region.splitn(3, '-');
    match (parts.next(), parts.next().and_then(|status| status.parse().ok()), parts.next()) {
        (Some("fault"), Some(status), Some(code)) => {
            Fault::Error { status, code: code.to_owned(), message: format!("injected into {}", call.operation) }
        }
        _ => Fault::None,
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut arguments = Arguments {
        port: 0,
        fleet: 0,
        lifetime: Duration::from_mins(10),
        options: Options { latency: Duration::ZERO..=Duration::ZERO, keep_log: false, ..Options::default() },
        roles: Vec::new(),
        state_machines: Vec::new(),
        faults_by_region: false,
        trail: None,
    };
    while let Some(flag) = words.next() {
        if flag == "--faults-by-region" {
            arguments.faults_by_region = true;
            continue;
        }
        let value = words.next().ok_or_else(|| format!("{flag} is unknown or needs a value"))?;
        match flag.as_str() {
            "--port" => arguments.port = number(&flag, &value)?,
            "--seed" => arguments.options.seed = number(&flag, &value)?,
            "--fleet" => arguments.fleet = number(&flag, &value)?,
            "--seconds" => arguments.lifetime = Duration::from_secs(number(&flag, &value)?),
            "--latency-ms" => {
                let latency = Duration::from_millis(number(&flag, &value)?);
                arguments.options.latency = latency..=latency;
            }
            "--throttle" => {
                let (rate, burst) = value.split_once(',').ok_or("--throttle takes RATE,BURST")?;
                let (rate_per_sec, burst) = (number(&flag, rate)?, number(&flag, burst)?);
                arguments.options.throttle = Some(Throttle { rate_per_sec, burst });
            }
            "--trail" => {
                arguments.options.trail = true;
                arguments.trail = Some(value);
            }
            "--state-machine" => arguments.state_machines.push(value),
            "--role-missing" => arguments.roles.push((value, RoleState::Missing)),
            "--role-bad-trust" => arguments.roles.push((value, RoleState::BadTrust)),
            _ => return Err(format!("{flag} is unknown")),
        }
    }
    Ok(arguments)
}

fn number<T: std::str::FromStr>(flag: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{flag} takes a number, not {value}"))
}
