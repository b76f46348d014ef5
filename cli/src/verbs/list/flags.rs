//! Which rotations `rerole list` lists.

use std::time::Duration;

use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Args, FromArgMatches};
use rerole_core::rotation::Status;
use rerole_core::timestamp::Timestamp;

use crate::stack::flags::{OutputFlags, StackFlags};

/// How far back finished rotations are listed if nothing else is asked for.
const RECENT: Duration = Duration::from_hours(24 * 7);
const FAILED: [Status; 3] = [
    Status::CompletedWithFailures,
    Status::Failed,
    Status::RollbackIncomplete,
];

#[derive(Debug, Clone, Default, Args)]
pub struct ListFlags {
    #[command(flatten)]
    pub filter: Filter,
    /// Only rotations from or onto this role: its ARN, or its path and name. Dry runs and rejected
    /// events are not listed then
    #[arg(long, value_name = "ROLE")]
    pub role: Option<String>,
    /// Finished rotations and rejected events of this time only, such as 12h [default: 7d; with
    /// --all, any]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub since: Option<Duration>,
    #[command(flatten)]
    pub stack: StackFlags,
    #[command(flatten)]
    pub output: OutputFlags,
}

/// Which statuses are listed. On the command line, each is a flag, and at most one is given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Filter {
    #[default]
    OpenAndRecent,
    Open,
    Failed,
    Queued,
    Rejected,
    All,
}

/// The flags with the filters that they stand for, and their help.
const FLAGS: [(&str, Filter, &str); 5] = [
    ("open", Filter::Open, "Only open rotations"),
    (
        "failed",
        Filter::Failed,
        "Only rotations that ended as CompletedWithFailures, Failed or RollbackIncomplete",
    ),
    (
        "queued",
        Filter::Queued,
        "Only rotations that wait for their turn",
    ),
    ("rejected", Filter::Rejected, "Only rejected events"),
    ("all", Filter::All, "All rotations and rejected events"),
];

impl Filter {
    /// The statuses of the rotations to list.
    pub fn statuses(self) -> Vec<Status> {
        match self {
            Self::OpenAndRecent | Self::All => Status::of_rotations().collect(),
            Self::Open => Status::OPEN.to_vec(),
            Self::Failed => FAILED.to_vec(),
            Self::Queued => vec![Status::Queued],
            Self::Rejected => Vec::new(),
        }
    }

    pub fn is_all(self) -> bool {
        self == Self::All
    }

    /// What is listed, as the subject of a sentence. `since` says from when on.
    pub fn subject(self, since: &str) -> String {
        match self {
            Self::OpenAndRecent => {
                format!("open rotations, and those that finished or were rejected {since}")
            }
            Self::Open => "open rotations".to_owned(),
            Self::Failed => format!("rotations that finished with failures {since}"),
            Self::Queued => "rotations that wait for their turn".to_owned(),
            Self::Rejected => format!("events that were rejected {since}"),
            Self::All => format!("rotations and rejected events {since}"),
        }
    }
}

impl ListFlags {
    /// From when on finished rotations and rejected events are listed.
    pub fn since(&self, now: Timestamp) -> Option<Timestamp> {
        match (self.since, self.filter) {
            (Some(since), _) => Some(now - since),
            (None, Filter::All) => None,
            (None, _) => Some(now - RECENT),
        }
    }

    /// Whether rejected events are listed. They have no role.
    pub fn lists_rejected(&self) -> bool {
        let filters = [Filter::OpenAndRecent, Filter::Rejected, Filter::All];
        filters.contains(&self.filter) && self.role.is_none()
    }
}

impl Args for Filter {
    fn augment_args(command: clap::Command) -> clap::Command {
        let flags = FLAGS.map(|(name, _, help)| {
            Arg::new(name)
                .long(name)
                .help(help)
                .action(ArgAction::SetTrue)
        });
        let group = ArgGroup::new("filter").args(FLAGS.map(|(name, ..)| name));
        command.args(flags).group(group)
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Filter {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut given = FLAGS
            .into_iter()
            .filter(|(name, ..)| matches.get_flag(name));
        Ok(given
            .next()
            .map_or(Self::default(), |(_, filter, _)| filter))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
