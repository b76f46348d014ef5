//! Index runs that take several slices, yield to a rotation, wait for another run, or cover
//! only a part.

use std::time::Duration;

use rerole::indexer::reconciler::RECONCILE_RESERVE;
use rerole_core::call::ErrorClass;
use rerole_core::indexing::{Coverage, ReconcileRequest};
use rerole_sim::Options;
use rerole_sim::fleet::Fleet;
use serde_json::{Value, json};

use crate::harness::{Harness, OLD, THIRD, TIMEOUT, error, indexer_handler, rotation_event};
use crate::pace::throttled_harness;
use crate::reconcile::unindexed;

#[tokio::test(start_paused = true)]
async fn a_throttled_run_finishes_over_several_slices() {
    let harness = throttled_harness(5.0, 10.0);
    harness.build(&Fleet {
        rotating: 400,
        associations: 800,
        ..Fleet::default()
    });
    harness.empty_index();
    let timeout = RECONCILE_RESERVE + Duration::from_secs(40);
    let mut report = harness
        .reconcile_within(&json!({ "mode": "full" }), timeout)
        .await;
    let mut slices = 1;
    while report["status"] == "InProgress" {
        slices += 1;
        assert!(slices < 20, "{report:#}");
        report = harness
            .reconcile_within(&json!({ "mode": "resume" }), timeout)
            .await;
    }
    assert_eq!(report["status"], "Finished", "{report:#}");
    assert!(slices > 3, "{slices} slices: {report:#}");
    assert_eq!(report["errorCount"], 0, "{report:#}");
    assert_eq!(
        (&report["counts"]["seen"], &report["counts"]["added"]),
        (&json!(800), &json!(800))
    );
    harness.check_index();
    let describes = harness
        .calls("DescribePodIdentityAssociation")
        .iter()
        .filter(|call| call.status == Some(200))
        .count();
    // Each slice repeats at most the step that the previous one did not save: 100 associations.
    assert!(
        describes <= 800 + 100 * (slices - 1),
        "{describes} describes in {slices} slices"
    );
    assert_eq!(
        harness.reconcile("resume").await["status"],
        "NothingToResume"
    );
}

/// It yields also in the middle of a cluster.
#[tokio::test(start_paused = true)]
async fn a_run_yields_to_a_rotation_and_resumes_after_it() {
    let latency = Duration::from_millis(400)..=Duration::from_millis(500);
    let harness = Harness::new(Options {
        latency,
        ..Options::default()
    });
    let fleet = harness.fleet(900);
    harness
        .aws
        .eks(|eks| eks.associate("us-east-1", "prod-2", "tools", "new", THIRD));
    let indexer = indexer_handler(&harness.aws);
    let invocation = harness.invocation(TIMEOUT);
    let request = rotation_event();
    let (rotation, response) = tokio::join!(harness.finish(&request), async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        let full = json!({ "reconcile": { "mode": "full" } });
        harness
            .run_indexer(&indexer, full, &invocation)
            .await
            .unwrap()
    });
    assert_eq!(rotation["counts"]["updated"], fleet.rotating.len());
    assert_eq!(serde_json::to_value(response).unwrap()["status"], "Yielded");
    let report = harness.reconcile("resume").await;
    assert_eq!(report["status"], "Finished", "{report:#}");
    assert_eq!(report["counts"]["added"], 1);
    harness.check_index();
}

#[tokio::test(start_paused = true)]
async fn a_full_run_requested_during_another_run_waits_for_it() {
    let harness = unindexed(200);
    let other = indexer_handler(&harness.aws);
    let invocation = harness.invocation(TIMEOUT);
    let (first, second) = tokio::join!(harness.reconcile("listOnly"), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let full = json!({ "reconcile": { "mode": "full" } });
        harness
            .run_indexer(&other, full, &invocation)
            .await
            .unwrap()
    });
    assert_eq!(first["status"], "Finished");
    assert_eq!(
        serde_json::to_value(second).unwrap()["status"],
        "AlreadyRunning"
    );
    let next = harness.reconcile("resume").await;
    assert_eq!(
        (&next["status"], &next["mode"]),
        (&json!("Finished"), &json!("full"))
    );
    assert_eq!(
        harness.reconcile("resume").await["status"],
        "NothingToResume"
    );
}

#[tokio::test(start_paused = true)]
async fn a_waiting_run_of_all_clusters_is_not_replaced_by_a_partial_one() {
    let harness = unindexed(200);
    let others = [indexer_handler(&harness.aws), indexer_handler(&harness.aws)];
    let invocation = harness.invocation(TIMEOUT);
    let request = |at: usize, reconcile: Value| {
        let (harness, others, invocation) = (&harness, &others, &invocation);
        async move {
            tokio::time::sleep(Duration::from_millis(300 * (at as u64 + 1))).await;
            let payload = json!({ "reconcile": reconcile });
            harness
                .run_indexer(&others[at], payload, invocation)
                .await
                .unwrap()
        }
    };
    tokio::join!(
        harness.reconcile("listOnly"),
        request(0, json!({ "mode": "full" })),
        request(1, json!({ "mode": "full", "clusterNames": ["prod-1"] })),
    );
    let next = harness.reconcile("resume").await;
    assert_eq!(
        (&next["mode"], next.get("clusterNames")),
        (&json!("full"), None),
        "{next:#}"
    );
    assert_eq!(
        harness.reconcile("resume").await["status"],
        "NothingToResume"
    );
}

