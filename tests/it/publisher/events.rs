//! What the events say, from a rotation that is interrupted, taken back and run into a freeze.

use serde_json::{Value, json};

use crate::harness::{Harness, NEW, OLD, error, is_update, rotation_event};
use crate::publisher::{publish, stack};

/// The details of all events of this type, in the order in which they were put.
fn details(harness: &Harness, detail_type: &str) -> Vec<Value> {
    let events = harness.aws.bus_events().into_iter();
    let events = events.filter(|event| event.detail_type == detail_type);
    events.map(|event| event.detail).collect()
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_rotation_shows_its_result() {
    let harness = stack(7);
    let result = harness.finish(&rotation_event()).await;
    publish(&harness).await;
    let events = details(&harness, "Role Rotation Status Changed");
    let statuses: Vec<_> = events.iter().map(|event| &event["to"]).collect();
    assert_eq!(statuses, ["Planning", "InProgress", "Succeeded"]);
    let end = events.last().unwrap();
    assert_eq!(end["summary"], result);
    assert!(end["summary"]["oldRoleInUseUntil"].is_string());
    let planned = &events[1]["summary"]["counts"];
    assert_eq!(
        (&planned["total"], &planned["pending"]),
        (&json!(7), &json!(7))
    );
    for event in &events[..2] {
        assert_eq!(event["summary"]["oldRoleInUseUntil"], Value::Null);
        assert_eq!(event["summary"]["finishedAt"], Value::Null);
    }
}

#[tokio::test(start_paused = true)]
async fn commands_are_published_with_their_senders() {
    let harness = stack(7);
    let freeze = json!({ "rotationId": null, "requestedBy": "jane", "reason": "INC-7" });
    harness.command("Freeze", freeze.clone()).await;
    harness.deliver(&rotation_event()).await.unwrap();
    harness.command("Change", json!({ "maxErrors": "5" })).await;
    harness
        .command("Cancel", json!({ "reason": "CHG-9" }))
        .await;
    harness.command("Unfreeze", freeze).await;
    publish(&harness).await;
    let events = details(&harness, "Role Rotation Status Changed");
    let shown: Vec<_> = events
        .iter()
        .map(|event| {
            let what = event.get("to").unwrap_or(&event["type"]);
            let (key, by) = (&event["rotationId"], &event["by"]["requestedBy"]);
            json!([key, event["seq"], what, by, event["reason"]])
        })
        .collect();
    let expected = [
        json!(["stack/state", 1, "Frozen", "jane", "INC-7"]),
        json!(["r-1", 1, "Queued", null, null]),
        json!(["r-1", 2, "LimitsChanged", null, null]),
        json!(["r-1", 3, "Cancelled", null, "cancelled: CHG-9"]),
        json!(["stack/state", 2, "Unfrozen", "jane", "INC-7"]),
    ];
    assert_eq!(shown, expected);
}

/// A tool that restarts pods needs to know of both.
#[tokio::test(start_paused = true)]
async fn associations_are_published_when_they_move_and_when_they_are_taken_back() {
    let harness = stack(3);
    harness.finish(&rotation_event()).await;
    harness.command("Rollback", json!({})).await;
    let resume = json!({ "rotationId": "rollback/r-1" });
    harness.deliver(&resume).await.unwrap();
    publish(&harness).await;
    let events = details(&harness, "Association Role Changed");
    let moved = |key: &str, from: &str, to: &str| {
        let events = events.iter().filter(|event| event["rotationId"] == key);
        let events: Vec<_> = events.collect();
        assert_eq!(events.len(), 3, "{key}");
        for event in events {
            assert_eq!(event["from"]["roleArn"], from, "{event:#}");
            assert_eq!(event["to"]["roleArn"], to, "{event:#}");
        }
    };
    moved("r-1", OLD, NEW);
    moved("rollback/r-1", NEW, OLD);
    let statuses = details(&harness, "Role Rotation Status Changed");
    let end = statuses.last().unwrap();
    assert_eq!(
        (&end["rotationId"], &end["to"]),
        (&json!("rollback/r-1"), &json!("RolledBack"))
    );
    assert_eq!(end["summary"]["rollbackOf"], "r-1");
}

#[tokio::test(start_paused = true)]
async fn retries_and_dry_runs_are_published_with_their_attempts() {
    let harness = stack(3);
    let mut dry_run = rotation_event();
    dry_run["detail"]["dryRun"] = json!(true);
    harness.finish(&dry_run).await;
    harness.inject(error((400, "InvalidRequestException"), "no"), is_update);
    harness.finish(&rotation_event()).await;
    harness.aws.clear_hook();
    harness.command("Retry", json!({})).await;
    harness
        .deliver(&json!({ "rotationId": "r-1" }))
        .await
        .unwrap();
    publish(&harness).await;
    let events = details(&harness, "Role Rotation Status Changed");
    let of = |key: &str| -> Vec<Value> {
        let events = events.iter().filter(|event| event["rotationId"] == key);
        let shown = events.map(|event| json!([event["attempt"], event["to"]]));
        shown.collect()
    };
    let expected = [
        json!([1, "Planning"]),
        json!([1, "InProgress"]),
        json!([1, "Planned"]),
    ];
    assert_eq!(of("dry-run/r-1"), expected);
    let found = of("r-1");
    let (first, second): (Vec<_>, Vec<_>) = found.iter().partition(|event| event[0] == 1);
    assert_eq!(*first.last().unwrap(), &json!([1, "CompletedWithFailures"]));
    assert_eq!(*second.last().unwrap(), &json!([2, "Succeeded"]));
}
