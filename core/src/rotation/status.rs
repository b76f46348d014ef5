//! The status of a rotation.

use serde::{Deserialize, Serialize};

/// The `status` of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Status {
    Planning,
    InProgress,
    /// No association in scope uses the old role any more, and the index was complete for every
    /// region in scope.
    Succeeded,
    /// Nothing failed, but something in scope stays on the old role, or may: an add-on owns it,
    /// another actor moved it back, or the index of a region is not complete.
    Incomplete,
    CompletedWithFailures,
    Failed,
    NoAssociations,
    Planned,
    Rejected,
}

impl Status {
    /// Returns whether a rotation with this status is finished.
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Planning | Self::InProgress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_except_planning_and_in_progress_is_final() {
        for status in [Status::Planning, Status::InProgress] {
            assert!(!status.is_final());
        }
        for status in [
            Status::Succeeded,
            Status::Incomplete,
            Status::CompletedWithFailures,
            Status::Failed,
            Status::NoAssociations,
            Status::Planned,
            Status::Rejected,
        ] {
            assert!(status.is_final());
        }
    }
}
