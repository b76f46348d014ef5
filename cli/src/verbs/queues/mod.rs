//! `rerole queues`: what failed and could not be delivered, and sending it again.

mod inbox;
mod list;
mod message;
mod redrive;
mod republish;
mod resend;
mod show;

use clap::{Args, Subcommand};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::queue::Queue;
use crate::stack::flags::{OutputFlags, StackFlags};

#[derive(Debug, Subcommand)]
pub enum QueuesCommand {
    /// Count the messages of each queue
    List(ListFlags),
    /// Show the messages of a queue; each look counts as a receive
    Show(ShowFlags),
    /// Send what failed again, and delete it where that succeeds
    Redrive(RedriveFlags),
}

#[derive(Debug, Clone, Args)]
pub struct ListFlags {
    #[command(flatten)]
    pub stack: StackFlags,
    #[command(flatten)]
    pub output: OutputFlags,
}

#[derive(Debug, Clone, Args)]
pub struct ShowFlags {
    /// Queue to show [default: those of what failed]
    #[arg(value_name = "QUEUE", value_enum)]
    pub queue: Option<Queue>,
    #[command(flatten)]
    pub stack: StackFlags,
    #[command(flatten)]
    pub output: OutputFlags,
}

#[derive(Debug, Clone, Args)]
pub struct RedriveFlags {
    /// Queue to empty [default: those of what failed]
    #[arg(value_name = "QUEUE", value_enum)]
    pub queue: Option<Queue>,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    #[command(flatten)]
    pub stack: StackFlags,
    #[command(flatten)]
    pub output: OutputFlags,
}

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

/// The queues that a command is about.
fn chosen(queue: Option<Queue>) -> Vec<Queue> {
    queue.map_or_else(|| Queue::OF_FAILURES.to_vec(), |queue| vec![queue])
}
