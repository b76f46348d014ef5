//! Trying again what failed, was not attempted, or was owned by an add-on: the same rotation, in
//! its next attempt.

use std::collections::BTreeSet;
use std::time::Duration;

use rerole_core::rotation::LEASE;
use rerole_sim::{Call, Fault, Options};
use serde_json::{Value, json};

use crate::cloudtrail::{client, create, on_save_with_state_machine};
use crate::guarantees::{Before, check};
use crate::harness::{
    Harness, NEW, OLD, THIRD, TIMEOUT, error, event, is_describe, is_update, rotation_event,
};

fn stack() -> Harness {
    Harness::with_state_machine(Options::default())
}

/// Another actor creates an association on the old role, and the indexer follows.
async fn create_on_old_role(harness: &Harness, service_account: &str) {
    let client = client(harness, "us-east-1");
    create(&client, "prod-1", service_account, OLD).await;
    harness.follow(&harness.aws.take_cloudtrail_events()).await;
}

/// Sends the command `Retry` and plays the attempt. Returns the result of the rotation.
async fn retry(harness: &Harness) -> Value {
    tokio::time::sleep(Duration::from_secs(1)).await;
    let verdict = harness.command("Retry", json!({ "reason": "fixed" })).await;
    assert_eq!(verdict["verdict"], "Accepted", "{verdict:#}");
    harness.play(TIMEOUT).await.output().clone()
}

#[tokio::test(start_paused = true)]
async fn what_failed_moves_in_the_next_attempt_of_the_same_rotation() {
    let harness = stack();
    harness.fleet(30);
    let before = Before::of(&harness);
    let not_valid = error((400, "InvalidRequestException"), "not valid");
    let mut updates = 0;
    harness.inject(not_valid, move |call| {
        updates += u32::from(is_update(call));
        is_update(call) && (11..=20).contains(&updates)
    });
    let first = harness.finish(&rotation_event()).await;
    assert_eq!(first["status"], "CompletedWithFailures");
    assert_eq!(first["counts"]["failed"], 10);
    harness.aws.clear_hook();
    let failed: BTreeSet<String> = harness
        .rows("r-1")
        .iter()
        .filter(|row| row["outcome"] == "Failed")
        .map(|row| row["clientRequestToken"].as_str().unwrap().to_owned())
        .collect();

    let second = retry(&harness).await;
    assert_eq!(second["status"], "Succeeded", "{second:#}");
    assert_eq!(second["counts"]["updated"], 30);
    assert_eq!(harness.rotation("r-1")["attempt"], 2);
    let reopened = harness.ledger_item("r-1", "timeline#00000004").unwrap();
    assert_eq!(
        (&reopened["to"], &reopened["attempt"]),
        (&json!("Planning"), &json!(2))
    );
    for row in harness.rows("r-1") {
        let earlier = row.get("earlierResults");
        if row["attempt"] == 1 {
            assert_eq!(earlier, None, "{row:#}");
            continue;
        }
        assert_eq!(earlier.unwrap()[0]["outcome"], "Failed", "{row:#}");
        assert_eq!(earlier.unwrap()[0]["errorCode"], "InvalidRequestException");
        assert!(row.get("errorCode").is_none(), "{row:#}");
        let token = row["clientRequestToken"].as_str().unwrap();
        assert!(!failed.contains(token), "EKS has seen this token");
    }
    check(&harness, &before);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_rotation_is_continued_by_a_retry() {
    let harness = stack();
    harness.fleet(200);
    let before = Before::of(&harness);
    let request = rotation_event();
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        harness.command("Cancel", json!({})).await
    };
    let (response, _) = tokio::join!(harness.deliver(&request), cancel);
    let response = serde_json::to_value(response.unwrap()).unwrap();
    assert_eq!(response["status"], "Cancelled", "{response:#}");
    // The execution of the command finds that the slice has done its work.
    assert_eq!(harness.play(TIMEOUT).await.output()["status"], "Cancelled");
    let second = retry(&harness).await;
    assert_eq!(second["counts"]["updated"], 200, "{second:#}");
    assert_eq!(second["status"], "Succeeded");
    check(&harness, &before);
}

/// The index was empty when the rotation ran.
#[tokio::test(start_paused = true)]
async fn a_rotation_without_associations_finds_them_once_the_index_is_built() {
    let harness = stack();
    harness.fleet(10);
    harness.empty_index();
    let first = harness.finish(&rotation_event()).await;
    assert_eq!(first["status"], "NoAssociations", "{first:#}");
    harness.reconcile("full").await;
    let second = retry(&harness).await;
    assert_eq!(second["counts"]["updated"], 10, "{second:#}");
    assert_eq!(second["status"], "Succeeded");
}

