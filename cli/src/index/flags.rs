//! The flags of `rerole index`, and the requests that they make. The commands are in `mod.rs`.

use clap::{Args, Subcommand, ValueEnum};
use rerole_core::indexing::{Mode, RunRequest};
use rerole_core::request::{ClusterGlob, MaxConcurrency};
use rerole_core::resource::is_region;

use crate::invalid_flag::InvalidFlag;

#[derive(Debug, Subcommand)]
pub enum IndexCommand {
    /// Build the index, or correct it, by describing each association in EKS
    Build(BuildFlags),
    /// Show the associations that use a role, or one association, according to the index
    Show(ShowFlags),
    /// Compare the index with EKS and change neither; the exit code is 1 if they differ
    Check(CheckFlags),
}

#[derive(Debug, Clone, Args)]
pub struct BuildFlags {
    #[command(flatten)]
    pub aws: AwsFlags,
    #[command(flatten)]
    pub scope: ScopeFlags,
    /// Change nothing, and do what check does
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Clone, Args)]
pub struct CheckFlags {
    #[command(flatten)]
    pub aws: AwsFlags,
    #[command(flatten)]
    pub scope: ScopeFlags,
    /// Format of the differences
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}

#[derive(Debug, Clone, Args)]
#[group(id = "subject", required = true, args = ["role", "association"])]
pub struct ShowFlags {
    #[command(flatten)]
    pub aws: AwsFlags,
    /// Show the associations with this role, or with this target role
    #[arg(long, value_name = "ARN")]
    pub role: Option<String>,
    /// Show the association with this ARN or ID
    #[arg(long, value_name = "ID")]
    pub association: Option<String>,
    /// Region in which to search for an ID; repeat it for several [default: the profile's region]
    #[arg(long = "region", value_name = "REGION", conflicts_with = "role")]
    pub regions: Vec<String>,
    /// Format of the associations
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}

/// The credentials, the tables, and how fast to work.
#[derive(Debug, Clone, Args)]
pub struct AwsFlags {
    /// Profile of the AWS configuration whose credentials are used
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Name of the index table: the output `AssociationIndexTableName` of the stack
    #[arg(long, value_name = "NAME", env = "ASSOCIATION_INDEX_TABLE")]
    pub index_table: String,
    /// Name of the ledger table: the output `RotationLedgerTableName` of the stack
    #[arg(long, value_name = "NAME", env = "ROTATION_LEDGER_TABLE")]
    pub ledger_table: String,
    /// Upper limit of associations in flight; rerole finds the rate of calls by itself
    #[arg(long, value_name = "N", default_value_t)]
    pub concurrency: MaxConcurrency,
}

/// The part of EKS that a command covers.
#[derive(Debug, Clone, Default, Args)]
pub struct ScopeFlags {
    /// Region to cover; repeat it for several [default: the profile's region]
    #[arg(long = "region", value_name = "REGION")]
    pub regions: Vec<String>,
    /// Cover only clusters with this name; * matches any characters; repeat it for several
    #[arg(long = "cluster", value_name = "GLOB")]
    pub clusters: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    #[default]
    Table,
    Json,
}

impl ScopeFlags {
    /// A full run over these regions and clusters. Without `--region`, it covers `own_region`.
    ///
    /// # Errors
    /// If a region or a glob is invalid.
    pub fn request(&self, own_region: &str) -> Result<RunRequest, InvalidFlag> {
        let glob = |text: &String| {
            ClusterGlob::new(text)
                .ok_or_else(|| InvalidFlag::new("--cluster", text, ClusterGlob::form()))
        };
        let globs = self
            .clusters
            .iter()
            .map(glob)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(RunRequest {
            mode: Mode::Full,
            regions: regions(&self.regions, own_region)?,
            cluster_names: (!globs.is_empty()).then_some(globs),
            exclude_clusters: Vec::new(),
        })
    }
}

/// The regions, sorted and without duplicates, or `own_region` if none is named.
///
/// # Errors
/// If a region is invalid.
pub fn regions(named: &[String], own_region: &str) -> Result<Vec<String>, InvalidFlag> {
    if let Some(wrong) = named.iter().find(|region| !is_region(region)) {
        let allowed = "a region's name, such as eu-west-1";
        return Err(InvalidFlag::new("--region", wrong, allowed.to_owned()));
    }
    let mut regions = if named.is_empty() {
        vec![own_region.to_owned()]
    } else {
        named.to_vec()
    };
    regions.sort();
    regions.dedup();
    Ok(regions)
}
