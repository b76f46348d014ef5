//! Which verdict follows from a rotation's row, and which rotation of a role's history decides.

use super::*;
use crate::indexing::IndexItem;
use crate::request::Rollback;
use crate::request::testing::{requested, role};
use crate::resource::{RoleField, association};
use crate::rotation::{Open, PauseCause, PausedFrom, State, Work};

const OLD: &str = "arn:aws:iam::111122223333:role/old";

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn rotation(status: Status, finished_at: Option<i64>, cluster: Option<&str>) -> RotationRecord {
    let scope = match cluster {
        Some(cluster) => serde_json::json!({ "clusterNames": [cluster] }),
        None => serde_json::json!({}),
    };
    let record = RotationRecord::start(&requested(&scope), at(100));
    RotationRecord {
        state: match finished_at {
            Some(finished_at) => State::finished(status, at(finished_at)),
            None => State::IN_PROGRESS,
        },
        ..record
    }
}

#[test]
fn an_association_that_left_the_role_or_was_unknown_is_a_reversion() {
    use Outcome::*;
    let seen = Association {
        modified_at: at(500),
        ..association(OLD)
    };
    let done = rotation(Status::Succeeded, Some(300), None);
    let late = rotation(Status::Succeeded, Some(900), None);
    let open = rotation(Status::InProgress, None, None);
    let stopped = rotation(Status::Failed, Some(300), None);
    let elsewhere = rotation(Status::Succeeded, Some(300), Some("other"));
    for (rotation, row, expected) in [
        (&done, Some((Updated, 400)), Verdict::Reverted),
        (&open, Some((Updated, 400)), Verdict::Reverted),
        (&stopped, Some((Updated, 400)), Verdict::Reverted),
        (&elsewhere, Some((Updated, 400)), Verdict::Reverted),
        // The observation is from before the update.
        (&done, Some((Updated, 500)), Verdict::NeverLeft),
        (&done, Some((AlreadyCurrent, 400)), Verdict::Reverted),
        (&done, Some((Drifted, 400)), Verdict::Reverted),
        (&done, Some((Deleted, 400)), Verdict::Reverted),
        (&done, Some((Failed, 400)), Verdict::NeverLeft),
        (&done, Some((OwnedByAddon, 400)), Verdict::NeverLeft),
        (&open, Some((Pending, 400)), Verdict::NeverLeft),
        (&done, None, Verdict::Reverted),
        (&late, None, Verdict::Reverted),
        (&open, None, Verdict::Arriving),
        (&stopped, None, Verdict::Elsewhere),
        (&elsewhere, None, Verdict::Elsewhere),
    ] {
        let row = row.map(|(outcome, modified_at)| Row {
            outcome,
            modified_at: Some(at(modified_at)),
            ..Row::planned(&OLD.parse().unwrap(), &IndexItem::of(&seen))
        });
        let what = format!(
            "{:?} {:?}",
            rotation.status(),
            row.as_ref().map(|row| row.outcome)
        );
        assert_eq!(verdict(rotation, row.as_ref(), &seen), expected, "{what}");
    }
}

#[test]
fn a_rejection_or_a_rotation_without_associations_has_replaced_no_role() {
    for (status, expected) in [
        (Status::Succeeded, true),
        (Status::InProgress, true),
        (Status::Failed, true),
        (Status::NoAssociations, false),
        (Status::Rejected, false),
    ] {
        assert_eq!(
            replaces_roles(&rotation(status, Some(300), None)),
            expected,
            "{status:?}"
        );
    }
}

