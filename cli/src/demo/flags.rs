//! The flags as typed, and the [`DemoPlan`] that they determine. A plan has been validated: the
//! code that runs it does not check its numbers again.

use std::ops::RangeInclusive;
use std::time::Duration;

use clap::Args;

use crate::invalid_flag::InvalidFlag;
use crate::playground::flags::{
    ASSOCIATIONS_MAX, KeptCalls, OWNED_BY_ADDON, PlaygroundOptions, check_range, check_throttle,
};

/// A table with more clusters than this is too long to read.
const CLUSTERS_MAX: usize = 100;
/// How many of the rotating associations were moved by hand, if the fleet is large enough.
const DRIFTED: usize = 4;
/// One after the other, the fleet needs at least this long to move, so there is time to pause it: a
/// slice notices a pause with the next renewal of its lease, after at most 4 s.
const MOVE_TIME_MIN: Duration = Duration::from_secs(5);
/// What a move takes besides its calls to EKS, at least.
const OVERHEAD: Duration = Duration::from_millis(20);
/// Calls to EKS about each association that moves: Describe and Update.
const CALLS_PER_MOVE: u32 = 2;
/// As the other services of the playground.
const EKS_LATENCY_MIN: Duration = Duration::from_millis(7);
/// Longer than most calls to AWS. A fleet of a few associations moves faster than it can be paused.
const EKS_LATENCY_MAX: Duration = Duration::from_millis(600);
/// At most one in this many rotating associations is drifted, and one is owned by an add-on, so
/// most of a small fleet moves.
const SPECIAL_ONE_IN: usize = 10;

/// The flags of `rerole demo`, as typed.
#[derive(Debug, Clone, Default, Args)]
pub struct DemoFlags {
    /// Number of clusters, spread over two regions
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub clusters: usize,
    /// Number of associations in all clusters together
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub associations: usize,
    /// Number of associations that the index shows on the old role [default: two fifths of them]
    #[arg(long, value_name = "N")]
    pub rotating: Option<usize>,
    /// Seed for everything that is random; the same seed gives the same fleet
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Limit EKS to this many calls a second in each region, with bursts of twice as many
    #[arg(long, value_name = "RATE_PER_SEC")]
    pub throttle: Option<f64>,
    /// Number of updates that EKS refuses; a retry of the rotation moves these associations
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub fail: usize,
    /// Keep the stack running after the checks, until Ctrl-C
    #[arg(long)]
    pub keep: bool,
    /// Port of the endpoints on 127.0.0.1; 0 picks a free port
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub port: u16,
    /// Print only failed checks and the result
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Also print the logs of the functions
    #[arg(short, long)]
    pub verbose: bool,
}

/// How much the demo prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verbosity {
    Quiet,
    Normal,
    /// With the logs of the functions.
    Verbose,
}

/// What the demo does. Its numbers are consistent with each other.
#[derive(Debug, Clone, PartialEq)]
pub struct DemoPlan {
    pub clusters: usize,
    pub associations: usize,
    /// Associations that the index shows on the old role. The next three are disjoint parts of
    /// them.
    pub rotating: usize,
    pub drifted: usize,
    pub owned_by_addon: usize,
    /// Associations whose first update EKS refuses.
    pub refused: usize,
    pub seed: u64,
    /// EKS calls a second, in each region.
    pub throttle: Option<f64>,
    pub keep: bool,
    pub port: u16,
    pub verbosity: Verbosity,
}

impl TryFrom<&DemoFlags> for DemoPlan {
    type Error = InvalidFlag;

    fn try_from(flags: &DemoFlags) -> Result<Self, InvalidFlag> {
        check_range("--clusters", flags.clusters, 1..=CLUSTERS_MAX, "")?;
        check_range(
            "--associations",
            flags.associations,
            1..=ASSOCIATIONS_MAX,
            "",
        )?;
        let rotating = flags
            .rotating
            .unwrap_or_else(|| (flags.associations * 2 / 5).max(1));
        let why = ", the value of --associations";
        check_range("--rotating", rotating, 1..=flags.associations, why)?;
        let drifted = DRIFTED.min(rotating / SPECIAL_ONE_IN);
        let owned_by_addon = OWNED_BY_ADDON.min(rotating / SPECIAL_ONE_IN);
        let movable = rotating - drifted - owned_by_addon;
        let why = format!(
            ": of {rotating} rotating associations, {drifted} drifted and {owned_by_addon} are \
             owned by an add-on"
        );
        check_range("--fail", flags.fail, 0..=movable, why)?;
        check_throttle(flags.throttle)?;
        Ok(Self {
            clusters: flags.clusters,
            associations: flags.associations,
            rotating,
            drifted,
            owned_by_addon,
            refused: flags.fail,
            seed: flags.seed,
            throttle: flags.throttle,
            keep: flags.keep,
            port: flags.port,
            verbosity: match (flags.quiet, flags.verbose) {
                (true, _) => Verbosity::Quiet,
                (false, true) => Verbosity::Verbose,
                (false, false) => Verbosity::Normal,
            },
        })
    }
}

impl DemoPlan {
    /// How many associations must move.
    pub fn moving(&self) -> usize {
        self.rotating - self.drifted - self.owned_by_addon - self.refused
    }

