//! What an invocation does next: a slice of the rotation, or a command.

use crate::commands::knowledge::Knowledge;
use crate::commands::ledger::Item;
use crate::commands::life::Order;

/// Who invokes the function with slices: the event, or an execution of the state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Worker {
    /// It is not started.
    Absent,
    /// The next slice has not read the rotation yet.
    Idle,
    /// A slice has read the rotation, and is about to take the lease.
    Opening(Item),
    Slice(Knowledge),
    /// The last invocation has returned that the rotation waits or is finished, and the execution
    /// still runs.
    Ending,
    /// It is over: an event that was handled, or a closed execution.
    Ended,
}

/// One of the two commands that may be carried out at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sender {
    pub order: Order,
    pub task: Task,
}

/// The next step of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    Read,
    /// It has read this, and decided.
    Write(Item),
    /// It is recorded. `was_leased` is what it has read before.
    FollowUp {
        was_leased: bool,
    },
}
