//! `rerole index`: builds, checks and shows the association index by hand. The reconciler of the
//! function does the work.

pub mod build;
pub mod check;
mod expected;
pub mod flags;
mod run_view;
pub mod selection;
pub mod show;
pub mod status;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::verbs::index::flags::IndexCommand;

/// Runs a command.
///
/// # Errors
/// If it has no result.
pub async fn run(command: &IndexCommand) -> Result<Exit, Failure> {
    match command {
        IndexCommand::Build(flags) => Box::pin(build::run(flags)).await,
        IndexCommand::Check(flags) => Box::pin(check::run(flags)).await,
        IndexCommand::Status(flags) => Box::pin(status::run(flags)).await,
        IndexCommand::Show(flags) => Box::pin(show::run(flags)).await,
    }
}

#[cfg(test)]
mod tests;
