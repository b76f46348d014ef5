//! The flags of commands that a preflight is part of. The preflight itself is not in every build.

use clap::Args;

/// Which findings do not count.
#[derive(Debug, Clone, Default, Args)]
pub struct AcceptFlags {
    /// Accept this finding of the preflight, by its ID; repeatable
    #[arg(long = "accept", value_name = "ID")]
    pub accept: Vec<String>,
}

/// Whether there is a preflight, and which findings do not count.
#[derive(Debug, Clone, Default, Args)]
pub struct PreflightFlags {
    /// Do not check whether the new role will work
    #[arg(long, conflicts_with = "accept")]
    pub no_preflight: bool,
    #[command(flatten)]
    pub accept: AcceptFlags,
}
