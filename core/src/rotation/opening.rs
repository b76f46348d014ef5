//! What a delivery may do with a rotation: start it, take it over, or neither. The ledger stores
//! the decision on condition that what was read is still so. What becomes of a new rotation is
//! decided in `admission.rs`.

use crate::request::Requested;
use crate::rotation::{Cause, FailingSince, LEASE, RotationRecord, StackRecord, State, Transition};
use crate::timestamp::Timestamp;

/// What a delivery may do with a rotation.
#[derive(Debug, Clone, PartialEq)]
pub enum Opening {
    /// The ledger has no such rotation.
    New,
    /// The rotation is open, and no invocation works on it. Resume it, under the next fence, if its
    /// lease is still this one, which has expired, or if there is still none.
    Resume {
        record: Box<RotationRecord>,
        seen_lease: Option<Timestamp>,
    },
    /// The stack is frozen, or no longer is, and that changes the state of the rotation. After
    /// that change, the delivery reads the rotation again.
    Change(Box<RotationRecord>, Cause),
    /// Another invocation holds the lease.
    AlreadyRunning,
    /// It is queued or paused. No slice may work on it.
    Waiting(Box<RotationRecord>),
    /// The rotation is finished.
    Finished(Box<RotationRecord>),
    /// A rotation with this ID has another request.
    OtherRequest(Box<RotationRecord>),
}

/// Decides what a delivery of a request may do at `now`. `found` is the rotation under the
/// request's key.
#[must_use]
pub fn open(
    found: Option<RotationRecord>,
    requested: &Requested,
    stack: &StackRecord,
    now: Timestamp,
) -> Opening {
    let Some(found) = found else {
        return Opening::New;
    };
    if !requested.request.has_identity_of(&found.request) {
        return Opening::OtherRequest(Box::new(found));
    }
    if found.status().is_final() {
        return Opening::Finished(Box::new(found));
    }
    let is_leased = found.is_leased_at(now);
    let cause = freeze(&found, stack);
    if !is_leased && matches!(found.state.after(cause), Transition::To(_)) {
        return Opening::Change(Box::new(found), cause);
    }
    if found.state.work().is_none() {
        Opening::Waiting(Box::new(found))
    } else if is_leased {
        Opening::AlreadyRunning
    } else {
        resume(found, now)
    }
}

/// Returns what the stack causes. A dry run writes nothing, so it is not paused.
fn freeze(found: &RotationRecord, stack: &StackRecord) -> Cause {
    if stack.is_frozen() && !found.request.dry_run {
        Cause::Frozen
    } else {
        Cause::Unfrozen
    }
}

