//! `rerole`, the operator's tool: flags in, an exit code out. What each command does is in its own module.
//!
//! Exit codes: 0 when everything held, 1 when something did not, 2 for flags that make no sense.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod args;
mod demo;
mod index;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use args::{Cli, Command, DemoPlan, InvalidFlag};

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Demo(flags) => match DemoPlan::try_from(&flags) {
            Ok(plan) => demo::run(&plan),
            Err(invalid) => usage_error("demo", &invalid),
        },
        Command::Index(command) => index::run(&command),
    }
}

/// Says what is wrong with a flag in clap's own form, so that both kinds of usage errors look and end alike.
fn usage_error(command: &str, invalid: &InvalidFlag) -> ExitCode {
    let mut cli = Cli::command();
    cli.build();
    let error = match cli.find_subcommand_mut(command) {
        Some(subcommand) => subcommand.error(ErrorKind::ValueValidation, invalid),
        None => cli.error(ErrorKind::ValueValidation, invalid),
    };
    // Where the message cannot be written, the exit code is all that is left to say.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}
