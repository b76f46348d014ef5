//! What an index run makes of the index. Errors are in `reconcile_errors.rs`, runs that are
//! interrupted or wait in `index_runs.rs`, crashes in `races.rs`.

use std::collections::BTreeSet;
use std::time::Duration;

use rerole_sim::fleet::Fleet;
use rerole_sim::{Association, Options, Service};
use serde_json::json;

use crate::harness::{Harness, INDEX, NEW, OLD, THIRD, TIMEOUT, rotation_event};

/// A fleet of `count` associations, and an empty index.
pub fn unindexed(count: usize) -> Harness {
    let harness = Harness::new(Options::default());
    harness.build(&Fleet {
        rotating: count / 2,
        associations: count,
        with_target_role: 3,
        ..Fleet::default()
    });
    harness.empty_index();
    harness
}

/// The ARNs of all associations in EKS.
pub fn association_arns(harness: &Harness) -> Vec<String> {
    let arn = |association: &Association| association.association_arn.clone();
    harness.aws.eks(|eks| eks.associations().map(arn).collect())
}

/// How many writes of association items the table has received.
fn writes_to(harness: &Harness, table: &str) -> usize {
    let is_write = |operation: &str| ["PutItem", "UpdateItem", "DeleteItem"].contains(&operation);
    // The list of known clusters is in the same table.
    let is_association =
        |subject: &str| subject.starts_with(table) && !subject.contains("/clusters/");
    let calls = harness.aws.calls();
    calls
        .iter()
        .filter(|record| is_write(&record.call.operation) && is_association(&record.call.subject))
        .count()
}

#[tokio::test(start_paused = true)]
async fn an_empty_index_is_built_and_a_second_run_changes_nothing() {
    let harness = unindexed(300);
    let report = harness.reconcile("full").await;
    assert_eq!(report["status"], "Finished", "{report:#}");
    assert_eq!(report["counts"]["clusters"], 2);
    assert_eq!(report["counts"]["seen"], 300);
    assert_eq!(report["counts"]["added"], 300);
    assert_eq!(report["errorCount"], 0);
    harness.check_index();
    // One call for each association, for each page of 100 of a list, for each cluster, and for each
    // region.
    assert_eq!(harness.call_count(Service::Eks), 300 + 4 + 2 + 2);
    assert_eq!(report["counts"]["calls"], harness.call_count(Service::Eks));
    let described_at =
        harness.ledger_item("index", "region#us-east-1").unwrap()["describedAt"].clone();
    assert!(described_at.is_string());

    harness.aws.clear_calls();
    tokio::time::sleep(Duration::from_hours(1)).await;
    let report = harness.reconcile("full").await;
    assert_eq!(report["counts"]["added"], 0);
    assert_eq!(report["counts"]["changed"], 0);
    assert_eq!(
        writes_to(&harness, INDEX),
        0,
        "an unchanged item was written"
    );
    assert!(
        harness.ledger_item("index", "region#us-east-1").unwrap()["describedAt"].as_str()
            > described_at.as_str()
    );
}

/// Lists show no roles, so only a full run finds the changed role.
#[tokio::test(start_paused = true)]
async fn a_list_only_run_finds_created_and_deleted_associations() {
    let harness = unindexed(250);
    harness.reconcile("full").await;
    let arns = association_arns(&harness);
    harness.aws.eks(|eks| {
        eks.delete(&arns[0]);
        eks.associate("us-east-1", "prod-2", "tools", "new", OLD);
    });
    harness.set_role(&arns[1], THIRD);
    harness.aws.clear_calls();
    let report = harness.reconcile("listOnly").await;
    assert_eq!(report["counts"]["added"], 1, "{report:#}");
    assert_eq!(report["counts"]["removed"], 1);
    assert_eq!(report["counts"]["changed"], 0, "lists show no roles");
    let describes = harness.calls("DescribePodIdentityAssociation");
    let subjects: BTreeSet<_> = describes
        .iter()
        .map(|record| &record.call.subject)
        .collect();
    assert_eq!(subjects.len(), 2, "only the new and the deleted one");
    assert_eq!(writes_to(&harness, INDEX), 2);
    let report = harness.reconcile("full").await;
    assert_eq!(report["counts"]["changed"], 1);
    harness.check_index();
    assert_eq!(
        harness.metrics().last().unwrap()["IndexDifferencesRepaired"],
        1
    );
}

#[tokio::test(start_paused = true)]
async fn a_corrupted_item_is_repaired_although_its_version_is_current() {
    let harness = unindexed(10);
    harness.reconcile("full").await;
    let mut item = harness
        .aws
        .items(INDEX)
        .into_iter()
        .find(|item| item.get("roleArn").is_some())
        .unwrap();
    item["roleArn"] = json!(NEW);
    harness.aws.put_item(INDEX, item);
    assert_eq!(harness.reconcile("full").await["counts"]["changed"], 1);
    harness.check_index();
}

#[tokio::test(start_paused = true)]
async fn a_deleted_cluster_is_removed_and_a_recreated_one_is_indexed() {
    let harness = unindexed(120);
    harness.reconcile("full").await;
    harness
        .aws
        .eks(|eks| eks.delete_cluster("eu-west-1", "prod-1"));
    let report = harness.reconcile("listOnly").await;
    assert_eq!(report["counts"]["clustersRemoved"], 1);
    assert_eq!(report["counts"]["removed"], 60);
    harness.check_index();
    harness.aws.eks(|eks| {
        eks.create_cluster("eu-west-1", "prod-1");
        eks.associate("eu-west-1", "prod-1", "tools", "new", OLD);
    });
    let report = harness.reconcile("listOnly").await;
    assert_eq!(
        (&report["counts"]["added"], &report["counts"]["removed"]),
        (&json!(1), &json!(0))
    );
    harness.check_index();
}

#[tokio::test(start_paused = true)]
async fn a_rotation_reports_how_old_its_index_was_by_region() {
    let harness = unindexed(20);
    harness
        .reconcile_within(
            &json!({ "mode": "full", "regions": ["us-east-1"] }),
            TIMEOUT,
        )
        .await;
    let described_at =
        harness.ledger_item("index", "region#us-east-1").unwrap()["describedAt"].clone();
    tokio::time::sleep(Duration::from_hours(1)).await;
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["indexAsOf"], json!({ "us-east-1": described_at }));
    assert_eq!(harness.rotation("r-1")["indexAsOf"], summary["indexAsOf"]);
}

#[tokio::test(start_paused = true)]
async fn an_index_is_stale_without_a_recent_full_run() {
    let harness = unindexed(20);
    let stale = |harness: &Harness| harness.metrics().last().unwrap()["StaleIndexRegions"].clone();
    harness.reconcile("listOnly").await;
    assert_eq!(stale(&harness), 2, "a list-only run does not see the roles");
    harness.reconcile("full").await;
    assert_eq!(stale(&harness), 0);
    tokio::time::sleep(Duration::from_hours(37)).await;
    harness.reconcile("resume").await;
    assert_eq!(stale(&harness), 2);
}
