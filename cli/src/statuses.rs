//! The statuses of rotations, in the groups by which operators ask for them.

use rerole_core::rotation::Status;

/// Every status that a rotation can have. A rejected event is no rotation.
pub const ALL: [Status; 14] = [
    Status::Queued,
    Status::Planning,
    Status::InProgress,
    Status::Paused,
    Status::Cancelling,
    Status::Succeeded,
    Status::Incomplete,
    Status::CompletedWithFailures,
    Status::Failed,
    Status::NoAssociations,
    Status::Planned,
    Status::Cancelled,
    Status::RolledBack,
    Status::RollbackIncomplete,
];
