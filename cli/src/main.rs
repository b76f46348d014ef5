//! `rerole`, the operator's command line tool: dispatches to its verbs, and turns how they end into
//! an exit code (`exit`).

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod answer;
mod args;
mod bus;
mod coverage;
mod demo;
mod estimate;
mod exit;
mod failure;
mod follow;
mod invalid_flag;
mod playground;
mod refusals;
mod request;
mod rotation;
mod scope;
mod silence;
mod stack;
mod stop_signals;
mod terminal;
mod users;
mod verbs;
mod verify;
mod words;

use std::io::ErrorKind;
use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::terminal::{OutputError, print_error};

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let result = runtime
        .map_err(Failure::Process)
        .and_then(|runtime| runtime.block_on(run(Cli::parse().command)));
    result.unwrap_or_else(|failure| report(&failure)).into()
}

async fn run(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Plan(flags) => verbs::plan::run(&flags).await,
        Command::Rotate(flags) => verbs::rotate::run(&flags).await,
        Command::Demo(flags) => demo::run(&flags).await,
        Command::Playground(flags) => playground::run(&flags).await,
    }
}

/// Prints why a command failed, in one line.
fn report(failure: &Failure) -> Exit {
    match failure {
        // The reader has closed the pipe, as `head` does. That needs no message.
        Failure::Output(OutputError(error)) if error.kind() == ErrorKind::BrokenPipe => {}
        _ => print_error(failure),
    }
    failure.exit()
}
