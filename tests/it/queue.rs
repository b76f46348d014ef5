//! Rotations that wait for a role: in which order they start, and how they end.

use std::time::Duration;

use rerole_core::rotation::LEASE;
use rerole_sim::{ExecutionStatus, Fault, Options};
use serde_json::{Value, json};

use crate::common::guarantees;
use crate::guarantees::{Before, check};
use crate::harness::{
    Harness, NEW, OLD, THIRD, TIMEOUT, event, in_virtual_time, rotation_event, stalled_check_event,
};

/// A role that no association uses at first.
const FOURTH: &str = "arn:aws:iam::111122223333:role/platform/app-204";

/// What happens while the first rotation runs and the others wait.
#[derive(Debug, Clone, Copy)]
enum Between {
    Nothing,
    /// The second one is paused, and resumed when all others are finished.
    PauseOfSecond,
    /// The second one is cancelled.
    CancelOfSecond,
    /// The first one dies, and is resumed.
    DeathOfFirst,
}

/// The rotations that wait for A→B: their IDs, and their roles.
fn queued() -> [(&'static str, &'static str, &'static str); 4] {
    [
        ("b-to-c", NEW, THIRD),
        ("c-to-a", THIRD, OLD),
        ("a-to-d", OLD, FOURTH),
        ("a-to-b-again", OLD, NEW),
    ]
}

/// Plays executions until none runs. Returns the rotations in the order in which they finished.
async fn play_all(harness: &Harness) -> Vec<String> {
    let mut finished = Vec::new();
    loop {
        let executions = harness.aws.executions();
        let mut running = executions
            .iter()
            .filter(|execution| execution.status == ExecutionStatus::Running);
        if running.next().is_none() {
            return finished;
        }
        let played = harness.play(TIMEOUT).await;
        if played.output()["finishedAt"].is_string() {
            finished.push(played.output()["rotationId"].as_str().unwrap().to_owned());
        }
    }
}

#[test]
fn rotations_start_in_the_order_of_their_queues() {
    let succeeded = "Succeeded";
    let none = "NoAssociations";
    for (between, expected) in [
        (
            Between::Nothing,
            [
                ("b-to-c", succeeded, 20),
                ("c-to-a", succeeded, 20),
                ("a-to-d", succeeded, 20),
                ("a-to-b-again", none, 0),
            ],
        ),
        (
            // C→A waits behind B→C only for role C, and B→C is passed over.
            Between::PauseOfSecond,
            [
                ("c-to-a", none, 0),
                ("a-to-d", none, 0),
                ("a-to-b-again", none, 0),
                ("b-to-c", succeeded, 20),
            ],
        ),
        (
            Between::CancelOfSecond,
            [
                ("c-to-a", none, 0),
                ("a-to-d", none, 0),
                ("a-to-b-again", none, 0),
                ("b-to-c", "Cancelled", 0),
            ],
        ),
        (
            Between::DeathOfFirst,
            [
                ("b-to-c", succeeded, 20),
                ("c-to-a", succeeded, 20),
                ("a-to-d", succeeded, 20),
                ("a-to-b-again", none, 0),
            ],
        ),
    ] {
        in_virtual_time(play_queue(between, &expected));
    }
}

async fn play_queue(between: Between, expected: &[(&str, &str, u64); 4]) {
    let harness = Harness::with_state_machine(Options::default());
    harness.fleet(20);
    let first = rotation_event();
    let others = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        for (id, old, new) in queued() {
            let event = event(&json!({
                "rotationId": id, "oldRoleArn": old, "newRoleArn": new,
            }));
            let response = harness.deliver(&event).await.unwrap();
            let response = serde_json::to_value(response).unwrap();
            assert_eq!(response["status"], "Queued", "{id}: {response:#}");
        }
        match between {
            Between::PauseOfSecond => {
                harness
                    .command("Pause", json!({ "rotationId": "b-to-c" }))
                    .await;
            }
            Between::CancelOfSecond => {
                harness
                    .command("Cancel", json!({ "rotationId": "b-to-c" }))
                    .await;
            }
            Between::Nothing | Between::DeathOfFirst => {}
        }
    };
    if let Between::DeathOfFirst = between {
        harness.freeze_after_update(15);
        harness.deliver_and_crash(&first).await;
        others.await;
        tokio::time::sleep(LEASE).await;
        harness.finish(&first).await;
    } else {
        tokio::join!(harness.finish(&first), others);
    }
    let mut finished = play_all(&harness).await;
    if let Between::PauseOfSecond = between {
        harness
            .command("Resume", json!({ "rotationId": "b-to-c" }))
            .await;
        finished.extend(play_all(&harness).await);
    }
    if let Between::CancelOfSecond = between {
        finished.push("b-to-c".to_owned());
    }
    let order: Vec<_> = expected.iter().map(|(id, ..)| (*id).to_owned()).collect();
    assert_eq!(finished, order, "{between:?}");
    for (id, status, updated) in expected {
        let rotation = harness.rotation(id);
        assert_eq!(rotation["status"], *status, "{between:?} {rotation:#}");
        assert_eq!(
            rotation["counts"]["updated"], *updated,
            "{between:?} {rotation:#}"
        );
    }
    for role in [OLD, NEW, THIRD, FOURTH] {
        let role = harness.role(role);
        assert!(
            role.get("heldBy").is_none() && role.get("waiting").is_none(),
            "{role:#}"
        );
    }
    guarantees::check(&harness.aws);
}