#[tokio::test(start_paused = true)]
async fn a_run_of_some_clusters_completes_no_region() {
    let harness = unindexed(40);
    let request = json!({ "mode": "full", "regions": ["us-east-1"], "clusterNames": ["*-2"] });
    let report = harness.reconcile_within(&request, TIMEOUT).await;
    assert_eq!(
        (&report["counts"]["clusters"], &report["counts"]["added"]),
        (&json!(1), &json!(20))
    );
    assert_eq!(harness.ledger_item("index", "region#us-east-1"), None);
    let request = json!({ "mode": "full", "clusterNames": ["other"] });
    let report = harness.reconcile_within(&request, TIMEOUT).await;
    assert_eq!(
        (&report["counts"]["clusters"], &report["counts"]["removed"]),
        (&json!(0), &json!(0))
    );
}

#[tokio::test(start_paused = true)]
async fn a_run_of_some_clusters_leaves_another_deleted_cluster_in_the_index() {
    let harness = unindexed(40);
    harness.reconcile("full").await;
    harness
        .aws
        .eks(|eks| eks.delete_cluster("eu-west-1", "prod-1"));
    tokio::time::sleep(Duration::from_mins(1)).await;
    for (clusters, removed) in [("prod-2", 0), ("prod-1", 1)] {
        let request = json!({ "mode": "full", "clusterNames": [clusters] });
        let report = harness.reconcile_within(&request, TIMEOUT).await;
        assert_eq!(report["counts"]["clustersRemoved"], removed, "{report:#}");
    }
    harness.check_index();
}

#[tokio::test(start_paused = true)]
async fn a_run_that_others_claim_first_every_time_is_worth_another_attempt() {
    let harness = Harness::calm(3);
    let aws = harness.indexer_clients();
    let request = ReconcileRequest::parse(
        &json!({ "mode": "full" }),
        &Coverage::of(&["us-east-1".to_owned()]),
    );
    harness.inject(
        error(
            (400, "ConditionalCheckFailedException"),
            "The conditional request failed",
        ),
        |call| call.operation == "PutItem" && call.subject.ends_with("index/run"),
    );
    let runs = aws.ledger.index_runs();
    let error = runs.claim(&request.unwrap(), aws.now()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "claim index run index: other invocations claimed it first 4 times"
    );
    assert_eq!(error.class, ErrorClass::Transient);
}

/// The schedule of full runs starts its first one after a day. The one that resumes runs does so
/// within 15 minutes.
#[tokio::test(start_paused = true)]
async fn a_new_stack_gets_its_first_full_run_from_the_schedule_that_resumes_runs() {
    let harness = unindexed(6);
    harness.reconcile("listOnly").await;
    let report = harness.reconcile("resume").await;
    assert_eq!(
        (&report["status"], &report["mode"]),
        (&json!("Finished"), &json!("full"))
    );
    harness.check_index();
    assert!(harness.ledger_item("index", "region#eu-west-1").unwrap()["describedAt"].is_string());
    assert_eq!(
        harness.reconcile("resume").await["status"],
        "NothingToResume"
    );
}

/// Case 7, and clusters that can never be read.
#[tokio::test(start_paused = true)]
async fn a_cluster_without_associations_or_one_that_is_excluded_leaves_the_region_complete() {
    let harness = Harness::with_settings(Options::default(), &[("INDEX_EXCLUDE", "broken-*, x")]);
    harness.associate("api", OLD);
    harness.aws.eks(|eks| {
        eks.create_cluster("us-east-1", "outpost");
        eks.associate("us-east-1", "broken-1", "tools", "api", OLD);
    });
    harness.empty_index();
    let unsupported = error(
        (400, "ClientException"),
        "This operation is not supported for local EKS clusters",
    );
    harness.inject(unsupported, |call| {
        assert_ne!(call.subject, "broken-1", "an excluded cluster was read");
        call.operation == "ListPodIdentityAssociations" && call.subject == "outpost"
    });
    let report = harness.reconcile("full").await;
    assert_eq!(report["errorCount"], 0, "{report:#}");
    assert_eq!(report["counts"]["clustersUnsupported"], 1);
    assert_eq!(report["excluded"], json!(["us-east-1/broken-1"]));
    let region = harness.ledger_item("index", "region#us-east-1").unwrap();
    assert_eq!(region["excluded"], json!(["broken-1"]));
    assert!(region["describedAt"].is_string());
    harness.aws.clear_hook();
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["status"], "Succeeded");
    let reason = summary["reason"].as_str().unwrap();
    assert!(reason.contains("leaves out us-east-1/broken-1"), "{reason}");
}
