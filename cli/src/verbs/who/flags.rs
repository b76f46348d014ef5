//! The flags of `rerole who`.

use clap::Args;

use crate::follow::Patience;
use crate::stack::flags::{OutputFlags, StackFlags};

#[derive(Debug, Clone, Args)]
pub struct WhoFlags {
    /// Role: its ARN, or its path and name, such as platform/app-2025
    #[arg(value_name = "ROLE")]
    pub role: String,
    /// Also ask EKS, which takes a call for each association
    #[arg(long)]
    pub verify: bool,
    /// Also ask CloudTrail and IAM who has its credentials, as `rerole drain` does
    #[arg(long)]
    pub drain: bool,
    /// Wait until no use of the role is known, at most for this time, such as 7h
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
