//! The state of a rotation as attributes of its item in the ledger.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::rotation::Status;
use crate::rotation::lifecycle::{End, Open, PauseCause, PausedFrom, State, Work};
use crate::timestamp::Timestamp;

/// A state as attributes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FlatState {
    status: Status,
    phase: Phase,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status_cause: Option<PauseCause>,
    /// The status to which a paused rotation returns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paused_from: Option<Status>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    finished_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    index_as_of: BTreeMap<String, Timestamp>,
}

/// How far a rotation is, whether or not something interrupts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    Planning,
    Executing,
    Finished,
}

/// The attributes contradict each other.
#[derive(Debug, thiserror::Error)]
#[error("status {status:?} contradicts phase {phase:?}, statusCause, pausedFrom or finishedAt")]
pub(super) struct InvalidState {
    status: Status,
    phase: Phase,
}

impl State {
    /// The names of all attributes. A state does not have all of them.
    pub const ATTRIBUTES: [&'static str; 7] = [
        "status",
        "phase",
        "statusCause",
        "pausedFrom",
        "reason",
        "finishedAt",
        "indexAsOf",
    ];
}

impl From<State> for FlatState {
    fn from(state: State) -> Self {
        match state {
            State::Open(open) => Self::open(open),
            State::Finished(end) => Self {
                reason: end.reason,
                finished_at: Some(end.finished_at),
                index_as_of: end.index_as_of,
                ..Self::of(end.status, Phase::Finished)
            },
        }
    }
}

impl FlatState {
    fn of(status: Status, phase: Phase) -> Self {
        Self {
            status,
            phase,
            status_cause: None,
            paused_from: None,
            reason: None,
            finished_at: None,
            index_as_of: BTreeMap::new(),
        }
    }

    fn open(open: Open) -> Self {
        let phase = match open {
            Open::Queued => Phase::Planning,
            Open::Running(work) | Open::Cancelling(work) => work.into(),
            Open::Paused { from, cause } => {
                let from = Self::open(from.into());
                return Self {
                    status_cause: Some(cause),
                    paused_from: Some(from.status),
                    ..Self::of(open.status(), from.phase)
                };
            }
        };
        Self::of(open.status(), phase)
    }
}

impl From<Work> for Phase {
    fn from(work: Work) -> Self {
        match work {
            Work::Planning => Self::Planning,
            Work::Executing => Self::Executing,
        }
    }
}

impl TryFrom<FlatState> for State {
    type Error = InvalidState;

    fn try_from(flat: FlatState) -> Result<Self, InvalidState> {
        use Phase::{Executing, Finished, Planning};
        let FlatState { status, phase, .. } = flat;
        let invalid = InvalidState { status, phase };
        let paused = |from| move |cause| Open::Paused { from, cause };
        let pause = (flat.paused_from, flat.status_cause);
        let open = match (status, phase, pause) {
            (Status::Queued, Planning, (None, None)) => Open::Queued,
            (Status::Planning, Planning, (None, None)) => Open::Running(Work::Planning),
            (Status::InProgress, Executing, (None, None)) => Open::Running(Work::Executing),
            (Status::Cancelling, Planning, (None, None)) => Open::Cancelling(Work::Planning),
            (Status::Cancelling, Executing, (None, None)) => Open::Cancelling(Work::Executing),
            (Status::Paused, Planning, (Some(Status::Queued), Some(cause))) => {
                paused(PausedFrom::Queued)(cause)
            }
            (Status::Paused, Planning, (Some(Status::Planning), Some(cause))) => {
                paused(PausedFrom::Running(Work::Planning))(cause)
            }
            (Status::Paused, Executing, (Some(Status::InProgress), Some(cause))) => {
                paused(PausedFrom::Running(Work::Executing))(cause)
            }
            (status, Finished, (None, None)) if status.is_final() => {
                let finished_at = flat.finished_at.ok_or(invalid)?;
                return Ok(Self::Finished(Box::new(End {
                    status,
                    reason: flat.reason,
                    finished_at,
                    index_as_of: flat.index_as_of,
                })));
            }
            _ => return Err(invalid),
        };
        // A rotation that has an end is not open, whatever its status says.
        match flat.finished_at {
            None => Ok(Self::Open(open)),
            Some(_) => Err(invalid),
        }
    }
}
