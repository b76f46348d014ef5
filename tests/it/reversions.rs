//! Reversions: associations that are moved back to a role which a rotation replaced, what is
//! recorded of them, and what is not a reversion. Reversions during a rotation are in
//! `reversion_races.rs`.

use std::time::Duration;

use aws_sdk_eks::Client;
use rerole_core::indexing::Caller;
use rerole_core::rotation::RotationRecord;
use rerole_core::rotation::reversion::ReversionRow;
use rerole_sim::Fault;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cloudtrail::{client, create, on_save, update};
use crate::harness::{Harness, LEDGER, NEW, OLD, THIRD, event, rotation_event};

/// The rows of reversions that are recorded on this rotation.
pub fn reversion_rows(harness: &Harness, key: &str) -> Vec<Value> {
    let is_row = |item: &Value| {
        item["rotationId"] == key
            && item["entry"]
                .as_str()
                .is_some_and(|entry| entry.starts_with("reversion#"))
    };
    harness
        .aws
        .items(LEDGER)
        .into_iter()
        .filter(is_row)
        .collect()
}

fn rotate(id: &str, old: &str, new: &str) -> Value {
    event(&json!({ "rotationId": id, "oldRoleArn": old, "newRoleArn": new }))
}

/// Associations that the index knows from events, after their rotation. Also returns the id of one.
async fn rotated_from_events() -> (Harness, Client, String) {
    let harness = on_save(1);
    let client = client(&harness, "us-east-1");
    let id = create(&client, "prod-1", "api", OLD).await;
    create(&client, "prod-1", "worker", OLD).await;
    harness.follow(&harness.aws.take_cloudtrail_events()).await;
    let summary = harness.finish(&rotation_event()).await;
    assert!(summary["oldRoleInUseUntil"].is_string());
    harness.follow(&harness.aws.take_cloudtrail_events()).await;
    assert_eq!(
        reversion_rows(&harness, "r-1"),
        Vec::<Value>::new(),
        "an update of the rotation itself counts as a reversion"
    );
    (harness, client, id)
}

#[tokio::test(start_paused = true)]
async fn a_reversion_is_recorded_once_with_its_caller() {
    let (harness, client, id) = rotated_from_events().await;
    tokio::time::sleep(Duration::from_hours(1)).await;
    update(&client, "prod-1", &id, OLD).await;
    let events = harness.aws.take_cloudtrail_events();
    harness.follow(&events).await;
    let rows = reversion_rows(&harness, "r-1");
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!(
        (&row["fields"], &row["serviceAccount"]),
        (&json!(["roleArn"]), &json!("api"))
    );
    let text = |name: &str| row[name].as_str().unwrap();
    assert!(text("revertedArn").ends_with(&id), "{row:#}");
    assert!(
        text("callerArn").contains("assumed-role/operator"),
        "{row:#}"
    );
    assert!(text("userAgent").contains("aws-sdk-rust"), "{row:#}");
    let rotation = harness.rotation("r-1");
    assert_eq!(
        rotation["status"], "Succeeded",
        "a reversion does not change the status"
    );
    assert_eq!(rotation["counts"]["reverted"], 1);
    let in_use = &harness.role(OLD)["inUse"];
    assert_eq!(in_use["by"], row["revertedArn"], "{in_use:#}");
    let again = harness.finish(&rotation_event()).await;
    assert_eq!(again["oldRoleInUseUntil"], Value::Null);
    assert_eq!(again["oldRoleInUse"], *in_use);
    assert_eq!(harness.metric_sum("AssociationsReverted"), 1);
    assert_eq!(
        harness.role_of(text("revertedArn")).as_deref(),
        Some(OLD),
        "rerole moved the association"
    );

    harness.follow(&events).await;
    harness.reconcile("full").await;
    assert_eq!(reversion_rows(&harness, "r-1"), rows);
    assert_eq!(harness.rotation("r-1"), rotation);
    assert_eq!(harness.metric_sum("AssociationsReverted"), 1);
}

