//! The flags of `rerole index`, and what they come to.

use clap::{Args, Subcommand, ValueEnum};
use rerole::arn::is_region;
use rerole::index::run::{Mode, RunRequest};
use rerole::max_concurrency::MaxConcurrency;
use rerole::scope::Glob;

use crate::args::InvalidFlag;

/// EKS allows 100 characters in a cluster name.
const CLUSTER_NAME_LEN_MAX: usize = 100;

#[derive(Debug, Subcommand)]
pub enum IndexCommand {
    /// Builds the index, or brings it to what EKS shows, from each association
    Build(BuildFlags),
    /// Shows who uses a role, or what is known of an association
    Show(ShowFlags),
    /// Compares the index with EKS, and changes neither; exit code 1 where they differ
    Check(CheckFlags),
}

#[derive(Debug, Clone, Args)]
pub struct BuildFlags {
    #[command(flatten)]
    pub aws: AwsFlags,
    #[command(flatten)]
    pub scope: ScopeFlags,
    /// Say what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Clone, Args)]
pub struct CheckFlags {
    #[command(flatten)]
    pub aws: AwsFlags,
    #[command(flatten)]
    pub scope: ScopeFlags,
    /// How differences are printed
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}

#[derive(Debug, Clone, Args)]
#[group(id = "subject", required = true, args = ["role", "association"])]
pub struct ShowFlags {
    #[command(flatten)]
    pub aws: AwsFlags,
    /// Who has this role, as the role or as the target role
    #[arg(long, value_name = "ARN")]
    pub role: Option<String>,
    /// What is known of this association: its ARN, or its id
    #[arg(long, value_name = "ID")]
    pub association: Option<String>,
    /// Where to look for an id; repeat it for several [default: the profile's]
    #[arg(long = "region", value_name = "REGION", conflicts_with = "role")]
    pub regions: Vec<String>,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}

/// Where the tables are, and as whom to look.
#[derive(Debug, Clone, Args)]
pub struct AwsFlags {
    /// Profile of the AWS configuration
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Name of the table, the stack's output `AssociationIndexTableName`
    #[arg(long, value_name = "NAME", env = "ASSOCIATION_INDEX_TABLE")]
    pub index_table: String,
    /// Name of the table, the stack's output `RotationLedgerTableName`
    #[arg(long, value_name = "NAME", env = "ROTATION_LEDGER_TABLE")]
    pub ledger_table: String,
    /// Associations in work at once, at most: how fast EKS may be called is found out
    #[arg(long, value_name = "N", default_value_t)]
    pub concurrency: MaxConcurrency,
}

/// What of EKS.
#[derive(Debug, Clone, Default, Args)]
pub struct ScopeFlags {
    /// A region; repeat it for several [default: the profile's]
    #[arg(long = "region", value_name = "REGION")]
    pub regions: Vec<String>,
    /// Only clusters of this name, in which * stands for any run of characters; repeat it for several
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
    /// What is to be looked at; `own_region` where no region is named.
    ///
    /// # Errors
    /// The first region or glob that is none.
    pub fn request(&self, own_region: &str) -> Result<RunRequest, InvalidFlag> {
        let glob = |text: &String| {
            Glob::new(text, CLUSTER_NAME_LEN_MAX).ok_or_else(|| {
                InvalidFlag::new("--cluster", text, "letters, digits, \"-\", \"_\" and \"*\"".to_owned())
            })
        };
        let globs = self.clusters.iter().map(glob).collect::<Result<Vec<_>, _>>()?;
        Ok(RunRequest {
            mode: Mode::Deep,
            regions: regions(&self.regions, own_region)?,
            cluster_names: (!globs.is_empty()).then_some(globs),
        })
    }
}

/// Each region once, in order.
///
/// # Errors
/// The first that is none.
pub fn regions(named: &[String], own_region: &str) -> Result<Vec<String>, InvalidFlag> {
    if let Some(wrong) = named.iter().find(|region| !is_region(region)) {
        return Err(InvalidFlag::new("--region", wrong, "a region's name, such as eu-west-1".to_owned()));
    }
    let mut regions = if named.is_empty() { vec![own_region.to_owned()] } else { named.to_vec() };
    regions.sort();
    regions.dedup();
    Ok(regions)
}
