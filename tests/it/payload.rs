//! Events that the rotate function rejects or ignores, and the samples in `events/`. What valid
//! requests do is in the other files.

use std::time::Duration;

use rerole::rotate::response::RotateResponse;
use rerole_sim::{Fault, Service};
use serde_json::{Value, json};

use crate::harness::{Harness, OLD, REQUEST_ID, event, rotation_event};

/// Delivers an event that must be rejected. Returns the id and the reason of the rejection.
async fn reject(harness: &Harness, event: &Value) -> (String, String) {
    match harness.deliver(event).await.unwrap() {
        RotateResponse::Rejected {
            event_id, reason, ..
        } => (event_id, reason),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejection_is_recorded_under_the_id_of_the_event() {
    let harness = Harness::calm(3);
    let bad = event(&json!({ "dryrun": true }));
    let (id, reason) = reject(&harness, &bad).await;
    assert_eq!(id, "6a7e8feb-b491-4cf7-a9f1-bf3703467718");

    let item = harness.rotation(&format!("rejected/{id}"));
    assert_eq!(item["status"], "Rejected");
    assert_eq!(item["reason"], reason);
    assert_eq!(
        (&item["field"], &item["value"]),
        (&json!("detail.dryrun"), &json!("true"))
    );
    assert_eq!(
        serde_json::from_str::<Value>(item["event"].as_str().unwrap()).unwrap(),
        bad
    );
    assert_eq!(item["requestId"], REQUEST_ID);
    assert_eq!(harness.call_count(Service::Eks), 0);

    // A second delivery changes nothing.
    tokio::time::sleep(Duration::from_mins(1)).await;
    reject(&harness, &bad).await;
    assert_eq!(harness.rotation(&format!("rejected/{id}")), item);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_event_without_an_id_is_recorded_under_its_hash() {
    let harness = Harness::calm(1);
    for bad in [
        json!("text"),
        json!({ "detail-type": "Role Rotation Requested" }),
        json!(null),
    ] {
        let (id, _) = reject(&harness, &bad).await;
        assert_eq!(id.len(), 64, "{id}");
        assert_eq!(
            harness.rotation(&format!("rejected/{id}"))["status"],
            "Rejected"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_from_another_account_is_rejected() {
    let harness = Harness::calm(1);
    let mut event = rotation_event();
    event["account"] = json!("999999999999");
    let (_, reason) = reject(&harness, &event).await;
    assert!(
        reason.starts_with("account \"999999999999\" is not allowed"),
        "{reason}"
    );
    assert_eq!(harness.aws.eks(|eks| eks.association_count_on(OLD)), 1);
}

#[tokio::test(start_paused = true)]
async fn another_detail_type_is_ignored_without_a_call() {
    let harness = Harness::calm(1);
    let mut other = rotation_event();
    other["detail-type"] = json!("Role Created");
    let response = harness.deliver(&other).await.unwrap();
    assert_eq!(
        response,
        RotateResponse::Ignored {
            ignored_detail_type: "Role Created".to_owned()
        }
    );
    assert_eq!(harness.aws.calls().len(), 0);
}

/// Otherwise Lambda would not deliver the event again, and the rejection would be lost.
#[tokio::test(start_paused = true)]
async fn a_rejection_that_cannot_be_recorded_fails_the_invocation() {
    let harness = Harness::calm(1);
    harness.inject(Fault::ServerError(500), |_| true);
    let error = harness
        .deliver(&event(&json!({ "maxErrors": "many" })))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("detail.maxErrors \"many\""), "{error}");
}

#[tokio::test(start_paused = true)]
async fn every_sample_event_does_what_its_name_says() {
    for (name, expected) in [
        ("another-detail-type", "ignored"),
        ("dry-run", "finished"),
        ("misspelt-field", "rejected"),
        ("role-outside-path", "rejected"),
        ("rotate-back", "finished"),
        ("role-rotation-requested", "finished"),
        ("same-role-twice", "rejected"),
        ("scoped", "finished"),
        ("without-rotation-id", "finished"),
    ] {
        let path = format!("{}/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let event: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let harness = Harness::calm(3);
        let actual = match harness.deliver(&event).await.unwrap() {
            RotateResponse::Finished(_) => "finished",
            RotateResponse::Rejected { .. } => "rejected",
            RotateResponse::Ignored { .. } => "ignored",
            RotateResponse::Stalled { .. } => "stalled",
            RotateResponse::AlreadyRunning { .. } => "already running",
            RotateResponse::Open { .. } => "open",
            RotateResponse::Command { .. } => "command",
            RotateResponse::Republished { .. } => "republished",
        };
        assert_eq!(actual, expected, "{name}");
    }
    let entries = std::fs::read_dir(format!("{}/events", env!("CARGO_MANIFEST_DIR"))).unwrap();
    // The samples for the indexer are in a folder of their own.
    let samples = entries
        .filter(|entry| entry.as_ref().unwrap().path().is_file())
        .count();
    assert_eq!(samples, 9, "a sample has no row above");
}
