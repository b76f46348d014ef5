//! Flags as they are typed, and the plan that they come to. A [`DemoPlan`] has been checked: nothing below this module
//! asks again whether the numbers fit together.

use std::fmt::Display;

use clap::{Args, Parser, Subcommand};

use crate::index::flags::IndexCommand;

/// More clusters than this make tables that nobody reads.
const CLUSTERS_MAX: usize = 100;
/// A debug build moves some hundred associations a second, and whoever watches wants to see the end.
const ASSOCIATIONS_MAX: usize = 20_000;
/// Below one call a second the demonstration takes longer than anybody's patience.
const THROTTLE_MIN: f64 = 1.0;
/// Faster than the simulation answers, so that more makes no difference.
const THROTTLE_MAX: f64 = 10_000.0;
/// How many of the rotating associations somebody has moved by hand, where there are enough to spare.
const DRIFTED: usize = 4;
/// How many of the rotating associations belong to an add-on, where there are enough to spare.
const OWNED_BY_ADDON: usize = 3;
/// The special ones are each at most one in this many of the rotating ones, so that a small fleet still has a main part.
const SPECIAL_ONE_IN: usize = 10;

/// Moves every EKS Pod Identity association from one IAM role to another.
#[derive(Debug, Parser)]
#[command(name = "rerole", version, about)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Moves a simulated fleet on this machine: no AWS account, no network beyond 127.0.0.1.
    Demo(DemoFlags),
    /// Builds, shows and checks the index of associations
    #[command(subcommand)]
    Index(IndexCommand),
}

/// The flags of `rerole demo`, as typed.
#[derive(Debug, Clone, Default, Args)]
pub struct DemoFlags {
    /// Clusters, dealt to two regions in turn
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub clusters: usize,
    /// Associations in all clusters together
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub associations: usize,
    /// How many of them the index shows on the role that is replaced [default: two fifths]
    #[arg(long, value_name = "N")]
    pub rotating: Option<usize>,
    /// Everything random is drawn from this; one seed gives one fleet
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Throttle EKS to this many calls a second in each region, with bursts of twice as many
    #[arg(long, value_name = "RATE_PER_SEC")]
    pub throttle: Option<f64>,
    /// How many of the updates EKS refuses for good
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub fail: usize,
    /// Leave the endpoints up at the end, until Ctrl-C
    #[arg(long)]
    pub keep: bool,
    /// Port of the endpoints on 127.0.0.1; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub port: u16,
    /// Say only what went wrong, and the result
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Show the handler's own logs, too
    #[arg(short, long)]
    pub verbose: bool,
}

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voice {
    Quiet,
    Normal,
    /// With the handler's logs in between.
    Verbose,
}

/// A demonstration whose numbers fit together.
#[derive(Debug, Clone, PartialEq)]
pub struct DemoPlan {
    pub clusters: usize,
    pub associations: usize,
    /// Those that the index shows on the old role. The next three are among them, and exclude each other.
    pub rotating: usize,
    pub drifted: usize,
    pub owned_by_addon: usize,
    /// Those whose update EKS refuses.
    pub refused: usize,
    pub seed: u64,
    /// EKS calls a second, in each region.
    pub throttle: Option<f64>,
    pub keep: bool,
    pub port: u16,
    pub voice: Voice,
}

/// A flag whose value is not possible, by itself or beside the others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{flag} {value} is not allowed; allowed: {allowed}")]
pub struct InvalidFlag {
    flag: &'static str,
    value: String,
    allowed: String,
}

impl TryFrom<&DemoFlags> for DemoPlan {
    type Error = InvalidFlag;

    fn try_from(flags: &DemoFlags) -> Result<Self, InvalidFlag> {
        at_most("--clusters", flags.clusters, 1, CLUSTERS_MAX, "")?;
        at_most("--associations", flags.associations, 1, ASSOCIATIONS_MAX, "")?;
        let rotating = flags.rotating.unwrap_or_else(|| (flags.associations * 2 / 5).max(1));
        at_most("--rotating", rotating, 1, flags.associations, ", the value of --associations")?;
        let drifted = DRIFTED.min(rotating / SPECIAL_ONE_IN);
        let owned_by_addon = OWNED_BY_ADDON.min(rotating / SPECIAL_ONE_IN);
        let movable = rotating - drifted - owned_by_addon;
        let why = format!(
            ", as many as can move: {rotating} rotate, {drifted} of them drifted and {owned_by_addon} owned by an add-on"
        );
        at_most("--fail", flags.fail, 0, movable, &why)?;
        if let Some(rate) = flags.throttle
            && !(THROTTLE_MIN..=THROTTLE_MAX).contains(&rate)
        {
            return Err(invalid("--throttle", rate, format!("{THROTTLE_MIN} to {THROTTLE_MAX} calls a second")));
        }
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
            voice: match (flags.quiet, flags.verbose) {
                (true, _) => Voice::Quiet,
                (false, true) => Voice::Verbose,
                (false, false) => Voice::Normal,
            },
        })
    }
}

