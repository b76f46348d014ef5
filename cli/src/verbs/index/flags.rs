//! The flags of `rerole index`.

use clap::{Args, Subcommand};
use rerole_core::request::{ClusterGlob, MaxConcurrency, RegionGlob};

use crate::invalid_flag::InvalidFlag;
use crate::scope::globs;
use crate::stack::flags::{OutputFlags, StackFlags};

#[derive(Debug, Subcommand)]
pub enum IndexCommand {
    /// Build the index, or correct it, by describing each association in EKS
    Build(BuildFlags),
    /// Compare the index with EKS and change neither; the exit code is 3 if they differ
    Check(CheckFlags),
    /// Show how old the index of each region is, and what its last run did
    Status(StatusFlags),
    /// Show what the index knows of one association
    Show(ShowFlags),
}

#[derive(Debug, Clone, Args)]
pub struct BuildFlags {
    #[command(flatten)]
    pub part: PartFlags,
    /// Change nothing, and do what check does
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub stack: StackFlags,
    #[command(flatten)]
    pub output: OutputFlags,
}

#[derive(Debug, Clone, Args)]
pub struct CheckFlags {
    #[command(flatten)]
    pub part: PartFlags,
    #[command(flatten)]
    pub stack: StackFlags,
    #[command(flatten)]
    pub output: OutputFlags,
}

#[derive(Debug, Clone, Args)]
pub struct StatusFlags {
    #[command(flatten)]
    pub stack: StackFlags,
    #[command(flatten)]
    pub output: OutputFlags,
}

#[derive(Debug, Clone, Args)]
pub struct ShowFlags {
    /// ARN or ID of the association
    #[arg(value_name = "ASSOCIATION")]
    pub association: String,
    #[command(flatten)]
    pub stack: StackFlags,
    #[command(flatten)]
    pub output: OutputFlags,
}

/// The part of EKS that a command covers, and how fast it works.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Part of EKS")]
pub struct PartFlags {
    /// Only regions with this name; as --cluster [default: all regions that the stack indexes]
    #[arg(long = "region", value_name = "GLOB")]
    pub regions: Vec<String>,
    /// Only clusters with this name; `*` matches any characters, `!` in front excludes; repeatable
    #[arg(long = "cluster", value_name = "GLOB")]
    pub clusters: Vec<String>,
    /// Upper limit of associations in flight; rerole finds the rate of calls by itself
    #[arg(long, value_name = "N", default_value_t)]
    pub concurrency: MaxConcurrency,
}

impl PartFlags {
    /// Returns the globs of the regions.
    ///
    /// # Errors
    /// If one is invalid.
    pub fn region_globs(&self) -> Result<Option<Vec<RegionGlob>>, InvalidFlag> {
        globs("--region", &self.regions, RegionGlob::new)
    }

    /// Returns the globs of the clusters.
    ///
    /// # Errors
    /// If one is invalid.
    pub fn cluster_globs(&self) -> Result<Option<Vec<ClusterGlob>>, InvalidFlag> {
        globs("--cluster", &self.clusters, ClusterGlob::new)
    }

    /// Returns the flags as they were typed, for commands to paste.
    pub fn text(&self) -> String {
        let lists = [("--region", &self.regions), ("--cluster", &self.clusters)];
        let flags = lists.into_iter().flat_map(|(flag, list)| {
            // A shell must not interpret `*` and `!`.
            list.iter().map(move |glob| format!(" {flag} '{glob}'"))
        });
        flags.collect()
    }
}
