//! The verdict on `Rollback`.

use super::*;
use crate::request::Rollback;

/// By the state of the rotation, what it has moved, and its rollback.
#[test]
fn a_rollback_is_for_what_a_rotation_has_moved() {
    let paused = |work| {
        State::Open(Open::Paused {
            from: PausedFrom::Running(work),
            cause: PauseCause::Operator,
        })
    };
    let finished = |status| State::finished(status, at(9_000));
    let cancelling = "To(Cancelling(Executing)), at 10000";
    let nothing = "refused: the rotation has moved no association; allowed: [Retry]";
    let rollback = |state: State| {
        let found = rotation(finished(Status::Succeeded));
        let mut request = requested(&json!({}));
        request.request = found.request.taken_back(Rollback::default());
        Some(Box::new(RotationRecord {
            state,
            ..RotationRecord::queue(&request, at(0))
        }))
    };
    for (state, updated, record, expected) in [
        (finished(Status::Succeeded), 3, None, "Stays, at 10000"),
        (finished(Status::Cancelled), 3, None, "Stays, at 10000"),
        (finished(Status::Cancelled), 0, None, nothing),
        (finished(Status::NoAssociations), 0, None, nothing),
        // It may have moved some since its counts were saved.
        (State::IN_PROGRESS, 0, None, cancelling),
        (paused(Work::Executing), 0, None, cancelling),
        (
            State::Open(Open::Cancelling(Work::Executing)),
            0,
            None,
            "Stays, at 10000",
        ),
        (
            State::PLANNING,
            0,
            None,
            "refused: the rotation has moved no association; allowed: [Pause, Cancel, Change]",
        ),
        // Its first attempt has moved three.
        (
            State::PLANNING,
            3,
            None,
            "To(Cancelling(Planning)), at 10000",
        ),
        (State::Open(Open::Queued), 3, None, "Cancelled, at 10000"),
        (
            finished(Status::Succeeded),
            3,
            rollback(State::IN_PROGRESS),
            "no change: rollback/r-1 is InProgress",
        ),
        (
            finished(Status::Succeeded),
            3,
            rollback(finished(Status::RolledBack)),
            "no change: rollback/r-1 is RolledBack since 1970-01-01T02:30:00.000Z",
        ),
        (
            finished(Status::Succeeded),
            3,
            rollback(finished(Status::RollbackIncomplete)),
            "Stays, at 10000",
        ),
        (
            finished(Status::Succeeded),
            3,
            rollback(finished(Status::Cancelled)),
            "Stays, at 10000",
        ),
    ] {
        let mut found = rotation(state);
        found.counts.updated = updated;
        let facts = FoundRollback {
            record,
            admission: Admission::Start(at(NOW)),
            rejection: None,
        };
        let decision = rolled_back(&found, facts);
        assert_eq!(shown(&decision), expected, "{:?} {updated}", found.state);
    }
}

#[test]
fn a_rollback_waits_for_its_roles_and_is_only_for_rotations() {
    let mut found = rotation(State::finished(Status::Succeeded, at(9_000)));
    found.counts.updated = 1;
    let role = found.old_role_arn.clone();
    for (admission, expected) in [
        (Admission::Start(at(NOW)), "Stays, at 10000".to_owned()),
        (Admission::Queue, "Stays, queued".to_owned()),
        (
            Admission::Full(role.clone()),
            format!("refused: too many rotations wait for {role}; allowed: [Retry]"),
        ),
    ] {
        let facts = FoundRollback {
            record: None,
            admission,
            rejection: None,
        };
        assert_eq!(shown(&rolled_back(&found, facts)), expected);
    }
    for request in [
        found.request.taken_back(Rollback::default()),
        RotationRequest {
            dry_run: true,
            ..found.request.clone()
        },
    ] {
        let found = RotationRecord {
            request,
            ..found.clone()
        };
        let facts = FoundRollback {
            record: None,
            admission: Admission::Start(at(NOW)),
            rejection: None,
        };
        let decision = shown(&rolled_back(&found, facts));
        assert!(decision.starts_with("refused: neither a dry run nor a rollback"));
    }
}

fn rolled_back(found: &RotationRecord, facts: FoundRollback) -> Decision {
    let order = RotationOrder::Rollback(RollbackOrder::default());
    let of_rotation = Order::Rotation("r-1".parse().unwrap(), order);
    let command = command(of_rotation, Some(NOW), None);
    decide(
        (&command, order),
        Some(found),
        &stack(None),
        NeededFacts::Rollback(facts),
        at(NOW),
    )
}
