//! Index runs in which calls fail, and requests that are not valid. A failed call must never
//! remove an item from the index.

use std::time::Duration;

use rerole::indexer::error::IndexerError;
use rerole_sim::{Fault, Options};
use serde_json::json;

use crate::harness::{Harness, INDEX, LEDGER, OLD, TIMEOUT, error, in_virtual_time, is_describe};
use crate::reconcile::{association_arns, unindexed};

/// The index keeps the items of the denied cluster, and its region does not count as complete.
#[tokio::test(start_paused = true)]
async fn a_denied_cluster_is_reported_and_the_others_are_reconciled() {
    let harness = unindexed(60);
    harness.reconcile("full").await;
    let described_at =
        |region| harness.ledger_item("index", region).unwrap()["describedAt"].clone();
    let [before_west, before_east] = ["region#eu-west-1", "region#us-east-1"].map(described_at);
    tokio::time::sleep(Duration::from_hours(1)).await;
    harness.aws.eks(|eks| {
        eks.deny("prod-1");
        eks.associate("us-east-1", "prod-2", "tools", "new", OLD);
    });
    let items = harness.aws.items(INDEX).len();
    let report = harness.reconcile("full").await;
    assert_eq!(report["status"], "Finished");
    assert_eq!(report["errorCount"], 1);
    assert_eq!(report["errors"][0]["clusterName"], "prod-1");
    assert!(
        report["errors"][0]["problem"]
            .as_str()
            .unwrap()
            .contains("AccessDenied"),
        "{report:#}"
    );
    assert_eq!(report["counts"]["added"], 1);
    assert_eq!(
        harness.aws.items(INDEX).len(),
        items + 1,
        "items of the denied cluster were removed"
    );
    assert_eq!(described_at("region#eu-west-1"), before_west);
    assert!(described_at("region#us-east-1").as_str() > before_east.as_str());
    assert_eq!(harness.metrics().last().unwrap()["IndexErrors"], 1);
}

#[test]
fn an_incomplete_list_removes_nothing() {
    for fault in [
        Fault::ServerError(500),
        Fault::LoseRequest,
        Fault::FreezeBefore,
    ] {
        for operation in ["ListPodIdentityAssociations", "ListClusters"] {
            in_virtual_time(async {
                let harness = unindexed(250);
                harness.reconcile("full").await;
                let items = harness.aws.items(INDEX);
                let arns = association_arns(&harness);
                harness.aws.eks(|eks| eks.delete(&arns[0]));
                let mut pages = 0;
                harness.inject(fault.clone(), move |call| {
                    pages += usize::from(call.operation == operation);
                    // The first page of associations succeeds.
                    call.operation == operation && (pages > 1 || operation == "ListClusters")
                });
                let report = harness.reconcile("full").await;
                assert_eq!(report["status"], "Finished", "{operation} {fault:?}");
                assert!(
                    report["errorCount"].as_u64().unwrap() >= 1,
                    "{operation} {fault:?}: {report:#}"
                );
                assert_eq!(harness.aws.items(INDEX), items, "{operation} {fault:?}");
                harness.aws.clear_hook();
                harness.reconcile("full").await;
                harness.check_index();
            });
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_omits_an_existing_cluster_removes_nothing() {
    let harness = unindexed(40);
    harness.reconcile("full").await;
    let items = harness.aws.items(INDEX);
    let empty = Fault::Error {
        status: 200,
        code: String::new(),
        message: String::new(),
    };
    harness.inject(empty, |call| call.operation == "ListClusters");
    let report = harness.reconcile("full").await;
    assert_eq!(report["counts"]["removed"], 0, "{report:#}");
    assert_eq!(harness.aws.items(INDEX), items);
}

/// It must not hold up the other clusters.
#[tokio::test(start_paused = true)]
async fn a_cluster_that_stays_throttled_is_left_to_the_next_run() {
    for fault in [Fault::Throttle, Fault::BareThrottle] {
        let harness = unindexed(250);
        harness.inject(fault, |call| {
            call.operation == "ListPodIdentityAssociations" && call.subject == "prod-1"
        });
        let report = harness.reconcile("full").await;
        assert_eq!(
            (&report["status"], &report["errorCount"]),
            (&json!("Finished"), &json!(1)),
            "{report:#}"
        );
        assert_eq!(report["counts"]["added"], 125);
        harness.aws.clear_hook();
        assert_eq!(harness.reconcile("full").await["counts"]["added"], 125);
        harness.check_index();
    }
}

/// The associations after it are still reconciled.
#[tokio::test(start_paused = true)]
async fn an_association_that_cannot_be_described_is_reported() {
    let harness = unindexed(60);
    let denied = Fault::Error {
        status: 403,
        code: "AccessDeniedException".to_owned(),
        message: "x".repeat(9_000),
    };
    let mut describes = 0;
    harness.inject(denied, move |call| {
        describes += u32::from(is_describe(call));
        is_describe(call) && describes == 3
    });
    let report = harness.reconcile("full").await;
    assert_eq!(
        (&report["counts"]["added"], &report["errorCount"]),
        (&json!(59), &json!(1)),
        "{report:#}"
    );
    assert!(report["errors"][0]["problem"].as_str().unwrap().len() <= 500);
    assert_eq!(harness.ledger_item("index", "region#eu-west-1"), None);
    assert!(harness.ledger_item("index", "region#us-east-1").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_failing_run_fails_on_each_attempt_until_the_cause_is_removed() {
    let harness = unindexed(20);
    let denied = error((400, "AccessDeniedException"), "no");
    harness.inject(denied, |call| {
        call.operation == "Query" && call.body["TableName"] == INDEX
    });
    for _ in 0..3 {
        let error = harness
            .invoke_indexer(json!({ "reconcile": { "mode": "full" } }), TIMEOUT)
            .await
            .unwrap_err();
        assert!(matches!(error, IndexerError::ReconcileFailed(_)), "{error}");
        tokio::time::sleep(Duration::from_mins(1)).await;
    }
    harness.aws.clear_hook();
    assert_eq!(harness.reconcile("resume").await["status"], "Finished");
    harness.check_index();
}

#[tokio::test(start_paused = true)]
async fn an_invalid_payload_is_rejected_with_its_field_and_value() {
    let harness = Harness::new(Options::default());
    let ledger = harness.aws.items(LEDGER);
    for (payload, problem) in [
        (json!({}), "neither Records nor reconcile"),
        (
            json!({ "reconcile": "full" }),
            "reconcile \"full\" is not allowed",
        ),
        (json!({ "reconcile": {} }), "reconcile.mode (nothing)"),
        (
            json!({ "reconcile": { "mode": "Full" } }),
            "reconcile.mode \"Full\"",
        ),
        (
            json!({ "reconcile": { "mode": "full", "region": ["x"] } }),
            "reconcile.region",
        ),
        (
            json!({ "reconcile": { "mode": "full", "regions": ["x"] } }),
            "reconcile.regions \"x\"",
        ),
        (
            json!({ "reconcile": { "mode": "full", "regions": [] } }),
            "reconcile.regions []",
        ),
        (
            json!({ "reconcile": { "mode": "full", "clusterNames": ["a b"] } }),
            "reconcile.clusterNames \"a b\"",
        ),
        (
            json!({ "reconcile": { "mode": "resume", "regions": ["eu-west-1"] } }),
            "\"resume\" without other members",
        ),
    ] {
        let error = harness
            .invoke_indexer(payload.clone(), TIMEOUT)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(problem), "{payload}: {error}");
    }
    assert_eq!(harness.aws.items(LEDGER), ledger);
}
