//! The flags of `rerole queues`.

use clap::{Args, Subcommand};

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

/// The queues that a command is about.
pub fn chosen(queue: Option<Queue>) -> Vec<Queue> {
    queue.map_or_else(|| Queue::OF_FAILURES.to_vec(), |queue| vec![queue])
}
