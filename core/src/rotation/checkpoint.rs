//! Whether a slice has made progress. A slice without progress is an error, because the state
//! machine would otherwise repeat it forever.

use crate::rotation::{RotationRecord, SliceState, Stop};

/// How far a rotation is. If one of these values grows, the slice has made progress.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// The plan is complete.
    pub is_planned: bool,
    /// The rows that this slice has added to the plan.
    pub rows_added: u64,
    /// The settled rows, as counted in the rotation's item or by this slice. If a slice was killed
    /// after it settled rows, the next slice counts those rows as its own progress. This is right:
    /// a rotation whose every slice is killed after it settles some rows does reach its end.
    pub settled: u64,
    /// The rotation was stopped early.
    pub is_stopped: bool,
    /// How long the rotation has waited for the new role. Waiting counts as progress because it has
    /// a limit of its own.
    pub role_not_ready_ms: u64,
}

impl Checkpoint {
    /// Returns the checkpoint at which a slice finds the rotation.
    pub fn of(record: &RotationRecord) -> Self {
        Self {
            is_planned: record.is_planned(),
            rows_added: 0,
            settled: record.counts.total - record.counts.pending,
            is_stopped: record.stopped.is_some(),
            role_not_ready_ms: record.role_not_ready_ms,
        }
    }

    /// Returns the checkpoint at which a slice leaves the rotation.
    pub fn after(state: &SliceState, role_not_ready_ms: u64) -> Self {
        Self {
            is_planned: state.is_planned,
            rows_added: state.rows_added,
            settled: state.counts.total - state.counts.pending,
            is_stopped: matches!(state.stop, Stop::Recorded(_)),
            role_not_ready_ms,
        }
    }

    /// Returns whether a slice that found the rotation at `before` and left it here made progress.
    pub fn has_advanced_since(&self, before: &Self) -> bool {
        self.is_planned && !before.is_planned
            || self.rows_added > before.rows_added
            || self.settled > before.settled
            || self.is_stopped && !before.is_stopped
            || self.role_not_ready_ms > before.role_not_ready_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::testing::requested;
    use crate::rotation::{Counts, State};
    use crate::timestamp::Timestamp;

    /// Two of the rotation's seven rows are pending.
    fn record(state: State, stopped: Option<&str>) -> RotationRecord {
        RotationRecord {
            state,
            stopped: stopped.map(str::to_owned),
            counts: Counts {
                total: 7,
                pending: 2,
                ..Counts::default()
            },
            role_not_ready_ms: 40,
            ..RotationRecord::start(
                &requested(&serde_json::json!({})),
                Timestamp::from_millis(0),
            )
        }
    }

    #[test]
    fn a_slice_starts_from_what_the_ledger_has_and_ends_with_its_own_state() {
        for (state, stopped) in [
            (State::PLANNING, None),
            (State::IN_PROGRESS, None),
            (State::IN_PROGRESS, Some("too many failures")),
        ] {
            let is_planned = state == State::IN_PROGRESS;
            let record = record(state, stopped);
            let before = Checkpoint {
                is_planned,
                rows_added: 0,
                settled: 5,
                is_stopped: stopped.is_some(),
                role_not_ready_ms: 40,
            };
            assert_eq!(Checkpoint::of(&record), before);
            let mut state = SliceState::new(&record);
            assert_eq!(Checkpoint::after(&state, 40), before);
            state.rows_added = 3;
            let after = Checkpoint {
                rows_added: 3,
                role_not_ready_ms: 50,
                ..before
            };
            assert_eq!(Checkpoint::after(&state, 50), after);
        }
    }

    #[test]
    fn every_value_that_grows_is_progress() {
        let before = Checkpoint {
            is_planned: false,
            rows_added: 0,
            settled: 3,
            is_stopped: false,
            role_not_ready_ms: 70,
        };
        for (after, expected) in [
            (before, false),
            (
                Checkpoint {
                    is_planned: true,
                    ..before
                },
                true,
            ),
            (
                Checkpoint {
                    rows_added: 1,
                    ..before
                },
                true,
            ),
            (
                Checkpoint {
                    settled: 4,
                    ..before
                },
                true,
            ),
            (
                Checkpoint {
                    is_stopped: true,
                    ..before
                },
                true,
            ),
            (
                Checkpoint {
                    role_not_ready_ms: 71,
                    ..before
                },
                true,
            ),
            // The role worked, but the slice had no time to count the rows that it then settled.
            (
                Checkpoint {
                    role_not_ready_ms: 0,
                    ..before
                },
                false,
            ),
            // The slice ran out of time while it counted the rows.
            (
                Checkpoint {
                    settled: 0,
                    ..before
                },
                false,
            ),
        ] {
            assert_eq!(after.has_advanced_since(&before), expected, "{after:?}");
        }
        let planned = Checkpoint {
            is_planned: true,
            is_stopped: true,
            ..before
        };
        assert!(!planned.has_advanced_since(&planned));
    }
}
