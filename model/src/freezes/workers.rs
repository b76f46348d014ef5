//! What an invocation does next: a slice of the rotation, or a command.

use rerole_core::rotation::Cause;

use crate::freezes::{Ledger, Order};

/// Who invokes the function with slices: the event, or an execution of the state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Worker {
    /// It is not started.
    Absent,
    /// The next slice has not read the rotation yet.
    Idle,
    /// It is about to pause or to resume the rotation, as it was read.
    Changing(Ledger, Cause),
    /// A slice has read the rotation, and is about to take the lease.
    Opening(Ledger),
    /// A slice works, under this fence.
    Slice { fence: u8, is_interrupted: bool },
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
    /// The verdict is recorded, so a second delivery goes on with what follows.
    pub is_recorded: bool,
}

/// The next step of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    Read,
    /// It has read this, and decided.
    Write(Ledger),
    /// It reads what the rotation and the stack are now.
    FollowUp,
    /// It is about to pause or to resume the rotation, as it was read.
    Change(Ledger, Cause),
    /// It starts the execution of a rotation that it has resumed.
    Start,
    /// It starts the execution of a rotation that no slice works on.
    StartIdle,
}
