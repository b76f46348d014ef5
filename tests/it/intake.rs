//! Events that may not run, and events of another kind.

use rerole::record::Reply;
use rerole_sim::Service;
use serde_json::{Value, json};

use crate::world::{OLD, World, event, plain};

async fn rejected(world: &World, event: &Value) -> (String, String) {
    match world.deliver(event).await.unwrap() {
        Reply::Rejected { event_id, reason, .. } => (event_id, reason),
        other => panic!("{other:?}"),
    }
}

/// Shows that a rejection is recorded under the event's id, with field, value and the event itself, and touches nothing.
#[tokio::test(start_paused = true)]
async fn a_rejection_is_recorded_under_the_events_id() {
    let world = World::calm(3);
    let bad = event(&json!({ "dryrun": true }));
    let (id, reason) = rejected(&world, &bad).await;
    assert_eq!(id, "6a7e8feb-b491-4cf7-a9f1-bf3703467718");

    let item = world.rotation(&format!("rejected/{id}"));
    assert_eq!(item["status"], "Rejected");
    assert_eq!(item["reason"], reason);
    assert_eq!((&item["field"], &item["value"]), (&json!("detail.dryrun"), &json!("true")));
    assert_eq!(serde_json::from_str::<Value>(item["event"].as_str().unwrap()).unwrap(), bad);
    assert_eq!(world.call_count(Service::Eks), 0);

    // A second delivery changes nothing.
    tokio::time::sleep(std::time::Duration::from_mins(1)).await;
    rejected(&world, &bad).await;
    assert_eq!(world.rotation(&format!("rejected/{id}")), item);
}

/// Shows that an event without an id is recorded under a hash of it, so that nothing is lost.
#[tokio::test(start_paused = true)]
async fn a_rejection_without_an_id_is_recorded_under_a_hash() {
    let world = World::calm(1);
    for bad in [json!("text"), json!({ "detail-type": "Role Rotation Requested" }), json!(null)] {
        let (id, _) = rejected(&world, &bad).await;
        assert_eq!(id.len(), 64, "{id}");
        assert_eq!(world.rotation(&format!("rejected/{id}"))["status"], "Rejected");
    }
}

/// Shows that another account's event is rejected before anything else is looked at.
#[tokio::test(start_paused = true)]
async fn another_accounts_event_is_rejected() {
    let world = World::calm(1);
    let mut foreign = plain();
    foreign["account"] = json!("999999999999");
    let (_, reason) = rejected(&world, &foreign).await;
    assert!(reason.starts_with("account \"999999999999\" is not allowed"), "{reason}");
    assert_eq!(world.aws.eks(|eks| eks.association_count_on(OLD)), 1);
}

/// Shows that another kind of event is acknowledged without a single call.
#[tokio::test(start_paused = true)]
async fn another_kind_of_event_is_ignored() {
    let world = World::calm(1);
    let mut other = plain();
    other["detail-type"] = json!("Role Created");
    let reply = world.deliver(&other).await.unwrap();
    assert_eq!(reply, Reply::Ignored { ignored_detail_type: "Role Created".to_owned() });
    assert_eq!(world.aws.calls().len(), 0);
}

/// Shows that a rejection which cannot be recorded fails the invocation, so that it is delivered again.
#[tokio::test(start_paused = true)]
async fn a_rejection_that_cannot_be_recorded_is_not_lost() {
    let world = World::calm(1);
    world.aws.on_call(|_| rerole_sim::Fault::ServerError(500));
    let error = world.deliver(&event(&json!({ "maxErrors": "many" }))).await.unwrap_err().to_string();
    assert!(error.contains("detail.maxErrors \"many\""), "{error}");
}

/// Shows that every sample in `events/` is handled: it runs, or is rejected, or is ignored, as its name says.
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
        let world = World::calm(3);
        let became = match world.deliver(&event).await.unwrap() {
            Reply::Finished(_) => "finished",
            Reply::Rejected { .. } => "rejected",
            Reply::Ignored { .. } => "ignored",
            Reply::Watched { .. } => "watched",
            Reply::AlreadyRunning { .. } => "already running",
            Reply::InProgress { .. } => "in progress",
        };
        assert_eq!(became, expected, "{name}");
    }
    let entries = std::fs::read_dir(format!("{}/events", env!("CARGO_MANIFEST_DIR"))).unwrap();
    // The index function's are in a folder of their own.
    let samples = entries.filter(|entry| entry.as_ref().unwrap().path().is_file()).count();
    assert_eq!(samples, 9, "each sample has a row here");
}