/// Both invocations read the rotation before either writes. The second one writes later.
#[tokio::test(start_paused = true)]
async fn of_two_reversions_at_once_both_are_counted_and_the_first_says_why_the_role_is_in_use() {
    let harness = Harness::calm(20);
    harness.finish(&rotation_event()).await;
    let moved = moved_associations(&harness);
    let aws = harness.indexer_clients();
    let rotation: RotationRecord = serde_json::from_value(harness.rotation("r-1")).unwrap();
    let in_a_minute = Instant::now() + Duration::from_mins(1);
    let mut rows = Vec::new();
    for arn in &moved[..2] {
        harness.set_role(arn, OLD);
        let seen = aws.eks.describe(&arn.parse().unwrap(), in_a_minute).await;
        let seen = seen.unwrap().unwrap().association;
        rows.push(ReversionRow::new(
            &rotation,
            &seen,
            Caller::default(),
            aws.now(),
        ));
    }
    let second = moved[1].clone();
    harness.inject(Fault::Delay(Duration::from_secs(1)), move |call| {
        call.operation == "TransactWriteItems" && call.body.to_string().contains(&second)
    });
    let reversions = aws.ledger.reversions();
    let (first, second) = tokio::join!(
        reversions.record(&rotation.key, &rows[0]),
        reversions.record(&rotation.key, &rows[1])
    );
    assert!(first.unwrap() && second.unwrap());
    assert_eq!(harness.role(OLD)["inUse"]["by"], moved[0]);
    assert_eq!(harness.rotation("r-1")["counts"]["reverted"], 2);
    assert_eq!(reversion_rows(&harness, "r-1").len(), 2);
}

/// The associations that the rotation moved.
fn moved_associations(harness: &Harness) -> Vec<String> {
    let rows = harness.rows("r-1").into_iter();
    let moved = rows.filter(|row| row["outcome"] == "Updated");
    moved
        .map(|row| row["associationArn"].as_str().unwrap().to_owned())
        .collect()
}

