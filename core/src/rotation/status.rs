//! The status of a rotation, as the ledger and every response show it. Which status may follow
//! which is decided in `lifecycle.rs`.

use serde::{Deserialize, Serialize};

/// The `status` of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Status {
    /// Another rotation holds one of its roles, or the stack is frozen.
    Queued,
    /// The plan is not complete. Nothing is written to EKS.
    Planning,
    /// Associations are moved.
    InProgress,
    /// A command or a freeze interrupted it. Nothing is written to EKS.
    Paused,
    /// Nothing is written to EKS any more. The rest is recorded as `NotAttempted`.
    Cancelling,
    /// No association in scope uses the old role any more, and the index was complete for every
    /// region in scope.
    Succeeded,
    /// Nothing failed, but something in scope stays on the old role, or may: an add-on owns it,
    /// another actor moved it back, or the index of a region is not complete.
    Incomplete,
    CompletedWithFailures,
    /// It stopped early.
    Failed,
    NoAssociations,
    /// A dry run is finished.
    Planned,
    /// A command ended it.
    Cancelled,
    /// A rollback has taken back all that its rotation had moved, as far as it still exists.
    RolledBack,
    /// A rollback has left something as it is: it has changed since, it failed, an add-on owns it,
    /// or another actor moved it again.
    RollbackIncomplete,
    /// The event could not run. There is no rotation.
    Rejected,
}

impl Status {
    /// The statuses of open rotations.
    pub const OPEN: [Self; 5] = [
        Self::Queued,
        Self::Planning,
        Self::InProgress,
        Self::Paused,
        Self::Cancelling,
    ];
    /// The statuses of finished rotations.
    pub const FINISHED: [Self; 9] = [
        Self::Succeeded,
        Self::Incomplete,
        Self::CompletedWithFailures,
        Self::Failed,
        Self::NoAssociations,
        Self::Planned,
        Self::Cancelled,
        Self::RolledBack,
        Self::RollbackIncomplete,
    ];

    /// Returns every status that a rotation can have. A rejected event is no rotation.
    pub fn of_rotations() -> impl Iterator<Item = Self> {
        Self::OPEN.into_iter().chain(Self::FINISHED)
    }

    /// Returns whether a rotation that ended like this has moved what it could in all of its scope.
    #[must_use]
    pub fn covers_scope(self) -> bool {
        matches!(
            self,
            Self::Succeeded
                | Self::Incomplete
                | Self::CompletedWithFailures
                | Self::RolledBack
                | Self::RollbackIncomplete
        )
    }

    /// Returns whether a rotation with this status is finished.
    #[must_use]
    pub fn is_final(self) -> bool {
        !Self::OPEN.contains(&self)
    }
}