    /// The playground in which the demo runs.
    pub fn playground(&self) -> PlaygroundOptions {
        PlaygroundOptions {
            port: self.port,
            seed: self.seed,
            clusters: self.clusters,
            associations: self.associations,
            rotating: self.rotating,
            drifted: self.drifted,
            owned_by_addon: self.owned_by_addon,
            refused: self.refused,
            throttle: self.throttle,
            eks_latency: Some(self.eks_latency()),
            calls: KeptCalls::OfEks,
        }
    }

    /// How long a call to EKS takes: longer in a small fleet.
    fn eks_latency(&self) -> RangeInclusive<Duration> {
        let moving = u32::try_from(self.moving()).unwrap_or(u32::MAX).max(1);
        let of_move = (MOVE_TIME_MIN / moving).saturating_sub(OVERHEAD);
        let latency = (of_move / CALLS_PER_MOVE).clamp(EKS_LATENCY_MIN, EKS_LATENCY_MAX);
        latency / 2..=latency * 3 / 2
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser, Subcommand};
    use expect_test::{Expect, expect};

    use super::*;

    #[derive(Debug, Parser)]
    #[command(name = "rerole")]
    struct Cli {
        #[command(subcommand)]
        command: Command,
    }

    #[derive(Debug, Subcommand)]
    enum Command {
        Demo(DemoFlags),
    }

    fn plan(line: &str) -> Result<DemoPlan, String> {
        let words = ["rerole", "demo"]
            .into_iter()
            .chain(line.split_whitespace());
        let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
        let Command::Demo(flags) = cli.command;
        DemoPlan::try_from(&flags).map_err(|error| error.to_string())
    }

    #[test]
    fn clap_accepts_the_definition_of_the_flags() {
        Cli::command().debug_assert();
    }

    #[test]
    fn without_flags_the_fleet_is_the_documented_one() {
        let expected = DemoPlan {
            clusters: 3,
            associations: 500,
            rotating: 200,
            drifted: 4,
            owned_by_addon: 3,
            refused: 0,
            seed: 1,
            throttle: None,
            keep: false,
            port: 0,
            verbosity: Verbosity::Normal,
        };
        assert_eq!(plan(""), Ok(expected));
    }

    #[test]
    fn flags_determine_the_plan() {
        let row = |line| {
            let plan = plan(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            (
                plan.associations,
                plan.rotating,
                plan.drifted,
                plan.owned_by_addon,
                plan.refused,
                plan.verbosity,
            )
        };
        for (line, expected) in [
            ("--associations 1", (1, 1, 0, 0, 0, Verbosity::Normal)),
            ("--associations 50", (50, 20, 2, 2, 0, Verbosity::Normal)),
            (
                "--associations 50 --rotating 50 --fail 42",
                (50, 50, 4, 3, 42, Verbosity::Normal),
            ),
            (
                "--rotating 9 --fail 9 -q",
                (500, 9, 0, 0, 9, Verbosity::Quiet),
            ),
            ("-v", (500, 200, 4, 3, 0, Verbosity::Verbose)),
        ] {
            assert_eq!(row(line), expected, "{line}");
        }
    }

    #[test]
    fn a_smaller_fleet_gets_a_slower_eks_so_there_is_time_to_pause_it() {
        let millis = |line| {
            let latency = plan(line).unwrap().eks_latency();
            (latency.start().as_millis(), latency.end().as_millis())
        };
        assert_eq!(millis(""), (3, 10));
        assert_eq!(millis("--rotating 20"), (73, 219));
        assert_eq!(millis("--rotating 1"), (300, 900));
    }

    #[test]
    fn each_error_names_the_flag_its_value_and_the_allowed_values() {
        let check = |line: &str, expected: Expect| {
            let error = plan(line).expect_err(line);
            // The lines after the first are usage.
            expected.assert_eq(error.lines().next().unwrap());
        };
        check(
            "--clusters 0",
            expect!["--clusters 0 is not allowed; allowed: 1 to 100"],
        );
        check(
            "--associations 0",
            expect!["--associations 0 is not allowed; allowed: 1 to 20000"],
        );
        check(
            "--associations 20001",
            expect!["--associations 20001 is not allowed; allowed: 1 to 20000"],
        );
        check(
            "--rotating 0",
            expect!["--rotating 0 is not allowed; allowed: 1 to 500, the value of --associations"],
        );
        check(
            "--rotating 501",
            expect![
                "--rotating 501 is not allowed; allowed: 1 to 500, the value of --associations"
            ],
        );
        check(
            "--fail 194",
            expect![
                "--fail 194 is not allowed; allowed: 0 to 193: of 200 rotating associations, 4 drifted and 3 are owned by an add-on"
            ],
        );
        check(
            "--throttle 0.5",
            expect!["--throttle 0.5 is not allowed; allowed: 1 to 10000 calls a second"],
        );
        check(
            "--throttle NaN",
            expect!["--throttle NaN is not allowed; allowed: 1 to 10000 calls a second"],
        );
        check(
            "--throttle fast",
            expect![
                "error: invalid value 'fast' for '--throttle <RATE_PER_SEC>': invalid float literal"
            ],
        );
        check(
            "--port 70000",
            expect!["error: invalid value '70000' for '--port <PORT>': 70000 is not in 0..=65535"],
        );
        check(
            "--quiet --verbose",
            expect!["error: the argument '--quiet' cannot be used with '--verbose'"],
        );
        check(
            "--rotatin 5",
            expect!["error: unexpected argument '--rotatin' found"],
        );
    }
}
