//! The verdict on each command in each situation, and what the ledger keeps of it.

use std::time::Duration;

use rerole_core::rotation::LEASE;
use rerole_sim::{Fault, Options};
use serde_json::{Value, json};

use crate::harness::{Harness, command_event, event, in_virtual_time, is_describe, rotation_event};

/// In which situation a command comes.
#[derive(Debug, Clone, Copy)]
enum Situation {
    Unknown,
    Queued,
    /// No slice works on it.
    InProgress,
    Paused,
    /// As `InProgress`.
    Cancelling,
    Finished,
    OpenDryRun,
    FinishedDryRun,
    /// Paused by the freeze.
    Frozen,
}

/// A stack in this situation. Rotation `r-1` is the one that commands are about.
async fn stack_in(situation: Situation) -> Harness {
    let harness = Harness::with_state_machine(Options::default());
    harness.fleet(20);
    match situation {
        Situation::Unknown => {}
        Situation::Queued => {
            queue_behind_a_paused_rotation(&harness).await;
        }
        Situation::InProgress => die(&harness, &rotation_event()).await,
        Situation::Cancelling => {
            die(&harness, &rotation_event()).await;
            harness.command("Cancel", json!({})).await;
        }
        Situation::OpenDryRun => die(&harness, &event(&json!({ "dryRun": true }))).await,
        Situation::Paused => pause(&harness).await,
        Situation::Finished => {
            harness.finish(&rotation_event()).await;
        }
        Situation::FinishedDryRun => {
            harness.finish(&event(&json!({ "dryRun": true }))).await;
        }
        Situation::Frozen => {
            pause(&harness).await;
            harness.command("Resume", json!({})).await;
            harness
                .command("Freeze", json!({ "rotationId": null }))
                .await;
        }
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    harness
}

/// Leaves the rotation open: its invocation dies in the middle of its work.
async fn die(harness: &Harness, event: &Value) {
    let mut describes = 0;
    harness.inject(Fault::FreezeAfter, move |call| {
        describes += usize::from(is_describe(call));
        describes == 5
    });
    harness.deliver_and_crash(event).await;
    tokio::time::sleep(LEASE).await;
}

/// Leaves rotation `r-1` paused in the middle of its work.
async fn pause(harness: &Harness) {
    let event = rotation_event();
    let pause = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        harness.command("Pause", json!({})).await
    };
    let (response, _) = tokio::join!(harness.deliver(&event), pause);
    response.unwrap();
    assert_eq!(harness.rotation("r-1")["status"], "Paused");
}

async fn queue_behind_a_paused_rotation(harness: &Harness) {
    let first = event(&json!({ "rotationId": "r-0" }));
    let pause = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        harness
            .command("Pause", json!({ "rotationId": "r-0" }))
            .await
    };
    let (response, _) = tokio::join!(harness.deliver(&first), pause);
    response.unwrap();
    harness.deliver(&rotation_event()).await.unwrap();
    assert_eq!(harness.rotation("r-1")["status"], "Queued");
}

