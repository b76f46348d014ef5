//! Freezing the stack: open rotations pause, new ones wait, and all of them continue afterwards.

use std::time::Duration;

use rerole_core::rotation::LEASE;
use rerole_core::timestamp::Timestamp;
use rerole_sim::{Call, ExecutionStatus, Fault, Options, Throttle};
use serde_json::{Value, json};

use crate::common::guarantees;
use crate::harness::{
    Harness, LEDGER, NEW, OLD, THIRD, TIMEOUT, command_event, event, is_lease_write,
    rotation_event, stalled_check_event,
};

/// A rotation of 200 associations takes half a minute here.
fn throttled() -> Harness {
    Harness::with_state_machine(Options {
        throttle: Some(Throttle {
            rate_per_sec: 16.0,
            burst: 10.0,
        }),
        ..Options::default()
    })
}

async fn freeze(harness: &Harness) {
    let frozen = harness
        .command(
            "Freeze",
            json!({ "rotationId": null, "requestedBy": "jane", "reason": "INC-1" }),
        )
        .await;
    assert_eq!(frozen["verdict"], "Accepted", "{frozen:#}");
}

async fn unfreeze(harness: &Harness) {
    let thawed = harness
        .command("Unfreeze", json!({ "rotationId": null }))
        .await;
    assert_eq!(thawed["verdict"], "Accepted", "{thawed:#}");
}

/// The response to the event, as JSON.
async fn deliver(harness: &Harness, event: &Value) -> Value {
    serde_json::to_value(harness.deliver(event).await.unwrap()).unwrap()
}

/// Delivers the event, and freezes the stack after this time. Returns the response to the event.
async fn deliver_and_freeze(harness: &Harness, after: Duration) -> Value {
    let request = rotation_event();
    let freeze = async {
        tokio::time::sleep(after).await;
        freeze(harness).await;
    };
    let (response, ()) = tokio::join!(deliver(harness, &request), freeze);
    response
}

/// The event that ends the freeze, first delivered now.
fn unfreeze_event(harness: &Harness) -> Value {
    let mut event = command_event("Unfreeze", &json!({ "rotationId": null }));
    event["time"] = json!(Timestamp::from(harness.aws.now()));
    event
}