fn at_most(flag: &'static str, value: usize, least: usize, most: usize, why: &str) -> Result<(), InvalidFlag> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(invalid(flag, value, format!("{least} to {most}{why}")))
}

fn invalid(flag: &'static str, value: impl Display, allowed: String) -> InvalidFlag {
    InvalidFlag::new(flag, value, allowed)
}

impl InvalidFlag {
    pub fn new(flag: &'static str, value: impl Display, allowed: String) -> Self {
        Self { flag, value: value.to_string(), allowed }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use expect_test::{Expect, expect};

    use super::*;

    fn plan(line: &str) -> Result<DemoPlan, String> {
        let words = ["rerole", "demo"].into_iter().chain(line.split_whitespace());
        let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
        let Command::Demo(flags) = cli.command else { panic!("{line}: another command") };
        DemoPlan::try_from(&flags).map_err(|error| error.to_string())
    }

    #[test]
    fn the_flags_are_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn without_flags_it_is_the_documented_fleet() {
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
            voice: Voice::Normal,
        };
        assert_eq!(plan(""), Ok(expected));
    }

    #[test]
    fn flags_come_to_a_plan() {
        let row = |line| {
            let plan = plan(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            (plan.associations, plan.rotating, plan.drifted, plan.owned_by_addon, plan.refused, plan.voice)
        };
        for (line, expected) in [
            ("--associations 1", (1, 1, 0, 0, 0, Voice::Normal)),
            ("--associations 50", (50, 20, 2, 2, 0, Voice::Normal)),
            ("--associations 50 --rotating 50 --fail 42", (50, 50, 4, 3, 42, Voice::Normal)),
            ("--rotating 9 --fail 9 -q", (500, 9, 0, 0, 9, Voice::Quiet)),
            ("-v", (500, 200, 4, 3, 0, Voice::Verbose)),
        ] {
            assert_eq!(row(line), expected, "{line}");
        }
    }

    #[test]
    fn each_error_names_flag_value_and_what_is_allowed() {
        let check = |line: &str, expected: Expect| {
            let error = plan(line).expect_err(line);
            // Of clap's own errors the first line says it.
            expected.assert_eq(error.lines().next().unwrap());
        };
        check("--clusters 0", expect!["--clusters 0 is not allowed; allowed: 1 to 100"]);
        check("--associations 0", expect!["--associations 0 is not allowed; allowed: 1 to 20000"]);
        check("--associations 20001", expect!["--associations 20001 is not allowed; allowed: 1 to 20000"]);
        check("--rotating 0", expect!["--rotating 0 is not allowed; allowed: 1 to 500, the value of --associations"]);
        check(
            "--rotating 501",
            expect!["--rotating 501 is not allowed; allowed: 1 to 500, the value of --associations"],
        );
        check(
            "--fail 194",
            expect![
                "--fail 194 is not allowed; allowed: 0 to 193, as many as can move: 200 rotate, 4 of them drifted and 3 owned by an add-on"
            ],
        );
        check("--throttle 0.5", expect!["--throttle 0.5 is not allowed; allowed: 1 to 10000 calls a second"]);
        check("--throttle NaN", expect!["--throttle NaN is not allowed; allowed: 1 to 10000 calls a second"]);
        check(
            "--throttle fast",
            expect!["error: invalid value 'fast' for '--throttle <RATE_PER_SEC>': invalid float literal"],
        );
        check("--port 70000", expect!["error: invalid value '70000' for '--port <PORT>': 70000 is not in 0..=65535"]);
        check("--quiet --verbose", expect!["error: the argument '--quiet' cannot be used with '--verbose'"]);
        check("--rotatin 5", expect!["error: unexpected argument '--rotatin' found"]);
    }
}
