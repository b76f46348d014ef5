//! Follows a rotation until it is finished, waits for a person, or the time is over. It only reads:
//! the rotation continues whether or not it is followed. What is shown meanwhile is in `live`.

use std::pin::pin;
use std::str::FromStr;
use std::time::Duration;

use rerole_core::keys::RotationKey;
use rerole_core::rotation::{RotationRecord, Status};
use tokio::time::{Instant, interval, sleep};

use crate::answer::Answer;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::live::Snapshot;
use crate::live::changes::Changes;
use crate::live::screen::Drawing;
use crate::live::terminal::LiveTerminal;
use crate::live::watcher::Watcher;
use crate::outage::{Outage, Read};
use crate::stack::Stack;
use crate::stack::flags::Form;
use crate::stop_signals::StopSignals;
use crate::terminal::{OutputError, note};

/// Between two reads of the ledger. A slice saves its progress every four seconds.
const POLL: Duration = Duration::from_secs(1);
/// Between two checks whether the operator has pressed a key.
const KEYS_POLL: Duration = Duration::from_millis(100);

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

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// The rotation is finished. One that is paused waits for a person, so nothing is waited for.
    Finished,
    /// The rotation is finished, also if a person must continue it first.
    Closed,
    /// No invocation works on it any more: after a pause.
    Idle,
}

/// What is waited for, how long, and what has been shown before.
#[derive(Debug, Clone, Copy)]
pub struct Wait {
    pub until: Until,
    pub patience: Patience,
    /// The last entry of the timeline that the operator knows.
    pub known_seq: u64,
}

/// The rotation as it was last seen, and why nothing more is waited for.
#[derive(Debug)]
pub struct Followed {
    pub record: RotationRecord,
    pub exit: Exit,
}

/// Where the rotation is shown meanwhile.
enum Display<'a> {
    Terminal(Box<LiveTerminal>, Drawing<'a>),
    Lines(Changes, &'a Answer<'a>),
}

/// Follows the rotation as long as `patience` lasts.
///
/// # Errors
/// If the ledger cannot be read, or does not have the rotation, or nothing can be shown.
pub async fn follow(
    (stack, answer): (&Stack, &Answer<'_>),
    key: &RotationKey,
    Wait {
        until,
        patience,
        known_seq,
    }: Wait,
) -> Result<Followed, Failure> {
    let ends_at = patience.ends_at(Instant::now());
    let mut watcher = Watcher::new(stack, key);
    let mut record = watcher.record().await?;
    let mut signals = StopSignals::listen().map_err(Failure::Process)?;
    let mut display = Display::open(stack, answer, known_seq);
    let mut outage = Outage::default();
    let exit = loop {
        let shown = display.refresh(&mut watcher, &record, &mut signals).await;
        match outage.bear(shown)? {
            Read::Done(Some(())) => {}
            Read::Done(None) => break Exit::Interrupted,
            Read::Failed(failure) => display.show_outage(&mut watcher, &failure)?,
        }
        let is_over = ends_at.is_some_and(|at| Instant::now() >= at);
        let timed_out = is_over.then_some(Exit::TimedOut);
        if let Some(exit) = ending(&record, until, stack).or(timed_out) {
            break exit;
        }
        let next = async {
            sleep(POLL).await;
            watcher.record().await
        };
        let Some(next) = display.unless_ended(next, &mut signals).await? else {
            break Exit::Interrupted;
        };
        match outage.bear(next.map_err(Failure::from))? {
            Read::Done(next) => record = next,
            Read::Failed(failure) => display.show_outage(&mut watcher, &failure)?,
        }
    };
    display.end()?;
    // The signals have lost what they do by themselves. Ctrl-C must also end what comes now.
    tokio::spawn(async move {
        signals.wait().await;
        std::process::exit(Exit::Interrupted.code().into());
    });
    Ok(Followed { record, exit })
}

/// Says how to follow a rotation again after Ctrl-C.
pub fn note_interrupted(stack: &Stack, key: &RotationKey) {
    let command = stack.pasted(&format!("rerole status {key} --watch"));
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
    match until {
        Until::Closed => None,
        Until::Idle => {
            let is_idle = !record.is_leased_at(stack.aws.now());
            is_idle.then_some(Exit::Done)
        }
        Until::Finished => (status == Status::Paused).then_some(Exit::WaitsForPerson),
    }
}

impl<'a> Display<'a> {
    fn open(stack: &'a Stack, answer: &'a Answer<'a>, known_seq: u64) -> Self {
        let layout = &answer.layout;
        let may_draw = layout.form != Form::Json && LiveTerminal::may_be_possible();
        let terminal = may_draw.then(LiveTerminal::open);
        match terminal {
            Some(Ok(terminal)) => {
                let drawing = Drawing {
                    account: &stack.origin.account,
                    has_color: layout.has_color(),
                };
                Self::Terminal(Box::new(terminal), drawing)
            }
            // Some terminals have no cursor that can be asked for.
            Some(Err(_)) | None => Self::Lines(Changes::after(known_seq), answer),
        }
    }

    /// Reads the rotation and shows it, unless the operator ends it.
    async fn refresh(
        &mut self,
        watcher: &mut Watcher<'_>,
        record: &RotationRecord,
        signals: &mut StopSignals,
    ) -> Result<Option<()>, Failure> {
        let snapshot = Box::pin(watcher.read(record));
        let Some(snapshot) = self.unless_ended(snapshot, signals).await? else {
            return Ok(None);
        };
        self.show(snapshot?)?;
        if watcher.are_causes_due(record) {
            // Reading all rows takes long if there are many.
            let causes = Box::pin(watcher.read_causes());
            let Some(snapshot) = self.unless_ended(causes, signals).await? else {
                return Ok(None);
            };
            if let Some(snapshot) = snapshot? {
                self.show(snapshot)?;
            }
        }
        Ok(Some(()))
    }

    /// Says that nothing could be read, and shows what was read last.
    fn show_outage(
        &mut self,
        watcher: &mut Watcher<'_>,
        failure: &Failure,
    ) -> Result<(), OutputError> {
        match watcher.note_outage(failure.to_string()) {
            Some(snapshot) => self.show(snapshot),
            None => Ok(()),
        }
    }

    fn show(&mut self, snapshot: &Snapshot) -> Result<(), OutputError> {
        match self {
            Self::Terminal(terminal, drawing) => {
                terminal.draw(*drawing, snapshot).map_err(OutputError)
            }
            Self::Lines(changes, answer) => changes.show(answer, snapshot),
        }
    }

    fn end(self) -> Result<(), OutputError> {
        match self {
            Self::Terminal(..) => Ok(()),
            Self::Lines(changes, answer) => changes.end(answer),
        }
    }

    /// Does the work, unless the operator ends it with a key or a signal.
    async fn unless_ended<T>(
        &mut self,
        work: impl Future<Output = T>,
        signals: &mut StopSignals,
    ) -> Result<Option<T>, OutputError> {
        let mut work = pin!(work);
        let mut keys = interval(KEYS_POLL);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(Some(done)),
                () = signals.wait() => return Ok(None),
                _ = keys.tick() => {
                    if let Self::Terminal(terminal, drawing) = self
                        && terminal.is_ended(*drawing).map_err(OutputError)?
                    {
                        return Ok(None);
                    }
                }
            }
        }
    }
}
