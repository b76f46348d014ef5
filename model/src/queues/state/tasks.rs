//! What an invocation does next, and what it has read.

use crate::commands::Life;
use crate::queues::Ledger;

/// An invocation, or the execution that invokes the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Slot {
    /// The delivery of the request of this rotation.
    Delivery(usize),
    /// The execution of the state machine for this rotation.
    Execution(usize),
    Command,
    Check,
}

/// What an invocation does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    /// There is none, or it is over.
    None,
    /// Reads the rotation, and, if there is none, its roles.
    Open,
    /// Starts or queues the rotation. `is_same` in this task and in others: the items of the roles
    /// still have the versions that were read.
    Admit {
        is_free: bool,
        is_same: bool,
    },
    /// Joins the second queue, in the model without the guard `BothQueuesAtOnce`.
    Join,
    /// Works, and reads the roles before it closes the rotation.
    Work,
    Close {
        is_same: bool,
    },
    /// Reads the rotation that the command is about.
    Decide,
    /// Records the command. `is_as_seen` in this task and in others: nothing was added to the
    /// timeline of the rotation since.
    Record {
        to: Life,
        is_as_seen: bool,
        is_same: bool,
    },
    /// Starts what is next in the queues of the roles of this rotation.
    Next(usize, Next),
    /// The check looks at this rotation.
    Look(usize),
}

/// A step of `start_next` in `src/rotate/queue.rs`, for the old role (`0`) or the new one (`1`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Next {
    /// Reads the role and its queue.
    Read(usize),
    /// Reads both roles of the rotation that is first.
    First {
        of: usize,
        first: usize,
        is_as_seen: bool,
    },
    /// Gives it its turn.
    Turn {
        of: usize,
        first: usize,
        is_as_seen: bool,
        is_same: bool,
    },
    /// Starts its execution.
    Start { of: usize, first: usize },
}

impl Task {
    /// The same, with a note of what has changed from one state of the ledger to the next.
    /// `rotation` is the one that the invocation is about.
    pub(super) fn outdated(mut self, rotation: Option<usize>, [before, now]: [&Ledger; 2]) -> Self {
        let is_as_seen = |rotation: usize| now.rotations[rotation] == before.rotations[rotation];
        let has_same_roles = |rotation: usize| now.has_same_roles(before, rotation);
        match &mut self {
            Self::Admit { is_same, .. } | Self::Close { is_same } => {
                *is_same &= rotation.is_some_and(has_same_roles);
            }
            Self::Record {
                is_as_seen: as_seen,
                is_same,
                ..
            } => {
                *as_seen &= rotation.is_some_and(is_as_seen);
                *is_same &= rotation.is_some_and(has_same_roles);
            }
            Self::Next(
                _,
                Next::First {
                    first,
                    is_as_seen: as_seen,
                    ..
                },
            ) => {
                *as_seen &= is_as_seen(*first);
            }
            Self::Next(
                _,
                Next::Turn {
                    first,
                    is_as_seen: as_seen,
                    is_same,
                    ..
                },
            ) => {
                *as_seen &= is_as_seen(*first);
                *is_same &= has_same_roles(*first);
            }
            _ => {}
        }
        self
    }
}
