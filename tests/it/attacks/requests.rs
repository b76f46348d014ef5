//! Events and payloads for the rotate function. The attacker may put events, or invoke the
//! function.

use rerole::rotate::response::RotateResponse;
use rerole_core::request::event_id;
use rerole_sim::Service;
use serde_json::{Value, json};

use crate::harness::{Harness, NEW, OLD, event, rotation_event};

/// Delivers an event that must be rejected, and returns the reason. Nothing is written to EKS.
async fn rejected(harness: &Harness, event: &Value) -> String {
    let updates = harness.updates().len();
    let response = harness.deliver(event).await.unwrap();
    assert_eq!(harness.updates().len(), updates);
    match response {
        RotateResponse::Rejected { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

/// Before, only the template's rule looked at the source.
#[tokio::test(start_paused = true)]
async fn to_request_as_another_source_or_account() {
    let harness = Harness::calm(2);
    for (member, value) in [
        ("source", json!("another.source")),
        ("source", json!("rerole")),
        ("source", json!("PLATFORM.IAM")),
        ("source", json!("platform.iam ")),
        ("source", Value::Null),
        ("account", json!("999999999999")),
        ("account", Value::Null),
    ] {
        let mut forged = rotation_event();
        forged[member] = value;
        let reason = rejected(&harness, &forged).await;
        assert!(reason.starts_with(member), "{reason}");
    }
    assert_eq!(harness.call_count(Service::Eks), 0);
}

/// Before, the old role could be any role: the attacker's own pods could leave it for a stronger
/// one under `RolePath`, and other workloads could be moved off theirs.
#[tokio::test(start_paused = true)]
async fn to_give_a_workload_another_role_by_a_look_alike_path() {
    let harness = Harness::calm(2);
    let role = |path_and_name: &str| format!("arn:aws:iam::111122223333:role{path_and_name}");
    for path_and_name in [
        "/platform-2/app",
        "/platform",
        "/Platform/app",
        "/platforms/app",
        "/x/platform/app",
        "//platform/app",
        "/platform//app",
        "/platform/../admin/app",
        "/platform/./app",
        "/platform/*/app",
        "/platform/?/app",
        "/platform/${aws:username}/app",
        "/pl\u{430}tform/app",
        "/platform\u{200b}/app",
        "/platform/app ",
        "/aws-reserved/sso.amazonaws.com/app",
        "/aws-service-role/eks.amazonaws.com/app",
    ] {
        for field in ["oldRoleArn", "newRoleArn"] {
            let forged = event(&json!({ field: role(path_and_name) }));
            let reason = rejected(&harness, &forged).await;
            let expected = format!("detail.{field}");
            assert!(reason.starts_with(&expected), "{path_and_name}: {reason}");
        }
    }
    assert_eq!(harness.call_count(Service::Eks), 0);
}

/// Before, a replayed event without a rotation ID of its own started a second rotation.
#[tokio::test(start_paused = true)]
async fn to_move_again_what_was_moved_back_with_a_replayed_old_event() {
    let harness = Harness::calm(3);
    let mut old_event = rotation_event();
    old_event["detail"]
        .as_object_mut()
        .unwrap()
        .remove("rotationId");
    let done = harness.finish(&old_event).await;
    assert_eq!(done["counts"]["updated"], 3);
    let back = json!({ "rotationId": "back", "oldRoleArn": NEW, "newRoleArn": OLD });
    assert_eq!(harness.finish(&event(&back)).await["counts"]["updated"], 3);

    // The same event again changes nothing, however late. A replay may have another ID.
    harness.aws.clear_calls();
    let repeated = harness.finish(&old_event).await;
    assert_eq!(repeated["counts"], done["counts"]);
    let mut replayed = old_event.clone();
    replayed["replay-name"] = json!("incident");
    for id in [
        &old_event["id"],
        &json!("0e0c2b1a-3d9f-4f6e-8a55-2f6d8f6f0001"),
    ] {
        replayed["id"] = id.clone();
        let reason = rejected(&harness, &replayed).await;
        assert!(reason.starts_with("replay-name"), "{reason}");
    }
    assert_eq!(harness.call_count(Service::Eks), 0);
}

/// A continuation names a rotation and nothing else.
#[tokio::test(start_paused = true)]
async fn to_change_a_rotation_by_a_payload_of_the_state_machine() {
    let harness = Harness::calm(2);
    let arn = format!("role/{OLD}");
    for payload in [
        json!({ "rotationId": "r-1", "newRoleArn": NEW }),
        json!({ "rotationId": arn }),
        json!({ "rotationId": "rejected/e-1" }),
        json!({ "rotationId": "dry-run/dry-run/r-1" }),
        json!({ "rotationId": ["r-1"] }),
        json!({ "rotationId": null }),
    ] {
        rejected(&harness, &payload).await;
    }
    // A rotation that the ledger does not have is an error, and starts nothing.
    harness
        .deliver(&json!({ "rotationId": "r-1" }))
        .await
        .unwrap_err();
    assert_eq!(harness.call_count(Service::Eks), 0);
}

/// The rejection fits into an item and a log line, whatever the event has.
#[tokio::test(start_paused = true)]
async fn to_get_rid_of_the_record_of_a_request_with_a_large_or_deep_one() {
    let harness = Harness::calm(1);
    let mut deep = json!(1);
    for _ in 0..120 {
        deep = json!([deep]);
    }
    let long = "\u{1b}[31mé\n".repeat(120_000);
    for (index, detail) in [
        json!({ &long: 1 }),
        json!({ "oldRoleArn": &long }),
        json!({ "rotationId": &long }),
        json!({ "clusterNames": vec!["prod"; 100_000] }),
        json!({ "reason": &long }),
        json!({ "x": deep }),
        // The members around the detail are also recorded.
        json!({ "(id)": &long }),
        json!({ "(region)": &long }),
    ]
    .iter()
    .enumerate()
    {
        let mut forged = event(detail);
        forged["id"] = json!(format!("e-{index}"));
        for member in ["id", "region"] {
            let value = forged["detail"]
                .as_object_mut()
                .unwrap()
                .remove(&format!("({member})"));
            if let Some(value) = value {
                forged[member] = value;
            }
        }
        let reason = rejected(&harness, &forged).await;
        assert!(reason.len() < 3_000, "{} bytes", reason.len());
        let id = event_id(&forged);
        let item = harness.rotation(&format!("rejected/{id}"));
        assert!(item.to_string().len() < 300_000);
        assert_eq!(item["reason"], reason);
    }
}
