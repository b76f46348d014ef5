//! The samples in `events/published/` are what the publisher puts, and the patterns in
//! `docs/event.md` match those that they are meant for.

use std::collections::BTreeMap;

use expect_test::expect_file;
use rerole_core::rotation::Status;
use rerole_core::timestamp::Timestamp;
use rerole_sim::BusEvent;
use rerole_sim::event_pattern::matches;
use serde_json::{Value, json};

use crate::harness::{command_event, rotation_event};
use crate::publisher::{publish, stack};

/// EventBridge draws them, so they differ from run to run.
const EVENT_ID: &str = "0b7c2f6e-5d1a-4c3b-9e8f-7a6d5c4b3a21";

/// An event as EventBridge passes it to a target.
fn as_delivered(event: &BusEvent) -> Value {
    json!({
        "version": "0",
        "id": EVENT_ID,
        "detail-type": event.detail_type,
        "source": event.source,
        "account": "111122223333",
        "time": Timestamp::from(event.time),
        "region": "us-east-1",
        "resources": [],
        "detail": event.detail,
    })
}

/// Events of a rotation that is requested while the stack is frozen, and that is taken back after
/// another actor has moved an association on.
async fn events() -> Vec<Value> {
    let harness = stack(3);
    let freeze = json!({ "rotationId": null, "requestedBy": "jane", "reason": "INC-7" });
    harness.command("Freeze", freeze.clone()).await;
    harness.deliver(&rotation_event()).await.unwrap();
    harness.command("Unfreeze", freeze).await;
    harness
        .deliver(&json!({ "rotationId": "r-1" }))
        .await
        .unwrap();
    let rows = harness.rows("r-1");
    let arn = rows[0]["associationArn"].as_str().unwrap().to_owned();
    harness.set_role(&arn, crate::harness::THIRD);
    let mut event = command_event("Rollback", &json!({ "reason": "CHG-1043" }));
    event["time"] = json!(Timestamp::from(harness.aws.now()));
    harness.deliver(&event).await.unwrap();
    let resume = json!({ "rotationId": "rollback/r-1" });
    harness.deliver(&resume).await.unwrap();
    publish(&harness).await;
    harness.aws.bus_events().iter().map(as_delivered).collect()
}

/// `UPDATE_EXPECT=1 cargo test` writes the samples.
#[tokio::test(start_paused = true)]
async fn the_samples_are_real_events() {
    let events = events().await;
    let find = |is_wanted: &dyn Fn(&Value) -> bool| {
        // The rows of a batch are written in any order.
        let wanted = events.iter().filter(|event| is_wanted(&event["detail"]));
        let found = wanted.min_by_key(|event| event["detail"]["associationArn"].to_string());
        format!("{:#}\n", found.expect("the scenario has it"))
    };
    let status = |key: &'static str, to: &'static str| {
        find(&move |detail: &Value| detail["rotationId"] == key && detail["to"] == to)
    };
    expect_file!["../../../events/published/rotation-queued.json"]
        .assert_eq(&status("r-1", "Queued"));
    expect_file!["../../../events/published/rotation-succeeded.json"]
        .assert_eq(&status("r-1", "Succeeded"));
    expect_file!["../../../events/published/rollback-incomplete.json"]
        .assert_eq(&status("rollback/r-1", "RollbackIncomplete"));
    expect_file!["../../../events/published/stack-frozen.json"]
        .assert_eq(&find(&|detail| detail["type"] == "Frozen"));
    expect_file!["../../../events/published/association-role-changed.json"]
        .assert_eq(&find(&|detail| detail["to"]["roleArn"].is_string()));
}

/// Each pattern is in the manual under the heading of what it is for.
#[tokio::test(start_paused = true)]
async fn the_patterns_of_the_manual_match_what_they_are_for() {
    let path = format!("{}/docs/event.md", env!("CARGO_MANIFEST_DIR"));
    let manual = std::fs::read_to_string(path).unwrap();
    let patterns: BTreeMap<&str, Value> = manual
        .split("\n### ")
        .skip(1)
        .filter_map(|section| {
            let heading = section.lines().next()?;
            let (_, rest) = section.split_once("```json\n")?;
            let (pattern, _) = rest.split_once("\n```")?;
            Some((heading, serde_json::from_str(pattern).unwrap()))
        })
        .collect();
    // A rejected event is no rotation, and a dry run ends as planned.
    let ends = [
        Status::Succeeded,
        Status::Incomplete,
        Status::CompletedWithFailures,
        Status::Failed,
        Status::NoAssociations,
        Status::Cancelled,
        Status::RolledBack,
        Status::RollbackIncomplete,
    ];
    assert!(ends.iter().all(|status| status.is_final()));
    assert_eq!(patterns["A chat message"]["detail"]["to"], json!(ends));
    let events = events().await;
    for (heading, expected) in [
        (
            "A chat message",
            vec!["r-1 Succeeded", "rollback/r-1 RollbackIncomplete"],
        ),
        ("A pipeline that waits for the end", vec!["r-1 Succeeded"]),
        (
            "A tool that restarts pods",
            [&["r-1 moved"; 3][..], &["rollback/r-1 moved"; 2]].concat(),
        ),
    ] {
        let pattern = patterns
            .get(heading)
            .unwrap_or_else(|| panic!("no section {heading}"));
        let matched = events.iter().filter(|event| matches(pattern, event));
        let matched: Vec<_> = matched.map(shown).collect();
        assert_eq!(matched, expected, "{heading}");
    }
}

fn shown(event: &Value) -> String {
    let detail = &event["detail"];
    let what = detail["to"].as_str().unwrap_or("moved");
    format!("{} {what}", detail["rotationId"].as_str().unwrap())
}
