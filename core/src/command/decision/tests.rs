//! The verdict on each command, by the state of the rotation and of the stack.

mod rollback;

use serde_json::json;

use super::*;
use crate::request::testing::requested;
use crate::request::{Envelope, EventSummary};
use crate::rotation::{PauseCause, PausedFrom, State, Status, Work};

fn at(secs: u64) -> Timestamp {
    Timestamp::from_millis(0) + Duration::from_secs(secs)
}

/// Now.
const NOW: u64 = 10_000;

fn command(order: Order, sent_at: Option<u64>, expected_seq: Option<u64>) -> Command {
    Command {
        event_id: "c-1".to_owned(),
        order,
        expected_seq,
        envelope: Envelope {
            event: EventSummary {
                time: sent_at.map(at),
                ..EventSummary::default()
            },
            ..Envelope::default()
        },
    }
}

fn rotation(state: State) -> RotationRecord {
    RotationRecord {
        state,
        timeline_seq: 4,
        ..RotationRecord::start(&requested(&json!({ "maxErrors": "5" })), at(0))
    }
}

fn stack(frozen_at: Option<u64>) -> StackRecord {
    StackRecord {
        timeline_seq: 6,
        frozen_at: frozen_at.map(at),
        ..StackRecord::default()
    }
}

fn shown(decision: &Decision) -> String {
    match decision {
        Decision::Change(open) => format!("{:?}", open.status()),
        Decision::End => "end".to_owned(),
        Decision::RollBack(plan) => match plan.start {
            RollbackStart::At(at) => {
                format!("{:?}, at {}", plan.of_rotation, at.as_millis() / 1_000)
            }
            RollbackStart::Queued => format!("{:?}, queued", plan.of_rotation),
        },
        Decision::Limits(request) => {
            format!("{} {:?}", request.max_errors, request.max_concurrency)
        }
        Decision::Stack(order) => format!("{order:?}"),
        Decision::NoChange(explanation) => format!("no change: {explanation}"),
        Decision::Refused {
            explanation,
            allowed,
        } => format!("refused: {explanation}; allowed: {allowed:?}"),
    }
}

fn paused(cause: PauseCause) -> State {
    let from = PausedFrom::Running(Work::Executing);
    State::Open(Open::Paused { from, cause })
}

fn limits(max_errors: &str) -> RotationOrder {
    RotationOrder::Change(Limits {
        max_errors: Some(max_errors.parse().unwrap()),
        max_concurrency: None,
    })
}

#[test]
fn a_command_about_a_rotation_is_decided_by_its_state() {
    let key = || "r-1".parse().unwrap();
    let failed = || State::finished(Status::Failed, at(9_000));
    for (order, state, frozen_at, expected) in [
        (RotationOrder::Pause, State::IN_PROGRESS, None, "Paused"),
        (RotationOrder::Pause, State::IN_PROGRESS, Some(0), "Paused"),
        (
            RotationOrder::Pause,
            paused(PauseCause::Operator),
            None,
            "no change: the rotation is Paused",
        ),
        (
            RotationOrder::Resume,
            paused(PauseCause::Operator),
            None,
            "InProgress",
        ),
        (
            RotationOrder::Resume,
            paused(PauseCause::Frozen),
            Some(0),
            "refused: the stack is frozen; allowed: [Pause, Unfreeze, Cancel, Rollback, Change]",
        ),
        (
            RotationOrder::Resume,
            State::IN_PROGRESS,
            None,
            "no change: the rotation is InProgress",
        ),
        (
            RotationOrder::Cancel,
            State::Open(Open::Queued),
            None,
            "end",
        ),
        (
            RotationOrder::Cancel,
            State::IN_PROGRESS,
            Some(0),
            "Cancelling",
        ),
        (
            RotationOrder::Cancel,
            failed(),
            None,
            "refused: Cancel is not allowed while the rotation is Failed; allowed: [Retry]",
        ),
        (RotationOrder::Retry, failed(), None, "Planning"),
        (
            RotationOrder::Retry,
            State::IN_PROGRESS,
            None,
            "refused: Retry is not allowed while the rotation is InProgress; \
             allowed: [Pause, Cancel, Rollback, Change]",
        ),
        (limits("7"), State::IN_PROGRESS, None, "7 None"),
        (
            limits("5"),
            State::IN_PROGRESS,
            None,
            "no change: the rotation has these limits",
        ),
        (
            limits("7"),
            failed(),
            None,
            "refused: the rotation is Failed; allowed: [Retry]",
        ),
    ] {
        let command = command(Order::Rotation(key(), order), Some(NOW), None);
        let found = rotation(state);
        let decision = decide(
            (&command, order),
            Some(&found),
            &stack(frozen_at),
            NeededFacts::None,
            at(NOW),
        );
        assert_eq!(shown(&decision), expected, "{order:?} {:?}", found.state);
    }
    let order = RotationOrder::Pause;
    let unknown = command(Order::Rotation(key(), order), Some(NOW), None);
    let decision = decide(
        (&unknown, order),
        None,
        &stack(None),
        NeededFacts::None,
        at(NOW),
    );
    assert_eq!(
        shown(&decision),
        "refused: the ledger has no such rotation; allowed: []"
    );
}