/// For example one that was finished, and is to be tried again. What it has moved still counts.
#[test]
fn a_rotation_that_waits_for_its_turn_takes_no_arrivals() {
    let paused = Open::Paused {
        from: PausedFrom::Queued,
        cause: PauseCause::Operator,
    };
    for open in [Open::Queued, paused] {
        let record = RotationRecord {
            state: State::Open(open),
            attempt: 2,
            ..rotation(Status::InProgress, None, None)
        };
        assert!(replaces_roles(&record), "{open:?}");
        let seen = association(OLD);
        assert_eq!(
            verdict(&record, None, &seen),
            Verdict::Elsewhere,
            "{open:?}"
        );
        let moved = Row {
            outcome: Outcome::Updated,
            modified_at: Some(at(1)),
            ..Row::planned(&OLD.parse().unwrap(), &IndexItem::of(&seen))
        };
        let came_back = Association {
            modified_at: at(2),
            ..seen
        };
        let found = verdict(&record, Some(&moved), &came_back);
        assert_eq!(found, Verdict::Reverted, "{open:?}");
    }
}

/// What an earlier attempt has covered stays so, whatever becomes of the next one.
#[test]
fn a_scope_that_an_attempt_has_covered_stays_covered() {
    let seen = association(OLD);
    let cancelling = State::Open(Open::Cancelling(Work::Planning));
    for (state, has_covered_scope, expected) in [
        (State::PLANNING, true, Verdict::Arriving),
        (State::Open(Open::Queued), false, Verdict::Elsewhere),
        (State::Open(Open::Queued), true, Verdict::Reverted),
        (cancelling.clone(), false, Verdict::Elsewhere),
        (cancelling, true, Verdict::Reverted),
        (
            State::finished(Status::Cancelled, at(300)),
            false,
            Verdict::Elsewhere,
        ),
        (
            State::finished(Status::Cancelled, at(300)),
            true,
            Verdict::Reverted,
        ),
        (
            State::finished(Status::Failed, at(300)),
            true,
            Verdict::Reverted,
        ),
    ] {
        let record = RotationRecord {
            state,
            has_covered_scope,
            ..rotation(Status::InProgress, None, None)
        };
        let found = verdict(&record, None, &seen);
        assert_eq!(found, expected, "{:?} {has_covered_scope}", record.state);
    }
}

/// Each step as `from` or `onto`, the other role, and the outcome of the association's row.
#[test]
fn a_later_rotation_onto_the_role_decides_whether_an_association_belongs_there() {
    use Outcome::{Drifted, Failed, Pending, Updated};
    use Side::{From, Onto};
    let seen = Association {
        modified_at: at(500),
        ..association(OLD)
    };
    let role = |name: &str| -> RoleArn { role(name).parse().unwrap() };
    let step = |side: Side, other: &str| {
        let mut record = rotation(Status::Succeeded, Some(300), None);
        let side_of = match side {
            From => &mut record.new_role_arn,
            Onto => &mut record.old_role_arn,
        };
        *side_of = role(other);
        record
    };
    for (steps, expected) in [
        (&[(From, "b", None)][..], Meaning::Reverted),
        (&[(From, "b", Some(Updated))], Meaning::Reverted),
        // There and back.
        (
            &[(Onto, "b", Some(Updated)), (From, "b", Some(Updated))],
            Meaning::Belongs,
        ),
        // There, back, and there again.
        (
            &[
                (From, "b", Some(Updated)),
                (Onto, "b", Some(Updated)),
                (From, "b", Some(Updated)),
            ],
            Meaning::Reverted,
        ),
        // Created on the role after the rotation back.
        (&[(Onto, "b", None), (From, "b", None)], Meaning::Belongs),
        // Another actor moved it off the new role, and after the rotation back to the role.
        (
            &[(Onto, "b", None), (From, "b", Some(Updated))],
            Meaning::Belongs,
        ),
        // C to A does not concern what A to B moved.
        (
            &[(Onto, "c", None), (From, "b", Some(Updated))],
            Meaning::Reverted,
        ),
        (
            &[(Onto, "c", Some(Drifted)), (From, "b", Some(Updated))],
            Meaning::Reverted,
        ),
        (
            &[(Onto, "c", Some(Updated)), (From, "b", Some(Updated))],
            Meaning::Belongs,
        ),
        // Its update took effect and is not recorded, or its response was lost.
        (
            &[(Onto, "c", Some(Pending)), (From, "b", Some(Updated))],
            Meaning::Belongs,
        ),
        (
            &[(Onto, "c", Some(Failed)), (From, "b", Some(Updated))],
            Meaning::Belongs,
        ),
        (&[(Onto, "c", None), (From, "b", None)], Meaning::Belongs),
        (&[(Onto, "b", None)], Meaning::Undecided),
        (&[], Meaning::Undecided),
    ] {
        let mut history = RoleHistory::default();
        let mut meaning = Meaning::Undecided;
        for (side, other, outcome) in steps {
            let row = outcome.map(|outcome| Row {
                outcome,
                modified_at: Some(at(400)),
                ..Row::planned(&OLD.parse().unwrap(), &IndexItem::of(&seen))
            });
            let record = step(*side, other);
            let step = RoleStep {
                side: *side,
                rotation: &record,
                row: row.as_ref(),
            };
            meaning = history.step(step, &seen);
            if meaning != Meaning::Undecided {
                break;
            }
        }
        assert_eq!(meaning, expected, "{steps:?}");
    }
}