/// Situation, command, verdict, the status afterwards if it is certain, and what is allowed
/// instead.
const VERDICTS: &[(Situation, &str, &str, &str, &[&str])] = &[
    (Situation::Unknown, "Pause", "Refused", "", &[]),
    (Situation::Unknown, "Retry", "Refused", "", &[]),
    (Situation::Queued, "Pause", "Accepted", "Paused", &[]),
    (Situation::Queued, "Resume", "NoChange", "Queued", &[]),
    (Situation::Queued, "Cancel", "Accepted", "Cancelled", &[]),
    (Situation::Queued, "Change", "Accepted", "Queued", &[]),
    (
        Situation::Queued,
        "Retry",
        "Refused",
        "Queued",
        &["Pause", "Cancel", "Change"],
    ),
    (Situation::InProgress, "Pause", "Accepted", "Paused", &[]),
    (
        Situation::InProgress,
        "Resume",
        "NoChange",
        "InProgress",
        &[],
    ),
    (
        Situation::InProgress,
        "Cancel",
        "Accepted",
        "Cancelling",
        &[],
    ),
    (
        Situation::InProgress,
        "Change",
        "Accepted",
        "InProgress",
        &[],
    ),
    (
        Situation::InProgress,
        "Retry",
        "Refused",
        "InProgress",
        &["Pause", "Cancel", "Rollback", "Change"],
    ),
    (
        Situation::Cancelling,
        "Pause",
        "Refused",
        "Cancelling",
        &["Rollback", "Change"],
    ),
    (
        Situation::Cancelling,
        "Resume",
        "NoChange",
        "Cancelling",
        &[],
    ),
    (
        Situation::Cancelling,
        "Cancel",
        "NoChange",
        "Cancelling",
        &[],
    ),
    (
        Situation::Cancelling,
        "Retry",
        "Refused",
        "Cancelling",
        &["Rollback", "Change"],
    ),
    (Situation::OpenDryRun, "Pause", "Accepted", "Paused", &[]),
    (
        Situation::OpenDryRun,
        "Cancel",
        "Accepted",
        "Cancelling",
        &[],
    ),
    (Situation::Paused, "Pause", "NoChange", "Paused", &[]),
    (Situation::Paused, "Resume", "Accepted", "InProgress", &[]),
    (Situation::Paused, "Cancel", "Accepted", "Cancelling", &[]),
    (Situation::Paused, "Change", "Accepted", "Paused", &[]),
    (
        Situation::Paused,
        "Retry",
        "Refused",
        "Paused",
        &["Resume", "Cancel", "Rollback", "Change"],
    ),
    (
        Situation::Finished,
        "Pause",
        "Refused",
        "Succeeded",
        &["Retry", "Rollback"],
    ),
    (
        Situation::Finished,
        "Resume",
        "Refused",
        "Succeeded",
        &["Retry", "Rollback"],
    ),
    (
        Situation::Finished,
        "Cancel",
        "Refused",
        "Succeeded",
        &["Retry", "Rollback"],
    ),
    (
        Situation::Finished,
        "Change",
        "Refused",
        "Succeeded",
        &["Retry", "Rollback"],
    ),
    (Situation::Finished, "Retry", "Accepted", "Planning", &[]),
    (
        Situation::FinishedDryRun,
        "Retry",
        "Refused",
        "Planned",
        &[],
    ),
    (
        Situation::FinishedDryRun,
        "Cancel",
        "Refused",
        "Planned",
        &[],
    ),
    (Situation::Frozen, "Pause", "Accepted", "Paused", &[]),
    (
        Situation::Frozen,
        "Resume",
        "Refused",
        "Paused",
        &["Pause", "Unfreeze", "Cancel", "Rollback", "Change"],
    ),
    (
        Situation::Frozen,
        "Retry",
        "Refused",
        "Paused",
        &["Pause", "Unfreeze", "Cancel", "Rollback", "Change"],
    ),
    (Situation::Frozen, "Change", "Accepted", "Paused", &[]),
    (Situation::Frozen, "Cancel", "Accepted", "Cancelling", &[]),
    (Situation::Frozen, "Freeze", "NoChange", "Paused", &[]),
    (Situation::Frozen, "Unfreeze", "Accepted", "InProgress", &[]),
    (
        Situation::InProgress,
        "Rollback",
        "Accepted",
        "Cancelling",
        &[],
    ),
    (Situation::Paused, "Rollback", "Accepted", "Cancelling", &[]),
    (Situation::Frozen, "Rollback", "Accepted", "Cancelling", &[]),
    (
        Situation::Cancelling,
        "Rollback",
        "Accepted",
        "Cancelling",
        &[],
    ),
    (
        Situation::Finished,
        "Rollback",
        "Accepted",
        "Succeeded",
        &[],
    ),
    (
        Situation::OpenDryRun,
        "Rollback",
        "Refused",
        "InProgress",
        &["Pause", "Cancel", "Change"],
    ),
    (
        Situation::FinishedDryRun,
        "Rollback",
        "Refused",
        "Planned",
        &[],
    ),
];

#[test]
fn each_command_has_a_verdict_in_each_situation() {
    for (situation, name, verdict, status, allowed) in VERDICTS {
        in_virtual_time(async {
            let harness = stack_in(*situation).await;
            let key = match situation {
                Situation::FinishedDryRun | Situation::OpenDryRun => "dry-run/r-1",
                _ => "r-1",
            };
            let mut detail = json!({ "rotationId": key });
            if ["Freeze", "Unfreeze"].contains(name) {
                detail = json!({ "rotationId": null });
            }
            if *name == "Change" {
                detail["maxErrors"] = json!(7);
            }
            let response = harness.command(name, detail).await;
            let case = format!("{situation:?} {name}: {response:#}");
            assert_eq!(response["verdict"], *verdict, "{case}");
            let shown = response.get("allowed").cloned();
            assert_eq!(shown.unwrap_or(json!([])), json!(allowed), "{case}");
            let is_explained = response.get("explanation").is_some();
            // An accepted one names the key of the rollback.
            let must_explain = *verdict != "Accepted" || *name == "Rollback";
            assert_eq!(is_explained, must_explain, "{case}");
            if !status.is_empty() {
                assert_eq!(harness.rotation(key)["status"], *status, "{case}");
            }
        });
    }
}

