//! `rerole-sim`: the simulated AWS on 127.0.0.1, for clients in any language.
//!
//! It prints `listening on http://127.0.0.1:PORT` first. It ends on Ctrl-C, on SIGTERM, or when its
//! time is up: a forgotten process does not run forever.

mod args;
mod samples;

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use rerole_sim::{Call, Fault, RoleState, SimulatedAws};
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use crate::args::{Args, INDEX_TABLE, LEDGER_TABLE};

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(run(args))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rerole-sim: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> io::Result<()> {
    let aws = SimulatedAws::new(args.options());
    aws.create_tables(INDEX_TABLE, LEDGER_TABLE);
    if let Some(fleet) = args.fleet() {
        fleet.build(&aws, INDEX_TABLE);
        let regions: Vec<&str> = fleet.regions.iter().map(String::as_str).collect();
        aws.complete_index(LEDGER_TABLE, &regions);
    }
    aws.eks(|eks| {
        args.missing_roles
            .iter()
            .for_each(|role| eks.set_role_state(role, RoleState::Missing));
        args.bad_trust_roles
            .iter()
            .for_each(|role| eks.set_role_state(role, RoleState::BadTrust));
    });
    args.state_machines
        .iter()
        .for_each(|arn| aws.create_state_machine(arn));
    if args.samples {
        samples::create(&aws);
    }
    if args.faults_by_region {
        aws.on_call(fault_by_region);
    }
    let lifetime = args.lifetime();
    if let Some(path) = args.cloudtrail {
        write_events(&aws, path)?;
    }
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let server = aws.serve_on(args.port).await?;
    let mut stdout = io::stdout();
    writeln!(stdout, "listening on {}", server.url())?;
    stdout.flush()?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        () = sleep(lifetime) => {}
    }
    server.shutdown().await;
    Ok(())
}

/// Appends each event to the file. The file is not buffered, so a reader sees each line as soon as
/// it is written.
fn write_events(aws: &SimulatedAws, path: PathBuf) -> io::Result<()> {
    let mut file = File::options().create(true).append(true).open(&path)?;
    aws.on_cloudtrail_event(move |event| {
        if let Err(error) = file.write_all(format!("{event}\n").as_bytes()) {
            eprintln!(
                "rerole-sim: an event was not written to {}: {error}",
                path.display()
            );
        }
    });
    Ok(())
}

/// Fails every call in the region `fault-STATUS-CODE` with this status and error code. In this way
/// a client can receive any error of any operation.
fn fault_by_region(call: &Call) -> Fault {
    let error = call
        .region
        .strip_prefix("fault-")
        .and_then(|error| error.split_once('-'));
    match error.and_then(|(status, code)| Some((status.parse().ok()?, code))) {
        Some((status, code)) => Fault::Error {
            status,
            code: code.to_owned(),
            message: format!("injected into {}", call.operation),
        },
        None => Fault::None,
    }
}
