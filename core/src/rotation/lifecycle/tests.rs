//! Every pair of state and cause, the diagram of them in `docs/`, and the stored form.

use std::collections::BTreeSet;
use std::fmt::Write;

use expect_test::expect;
use serde_json::json;

use super::*;

const CAUSES: [Cause; 10] = [
    Cause::Turn,
    Cause::Planned,
    Cause::Pause,
    Cause::Resume,
    Cause::Frozen,
    Cause::Unfrozen,
    Cause::Cancel,
    Cause::Retry,
    Cause::RetryLater,
    Cause::PlanAgain,
];

fn paused(from: PausedFrom, cause: PauseCause) -> State {
    State::Open(Open::Paused { from, cause })
}

fn open_states() -> Vec<State> {
    let mut states = vec![
        State::Open(Open::Queued),
        State::PLANNING,
        State::IN_PROGRESS,
    ];
    for cause in [PauseCause::Operator, PauseCause::Frozen] {
        for from in [
            PausedFrom::Queued,
            PausedFrom::Running(Work::Planning),
            PausedFrom::Running(Work::Executing),
        ] {
            states.push(paused(from, cause));
        }
    }
    states.push(State::Open(Open::Cancelling(Work::Planning)));
    states.push(State::Open(Open::Cancelling(Work::Executing)));
    states
}

fn states() -> Vec<State> {
    let ends = Status::FINISHED.into_iter().chain([Status::Rejected]);
    let ends = ends.map(|status| State::finished(status, Timestamp::from_millis(0)));
    open_states().into_iter().chain(ends).collect()
}

/// A state in a few words, such as `Paused(Planning, Frozen)`.
fn name(state: &State) -> String {
    match state {
        State::Open(Open::Paused { from, cause }) => {
            format!("Paused({:?}, {cause:?})", Open::from(*from).status())
        }
        State::Open(Open::Cancelling(work)) => format!("Cancelling({work:?})"),
        other => format!("{:?}", other.status()),
    }
}

