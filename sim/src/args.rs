//! The command line of `rerole-sim`: its flags, and the options and the fleet that they stand for.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use rerole_sim::fleet::Fleet;
use rerole_sim::{Buckets, Options, Throttle};

/// The tables of the product's contract.
pub const INDEX_TABLE: &str = "AssociationIndex";
pub const LEDGER_TABLE: &str = "RotationLedger";

/// A simulated AWS on 127.0.0.1: EKS Pod Identity associations, DynamoDB, and what surrounds them
#[derive(Debug, Parser)]
#[command(name = "rerole-sim", version, after_help = after_help())]
pub struct Args {
    /// Port to listen on; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub port: u16,
    /// Seed of all random values; one seed gives one fleet
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Start with a fleet of N associations, described below
    #[arg(long = "fleet", value_name = "N", default_value_t = 0)]
    associations: usize,
    /// Seconds after which the process ends
    #[arg(long, value_name = "N", default_value_t = 600)]
    seconds: u64,
    /// Latency of each call in milliseconds
    #[arg(long, value_name = "N", default_value_t = 0)]
    latency_ms: u64,
    /// Throttle EKS per account and region: calls per second, and burst
    #[arg(long, value_name = "RATE,BURST", value_parser = parse_throttle)]
    throttle: Option<Throttle>,
    /// Throttle each EKS operation by itself, instead of all together
    #[arg(long, requires = "throttle")]
    throttle_each_operation: bool,
    /// Describes show the state of up to N milliseconds ago
    #[arg(long, value_name = "N", default_value_t = 0)]
    describe_lag_ms: u64,
    /// Lists show the state of up to N milliseconds ago
    #[arg(long, value_name = "N", default_value_t = 0)]
    list_lag_ms: u64,
    /// A role that EKS does not find; may be repeated
    #[arg(long = "role-missing", value_name = "ARN")]
    pub missing_roles: Vec<String>,
    /// A role whose trust policy EKS does not accept; may be repeated
    #[arg(long = "role-bad-trust", value_name = "ARN")]
    pub bad_trust_roles: Vec<String>,
    /// A state machine that can be started; may be repeated
    #[arg(long = "state-machine", value_name = "ARN")]
    pub state_machines: Vec<String>,
    /// Create a queue, a stack, a function and more, all named sample
    #[arg(long)]
    pub samples: bool,
    /// The region of the samples
    #[arg(long, value_name = "REGION", default_value = "us-east-1")]
    region: String,
    /// Fail each call in a region named fault-STATUS-CODE with that error
    #[arg(long)]
    pub faults_by_region: bool,
    /// Append each CloudTrail event about EKS to FILE, as a line of JSON
    #[arg(long, value_name = "FILE")]
    pub cloudtrail: Option<PathBuf>,
}

impl Args {
    /// How the simulated AWS behaves. It keeps no log of calls, since no test reads it.
    pub fn options(&self) -> Options {
        Options {
            seed: self.seed,
            region: self.region.clone(),
            latency: self.latency(),
            throttle: self.throttle,
            buckets: if self.throttle_each_operation {
                Buckets::PerOperation
            } else {
                Buckets::PerRegion
            },
            describe_lag: Duration::ZERO..=Duration::from_millis(self.describe_lag_ms),
            list_lag: Duration::ZERO..=Duration::from_millis(self.list_lag_ms),
            keep_log: false,
            cloudtrail: self.cloudtrail.is_some(),
            ..Options::default()
        }
    }

    /// The fleet to start with, if any.
    pub fn fleet(&self) -> Option<Fleet> {
        (self.associations > 0).then(|| Fleet {
            associations: self.associations,
            rotating: self.associations * 2 / 5,
            seed: self.seed,
            ..Fleet::default()
        })
    }

    /// How long the process runs at most.
    pub fn lifetime(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    fn latency(&self) -> RangeInclusive<Duration> {
        let latency = Duration::from_millis(self.latency_ms);
        latency..=latency
    }
}

/// What the process does, and the names of the fleet that a user can query for.
fn after_help() -> String {
    let fleet = Fleet::default();
    let account = Options::default().account;
    let regions = fleet.regions.join(" and ");
    let Fleet {
        clusters,
        cluster_prefix,
        old_role,
        new_role,
        other_roles,
        ..
    } = fleet;
    format!(
        "\
The first line of output is `listening on http://127.0.0.1:PORT`. The process ends on Ctrl-C, on
SIGTERM, or after --seconds. A CloudTrail event is in FILE before the caller has its response.

The fleet of --fleet N, in account {account}:
  clusters      {cluster_prefix}1 to {cluster_prefix}{clusters}, in {regions} by turns
  old role      {old_role}
                two fifths of the associations (N * 2 / 5, rounded down)
  new role      {new_role}
                no associations: it is the role to rotate to
  other roles   arn:aws:iam::{account}:role/workloads/app-1 to app-{other_roles}
                the other associations, most of them on the first roles
  not included  drifted associations, associations owned by an add-on, target roles

The table {INDEX_TABLE} has an item for each association, and a global secondary index
ByRole on roleArn. The table {LEDGER_TABLE} is empty."
    )
}

/// Parses `RATE,BURST`. A bucket that holds less than one token would never admit a call.
fn parse_throttle(text: &str) -> Result<Throttle, String> {
    let numbers = text.split_once(',');
    let numbers = numbers.and_then(|(rate, burst)| Some((rate.parse().ok()?, burst.parse().ok()?)));
    match numbers {
        None => Err("expected two numbers, as in 10,20".to_owned()),
        Some((rate_per_sec, _)) if !(rate_per_sec > 0.0 && rate_per_sec < f64::INFINITY) => {
            Err("the rate must be a positive number of calls per second".to_owned())
        }
        Some((_, burst)) if !(1.0..f64::INFINITY).contains(&burst) => {
            Err("the burst must be at least 1".to_owned())
        }
        Some((rate_per_sec, burst)) => Ok(Throttle {
            rate_per_sec,
            burst,
        }),
    }
}

#[cfg(test)]
mod tests;
