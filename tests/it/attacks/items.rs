//! Items that the attacker has written to the tables.

use rerole::rotate::response::RotateResponse;
use rerole_core::indexing::ItemRules;
use rerole_core::rotation::InUse;
use rerole_sim::{Options, Service};
use serde_json::{Value, json};

use crate::harness::{
    Harness, INDEX, LEDGER, NEW, OLD, TIMEOUT, error, event, is_describe, rotation_event,
};

/// An item of the index under the key of an association of cluster `edge`, with these members set.
fn planted(id: &str, changes: &Value) -> Value {
    let cluster = "arn:aws:eks:us-east-1:111122223333:cluster/edge";
    let mut item = json!({
        "clusterArn": cluster,
        "associationId": id,
        "associationArn": format!("arn:aws:eks:us-east-1:111122223333:podidentityassociation/edge/{id}"),
        "clusterName": "edge",
        "namespace": "tools",
        "serviceAccount": "api",
        "roleArn": OLD,
        "modifiedAt": "2026-11-23T20:00:00.000Z",
    });
    for (name, value) in changes.as_object().unwrap() {
        item[name] = value.clone();
    }
    item
}

impl Harness {
    /// The use of the old role that the index shows, as the functions read it.
    async fn index_use(&self) -> InUse {
        let (aws, invocation) = (self.clients(), self.invocation(TIMEOUT));
        let rules = ItemRules {
            own_account: invocation.own_account.as_ref(),
            regions: Some(&["eu-west-1".to_owned(), "us-east-1".to_owned()]),
            now: aws.now(),
        };
        let shown = aws.index.any_on(&OLD.parse().unwrap(), &rules).await;
        shown.unwrap().unwrap()
    }
}

/// Before, each of these failed the rotation, which then held its roles.
#[tokio::test(start_paused = true)]
async fn to_block_rotations_with_an_item_that_cannot_be() {
    let foreign = "arn:aws:eks:us-east-1:999999999999:podidentityassociation/edge/a-x";
    let foreign_cluster = "arn:aws:eks:us-east-1:999999999999:cluster/edge";
    let unindexed = "arn:aws:eks:evil-1:111122223333:podidentityassociation/edge/a-x";
    let other = "arn:aws:eks:us-east-1:111122223333:podidentityassociation/other/a-x";
    for changes in [
        json!({ "associationArn": foreign, "clusterArn": foreign_cluster }),
        json!({ "associationArn": foreign }),
        json!({ "associationArn": other }),
        json!({
            "associationArn": unindexed, "clusterArn": "arn:aws:eks:evil-1:111122223333:cluster/edge",
        }),
        json!({ "associationArn": "not an arn" }),
        json!({ "modifiedAt": "2036-01-01T00:00:00.000Z" }),
        json!({ "modifiedAt": "soon" }),
        json!({ "clusterArn": "no cluster" }),
        json!({ "associationId": "a/x" }),
        // Half a tombstone: the secondary indexes show it.
        json!({ "deletedAt": "2026-11-01T00:00:00.000Z" }),
        json!({
            "associationArn": foreign, "clusterArn": foreign_cluster,
            "deletedAt": "2026-11-01T00:00:00.000Z",
        }),
    ] {
        let harness = Harness::new(Options::default());
        harness.associate("real", OLD);
        harness.aws.put_item(INDEX, planted("a-x", &changes));
        let summary = harness.finish(&rotation_event()).await;
        assert_eq!(summary["counts"]["updated"], 1, "{changes}: {summary:#}");
        // The item may stand for an association, so the role does not count as free.
        assert_eq!(summary["status"], "Incomplete", "{changes}: {summary:#}");
        let reason = summary["reason"].as_str().unwrap();
        assert!(reason.contains("invalid items of the index"), "{reason}");
        assert!(!summary["oldRoleInUse"].is_null(), "{changes}: {summary:#}");
        let shown = harness.index_use().await;
        assert!(shown.why.contains("invalid item"), "{changes}: {shown:?}");

        // The reconciler removes and counts it, and then the role is free.
        let report = harness.reconcile("full").await;
        assert_eq!(report["counts"]["invalid"], 1, "{changes}: {report:#}");
        assert_eq!(report["errors"], json!([]), "{changes}");
        harness.check_index();
        let summary = harness.finish(&rotation_event()).await;
        assert_eq!(
            summary["oldRoleInUse"],
            Value::Null,
            "{changes}: {summary:#}"
        );
        let report = harness.reconcile("full").await;
        assert_eq!(report["counts"]["invalid"], 0, "{changes}: {report:#}");
    }
}

