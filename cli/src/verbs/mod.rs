//! The verbs of the CLI, a file or folder each. What several of them share is beside this folder.

pub mod completions;
pub mod doctor;
pub mod drain;
pub mod freeze;
pub mod index;
pub mod list;
pub mod plan;
#[cfg(feature = "evidence")]
pub mod preflight;
pub mod queues;
pub mod report;
pub mod rotate;
pub mod status;
pub mod steer;
pub mod version;
pub mod who;

use clap::Args;

use crate::follow::Patience;

/// The flags of every verb that changes something.
#[derive(Debug, Clone, Default, Args)]
pub struct ChangeFlags {
    /// Why, for example a change ticket; it is recorded
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Wait until it is done, at most for this time, such as 30m
    #[arg(
        long,
        value_name = "TIMEOUT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = Patience::UNLIMITED,
    )]
    pub wait: Option<Patience>,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}