/// A rollback leaves what it does not take back, so nothing of that is a reversion of it. And to
/// what it has taken back, the old role of the rotation belongs again.
#[test]
fn a_rollback_takes_back_only_what_its_rows_say() {
    use RoleField::{RoleArn, TargetRoleArn};
    let forward = requested(&serde_json::json!({})).request;
    let request = forward.taken_back(Rollback::default());
    let rollback = RotationRecord {
        request: request.clone(),
        old_role_arn: request.old_role_arn.clone(),
        new_role_arn: request.new_role_arn.clone(),
        ..rotation(Status::RolledBack, Some(300), None)
    };
    let new = role("new");
    let seen = |role_arn: &str, target: Option<&str>| Association {
        target_role_arn: target.map(str::to_owned),
        modified_at: at(500),
        ..association(role_arn)
    };
    let row = |outcome, field: RoleField| Row {
        outcome,
        fields: vec![field].into(),
        modified_at: Some(at(400)),
        ..Row::planned(&rollback.old_role_arn, &IndexItem::of(&seen(&new, None)))
    };
    for (row, seen, expected) in [
        // Created there, or there before the rotation.
        (None, seen(&new, None), Verdict::Elsewhere),
        (
            Some(row(Outcome::Updated, RoleArn)),
            seen(&new, None),
            Verdict::Reverted,
        ),
        (
            Some(row(Outcome::Updated, TargetRoleArn)),
            seen(&new, None),
            Verdict::Elsewhere,
        ),
        (
            Some(row(Outcome::Updated, TargetRoleArn)),
            seen(&new, Some(&new)),
            Verdict::Reverted,
        ),
        (
            Some(row(Outcome::ChangedSince, RoleArn)),
            seen(&new, None),
            Verdict::Elsewhere,
        ),
        (
            Some(row(Outcome::Pending, RoleArn)),
            seen(&new, None),
            Verdict::NeverLeft,
        ),
    ] {
        let found = verdict(&rollback, row.as_ref(), &seen);
        assert_eq!(found, expected, "{row:?} {seen:?}");
    }
    let step = |side, rotation, row| RoleStep {
        side,
        rotation,
        row,
    };
    let rotation = rotation(Status::Succeeded, Some(200), None);
    let moved = row(Outcome::Updated, RoleArn);
    let old = seen(&role("old"), None);
    for (of_rollback, of_rotation, expected) in [
        (Some(&moved), Some(&moved), Meaning::Belongs),
        // Created on the old role after the rollback.
        (None, None, Meaning::Belongs),
    ] {
        let mut history = RoleHistory::default();
        let first = history.step(step(Side::Onto, &rollback, of_rollback), &old);
        let meaning = match first {
            Meaning::Undecided => history.step(step(Side::From, &rotation, of_rotation), &old),
            meaning => meaning,
        };
        assert_eq!(meaning, expected);
    }
}
