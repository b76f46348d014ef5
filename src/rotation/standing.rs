//! Whether a slice has brought its rotation on. One that has not would be repeated for ever, so that it is an error.

use super::Progress;
use super::progress::Stop;
use crate::record::RotationRecord;
use crate::status::Status;

/// How far a rotation is, as far as that only ever grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// The plan is complete.
    pub(super) is_planned: bool,
    /// Rows that this slice has added to the plan.
    pub(super) rows_added: u64,
    /// Rows that are settled, as far as the ledger's item or this slice has counted them. What a slice that died had settled
    /// is counted by the next one as its own: a slice that is killed each time it has settled something does bring its
    /// rotation on.
    pub(super) settled: u64,
    /// The rotation stops early.
    pub(super) is_stopped: bool,
    /// For how long the new role has not been ready. A wait for it brings the rotation on, since it has an end.
    pub(super) role_not_ready_ms: u64,
}

impl Standing {
    /// Where a slice finds the rotation.
    pub(super) fn of(record: &RotationRecord) -> Self {
        Self {
            is_planned: record.status == Status::InProgress,
            rows_added: 0,
            settled: record.counts.total - record.counts.pending,
            is_stopped: record.stopped.is_some(),
            role_not_ready_ms: record.role_not_ready_ms,
        }
    }

    /// Where a slice leaves it.
    pub(super) fn left(progress: &Progress, role_not_ready_ms: u64) -> Self {
        Self {
            is_planned: progress.is_planned,
            rows_added: progress.rows_added,
            settled: progress.counts.total - progress.counts.pending,
            is_stopped: matches!(progress.stop, Stop::Recorded(_)),
            role_not_ready_ms,
        }
    }
}

/// Whether a slice that found the rotation at `before` and left it at `after` has brought it on.
pub(super) fn has_advanced(before: &Standing, after: &Standing) -> bool {
    after.is_planned && !before.is_planned
        || after.rows_added > before.rows_added
        || after.settled > before.settled
        || after.is_stopped && !before.is_stopped
        || after.role_not_ready_ms > before.role_not_ready_ms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_grows_brings_a_rotation_on() {
        let before =
            Standing { is_planned: false, rows_added: 0, settled: 3, is_stopped: false, role_not_ready_ms: 70 };
        for (after, expected) in [
            (before, false),
            (Standing { is_planned: true, ..before }, true),
            (Standing { rows_added: 1, ..before }, true),
            (Standing { settled: 4, ..before }, true),
            (Standing { is_stopped: true, ..before }, true),
            (Standing { role_not_ready_ms: 71, ..before }, true),
            // The role has worked since, and the slice had no time to count what that settled.
            (Standing { role_not_ready_ms: 0, ..before }, false),
            // It ran out of time while it counted.
            (Standing { settled: 0, ..before }, false),
        ] {
            assert_eq!(has_advanced(&before, &after), expected, "{after:?}");
        }
        let planned = Standing { is_planned: true, is_stopped: true, ..before };
        assert!(!has_advanced(&planned, &planned));
    }
}