/// The record of a command, by the ID of its event.
fn recorded(harness: &Harness, id: &str) -> Value {
    harness
        .ledger_item("r-1", &format!("command#{id}"))
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_command_is_recorded_once_with_its_sender_and_its_verdict() {
    let harness = stack_in(Situation::Paused).await;
    let mut event = command_event(
        "Cancel",
        &json!({ "requestedBy": "jane", "reason": "CHG-7", "expectedSeq": 3 }),
    );
    event["time"] = json!("2026-11-23T21:00:00Z");
    let first = harness.deliver(&event).await.unwrap();
    let before = harness.rotation("r-1");
    assert_eq!(before["status"], "Cancelling");
    let again = harness.deliver(&event).await.unwrap();
    assert_eq!(again, first, "the second delivery finds the verdict");
    assert_eq!(harness.rotation("r-1"), before);
    let record = recorded(&harness, "c-1");
    for (name, expected) in [
        ("command", json!("Cancel")),
        ("verdict", json!("Accepted")),
        ("seq", json!(4)),
        ("requestedBy", json!("jane")),
        ("reason", json!("CHG-7")),
    ] {
        assert_eq!(record[name], expected, "{name} of {record:#}");
    }
    assert_eq!(record["event"]["id"], "c-1");
    assert_eq!(record["event"]["account"], "111122223333");
    let entry = harness.ledger_item("r-1", "timeline#00000004").unwrap();
    assert_eq!(entry["by"]["requestedBy"], "jane");
    assert_eq!(entry["reason"], "CHG-7");
    assert_eq!(
        (&entry["from"], &entry["to"]),
        (&json!("Paused"), &json!("Cancelling"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_command_that_expects_an_older_timeline_is_refused() {
    let harness = stack_in(Situation::Paused).await;
    for (expected_seq, verdict) in [(2, "Refused"), (4, "Refused"), (3, "Accepted")] {
        let response = harness.command(
            "Change",
            json!({ "expectedSeq": expected_seq, "maxErrors": 3 }),
        );
        let response = response.await;
        assert_eq!(response["verdict"], verdict, "{response:#}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let rotation = harness.rotation("r-1");
    assert_eq!(rotation["request"]["maxErrors"], "3");
    let entry = harness.ledger_item("r-1", "timeline#00000004").unwrap();
    assert_eq!(entry["type"], "LimitsChanged");
    assert_eq!(entry["maxErrors"], "3");
}

/// EventBridge may deliver an event for 24 hours.
#[test]
fn a_command_after_which_updates_are_sent_is_refused_when_it_is_old() {
    for (name, situation, verdict) in [
        ("Resume", Situation::Paused, "Refused"),
        ("Retry", Situation::Finished, "Refused"),
        ("Unfreeze", Situation::Frozen, "Refused"),
        ("Cancel", Situation::Paused, "Accepted"),
        ("Pause", Situation::Queued, "Accepted"),
        ("Freeze", Situation::Finished, "Accepted"),
    ] {
        in_virtual_time(async {
            let harness = stack_in(situation).await;
            let of_stack = ["Freeze", "Unfreeze"].contains(&name);
            let detail = if of_stack {
                json!({ "rotationId": null })
            } else {
                json!({})
            };
            let event = command_event(name, &detail);
            tokio::time::sleep(Duration::from_mins(16)).await;
            let response = serde_json::to_value(harness.deliver(&event).await.unwrap()).unwrap();
            assert_eq!(response["verdict"], verdict, "{response:#}");
            if verdict == "Refused" {
                let explanation = response["explanation"].as_str().unwrap();
                assert!(explanation.contains("16 minutes old"), "{explanation}");
            }
        });
    }
}

/// Of two commands that are decided by the same state, the second one sees what the first one did.
#[tokio::test(start_paused = true)]
async fn two_commands_at_once_are_decided_one_after_the_other() {
    let harness = stack_in(Situation::Paused).await;
    let cancel = command_event("Cancel", &json!({}));
    let mut resume = command_event("Resume", &json!({}));
    resume["id"] = json!("c-2");
    let (cancelled, resumed) = tokio::join!(harness.deliver(&cancel), harness.deliver(&resume));
    let verdicts = [cancelled, resumed].map(|response| {
        serde_json::to_value(response.unwrap()).unwrap()["verdict"]
            .as_str()
            .unwrap()
            .to_owned()
    });
    let rotation = harness.rotation("r-1");
    // Either order is possible, and the cancellation is never lost.
    assert_eq!(rotation["status"], "Cancelling", "{verdicts:?}");
    assert_eq!(verdicts[0], "Accepted");
    assert!(
        ["Accepted", "NoChange"].contains(&verdicts[1].as_str()),
        "{verdicts:?}"
    );
    let entries = (1..=9).filter(|seq| {
        harness
            .ledger_item("r-1", &format!("timeline#{seq:08}"))
            .is_some()
    });
    assert_eq!(rotation["timelineSeq"], entries.count());
}
