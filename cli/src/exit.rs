//! The exit codes, and which one each status of a rotation has.

use std::process::ExitCode;

use rerole_core::rotation::Status;

/// How a command ends, for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It is done, or there is nothing to report.
    Done,
    Error,
    /// A flag is invalid, or a confirmation could not be asked for.
    Usage,
    /// A rotation is finished in another way, or a check has found something.
    FinishedOtherwise,
    /// The old role is still in use.
    StillInUse,
    /// A rotation waits for a person.
    WaitsForPerson,
    /// The time to wait is over.
    TimedOut,
    /// Ctrl-C.
    Interrupted,
}

impl Exit {
    /// Returns the exit code of a command that shows a rotation with this status. An open rotation
    /// is nothing to report, unless it waits for a person.
    pub fn of(status: Status) -> Self {
        match status {
            Status::Succeeded
            | Status::Planned
            | Status::RolledBack
            | Status::Queued
            | Status::Planning
            | Status::InProgress
            | Status::Cancelling => Self::Done,
            Status::Incomplete => Self::StillInUse,
            Status::Paused => Self::WaitsForPerson,
            Status::CompletedWithFailures
            | Status::Failed
            | Status::NoAssociations
            | Status::Cancelled
            | Status::RollbackIncomplete
            | Status::Rejected => Self::FinishedOtherwise,
        }
    }

    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Error => 1,
            Self::Usage => 2,
            Self::FinishedOtherwise => 3,
            Self::StillInUse => 4,
            Self::WaitsForPerson => 5,
            Self::TimedOut => 6,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