/// An item of a later version, or a tombstone of a later time, would keep out what EKS shows.
#[tokio::test(start_paused = true)]
async fn to_hide_an_association_from_rotations() {
    for plant in [
        |real: Value| {
            let mut item = real;
            item["roleArn"] = json!("arn:aws:iam::111122223333:role/platform/harmless");
            item["modifiedAt"] = json!("2036-01-01T00:00:00.000Z");
            item
        },
        |real: Value| {
            json!({
                "clusterArn": real["clusterArn"], "associationId": real["associationId"],
                "deletedAt": "2036-01-01T00:00:00.000Z",
            })
        },
        |real: Value| {
            json!({
                "clusterArn": real["clusterArn"], "associationId": real["associationId"],
                "deletedAt": "never",
            })
        },
        |real: Value| {
            let mut item = real;
            item["deletedAt"] = json!("2026-11-01T00:00:00.000Z");
            item
        },
    ] {
        let harness = Harness::new(Options::default());
        let real = harness.associate("real", OLD);
        let item = harness.index_entry(&real).unwrap();
        harness.aws.put_item(INDEX, plant(item));
        let report = harness.reconcile("full").await;
        assert_eq!(report["counts"]["invalid"], 1, "{report:#}");
        harness.check_index();
        let summary = harness.finish(&rotation_event()).await;
        assert_eq!(summary["counts"]["updated"], 1, "{summary:#}");
        assert_eq!(summary["status"], "Succeeded", "{summary:#}");
    }
}

/// Until EKS has been asked, the item is the only trace of the association.
#[tokio::test(start_paused = true)]
async fn to_have_the_reconciler_remove_the_only_trace_of_an_association() {
    let harness = Harness::new(Options::default());
    let real = harness.associate("real", OLD);
    let mut item = harness.index_entry(&real).unwrap();
    item["associationArn"] = json!("not an arn");
    harness.aws.put_item(INDEX, item.clone());
    harness.inject(error((403, "AccessDeniedException"), "denied"), is_describe);
    let report = harness.reconcile("full").await;
    harness.aws.clear_hook();
    assert_eq!(report["errorCount"], 1, "{report:#}");
    assert_eq!(report["counts"]["invalid"], 0, "{report:#}");
    assert!(harness.aws.items(INDEX).contains(&item));
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["status"], "NoAssociations", "{summary:#}");
    assert!(!summary["oldRoleInUse"].is_null(), "{summary:#}");
}

/// An event repairs such an item at once.
#[tokio::test(start_paused = true)]
async fn to_keep_an_association_out_of_the_index_until_the_next_full_run() {
    for (event_name, is_deleted) in [
        ("UpdatePodIdentityAssociation", false),
        ("DeletePodIdentityAssociation", true),
    ] {
        let harness = Harness::new(Options::default());
        let real = harness.associate("real", OLD);
        let mut item = harness.index_entry(&real).unwrap();
        item["modifiedAt"] = json!("2036-01-01T00:00:00.000Z");
        harness.aws.put_item(INDEX, item);
        if is_deleted {
            harness.aws.eks(|eks| eks.delete(&real));
        }
        let event = json!({
            "detail-type": "AWS API Call via CloudTrail",
            "detail": {
                "eventSource": "eks.amazonaws.com", "eventName": event_name,
                "responseElements": { "association": { "associationArn": real } },
            },
        });
        assert!(harness.follow(&[event]).await.is_empty());
        assert_eq!(harness.index_item(&real).is_none(), is_deleted);
        harness.check_index();
    }
}

/// The region counts as complete, and its items are removed while it is not indexed.
#[tokio::test(start_paused = true)]
async fn a_region_that_is_indexed_again_is_not_complete() {
    let harness = Harness::new(Options::default());
    harness.fleet(4);
    let one = [("INDEX_REGIONS", "us-east-1")];
    let reduced = harness.another_indexer(&one);
    let request = json!({ "reconcile": { "mode": "full" } });
    let invocation = harness.invocation(TIMEOUT);
    let report = harness.run_indexer(&reduced, request, &invocation).await;
    let report = serde_json::to_value(report.unwrap()).unwrap();
    assert!(report["counts"]["invalid"].as_u64() > Some(0), "{report:#}");
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["status"], "Incomplete", "{summary:#}");
    assert!(
        summary["reason"].as_str().unwrap().contains("eu-west-1"),
        "{summary:#}"
    );
    harness.reconcile("full").await;
    harness.check_index();
}

