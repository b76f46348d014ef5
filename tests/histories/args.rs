//! The arguments of the binary, and those that test runners pass to every test binary.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

const USAGE: &str = "\
Plays random histories. Arguments, after `cargo test --test histories --`:
  --seeds A..B      the seeds to play (default: 0..100)
  --minutes N       after these, further seeds until N minutes are over
  --history FILE    plays the history in this file, and no seeds";

/// What to play.
#[derive(Debug, Clone, PartialEq)]
pub enum Args {
    Seeds {
        seeds: Range<u64>,
        /// How long to go on after the last seed.
        at_least: Duration,
    },
    History(PathBuf),
    /// A test runner asks for the names of the tests.
    List,
    /// A filter of a test runner leaves this test out.
    Nothing,
}

impl Args {
    /// Reads the arguments.
    ///
    /// # Errors
    /// What is wrong with them, and the usage.
    pub fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut seeds, mut at_least) = (0..100, Duration::ZERO);
        let mut is_chosen = None;
        while let Some(arg) = args.next() {
            let mut value = || {
                let value = args.next();
                value.ok_or_else(|| format!("{arg}: a value is missing\n{USAGE}"))
            };
            match arg.as_str() {
                "--seeds" => seeds = parse_seeds(&value()?)?,
                "--minutes" => {
                    let text = value()?;
                    let minutes: u64 = text
                        .parse()
                        .map_err(|_| format!("--minutes {text}: not a number\n{USAGE}"))?;
                    at_least = Duration::from_mins(minutes);
                }
                "--history" => return Ok(Self::History(value()?.into())),
                "--list" => return Ok(Self::List),
                // Of the standard test harness, which cargo and nextest expect.
                "--nocapture" | "--no-capture" | "--exact" | "--quiet" | "--include-ignored" => {}
                "--ignored" => return Ok(Self::Nothing),
                "--help" => return Err(USAGE.to_owned()),
                other if other.starts_with('-') => {
                    return Err(format!("{other}: not an argument\n{USAGE}"));
                }
                filter => *is_chosen.get_or_insert(false) |= "histories".contains(filter),
            }
        }
        if is_chosen == Some(false) {
            return Ok(Self::Nothing);
        }
        Ok(Self::Seeds { seeds, at_least })
    }
}

fn parse_seeds(text: &str) -> Result<Range<u64>, String> {
    let range = text.split_once("..").and_then(|(from, to)| {
        let range = from.parse().ok()?..to.parse().ok()?;
        (range.start < range.end).then_some(range)
    });
    range.ok_or_else(|| format!("--seeds {text}: not a range A..B with A below B\n{USAGE}"))
}