/// Plays all executions that run, one after the other.
async fn play_all(harness: &Harness) {
    let running = |harness: &Harness| {
        let mut executions = harness.aws.executions().into_iter();
        executions.find(|one| one.status == ExecutionStatus::Running)
    };
    while let Some(execution) = running(harness) {
        harness.play_execution(&execution.name, TIMEOUT).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_freeze_pauses_what_runs_and_lets_new_rotations_wait() {
    let harness = throttled();
    harness.fleet(200);
    let response = deliver_and_freeze(&harness, Duration::from_millis(1_500)).await;
    assert_eq!(response["status"], "Paused", "{response:#}");
    let rotation = harness.rotation("r-1");
    assert_eq!(rotation["statusCause"], "Frozen", "{rotation:#}");
    assert!(harness.updates().len() < 200);
    let entry = harness.ledger_item("r-1", "timeline#00000003").unwrap();
    assert_eq!(entry["reason"], "INC-1", "{entry:#}");
    assert_eq!(entry["by"]["requestedBy"], "jane", "{entry:#}");

    // A rotation of other roles waits, although nothing holds them.
    let other = event(
        &json!({ "rotationId": "r-2", "oldRoleArn": THIRD, "newRoleArn": format!("{NEW}-2") }),
    );
    assert_eq!(deliver(&harness, &other).await["status"], "Queued");
    // A dry run writes nothing to EKS.
    let dry_run = event(&json!({ "rotationId": "r-3", "dryRun": true }));
    assert_eq!(deliver(&harness, &dry_run).await["status"], "Planned");
    let updates = harness.updates().len();
    tokio::time::sleep(Duration::from_hours(26)).await;
    let stalled = deliver(&harness, &stalled_check_event()).await;
    assert_eq!(
        stalled["stalledRotations"],
        json!([]),
        "a paused rotation is not stalled"
    );
    assert!(stalled["stackFrozenAt"].is_string(), "{stalled:#}");
    assert_eq!(harness.metrics().last().unwrap()["StackFrozenHours"], 26);
    assert_eq!(harness.updates().len(), updates);

    unfreeze(&harness).await;
    for key in ["r-1", "r-2"] {
        let status = harness.rotation(key)["status"].clone();
        assert!(
            ["InProgress", "Planning"].contains(&status.as_str().unwrap()),
            "{key}: {status}"
        );
    }
    let names: Vec<_> = harness
        .aws
        .executions()
        .iter()
        .map(|one| one.name.clone())
        .collect();
    assert_eq!(names, ["r-1-2", "r-2-2"]);
    guarantees::check(&harness.aws);
}

/// The slice reads the freeze with each renewal, and a rotation between two slices has none.
#[tokio::test(start_paused = true)]
async fn a_rotation_that_no_slice_works_on_is_paused_by_the_command() {
    let harness = Harness::with_state_machine(Options::default());
    harness.fleet(200);
    harness.freeze_after_update(30);
    harness.deliver_and_crash(&rotation_event()).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    freeze(&harness).await;
    let rotation = harness.rotation("r-1");
    assert_eq!(rotation["status"], "Paused", "{rotation:#}");
    unfreeze(&harness).await;
    play_all(&harness).await;
    assert_eq!(harness.rotation("r-1")["counts"]["updated"], 200);
}

/// What an operator has paused stays paused, also if it was paused while the stack was frozen.
#[tokio::test(start_paused = true)]
async fn a_rotation_that_an_operator_has_paused_does_not_resume_with_the_stack() {
    let harness = Harness::with_state_machine(Options::default());
    harness.fleet(200);
    deliver_and_freeze(&harness, Duration::from_millis(1_500)).await;
    let paused = harness.command("Pause", json!({})).await;
    assert_eq!(paused["verdict"], "Accepted", "{paused:#}");
    unfreeze(&harness).await;
    let rotation = harness.rotation("r-1");
    assert_eq!(rotation["statusCause"], "Operator", "{rotation:#}");
    assert_eq!(rotation["status"], "Paused");
    assert!(harness.aws.executions().is_empty());
}

/// The invocation dies after it has recorded the command.
#[tokio::test(start_paused = true)]
async fn the_check_continues_what_an_unfreeze_has_not_started() {
    let harness = Harness::with_state_machine(Options::default());
    harness.fleet(100);
    deliver_and_freeze(&harness, Duration::from_millis(500)).await;
    let event = unfreeze_event(&harness);
    harness.inject(Fault::FreezeBefore, |call| {
        call.operation == "Query" && call.body.to_string().contains("ByStatus")
    });
    harness.deliver_and_crash(&event).await;
    assert_eq!(harness.rotation("r-1")["status"], "Paused");
    tokio::time::sleep(Duration::from_mins(5)).await;
    deliver(&harness, &stalled_check_event()).await;
    play_all(&harness).await;
    assert_eq!(harness.rotation("r-1")["counts"]["updated"], 100);
}

/// Lambda delivers the event again.
#[tokio::test(start_paused = true)]
async fn a_second_delivery_of_an_unfreeze_starts_what_the_first_one_has_not() {
    let harness = throttled();
    harness.fleet(50);
    deliver_and_freeze(&harness, Duration::from_millis(1_500)).await;
    let event = unfreeze_event(&harness);
    harness.inject(Fault::ServerError(500), |call| {
        call.operation == "StartExecution"
    });
    harness.deliver(&event).await.unwrap_err();
    assert_eq!(harness.rotation("r-1")["status"], "InProgress");
    assert!(harness.aws.executions().is_empty());
    harness.aws.clear_hook();
    deliver(&harness, &event).await;
    play_all(&harness).await;
    assert_eq!(harness.rotation("r-1")["counts"]["updated"], 50);
}

/// The stack is frozen only until the slice has noticed it, and the slice cannot release its lease.
/// No command starts an execution then: the slice has to.
#[tokio::test(start_paused = true)]
async fn an_interrupted_slice_that_keeps_its_lease_hands_over() {
    let harness = throttled();
    harness.fleet(200);
    let is_release = |call: &Call| {
        let text = call.body["UpdateExpression"].as_str().unwrap_or_default();
        is_lease_write(call) && text.contains("REMOVE")
    };
    harness.inject(Fault::ServerError(500), is_release);
    let request = rotation_event();
    let commands = async {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        freeze(&harness).await;
        while harness
            .aws
            .calls_where(|record| is_release(&record.call))
            .is_empty()
        {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        unfreeze(&harness).await;
    };
    let (response, ()) = tokio::join!(deliver(&harness, &request), commands);
    assert_eq!(response["status"], "InProgress", "{response:#}");
    harness.aws.clear_hook();
    play_all(&harness).await;
    assert_eq!(harness.rotation("r-1")["counts"]["updated"], 200);
}

/// Every text that is allowed as the ID of a rotation is one.
#[tokio::test(start_paused = true)]
async fn a_rotation_named_like_the_items_of_the_stack_does_not_block_it() {
    let harness = Harness::with_state_machine(Options::default());
    harness.fleet(10);
    for id in ["stack", "index"] {
        let finished = harness.finish(&event(&json!({ "rotationId": id }))).await;
        assert!(finished["finishedAt"].is_string(), "{finished:#}");
    }
    freeze(&harness).await;
    unfreeze(&harness).await;
}

/// One rotation cannot be read, so the queue that it is in stands still. The others do not.
#[tokio::test(start_paused = true)]
async fn a_rotation_that_cannot_be_read_holds_up_only_its_own_roles() {
    let harness = Harness::with_state_machine(Options::default());
    harness.fleet(10);
    freeze(&harness).await;
    for (id, old, new) in [
        ("r-1", OLD, NEW),
        ("r-2", OLD, NEW),
        (
            "r-3",
            THIRD,
            "arn:aws:iam::111122223333:role/platform/app-204",
        ),
    ] {
        let event = event(&json!({ "rotationId": id, "oldRoleArn": old, "newRoleArn": new }));
        assert_eq!(deliver(&harness, &event).await["status"], "Queued");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let malformed = json!({
        "rotationId": "r-1",
        "entry": "rotation",
        "status": "Queued",
        "startedAt": "2026-11-01T00:00:00.000Z",
    });
    harness.aws.put_item(LEDGER, malformed);
    let command = json!({ "rotationId": null });
    let mut unfreeze = crate::harness::command_event("Unfreeze", &command);
    unfreeze["time"] = json!(rerole_core::timestamp::Timestamp::from(harness.aws.now()));
    harness.deliver(&unfreeze).await.unwrap_err();
    assert_ne!(harness.rotation("r-3")["status"], "Queued");
    let checked = deliver(&harness, &stalled_check_event()).await;
    assert_eq!(checked["stalledRotations"], json!(["r-1"]), "{checked:#}");
}

/// While a rotation is paused, no cluster fails. Otherwise the first error after a long pause would
/// be taken for the end of half an hour of errors.
#[tokio::test(start_paused = true)]
async fn a_cluster_that_failed_before_a_pause_has_its_time_again_after_it() {
    for (stop, go, subject) in [
        ("Pause", "Resume", json!("r-1")),
        ("Freeze", "Unfreeze", Value::Null),
    ] {
        let harness = Harness::with_state_machine(Options::default());
        harness.fleet(20);
        let fails = |call: &Call| call.subject.starts_with("prod-1/");
        harness.inject(Fault::ServerError(503), fails);
        let command = json!({ "rotationId": subject });
        let paused = async {
            tokio::time::sleep(Duration::from_mins(1)).await;
            harness.command(stop, command.clone()).await;
        };
        let request = rotation_event();
        tokio::join!(deliver(&harness, &request), paused);
        assert!(harness.rotation("r-1")["failingSince"].is_object());
        tokio::time::sleep(Duration::from_hours(1)).await;
        harness.command(go, command.clone()).await;
        let mut errors = 0;
        harness.inject(Fault::ServerError(503), move |call| {
            errors += u32::from(fails(call));
            fails(call) && errors <= 8
        });
        play_all(&harness).await;
        let counts = &harness.rotation("r-1")["counts"];
        assert_eq!(counts["updated"], 20, "{stop}: {counts:#}");
    }
}

/// The command that freezes pauses a rotation by what it has read, and that is on its way until the
/// freeze is over and the next slice works. `model/src/freezes.rs` has this history.
#[tokio::test(start_paused = true)]
async fn a_pause_that_comes_after_its_freeze_is_over_ends_with_the_slice() {
    let harness = throttled();
    harness.fleet(200);
    harness.freeze_after_update(10);
    harness.deliver_and_crash(&rotation_event()).await;
    tokio::time::sleep(LEASE).await;
    harness.inject(Fault::Delay(Duration::from_millis(1_500)), |call| {
        call.operation == "TransactWriteItems" && call.body.to_string().contains("Paused")
    });
    let next_slice = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        unfreeze(&harness).await;
        harness.play(TIMEOUT).await
    };
    let ((), played) = tokio::join!(freeze(&harness), next_slice);
    assert_eq!(played.output()["status"], "Succeeded", "{played:?}");
    let entries = (1..).map_while(|seq| harness.ledger_item("r-1", &format!("timeline#{seq:08}")));
    let was_paused = entries.into_iter().any(|entry| entry["to"] == "Paused");
    assert!(was_paused, "the pause came too late or not at all");
}
