//! The life of a rotation: which state follows from which, and because of what. There is one
//! function for it, [`State::after`], and `docs/lifecycle.md` has it as a diagram.
//!
//! What happens in a state is up to the slices (`src/rotate/slice/`). How a state is stored is in
//! `flat.rs`.

mod flat;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::rotation::Status;
use crate::timestamp::Timestamp;

/// Where a rotation is in its life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "flat::FlatState", into = "flat::FlatState")]
pub enum State {
    Open(Open),
    Finished(Box<End>),
}

/// The state of a rotation that is not finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Open {
    /// It waits for its turn. Nothing is planned, and it holds no role.
    Queued,
    Running(Work),
    Paused {
        from: PausedFrom,
        cause: PauseCause,
    },
    Cancelling(Work),
}

/// What a slice of a rotation works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Work {
    /// The plan. No update has been sent.
    Planning,
    /// The rows of the plan, and the sweep.
    Executing,
}

/// What a paused rotation returns to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PausedFrom {
    Queued,
    Running(Work),
}

/// Why a rotation is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PauseCause {
    /// The command `Pause`. Only the command `Resume` ends it.
    Operator,
    /// The stack is frozen. It ends when the stack no longer is.
    Frozen,
}

/// How a rotation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    pub status: Status,
    pub reason: Option<String>,
    pub finished_at: Timestamp,
    /// For each region, since when its index was complete. An association that was put on the old
    /// role after this time may be missing from the rotation.
    pub index_as_of: BTreeMap<String, Timestamp>,
}

/// What changes the state of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Its roles are free, and it is first in both of their queues.
    Turn,
    /// The plan is complete.
    Planned,
    /// A slice is about to work on it while the stack is frozen.
    Frozen,
    /// The stack is no longer frozen.
    Unfrozen,
    /// The command `Pause`.
    Pause,
    /// The command `Resume`.
    Resume,
    /// The command `Cancel`.
    Cancel,
    /// The command `Retry`, with both roles free.
    Retry,
    /// The command `Retry`, while another rotation holds a role or waits for one, or the stack is
    /// frozen.
    RetryLater,
    /// The command `Rollback` for a dry run, after an earlier one.
    PlanAgain,
}

/// What a cause does to the state of a rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transition {
    To(Open),
    /// It ends before anything was planned.
    Cancelled,
    /// The state stays as it is: it is already what the cause asks for.
    Stays,
    /// The cause is not allowed in this state.
    Refused,
}

impl State {
    pub const PLANNING: Self = Self::Open(Open::Running(Work::Planning));
    pub const IN_PROGRESS: Self = Self::Open(Open::Running(Work::Executing));