#[test]
fn each_cause_has_one_effect_in_each_state() {
    let mut table = String::new();
    for state in states() {
        let (mut changes, mut stays, mut refused) = (String::new(), String::new(), String::new());
        for cause in CAUSES {
            match state.after(cause) {
                Transition::To(open) => {
                    let to = name(&State::Open(open));
                    write!(changes, "; {cause:?} → {to}").unwrap();
                }
                Transition::Cancelled => write!(changes, "; {cause:?} → Cancelled").unwrap(),
                Transition::Stays => write!(stays, " {cause:?}").unwrap(),
                Transition::Refused => write!(refused, " {cause:?}").unwrap(),
            }
        }
        let name = name(&state);
        writeln!(table, "{name}{changes}; stays:{stays}; refused:{refused}").unwrap();
    }
    expect![[r"
        Queued; Turn → Planning; Pause → Paused(Queued, Operator); Cancel → Cancelled; stays: Resume Frozen Unfrozen; refused: Planned Retry RetryLater PlanAgain
        Planning; Planned → InProgress; Pause → Paused(Planning, Operator); Frozen → Paused(Planning, Frozen); Cancel → Cancelling(Planning); stays: Resume Unfrozen; refused: Turn Retry RetryLater PlanAgain
        InProgress; Pause → Paused(InProgress, Operator); Frozen → Paused(InProgress, Frozen); Cancel → Cancelling(Executing); stays: Resume Unfrozen; refused: Turn Planned Retry RetryLater PlanAgain
        Paused(Queued, Operator); Resume → Queued; Cancel → Cancelled; stays: Pause Frozen Unfrozen; refused: Turn Planned Retry RetryLater PlanAgain
        Paused(Planning, Operator); Resume → Planning; Cancel → Cancelling(Planning); stays: Pause Frozen Unfrozen; refused: Turn Planned Retry RetryLater PlanAgain
        Paused(InProgress, Operator); Resume → InProgress; Cancel → Cancelling(Executing); stays: Pause Frozen Unfrozen; refused: Turn Planned Retry RetryLater PlanAgain
        Paused(Queued, Frozen); Pause → Paused(Queued, Operator); Resume → Queued; Unfrozen → Queued; Cancel → Cancelled; stays: Frozen; refused: Turn Planned Retry RetryLater PlanAgain
        Paused(Planning, Frozen); Pause → Paused(Planning, Operator); Resume → Planning; Unfrozen → Planning; Cancel → Cancelling(Planning); stays: Frozen; refused: Turn Planned Retry RetryLater PlanAgain
        Paused(InProgress, Frozen); Pause → Paused(InProgress, Operator); Resume → InProgress; Unfrozen → InProgress; Cancel → Cancelling(Executing); stays: Frozen; refused: Turn Planned Retry RetryLater PlanAgain
        Cancelling(Planning); stays: Resume Frozen Unfrozen Cancel; refused: Turn Planned Pause Retry RetryLater PlanAgain
        Cancelling(Executing); stays: Resume Frozen Unfrozen Cancel; refused: Turn Planned Pause Retry RetryLater PlanAgain
        Succeeded; Retry → Planning; RetryLater → Queued; stays: Frozen Unfrozen; refused: Turn Planned Pause Resume Cancel PlanAgain
        Incomplete; Retry → Planning; RetryLater → Queued; stays: Frozen Unfrozen; refused: Turn Planned Pause Resume Cancel PlanAgain
        CompletedWithFailures; Retry → Planning; RetryLater → Queued; stays: Frozen Unfrozen; refused: Turn Planned Pause Resume Cancel PlanAgain
        Failed; Retry → Planning; RetryLater → Queued; stays: Frozen Unfrozen; refused: Turn Planned Pause Resume Cancel PlanAgain
        NoAssociations; Retry → Planning; RetryLater → Queued; stays: Frozen Unfrozen; refused: Turn Planned Pause Resume Cancel PlanAgain
        Planned; PlanAgain → Planning; stays: Frozen Unfrozen; refused: Turn Planned Pause Resume Cancel Retry RetryLater
        Cancelled; Retry → Planning; RetryLater → Queued; stays: Frozen Unfrozen Cancel; refused: Turn Planned Pause Resume PlanAgain
        RolledBack; Retry → Planning; RetryLater → Queued; stays: Frozen Unfrozen; refused: Turn Planned Pause Resume Cancel PlanAgain
        RollbackIncomplete; Retry → Planning; RetryLater → Queued; stays: Frozen Unfrozen; refused: Turn Planned Pause Resume Cancel PlanAgain
        Rejected; stays: Frozen Unfrozen; refused: Turn Planned Pause Resume Cancel Retry RetryLater PlanAgain
    "]].assert_eq(&table);
}

/// The lines of the diagram: one for each pair of statuses, with all causes between them.
fn diagram() -> String {
    let mut edges: BTreeSet<(Status, Status, String)> = BTreeSet::new();
    for state in states() {
        for cause in CAUSES {
            let to = match state.after(cause) {
                Transition::To(open) => open.status(),
                Transition::Cancelled => Status::Cancelled,
                Transition::Stays | Transition::Refused => continue,
            };
            let from = state.status();
            if from != to {
                edges.insert((from, to, format!("{cause:?}")));
            }
        }
    }
    // A slice closes what it works on.
    let closed = Status::FINISHED.into_iter();
    for end in closed {
        let from = if end == Status::Cancelled {
            Status::Cancelling
        } else {
            Status::InProgress
        };
        edges.insert((from, end, "Closed".to_owned()));
    }
    let finished = |status: Status| match status {
        Status::Planned | Status::Cancelled => format!("{status:?}"),
        status if status.is_final() => "Finished".to_owned(),
        status => format!("{status:?}"),
    };
    let mut lines: Vec<(String, String, Vec<String>)> = Vec::new();
    for (from, to, cause) in edges {
        let (from, to) = (finished(from), finished(to));
        match lines.iter_mut().find(|line| line.0 == from && line.1 == to) {
            Some((_, _, causes)) if causes.contains(&cause) => {}
            Some((_, _, causes)) => causes.push(cause),
            None => lines.push((from, to, vec![cause])),
        }
    }
    let mut text = "stateDiagram-v2\n    [*] --> Planning\n    [*] --> Queued\n".to_owned();
    for (from, to, causes) in lines {
        writeln!(text, "    {from} --> {to}: {}", causes.join(", ")).unwrap();
    }
    text
}

#[test]
fn the_diagram_in_docs_shows_every_change_of_status() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/lifecycle.md");
    let page = std::fs::read_to_string(page).unwrap();
    let shown = page.split("```mermaid\n").nth(1).unwrap_or_default();
    let shown = shown.split("```").next().unwrap_or_default();
    let expected = diagram();
    assert_eq!(shown, expected, "the diagram has to be:\n{expected}");
}

#[test]
fn a_state_is_stored_as_attributes_and_read_again() {
    for state in states() {
        let stored = serde_json::to_value(&state).unwrap();
        let read: State = serde_json::from_value(stored.clone()).unwrap();
        assert_eq!(read, state, "{stored}");
        for attribute in stored.as_object().unwrap().keys() {
            assert!(
                State::ATTRIBUTES.contains(&attribute.as_str()),
                "{attribute}"
            );
        }
    }
    let frozen = paused(PausedFrom::Running(Work::Executing), PauseCause::Frozen);
    assert_eq!(
        serde_json::to_value(frozen).unwrap(),
        json!({
            "status": "Paused", "phase": "Executing", "statusCause": "Frozen",
            "pausedFrom": "InProgress",
        })
    );
    let end = State::finished(Status::Succeeded, Timestamp::from_millis(5_000));
    assert_eq!(
        serde_json::to_value(end).unwrap(),
        json!({
            "status": "Succeeded", "phase": "Finished",
            "finishedAt": "1970-01-01T00:00:05.000Z",
        })
    );
}

#[test]
fn attributes_that_contradict_each_other_are_no_state() {
    let at = "2026-11-30T10:00:00.000Z";
    for stored in [
        json!({ "status": "Planning", "phase": "Executing" }),
        json!({ "status": "InProgress", "phase": "Planning" }),
        json!({ "status": "InProgress", "phase": "Executing", "finishedAt": at }),
        json!({ "status": "InProgress", "phase": "Executing", "pausedFrom": "Planning" }),
        json!({ "status": "Paused", "phase": "Executing" }),
        json!({ "status": "Paused", "phase": "Executing", "statusCause": "Operator" }),
        json!({
            "status": "Paused", "phase": "Planning", "statusCause": "Operator",
            "pausedFrom": "InProgress",
        }),
        json!({ "status": "Succeeded", "phase": "Finished" }),
        json!({ "status": "Succeeded", "phase": "Executing", "finishedAt": at }),
        json!({ "status": "InProgress", "phase": "Finished", "finishedAt": at }),
    ] {
        let read: Result<State, _> = serde_json::from_value(stored.clone());
        assert!(read.is_err(), "{stored}");
    }
}