/// The role was replaced, became a new role again, and was replaced again.
#[tokio::test(start_paused = true)]
async fn the_latest_rotation_that_replaced_the_role_has_the_reversion() {
    let harness = Harness::calm(3);
    harness.reconcile("full").await;
    for (id, old, new) in [("first", OLD, NEW), ("back", NEW, OLD), ("again", OLD, NEW)] {
        harness.finish(&rotate(id, old, new)).await;
        tokio::time::sleep(Duration::from_mins(1)).await;
    }
    let rows = harness.rows("again");
    let moved = rows.iter().find(|row| row["outcome"] == "Updated").unwrap();
    harness.set_role(moved["associationArn"].as_str().unwrap(), OLD);
    harness.reconcile("full").await;
    let counts = ["first", "back", "again"].map(|id| reversion_rows(&harness, id).len());
    assert_eq!(counts, [0, 0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_full_reconcile_finds_a_reversion_without_an_event() {
    let harness = Harness::calm(20);
    harness.reconcile("full").await;
    harness.finish(&rotation_event()).await;
    let arn = harness.rows("r-1")[0]["associationArn"]
        .as_str()
        .unwrap()
        .to_owned();
    tokio::time::sleep(Duration::from_hours(1)).await;
    harness.set_role(&arn, OLD);
    harness.reconcile("full").await;
    let rows = reversion_rows(&harness, "r-1");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["revertedArn"], arn);
    assert!(rows[0].get("callerArn").is_none());
}

/// Either field counts. An association outside the scope of the rotation does not.
#[tokio::test(start_paused = true)]
async fn a_new_association_on_the_old_role_is_recorded() {
    let harness = Harness::calm(10);
    let elsewhere = harness.associate("elsewhere", OLD);
    harness
        .finish(&event(&json!({ "clusterNames": ["prod-*"] })))
        .await;
    tokio::time::sleep(Duration::from_hours(1)).await;
    harness.aws.eks(|eks| {
        eks.associate("us-east-1", "prod-2", "tools", "new", OLD);
        let chained = eks.associate("us-east-1", "prod-2", "tools", "chained", THIRD);
        eks.set_target_role(&chained, Some(OLD));
        eks.associate("us-east-1", "edge", "tools", "new", OLD);
        let modified_at = eks.association(&elsewhere).unwrap().modified_at;
        eks.edit(&elsewhere, |association| {
            association.modified_at = modified_at + Duration::from_hours(2);
        });
    });
    harness.reconcile("full").await;
    let mut fields: Vec<_> = reversion_rows(&harness, "r-1")
        .iter()
        .map(|row| (row["serviceAccount"].clone(), row["fields"].clone()))
        .collect();
    fields.sort_by_key(|(name, _)| name.to_string());
    assert_eq!(
        fields,
        [
            (json!("chained"), json!(["targetRoleArn"])),
            (json!("new"), json!(["roleArn"]))
        ]
    );
    assert_eq!(harness.rotation("r-1")["counts"]["reverted"], 2);
}

/// The index did not know it when the role was rotated, and it has not changed since.
#[tokio::test(start_paused = true)]
async fn an_association_that_the_rotation_missed_is_recorded() {
    let harness = on_save(1);
    let client = client(&harness, "us-east-1");
    create(&client, "prod-1", "known", OLD).await;
    harness.follow(&harness.aws.take_cloudtrail_events()).await;
    create(&client, "prod-1", "late-event", OLD).await;
    let late = harness.aws.take_cloudtrail_events();
    let summary = harness.finish(&rotation_event()).await;
    assert!(
        summary["oldRoleInUseUntil"].is_string(),
        "the index does not know the late one yet"
    );
    harness.follow(&late).await;
    assert_eq!(reversion_rows(&harness, "r-1").len(), 1);
    let again = harness.finish(&rotation_event()).await;
    assert_eq!(again["oldRoleInUseUntil"], Value::Null);
}

/// Otherwise the first index run of a fleet would raise the alarm.
#[tokio::test(start_paused = true)]
async fn a_rotation_that_found_no_associations_has_no_reversions() {
    let harness = Harness::calm(10);
    harness.empty_index();
    assert_eq!(
        harness.finish(&rotation_event()).await["status"],
        "NoAssociations"
    );
    harness.reconcile("full").await;
    assert_eq!(reversion_rows(&harness, "r-1"), Vec::<Value>::new());
    assert_eq!(harness.metric_sum("AssociationsReverted"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_reversion_is_recorded_for_the_rotation_of_its_cluster_only() {
    let harness = Harness::calm(20);
    harness.reconcile("full").await;
    for (id, cluster) in [("first", "prod-1"), ("second", "prod-2")] {
        tokio::time::sleep(Duration::from_hours(1)).await;
        harness
            .finish(&event(
                &json!({ "rotationId": id, "clusterNames": [cluster] }),
            ))
            .await;
    }
    // The rotation is undone in one cluster only.
    tokio::time::sleep(Duration::from_hours(1)).await;
    let back = json!({
        "rotationId": "back",
        "oldRoleArn": NEW,
        "newRoleArn": OLD,
        "clusterNames": ["prod-2"],
    });
    harness.finish(&event(&back)).await;
    tokio::time::sleep(Duration::from_hours(1)).await;
    let arn = harness.rows("first")[0]["associationArn"]
        .as_str()
        .unwrap()
        .to_owned();
    harness.set_role(&arn, OLD);
    harness
        .aws
        .eks(|eks| eks.associate("us-east-1", "prod-2", "tools", "new", OLD));
    harness.reconcile("full").await;
    assert_eq!(reversion_rows(&harness, "first").len(), 1);
    assert_eq!(
        reversion_rows(&harness, "second"),
        Vec::<Value>::new(),
        "in that cluster, the old role is the new one again"
    );
}

/// Each role is in a field of its own, and two rotations replaced them.
#[tokio::test(start_paused = true)]
async fn two_replaced_roles_of_one_association_are_two_reversions() {
    let harness = Harness::calm(4);
    harness.finish(&rotation_event()).await;
    let arn = harness.associate("other", THIRD);
    harness
        .finish(&rotate(
            "r-2",
            THIRD,
            "arn:aws:iam::111122223333:role/platform/fourth",
        ))
        .await;
    tokio::time::sleep(Duration::from_hours(1)).await;
    harness.aws.eks(|eks| eks.set_target_role(&arn, Some(OLD)));
    harness.set_role(&arn, THIRD);
    harness.reconcile("full").await;
    assert_eq!(
        (
            reversion_rows(&harness, "r-1").len(),
            reversion_rows(&harness, "r-2").len()
        ),
        (1, 1)
    );
}

/// The later rotation may follow at once or at the end of a chain. A dry run replaces no role.
#[tokio::test(start_paused = true)]
async fn a_role_that_a_later_rotation_made_the_new_one_has_no_reversions() {
    let harness = Harness::calm(10);
    harness.reconcile("full").await;
    harness
        .finish(&event(&json!({ "rotationId": "r-0", "dryRun": true })))
        .await;
    harness
        .aws
        .eks(|eks| eks.associate("us-east-1", "prod-2", "tools", "new", OLD));
    harness.reconcile("full").await;
    assert_eq!(reversion_rows(&harness, "dry-run/r-0"), Vec::<Value>::new());

    for (id, old, new) in [("r-1", OLD, NEW), ("r-2", NEW, THIRD), ("r-3", THIRD, OLD)] {
        tokio::time::sleep(Duration::from_hours(1)).await;
        harness.finish(&rotate(id, old, new)).await;
    }
    tokio::time::sleep(Duration::from_hours(1)).await;
    harness
        .aws
        .eks(|eks| eks.associate("us-east-1", "prod-2", "tools", "newer", OLD));
    harness.reconcile("full").await;
    for key in ["r-1", "r-2", "r-3"] {
        assert_eq!(reversion_rows(&harness, key), Vec::<Value>::new(), "{key}");
    }
    // The role in the middle of the chain stays replaced.
    harness
        .aws
        .eks(|eks| eks.associate("us-east-1", "prod-2", "tools", "newest", NEW));
    harness.reconcile("full").await;
    assert_eq!(reversion_rows(&harness, "r-2").len(), 1);
}
