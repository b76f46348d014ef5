//! `rerole`, the operator's command line tool: dispatches to `demo` and `index`, which have the
//! commands.
//!
//! Exit codes: 0 if the command succeeded, 1 if it failed or found a difference, 2 if a flag is
//! invalid.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod args;
mod demo;
mod index;
mod invalid_flag;
mod terminal;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use crate::args::{Cli, Command, DemoPlan};
use crate::invalid_flag::InvalidFlag;

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Demo(flags) => match DemoPlan::try_from(&flags) {
            Ok(plan) => demo::run(&plan),
            Err(invalid) => usage_error("demo", &invalid),
        },
        Command::Index(command) => index::run(&command),
    }
}

/// Prints the error in clap's form, so all usage errors look the same and have the same exit code.
fn usage_error(command: &str, invalid: &InvalidFlag) -> ExitCode {
    let mut cli = Cli::command();
    cli.build();
    let error = match cli.find_subcommand_mut(command) {
        Some(subcommand) => subcommand.error(ErrorKind::ValueValidation, invalid),
        None => cli.error(ErrorKind::ValueValidation, invalid),
    };
    // If standard error cannot be written to, only the exit code can report the problem.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}
