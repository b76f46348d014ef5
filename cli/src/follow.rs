//! Follows a rotation until it is finished, waits for a person, or the time is over. It only reads:
//! the rotation continues whether or not it is followed.

use std::str::FromStr;
use std::time::Duration;

use indicatif::ProgressBar;
use rerole_core::call::{CallError, Operation};
use rerole_core::keys::RotationKey;
use rerole_core::rotation::{Counts, RotationRecord, Status};
use tokio::signal::ctrl_c;
use tokio::time::{Instant, sleep};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::stack::Stack;
use crate::terminal::{note, progress_bar};

/// Between two looks into the ledger. A slice saves its progress every four seconds.
const POLL: Duration = Duration::from_secs(1);
/// What is settled, of what the rotation has to settle.
const STYLE: &str = "  {msg} {bar:30} {pos} of {len}, {elapsed}";

/// For how long `--wait` waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    Unlimited,
    AtMost(Duration),
}

impl Patience {
    /// What stands for no limit on the command line.
    pub const UNLIMITED: &str = "unlimited";

    /// Returns when the wait is over, if it ever is.
    pub fn ends_at(self, now: Instant) -> Option<Instant> {
        match self {
            Self::Unlimited => None,
            Self::AtMost(time) => Some(now + time),
        }
    }
}

impl FromStr for Patience {
    type Err = humantime::DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == Self::UNLIMITED {
            return Ok(Self::Unlimited);
        }
        humantime::parse_duration(text).map(Self::AtMost)
    }
}

/// What `--wait` waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// The rotation is finished. One that is paused waits for a person, so nothing is waited for.
    Finished,
    /// No invocation works on it any more: after a pause.
    Idle,
}

/// The rotation as it was last seen, and why nothing more is waited for.
#[derive(Debug)]
pub struct Followed {
    pub record: RotationRecord,
    pub exit: Exit,
}

/// Follows the rotation as long as `patience` lasts.
///
/// # Errors
/// If the ledger cannot be read, or does not have the rotation.
pub async fn follow(
    stack: &Stack,
    key: &RotationKey,
    until: Until,
    patience: Patience,
) -> Result<Followed, Failure> {
    let ends_at = patience.ends_at(Instant::now());
    let bar = progress_bar(0, STYLE);
    let mut interrupt = std::pin::pin!(ctrl_c());
    let followed = loop {
        let record = read(stack, key).await?;
        show(&bar, &record);
        if let Some(exit) = ending(&record, until, stack) {
            break Followed { record, exit };
        }
        if ends_at.is_some_and(|at| Instant::now() >= at) {
            let exit = Exit::TimedOut;
            break Followed { record, exit };
        }
        tokio::select! {
            interrupted = &mut interrupt => {
                interrupted.map_err(Failure::Process)?;
                let exit = Exit::Interrupted;
                break Followed { record, exit };
            }
            () = sleep(POLL) => {}
        }
    };
    bar.finish_and_clear();
    Ok(followed)
}

/// Says how to follow a rotation again after Ctrl-C.
pub fn note_interrupted(stack: &Stack, key: &RotationKey) {
    let command = stack.pasted(&format!("rerole status {key} --wait"));
    note(&format!(
        "the rotation continues; follow it with: {command}"
    ));
}

/// Why nothing more is waited for, if so.
fn ending(record: &RotationRecord, until: Until, stack: &Stack) -> Option<Exit> {
    let status = record.status();
    if record.finished_at().is_some() {
        return Some(Exit::of(status));
    }
    let is_idle = !record.is_leased_at(stack.aws.now());
    match until {
        Until::Idle => is_idle.then_some(Exit::Done),
        Until::Finished => (status == Status::Paused).then_some(Exit::WaitsForPerson),
    }
}

async fn read(stack: &Stack, key: &RotationKey) -> Result<RotationRecord, CallError> {
    let record = stack.aws.ledger.rotations().read(key).await?;
    record.ok_or_else(|| {
        let operation = Operation::on("read rotation", key);
        CallError::malformed_item(operation, "it is no longer in the ledger".to_owned())
    })
}

fn show(bar: &ProgressBar, record: &RotationRecord) {
    let Counts { total, pending, .. } = counts(record);
    bar.set_length(total);
    bar.set_position(total - pending.min(total));
    bar.set_message(format!("{:?}", record.status()));
}

/// The latest counts: those of its progress while it runs.
pub fn counts(record: &RotationRecord) -> Counts {
    let progress = record.progress.as_ref().map(|progress| progress.counts);
    progress.unwrap_or(record.counts)
}