#[test]
fn a_retry_depends_on_its_roles() {
    let order = RotationOrder::Retry;
    let command = command(
        Order::Rotation("r-1".parse().unwrap(), order),
        Some(NOW),
        None,
    );
    let found = rotation(State::finished(Status::Failed, at(9_000)));
    let role = found.new_role_arn.clone();
    let admitted = NextAttempt::Admitted;
    for (next_attempt, expected) in [
        (admitted(Admission::Start(at(NOW))), "Planning".to_owned()),
        (admitted(Admission::Queue), "Queued".to_owned()),
        (
            NextAttempt::NewRoleReplaced("r-2".parse().unwrap()),
            format!(
                "refused: rotation r-2 has replaced the new role {role} since, or is about to; \
                 allowed: []"
            ),
        ),
        (
            admitted(Admission::Full(role.clone())),
            format!("refused: too many rotations wait for {role}; allowed: []"),
        ),
    ] {
        let decision = decide(
            (&command, order),
            Some(&found),
            &stack(None),
            NeededFacts::NextAttempt(next_attempt),
            at(NOW),
        );
        assert_eq!(shown(&decision), expected);
    }
}

#[test]
fn a_command_that_comes_too_late_is_refused() {
    let late = "minutes old, and Resume is accepted for 15 minutes";
    for (order, sent_at, expected_seq, expected) in [
        (RotationOrder::Resume, Some(NOW - 900), None, None),
        (RotationOrder::Resume, Some(NOW - 901), None, Some(late)),
        (
            RotationOrder::Resume,
            None,
            None,
            Some("Resume needs an event with a time"),
        ),
        (RotationOrder::Pause, Some(0), None, None),
        (RotationOrder::Cancel, None, None, None),
        (RotationOrder::Cancel, Some(NOW), Some(4), None),
        (
            RotationOrder::Cancel,
            Some(NOW),
            Some(3),
            Some("the timeline has entry 4, and the command expects 3 as the last one"),
        ),
    ] {
        let of_rotation = Order::Rotation("r-1".parse().unwrap(), order);
        let command = command(of_rotation, sent_at, expected_seq);
        let found = rotation(State::IN_PROGRESS);
        let decision = decide(
            (&command, order),
            Some(&found),
            &stack(None),
            NeededFacts::None,
            at(NOW),
        );
        let shown = shown(&decision);
        match expected {
            None => assert!(!shown.starts_with("refused"), "{order:?}: {shown}"),
            Some(expected) => assert!(shown.contains(expected), "{order:?}: {shown}"),
        }
    }
}

#[test]
fn a_command_about_the_stack_is_decided_by_its_freeze() {
    for (order, frozen_at, sent_at, expected_seq, expected) in [
        (StackOrder::Freeze, None, Some(0), None, "Freeze"),
        (
            StackOrder::Freeze,
            Some(0),
            Some(NOW),
            None,
            "no change: the stack is frozen since 1970-01-01T00:00:00.000Z",
        ),
        (
            StackOrder::Unfreeze,
            Some(0),
            Some(NOW),
            Some(6),
            "Unfreeze",
        ),
        (
            StackOrder::Unfreeze,
            None,
            Some(NOW),
            None,
            "no change: the stack is not frozen",
        ),
        (
            StackOrder::Unfreeze,
            Some(0),
            Some(0),
            None,
            "refused: the command is 166 minutes old, and Unfreeze is accepted for 15 minutes; \
             allowed: [Unfreeze]",
        ),
        (
            StackOrder::Freeze,
            None,
            Some(NOW),
            Some(5),
            "refused: the timeline has entry 6, and the command expects 5 as the last one; \
             allowed: [Freeze]",
        ),
    ] {
        let command = command(Order::Stack(order), sent_at, expected_seq);
        let decision = decide_for_stack((&command, order), &stack(frozen_at), at(NOW));
        assert_eq!(shown(&decision), expected);
    }
}
