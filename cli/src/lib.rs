//! `rerole`, the operator's command line tool: dispatches to its verbs, and turns how they end into
//! an exit code (`exit`). It is a library only for its own binary and its tests, which run the
//! playground and read what it was called.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod advice;
mod answer;
mod args;
mod bus;
mod command;
mod confirm;
mod coverage;
mod demo;
mod drain;
mod estimate;
mod exit;
mod failure;
mod follow;
mod found;
mod frozen;
mod functions;
#[cfg(feature = "evidence")]
mod iam;
mod invalid_flag;
pub mod live;
#[cfg(test)]
mod manual;
mod named;
#[cfg(not(feature = "evidence"))]
mod no_preflight;
mod outage;
pub mod playground;
#[cfg(feature = "evidence")]
mod preflight;
mod preflight_flags;
mod queue;
mod refusals;
mod request;
mod rotation;
#[cfg(test)]
mod schema;
mod scope;
mod section;
mod silence;
mod stack;
mod stop_signals;
mod table;
mod terminal;
#[cfg(test)]
mod testing;
mod users;
mod verbs;
mod verify;
mod words;

use std::io::ErrorKind;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use rerole_core::command::{RotationOrder, StackOrder};

use crate::args::{Cli, Command};
use crate::exit::Exit;
use crate::failure::Failure;
#[cfg(not(feature = "evidence"))]
use crate::no_preflight as preflight;
use crate::terminal::{OutputError, print_error};

/// Runs the command that the arguments of the process name.
pub fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let result = runtime
        .map_err(Failure::Process)
        .and_then(|runtime| runtime.block_on(run(Cli::parse().command)));
    result.unwrap_or_else(|failure| report(&failure)).into()
}

async fn run(command: Command) -> Result<Exit, Failure> {
    // Boxed, since together their states would take a hundred kilobytes of stack.
    match command {
        Command::Plan(flags) => Box::pin(verbs::plan::run(&flags)).await,
        #[cfg(feature = "evidence")]
        Command::Preflight(flags) => Box::pin(verbs::preflight::run(&flags)).await,
        Command::Rotate(flags) => Box::pin(verbs::rotate::run(&flags)).await,
        Command::Who(flags) => Box::pin(verbs::who::run(&flags)).await,
        Command::Drain(flags) => Box::pin(verbs::drain::run(&flags)).await,
        Command::Index(command) => Box::pin(verbs::index::run(&command)).await,
        Command::Queues(command) => Box::pin(verbs::queues::run(&command)).await,
        Command::Doctor(flags) => Box::pin(verbs::doctor::run(&flags)).await,
        Command::Version(flags) => Box::pin(verbs::version::run(&flags)).await,
        Command::List(flags) => Box::pin(verbs::list::run(&flags)).await,
        Command::Status(flags) => Box::pin(verbs::status::run(&flags)).await,
        Command::Report(flags) => Box::pin(verbs::report::run(&flags)).await,
        Command::Pause(flags) => Box::pin(verbs::steer::run(RotationOrder::Pause, &flags)).await,
        Command::Resume(flags) => Box::pin(verbs::steer::run(RotationOrder::Resume, &flags)).await,
        Command::Cancel(flags) => Box::pin(verbs::steer::run(RotationOrder::Cancel, &flags)).await,
        Command::Retry(flags) => Box::pin(verbs::steer::run(RotationOrder::Retry, &flags)).await,
        Command::Rollback(flags) => Box::pin(verbs::steer::roll_back(&flags)).await,
        Command::Change(flags) => Box::pin(verbs::steer::change(&flags)).await,
        Command::Freeze(flags) => Box::pin(verbs::freeze::run(StackOrder::Freeze, &flags)).await,
        Command::Unfreeze(flags) => {
            Box::pin(verbs::freeze::run(StackOrder::Unfreeze, &flags)).await
        }
        Command::Completions(flags) => verbs::completions::run(&flags, Cli::command()),
        Command::Demo(flags) => Box::pin(demo::run(&flags)).await,
        Command::Playground(flags) => Box::pin(playground::run(&flags)).await,
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