/// The second team's request has nothing left to do, and says who has done it.
#[tokio::test(start_paused = true)]
async fn a_rotation_whose_work_was_done_while_it_waited_says_by_which_rotation() {
    let harness = Harness::with_state_machine(Options::default());
    harness.fleet(30);
    let before = Before::of(&harness);
    let (first, second) = (
        rotation_event(),
        event(&json!({ "rotationId": "second-team" })),
    );
    let later = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        harness.deliver(&second).await
    };
    let (_, response) = tokio::join!(harness.finish(&first), later);
    let response = serde_json::to_value(response.unwrap()).unwrap();
    assert_eq!(response["status"], "Queued");
    assert_eq!(play_all(&harness).await, ["second-team"]);
    let rotation = harness.rotation("second-team");
    assert_eq!(rotation["status"], "NoAssociations");
    let reason = rotation["reason"].as_str().unwrap();
    let expected = format!("30 were moved to {NEW} by rotation r-1");
    assert!(reason.contains(&expected), "{reason}");
    assert!(rotation["queuedAt"].as_str() < rotation["startedAt"].as_str());
    check(&harness, &before);
}

/// The invocation that closes the first rotation dies before it starts the next one.
#[tokio::test(start_paused = true)]
async fn the_check_starts_the_head_of_a_queue_that_nothing_has_started() {
    let harness = Harness::with_state_machine(Options::default());
    harness.fleet(30);
    let (first, second) = (rotation_event(), event(&json!({ "rotationId": "r-2" })));
    let later = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        harness.deliver(&second).await.unwrap();
        // The next read of the role's item is the one after the close.
        harness.inject(Fault::FreezeBefore, |call| {
            let first = &call.body["TransactItems"][0]["Update"];
            first["Key"]["rotationId"]["S"] == "r-2"
        });
    };
    tokio::select! {
        _ = async { tokio::join!(harness.deliver(&first), later) } => panic!("nothing froze"),
        () = harness.aws.wait_for_frozen_call() => {}
    }
    harness.aws.clear_hook();
    assert_eq!(harness.rotation("r-1")["status"], "Succeeded");
    assert_eq!(harness.rotation("r-2")["status"], "Queued");
    assert!(harness.aws.executions().is_empty());
    let checked = harness.deliver(&stalled_check_event()).await.unwrap();
    let checked = serde_json::to_value(checked).unwrap();
    assert_eq!(
        checked["stalledRotations"],
        json!([]),
        "a queued rotation is not stalled"
    );
    assert_eq!(play_all(&harness).await, ["r-2"]);
}

