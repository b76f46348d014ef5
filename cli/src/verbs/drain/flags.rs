//! The flags of `rerole drain`.

use clap::Args;

use crate::follow::Patience;
use crate::stack::flags::{OutputFlags, StackFlags};

#[derive(Debug, Clone, Args)]
pub struct DrainFlags {
    /// Role: its ARN, or its path and name, such as platform/app-2025
    #[arg(value_name = "ROLE")]
    pub role: String,
    /// Wait until it is free, at most for this time, such as 7h
    #[arg(
        long,
        value_name = "TIMEOUT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = Patience::UNLIMITED,
    )]
    pub wait: Option<Patience>,
    #[command(flatten)]
    pub stack: StackFlags,
    #[command(flatten)]
    pub output: OutputFlags,
}