    /// Returns the state of a rotation that finished at this time, without more of its end.
    #[must_use]
    pub fn finished(status: Status, at: Timestamp) -> Self {
        Self::Finished(Box::new(End::new(status, at)))
    }

    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Open(open) => open.status(),
            Self::Finished(end) => end.status,
        }
    }

    /// Returns the end of a finished rotation.
    #[must_use]
    pub fn end(&self) -> Option<&End> {
        match self {
            Self::Open(_) => None,
            Self::Finished(end) => Some(end),
        }
    }

    /// Returns why the rotation is paused, if it is.
    #[must_use]
    pub fn pause_cause(&self) -> Option<PauseCause> {
        match self {
            Self::Open(Open::Paused { cause, .. }) => Some(*cause),
            _ => None,
        }
    }

    /// Returns whether the rotation waits for its turn, or would if it were not paused.
    #[must_use]
    pub fn waits_for_turn(&self) -> bool {
        matches!(
            self,
            Self::Open(
                Open::Queued
                    | Open::Paused {
                        from: PausedFrom::Queued,
                        ..
                    }
            )
        )
    }

    /// Returns whether the rotation is swept before it closes: it has had its turn, and is not
    /// cancelled.
    #[must_use]
    pub fn will_sweep(&self) -> bool {
        matches!(
            self,
            Self::Open(
                Open::Running(_)
                    | Open::Paused {
                        from: PausedFrom::Running(_),
                        ..
                    }
            )
        )
    }

    /// Returns whether updates may have been sent in this attempt, by a rotation that is open.
    #[must_use]
    pub fn may_be_executing(&self) -> bool {
        matches!(
            self,
            Self::Open(
                Open::Running(Work::Executing)
                    | Open::Cancelling(Work::Executing)
                    | Open::Paused {
                        from: PausedFrom::Running(Work::Executing),
                        ..
                    }
            )
        )
    }

    /// Returns what a slice works on, if a slice may work on the rotation.
    #[must_use]
    pub fn work(&self) -> Option<Work> {
        match self {
            Self::Open(Open::Running(work) | Open::Cancelling(work)) => Some(*work),
            Self::Open(Open::Queued | Open::Paused { .. }) | Self::Finished(_) => None,
        }
    }

    /// Returns what `cause` does to a rotation in this state. A slice that closes a rotation is no
    /// cause here: it computes the end (`closing.rs`), from `InProgress` or `Cancelling`.
    #[must_use]
    pub fn after(&self, cause: Cause) -> Transition {
        let open = match self {
            Self::Open(open) => *open,
            Self::Finished(end) => return after_end(end.status, cause),
        };
        match (cause, open) {
            (Cause::Turn, Open::Queued) => Transition::To(Open::Running(Work::Planning)),
            (Cause::Planned, Open::Running(Work::Planning)) => {
                Transition::To(Open::Running(Work::Executing))
            }
            (Cause::Pause, Open::Queued) => paused(PausedFrom::Queued, PauseCause::Operator),
            (Cause::Pause, Open::Running(work)) => {
                paused(PausedFrom::Running(work), PauseCause::Operator)
            }
            // Otherwise it would resume by itself when the stack is no longer frozen.
            (
                Cause::Pause,
                Open::Paused {
                    from,
                    cause: PauseCause::Frozen,
                },
            ) => paused(from, PauseCause::Operator),
            (Cause::Frozen, Open::Running(work)) => {
                paused(PausedFrom::Running(work), PauseCause::Frozen)
            }
            (Cause::Resume, Open::Paused { from, .. })
            | (
                Cause::Unfrozen,
                Open::Paused {
                    from,
                    cause: PauseCause::Frozen,
                },
            ) => Transition::To(from.into()),
            (
                Cause::Cancel,
                Open::Queued
                | Open::Paused {
                    from: PausedFrom::Queued,
                    ..
                },
            ) => Transition::Cancelled,
            (
                Cause::Cancel,
                Open::Running(work)
                | Open::Paused {
                    from: PausedFrom::Running(work),
                    ..
                },
            ) => Transition::To(Open::Cancelling(work)),
            (Cause::Pause, Open::Paused { .. })
            | (Cause::Resume, Open::Queued | Open::Running(_) | Open::Cancelling(_))
            | (Cause::Cancel, Open::Cancelling(_))
            | (Cause::Frozen | Cause::Unfrozen, _) => Transition::Stays,
            (
                Cause::Turn | Cause::Planned | Cause::Retry | Cause::RetryLater | Cause::PlanAgain,
                _,
            )
            | (Cause::Pause, Open::Cancelling(_)) => Transition::Refused,
        }
    }
}

impl Open {
    #[must_use]
    pub fn status(self) -> Status {
        match self {
            Self::Queued => Status::Queued,
            Self::Running(Work::Planning) => Status::Planning,
            Self::Running(Work::Executing) => Status::InProgress,
            Self::Paused { .. } => Status::Paused,
            Self::Cancelling(_) => Status::Cancelling,
        }
    }
}

impl End {
    /// The end of a rotation, without reason and coverage.
    #[must_use]
    pub fn new(status: Status, finished_at: Timestamp) -> Self {
        Self {
            status,
            reason: None,
            finished_at,
            index_as_of: BTreeMap::new(),
        }
    }
}

impl From<PausedFrom> for Open {
    fn from(from: PausedFrom) -> Self {
        match from {
            PausedFrom::Queued => Self::Queued,
            PausedFrom::Running(work) => Self::Running(work),
        }
    }
}

fn paused(from: PausedFrom, cause: PauseCause) -> Transition {
    Transition::To(Open::Paused { from, cause })
}

/// Returns what a cause does to a rotation that ended with this status.
fn after_end(status: Status, cause: Cause) -> Transition {
    let can_retry = !matches!(status, Status::Planned | Status::Rejected);
    match cause {
        Cause::Retry if can_retry => Transition::To(Open::Running(Work::Planning)),
        Cause::RetryLater if can_retry => Transition::To(Open::Queued),
        Cause::PlanAgain if status == Status::Planned => {
            Transition::To(Open::Running(Work::Planning))
        }
        Cause::Cancel if status == Status::Cancelled => Transition::Stays,
        Cause::Frozen | Cause::Unfrozen => Transition::Stays,
        _ => Transition::Refused,
    }
}

#[cfg(test)]
mod tests;