/// The slice that closes the first rotation, and the check, both find that the next one may start.
#[test]
fn a_turn_is_given_once_however_the_check_runs_beside_the_close() {
    for offset in 0..24 {
        in_virtual_time(async {
            let harness = Harness::with_state_machine(Options::default());
            harness.fleet(5);
            let (first, second) = (rotation_event(), event(&json!({ "rotationId": "r-2" })));
            let beside = async {
                tokio::time::sleep(Duration::from_millis(200)).await;
                harness.deliver(&second).await.unwrap();
                while harness.rotation("r-1")["status"] != "Succeeded" {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                tokio::time::sleep(Duration::from_millis(5 * offset)).await;
                harness.deliver(&stalled_check_event()).await.unwrap();
            };
            tokio::join!(harness.finish(&first), beside);
            assert_eq!(play_all(&harness).await, ["r-2"], "{offset}");
            let names: Vec<_> = harness
                .aws
                .executions()
                .iter()
                .map(|one| one.name.clone())
                .collect();
            assert_eq!(names, ["r-2-2"], "{offset}");
            guarantees::check(&harness.aws);
        });
    }
}

/// A paused rotation lets others pass.
#[tokio::test(start_paused = true)]
async fn a_request_that_finds_only_paused_rotations_before_it_starts_at_once() {
    let harness = Harness::with_state_machine(Options::default());
    harness.fleet(30);
    let second = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let second = event(&json!({ "rotationId": "r-2" }));
        harness.deliver(&second).await.unwrap();
        let pause = json!({ "rotationId": "r-2" });
        harness.command("Pause", pause).await;
    };
    let first = rotation_event();
    tokio::join!(harness.finish(&first), second);
    assert_eq!(harness.rotation("r-2")["status"], "Paused");
    let third = event(&json!({ "rotationId": "r-3" }));
    harness.deliver(&third).await.unwrap();
    assert_eq!(play_all(&harness).await, ["r-3"]);
}

/// A rotation that was started, but not handed over to the state machine.
#[tokio::test(start_paused = true)]
async fn the_check_starts_what_stands_idle() {
    let harness = Harness::with_state_machine(Options::default());
    harness.fleet(50);
    harness.freeze_after_update(10);
    harness.deliver_and_crash(&rotation_event()).await;
    for (minutes, executions) in [(2, 0), (2, 1), (2, 1)] {
        tokio::time::sleep(Duration::from_mins(minutes)).await;
        harness.deliver(&stalled_check_event()).await.unwrap();
        assert_eq!(harness.aws.executions().len(), executions);
    }
    assert_eq!(play_all(&harness).await, ["r-1"]);
    assert_eq!(harness.rotation("r-1")["counts"]["updated"], 50);
}

#[tokio::test(start_paused = true)]
async fn a_fifty_first_rotation_of_a_role_is_rejected() {
    let harness = Harness::with_state_machine(Options::default());
    harness.fleet(5);
    harness
        .command("Freeze", json!({ "rotationId": null }))
        .await;
    let request = |at: usize| {
        let id = format!("r-{at}");
        event(&json!({ "rotationId": id, "newRoleArn": format!("{NEW}-{at}") }))
    };
    let mut statuses: Vec<Value> = Vec::new();
    for at in 0..51 {
        let mut event = request(at);
        event["id"] = json!(format!("e-{at}"));
        let response = harness.deliver(&event).await.unwrap();
        statuses.push(serde_json::to_value(response).unwrap()["status"].clone());
    }
    let queued = statuses
        .iter()
        .filter(|status| **status == "Queued")
        .count();
    assert_eq!((queued, &statuses[50]), (50, &json!("Rejected")));
    let rejected = harness.ledger_item("rejected/e-50", "rotation").unwrap();
    assert_eq!(rejected["field"], "detail.oldRoleArn");
}