fn resume(found: RotationRecord, now: Timestamp) -> Opening {
    // While no slice tried, no cluster failed.
    let failing_since = if found.is_stalled(now) {
        FailingSince::new()
    } else {
        found.failing_since.clone()
    };
    // If the last slice has not released its lease, it has died, or could not record something.
    let has_died = found.lease_until.is_some() && found.is_planned();
    // What failed in the attempt before is pending again once the rows are opened again. A rotation
    // that was cancelled before that leaves them as they are.
    let counts = if found.state == State::PLANNING {
        found.counts.reopened(&found.request)
    } else {
        found.counts
    };
    Opening::Resume {
        seen_lease: found.lease_until,
        record: Box::new(RotationRecord {
            counts,
            fence: found.fence + 1,
            lease_until: Some(now + LEASE),
            failing_since,
            has_unconfirmed_updates: found.has_unconfirmed_updates || has_died,
            ..found
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::request::testing::requested;
    use crate::rotation::{Counts, Open, PauseCause, PausedFrom, State, Status, Work};

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn shown(opening: Opening) -> String {
        match opening {
            Opening::New => "new".to_owned(),
            Opening::Resume { record, seen_lease } => {
                let until = record.lease_until.unwrap().as_millis();
                let seen = seen_lease.map_or("none".to_owned(), |at| at.as_millis().to_string());
                format!("resume as {} until {until} after {seen}", record.fence)
            }
            Opening::Change(_, cause) => format!("{cause:?}"),
            Opening::AlreadyRunning => "running".to_owned(),
            Opening::Waiting(record) | Opening::Finished(record) => {
                format!("{:?}", record.status())
            }
            Opening::OtherRequest(_) => "other request".to_owned(),
        }
    }

    fn found(state: State, lease_until: Option<i64>) -> RotationRecord {
        RotationRecord {
            state,
            fence: 3,
            lease_until: lease_until.map(at),
            ..RotationRecord::start(&requested(&json!({})), at(0))
        }
    }

    fn paused(cause: PauseCause) -> State {
        let from = PausedFrom::Running(Work::Executing);
        State::Open(Open::Paused { from, cause })
    }

    #[test]
    fn request_status_stack_and_lease_decide_in_this_order() {
        let same = requested(&json!({ "maxErrors": "0", "reason": "once more" }));
        let other = requested(&json!({ "namespaces": ["pay"] }));
        let finished = |status| State::finished(status, at(500));
        let cancelling = State::Open(Open::Cancelling(Work::Executing));
        let resumed = "resume as 4 until 46000 after none";
        let (planning, executing) = (State::PLANNING, State::IN_PROGRESS);
        let cases = vec![
            (None, &same, "new", "new"),
            (Some(found(planning, None)), &same, resumed, "Frozen"),
            (
                Some(found(executing.clone(), None)),
                &same,
                resumed,
                "Frozen",
            ),
            // The lease has just ended.
            (
                Some(found(executing.clone(), Some(1_000))),
                &same,
                "resume as 4 until 46000 after 1000",
                "Frozen",
            ),
            // The slice finds the freeze itself.
            (
                Some(found(executing.clone(), Some(1_001))),
                &same,
                "running",
                "running",
            ),
            (Some(found(cancelling, None)), &same, resumed, resumed),
            (
                Some(found(State::Open(Open::Queued), None)),
                &same,
                "Queued",
                "Queued",
            ),
            (
                Some(found(paused(PauseCause::Operator), None)),
                &same,
                "Paused",
                "Paused",
            ),
            (
                Some(found(paused(PauseCause::Frozen), None)),
                &same,
                "Unfrozen",
                "Paused",
            ),
            (
                Some(found(finished(Status::Succeeded), None)),
                &same,
                "Succeeded",
                "Succeeded",
            ),
            (
                Some(found(finished(Status::Failed), Some(2_000))),
                &same,
                "Failed",
                "Failed",
            ),
            (
                Some(found(finished(Status::Succeeded), None)),
                &other,
                "other request",
                "other request",
            ),
            (
                Some(found(executing, Some(2_000))),
                &other,
                "other request",
                "other request",
            ),
        ];
        for (found, request, expected, while_frozen) in cases {
            for (frozen_at, expected) in [(None, expected), (Some(at(0)), while_frozen)] {
                let stack = StackRecord {
                    frozen_at,
                    ..StackRecord::default()
                };
                let opening = open(found.clone(), request, &stack, at(1_000));
                assert_eq!(shown(opening), expected, "{found:?} {frozen_at:?}");
            }
        }
    }

    #[test]
    fn a_freeze_does_not_pause_a_dry_run() {
        let dry_run = requested(&json!({ "dryRun": true }));
        let found = RotationRecord {
            lease_until: None,
            ..RotationRecord::start(&dry_run, at(0))
        };
        let frozen = StackRecord {
            frozen_at: Some(at(0)),
            ..StackRecord::default()
        };
        let opening = open(Some(found), &dry_run, &frozen, at(1_000));
        assert_eq!(shown(opening), "resume as 2 until 46000 after none");
    }

    /// What fails again is a failure of the new attempt.
    #[test]
    fn the_next_attempt_counts_again_what_it_tries_again() {
        let counts = Counts {
            total: 10,
            updated: 3,
            failed: 2,
            not_attempted: 4,
            owned_by_addon: 1,
            ..Counts::default()
        };
        let reopened = Counts {
            total: 10,
            updated: 3,
            pending: 7,
            ..Counts::default()
        };
        let cancelled = State::Open(Open::Cancelling(Work::Planning));
        for (state, expected) in [
            (State::PLANNING, reopened),
            (State::IN_PROGRESS, counts),
            (cancelled, counts),
        ] {
            let found = RotationRecord {
                counts,
                attempt: 2,
                ..found(state, None)
            };
            let requested = requested(&json!({}));
            let opening = open(Some(found), &requested, &StackRecord::default(), at(1_000));
            let Opening::Resume { record, .. } = opening else {
                panic!("the rotation is open");
            };
            assert_eq!(record.counts, expected);
        }
    }

    /// A slice that has released its lease has recorded whether an update got no response.
    #[test]
    fn a_slice_that_died_may_have_updated_what_is_pending() {
        for (state, lease_until, before, after) in [
            (State::IN_PROGRESS, None, false, false),
            (State::IN_PROGRESS, None, true, true),
            (State::IN_PROGRESS, Some(900), false, true),
            // No update is sent before the plan is complete.
            (State::PLANNING, Some(900), false, false),
        ] {
            let found = RotationRecord {
                has_unconfirmed_updates: before,
                ..found(state, lease_until)
            };
            let requested = requested(&json!({}));
            let opening = open(Some(found), &requested, &StackRecord::default(), at(1_000));
            let Opening::Resume { record, .. } = opening else {
                panic!("the rotation is open");
            };
            assert_eq!(record.has_unconfirmed_updates, after, "{lease_until:?}");
        }
    }

    /// For example, an operator redrives it hours later.
    #[test]
    fn a_rotation_that_has_stalled_starts_to_count_failures_again() {
        let at = |secs| Timestamp::from_millis(0) + Duration::from_secs(secs);
        let requested = requested(&json!({}));
        let failing_since = FailingSince::from([("prod-1".to_owned(), at(100))]);
        for (now, is_kept) in [(300, true), (799, true), (800, false), (9_000, false)] {
            let found = RotationRecord {
                idle_since: Some(at(200)),
                failing_since: failing_since.clone(),
                ..found(State::IN_PROGRESS, None)
            };
            let opening = open(Some(found), &requested, &StackRecord::default(), at(now));
            let Opening::Resume { record, .. } = opening else {
                panic!("the rotation is open");
            };
            assert_eq!(!record.failing_since.is_empty(), is_kept, "after {now} s");
        }
    }
}
