//! The command line: its verbs. The flags of each verb are in its module.

use clap::{Parser, Subcommand};

use crate::demo::flags::DemoFlags;
use crate::playground::flags::PlaygroundFlags;
use crate::verbs::plan::PlanFlags;
use crate::verbs::rotate::RotateFlags;

/// Moves EKS Pod Identity associations from one IAM role to another, safely
///
/// It puts requests and commands on the bus of a deployed stack, and reads its tables. It never
/// writes to EKS.
#[derive(Debug, Parser)]
#[command(name = "rerole", version, about, long_about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Find out what a rotation would move, and what would stay: a dry run
    Plan(PlanFlags),
    /// Move the associations of a role to another one
    Rotate(RotateFlags),
    /// Rotate a simulated fleet on this machine, without an AWS account; only 127.0.0.1 is used
    Demo(DemoFlags),
    /// Run a stack in a simulated AWS on this machine, for every command of this tool
    Playground(PlaygroundFlags),
}
