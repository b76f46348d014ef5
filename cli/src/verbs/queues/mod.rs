//! `rerole queues`: what failed and could not be delivered, and sending it again.

pub mod flags;
mod inbox;
pub mod list;
mod message;
pub mod redrive;
mod republish;
mod resend;
pub mod show;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::verbs::queues::flags::QueuesCommand;

/// Runs a command.
///
/// # Errors
/// If it has no result.
pub async fn run(command: &QueuesCommand) -> Result<Exit, Failure> {
    match command {
        QueuesCommand::List(flags) => list::run(flags).await,
        QueuesCommand::Show(flags) => show::run(flags).await,
        QueuesCommand::Redrive(flags) => redrive::run(flags).await,
    }
}