/// No cluster list leads to these items.
#[tokio::test(start_paused = true)]
async fn to_keep_a_role_in_use_with_associations_of_a_cluster_that_does_not_exist() {
    let harness = Harness::new(Options::default());
    harness.associate("real", OLD);
    for cluster in ["ghost-1", "ghost-2"] {
        let arn = format!("arn:aws:eks:us-east-1:111122223333:cluster/{cluster}");
        let association =
            format!("arn:aws:eks:us-east-1:111122223333:podidentityassociation/{cluster}/a-1");
        let ghost = json!({
            "clusterArn": arn, "clusterName": cluster, "associationArn": association,
            "roleArn": NEW,
        });
        harness.aws.put_item(INDEX, planted("a-1", &ghost));
    }
    let report = harness.reconcile("full").await;
    assert_eq!(report["counts"]["clustersRemoved"], 2, "{report:#}");
    assert_eq!(report["counts"]["removed"], 2, "{report:#}");
    harness.check_index();
}

/// Before, a planted request ran to any role, whatever its path: only IAM stood in the way.
#[tokio::test(start_paused = true)]
async fn to_move_associations_to_a_role_outside_the_path_with_a_planted_record() {
    let admin = "arn:aws:iam::111122223333:role/admin/root";
    let reserved = "arn:aws:iam::111122223333:role/platform/../admin/root";
    for (changes, field) in [
        (json!({ "newRoleArn": admin }), Some("detail.newRoleArn")),
        (json!({ "oldRoleArn": admin }), Some("detail.oldRoleArn")),
        (json!({ "newRoleArn": OLD }), Some("detail.newRoleArn")),
        (
            json!({
                "oldRoleArn": "arn:aws-cn:iam::111122223333:role/platform/a",
                "newRoleArn": "arn:aws-cn:iam::111122223333:role/platform/b",
            }),
            Some("detail.oldRoleArn"),
        ),
        // These do not even parse.
        (json!({ "newRoleArn": reserved }), None),
        (json!({ "maxErrors": "1000%" }), None),
        (json!({ "maxConcurrency": "100000" }), None),
        (json!({ "rotationId": "../r-1" }), None),
        (json!({ "clusterNames": ["a b"] }), None),
        // The record contradicts its key or itself.
        (json!({ "rotationId": "r-2" }), None),
        (json!({ "dryRun": true }), None),
    ] {
        let harness = Harness::calm(3);
        // A rotation that was opened and not finished, as the attacker changes it.
        harness.freeze_after_update(1);
        harness.deliver_and_crash(&rotation_event()).await;
        let mut record = harness.rotation("r-1");
        for (name, value) in changes.as_object().unwrap() {
            record["request"][name] = value.clone();
            if name.ends_with("RoleArn") {
                record[name] = value.clone();
            }
        }
        harness.aws.put_item(LEDGER, record.clone());
        harness.aws.clear_calls();
        tokio::time::sleep(std::time::Duration::from_mins(2)).await;
        let response = harness.deliver(&json!({ "rotationId": "r-1" })).await;
        match (response, field) {
            (Ok(RotateResponse::Rejected { reason, .. }), Some(field)) => {
                assert!(reason.starts_with(field), "{changes}: {reason}");
            }
            (Err(error), None) => assert!(error.to_string().contains("MalformedItem"), "{error}"),
            (response, _) => panic!("{changes}: {response:?}"),
        }
        assert_eq!(harness.call_count(Service::Eks), 0, "{changes}");
        assert_eq!(harness.rotation("r-1"), record, "{changes}");
    }
}

/// The rows of a rotation are described before they are updated, and EKS's answer is held against
/// the row.
#[tokio::test(start_paused = true)]
async fn to_move_an_association_of_another_role_with_a_planted_row() {
    let harness = Harness::calm(2);
    let other = harness.associate("other", "arn:aws:iam::111122223333:role/platform/other");
    harness.freeze_after_update(1);
    harness.deliver_and_crash(&rotation_event()).await;
    let mut row = harness.rows("r-1").pop().unwrap();
    let foreign = other.replacen(":111122223333:", ":999999999999:", 1);
    for arn in [&other, &foreign] {
        row["entry"] = json!(format!("association#{arn}"));
        row["associationArn"] = json!(arn);
        row["outcome"] = json!("Pending");
        harness.aws.put_item(LEDGER, row.clone());
    }
    tokio::time::sleep(std::time::Duration::from_mins(2)).await;
    let summary = harness.finish(&event(&json!({}))).await;
    assert_eq!(harness.row("r-1", &other)["outcome"], "Drifted");
    let failed = harness.row("r-1", &foreign);
    assert_eq!(failed["outcome"], "Failed", "{failed:#}");
    assert_eq!(failed["errorCode"], "MalformedResponse", "{failed:#}");
    assert_eq!(summary["counts"]["updated"], 2, "{summary:#}");
}