/// rerole moves no association that an add-on owns.
#[tokio::test(start_paused = true)]
async fn an_association_that_an_operator_has_moved_by_its_add_on_is_current() {
    let harness = stack();
    let own = harness.associate("own", OLD);
    let managed = harness.associate("managed", OLD);
    let add_on = "arn:aws:eks:us-east-1:111122223333:addon/edge/vpc-cni/a";
    harness.aws.eks(|eks| eks.set_owner(&managed, Some(add_on)));
    let first = harness.finish(&rotation_event()).await;
    assert_eq!(first["status"], "Incomplete", "{first:#}");
    harness.set_role(&managed, NEW);
    let second = retry(&harness).await;
    assert_eq!(second["status"], "Succeeded", "{second:#}");
    assert_eq!(harness.row("r-1", &managed)["outcome"], "AlreadyCurrent");
    assert_eq!(harness.row("r-1", &own)["attempt"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_rotation_whose_new_role_was_replaced_is_not_tried_again() {
    let harness = stack();
    harness.fleet(10);
    harness.finish(&rotation_event()).await;
    let onwards = event(&json!({ "rotationId": "r-2", "oldRoleArn": NEW, "newRoleArn": THIRD }));
    harness.finish(&onwards).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let verdict = harness.command("Retry", json!({})).await;
    assert_eq!(verdict["verdict"], "Refused", "{verdict:#}");
    let explanation = verdict["explanation"].as_str().unwrap();
    assert!(
        explanation.contains("rotation r-2 has replaced"),
        "{explanation}"
    );
    // The later one can be.
    let verdict = harness
        .command("Retry", json!({ "rotationId": "r-2" }))
        .await;
    assert_eq!(verdict["verdict"], "Accepted", "{verdict:#}");
}

/// Another rotation holds a role, so the attempt waits for its turn.
#[tokio::test(start_paused = true)]
async fn a_retry_waits_for_its_turn() {
    let harness = stack();
    harness.fleet(200);
    let elsewhere = event(&json!({ "rotationId": "r-1", "clusterNames": ["nowhere"] }));
    let first = harness.finish(&elsewhere).await;
    assert_eq!(first["status"], "NoAssociations", "{first:#}");
    let other = event(&json!({ "rotationId": "r-2" }));
    let retry = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        harness.command("Retry", json!({})).await
    };
    let (_, verdict) = tokio::join!(harness.finish(&other), retry);
    assert_eq!(verdict["verdict"], "Accepted", "{verdict:#}");
    let played = harness.play(TIMEOUT).await;
    let statuses = (1..).map_while(|seq| {
        let entry = harness.ledger_item("r-1", &format!("timeline#{seq:08}"))?;
        Some(entry["to"].as_str().unwrap().to_owned())
    });
    let statuses = statuses.collect::<Vec<_>>();
    let expected = [
        "Planning",
        "InProgress",
        "NoAssociations",
        "Queued",
        "Planning",
        "InProgress",
        "NoAssociations",
    ];
    assert_eq!(statuses, expected, "{:?}", played.end);
}

/// A slice of the first attempt records that it has moved an association. The record is on its way
/// for so long that the row is pending again when it arrives.
#[tokio::test(start_paused = true)]
async fn a_late_record_of_the_attempt_before_settles_no_row() {
    const LATE_BY: Duration = Duration::from_mins(4);
    let harness = stack();
    let arn = harness.associate("api", OLD);
    let is_record =
        |call: &Call| call.operation == "UpdateItem" && call.subject.contains("association#");
    harness.inject(Fault::ArriveLate(LATE_BY), is_record);
    let request = rotation_event();
    tokio::select! {
        response = harness.deliver(&request) => panic!("{response:?}"),
        () = tokio::time::sleep(Duration::from_secs(1)) => {}
    }
    harness.aws.clear_hook();
    tokio::time::sleep(LEASE).await;
    // The second slice finds that an add-on owns the association now.
    let add_on = "arn:aws:eks:us-east-1:111122223333:addon/edge/vpc-cni/a";
    harness.aws.eks(|eks| eks.set_owner(&arn, Some(add_on)));
    harness.set_role(&arn, OLD);
    harness.deliver(&request).await.unwrap();
    assert_eq!(harness.row("r-1", &arn)["outcome"], "OwnedByAddon");
    tokio::time::sleep(Duration::from_secs(1)).await;
    harness.command("Retry", json!({})).await;
    // Its slice opens the row again, and stands still before it describes the association.
    harness.inject(Fault::FreezeBefore, is_describe);
    harness.deliver_and_crash(&request).await;
    assert_eq!(harness.row("r-1", &arn)["outcome"], "Pending");
    tokio::time::sleep(LATE_BY).await;
    let records = harness.calls("UpdateItem");
    let late = records.iter().find(|record| is_record(&record.call));
    let late = late.unwrap();
    assert_eq!((late.status, late.applied_at), (Some(400), None));
    let row = harness.row("r-1", &arn);
    assert_eq!(
        (&row["outcome"], &row["attempt"]),
        (&json!("Pending"), &json!(2))
    );
    let summary = harness.finish(&request).await;
    assert_eq!(summary["counts"]["ownedByAddon"], 1, "{summary:#}");
    assert_eq!(harness.row("r-1", &arn)["attempt"], 2);
}

/// The next attempt moves what has come back, so the reversion is none of its own.
#[tokio::test(start_paused = true)]
async fn what_came_back_after_an_attempt_is_moved_by_the_next_one() {
    let harness = on_save_with_state_machine();
    create_on_old_role(&harness, "api").await;
    harness.finish(&rotation_event()).await;
    create_on_old_role(&harness, "late").await;
    assert_eq!(harness.rotation("r-1")["counts"]["reverted"], 1);
    let second = retry(&harness).await;
    assert_eq!(second["status"], "Succeeded", "{second:#}");
    assert_eq!(second["counts"]["updated"], 2);
    assert_eq!(second["counts"]["reverted"], 0);
}

/// The attempt has not looked for what came back, so what is known of it stays.
#[tokio::test(start_paused = true)]
async fn what_came_back_is_known_after_an_attempt_that_was_cancelled() {
    let harness = on_save_with_state_machine();
    create_on_old_role(&harness, "api").await;
    harness.finish(&rotation_event()).await;
    create_on_old_role(&harness, "late").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    harness.command("Retry", json!({})).await;
    // One attempt is cancelled before it plans, and another one after its updates.
    harness.command("Cancel", json!({})).await;
    let cancelled = harness.finish(&rotation_event()).await;
    assert_eq!(cancelled["status"], "Cancelled");
    assert_eq!(cancelled["counts"]["reverted"], 1);
    // The first attempt has covered the scope.
    create_on_old_role(&harness, "later").await;
    assert_eq!(harness.rotation("r-1")["counts"]["reverted"], 2);
    assert_eq!(harness.metric_sum("AssociationsReverted"), 2);

    tokio::time::sleep(Duration::from_secs(1)).await;
    harness.command("Retry", json!({})).await;
    let cancel = async {
        while harness.count("r-1", "Updated") < 2 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        harness.command("Cancel", json!({})).await
    };
    let request = rotation_event();
    let (cancelled, _) = tokio::join!(harness.finish(&request), cancel);
    assert_eq!(cancelled["status"], "Cancelled", "{cancelled:#}");
    assert_eq!(cancelled["counts"]["reverted"], 2);
}

/// The attempt waits for its turn, is cancelled, and is tried again.
#[tokio::test(start_paused = true)]
async fn what_comes_back_while_an_attempt_waits_is_recorded() {
    let harness = on_save_with_state_machine();
    create_on_old_role(&harness, "api").await;
    harness.finish(&rotation_event()).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let of_stack = || json!({ "rotationId": null });
    harness.command("Freeze", of_stack()).await;
    harness.command("Retry", json!({})).await;
    assert_eq!(harness.rotation("r-1")["status"], "Queued");
    create_on_old_role(&harness, "late").await;
    harness.command("Cancel", json!({})).await;
    let cancelled = harness.rotation("r-1");
    assert_eq!(cancelled["status"], "Cancelled");
    assert_eq!(cancelled["counts"]["reverted"], 1, "{cancelled:#}");
    // The next attempt moves what came before its turn.
    tokio::time::sleep(Duration::from_secs(1)).await;
    harness.command("Retry", json!({})).await;
    create_on_old_role(&harness, "later").await;
    harness.command("Unfreeze", of_stack()).await;
    let played = harness.play(TIMEOUT).await;
    assert_eq!(played.output()["status"], "Succeeded", "{played:?}");
    assert_eq!(played.output()["counts"]["updated"], 3);
    assert_eq!(played.output()["counts"]["reverted"], 0);
}

/// It has never run, so what happened before it was cancelled does not count.
#[tokio::test(start_paused = true)]
async fn a_way_back_that_was_cancelled_in_the_queue_is_tried_again() {
    let harness = stack();
    harness.fleet(30);
    let back = event(&json!({ "rotationId": "r-2", "oldRoleArn": NEW, "newRoleArn": OLD }));
    let queue_and_cancel = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        harness.deliver(&back).await.unwrap();
        let cancel = json!({ "rotationId": "r-2" });
        harness.command("Cancel", cancel).await;
    };
    let first = rotation_event();
    tokio::join!(harness.finish(&first), queue_and_cancel);
    assert_eq!(harness.rotation("r-2")["status"], "Cancelled");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let verdict = harness
        .command("Retry", json!({ "rotationId": "r-2" }))
        .await;
    assert_eq!(verdict["verdict"], "Accepted", "{verdict:#}");
    let played = harness.play(TIMEOUT).await;
    assert_eq!(played.output()["counts"]["updated"], 30);
}

/// When the attempt had its turn, its new role would have been replaced.
#[tokio::test(start_paused = true)]
async fn a_rotation_whose_new_role_is_about_to_be_replaced_is_not_tried_again() {
    let harness = stack();
    harness.fleet(30);
    harness.finish(&rotation_event()).await;
    harness
        .command("Freeze", json!({ "rotationId": null }))
        .await;
    let onwards = event(&json!({ "rotationId": "r-2", "oldRoleArn": NEW, "newRoleArn": THIRD }));
    harness.deliver(&onwards).await.unwrap();
    let verdict = harness.command("Retry", json!({})).await;
    assert_eq!(verdict["verdict"], "Refused", "{verdict:#}");
    assert_eq!(verdict["allowed"], json!(["Rollback"]), "{verdict:#}");
}
