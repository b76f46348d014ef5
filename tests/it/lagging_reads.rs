//! Reads of an eventually consistent EKS: a Describe or a list that shows an earlier state, or not
//! what exists. The reads that CloudTrail events cause are in `cloudtrail/stale_reads.rs`.

use std::time::Duration;

use rerole_core::resource::Cluster;
use rerole_sim::{EksState, Options};
use serde_json::json;

use crate::guarantees::{Before, check};
use crate::harness::{
    Harness, NEW, OLD, THIRD, error, event, in_virtual_time, is_describe, lagging, rotation_event,
};
use crate::reconcile::unindexed;

/// EKS does not find what exists, at the first `times` calls of this operation.
fn hide(harness: &Harness, operation: &'static str, times: usize) {
    let mut hidden = 0;
    let fault = error((404, "ResourceNotFoundException"), "No association found");
    harness.inject(fault, move |call| {
        let is_hidden = call.operation == operation && hidden < times;
        hidden += usize::from(is_hidden);
        is_hidden
    });
}

/// The second rotation starts while EKS still shows associations as they were before the first.
#[test]
fn a_rotation_back_at_once_moves_every_association() {
    for seed in 0..10 {
        in_virtual_time(async {
            let harness = Harness::new(Options {
                seed,
                ..lagging(Duration::from_secs(4))
            });
            harness.fleet(20);
            harness.aws.eks(EksState::catch_up);
            let before = Before::of(&harness);
            let there = harness.finish(&rotation_event()).await;
            assert_eq!(there["counts"]["updated"], 20, "seed {seed}: {there:#}");
            check(&harness, &before);
            let back = json!({ "rotationId": "r-2", "oldRoleArn": NEW, "newRoleArn": OLD });
            let back = harness.finish(&event(&back)).await;
            assert_eq!(back["counts"]["updated"], 20, "seed {seed}: {back:#}");
            assert_eq!(harness.aws.eks(|eks| eks.association_count_on(NEW)), 0);
        });
    }
}

/// The plan has the version on the old role. A Describe shows the one before it, on a third role.
#[tokio::test(start_paused = true)]
async fn a_version_from_before_the_plan_is_not_recorded() {
    let harness = Harness::new(lagging(Duration::from_secs(5)));
    let arn = harness.associate("api", THIRD);
    harness.aws.eks(EksState::catch_up);
    tokio::time::sleep(Duration::from_mins(1)).await;
    harness.set_role(&arn, OLD);
    harness.aws.index_association(crate::harness::INDEX, &arn);
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["counts"]["updated"], 1, "{summary:#}");
}

#[tokio::test(start_paused = true)]
async fn an_association_is_deleted_only_after_several_responses_seconds_apart() {
    for (times, outcome) in [(1, "Updated"), (2, "Updated"), (3, "Deleted")] {
        let harness = Harness::calm(1);
        hide(&harness, "DescribePodIdentityAssociation", times);
        harness.finish(&rotation_event()).await;
        let rows = harness.rows("r-1");
        assert_eq!(rows[0]["outcome"], outcome, "hidden {times} times");
        let describes = harness
            .aws
            .calls()
            .into_iter()
            .filter(|record| is_describe(&record.call));
        let sent: Vec<_> = describes.map(|record| record.sent_at).collect();
        for pair in sent.windows(2).take(times - 1) {
            let pause = pair[1].duration_since(pair[0]).unwrap();
            assert!(pause >= Duration::from_secs(5), "{pause:?}");
        }
    }
}

/// Each kind of read, hidden once. The index must not lose anything.
#[tokio::test(start_paused = true)]
async fn nothing_leaves_the_index_because_one_response_does_not_show_it() {
    for operation in [
        "DescribePodIdentityAssociation",
        "ListPodIdentityAssociations",
        "DescribeCluster",
    ] {
        let harness = unindexed(6);
        harness.reconcile("full").await;
        for mode in ["listOnly", "full"] {
            for times in [1, 2] {
                hide(&harness, operation, times);
                let report = harness.reconcile(mode).await;
                assert_eq!(report["counts"]["removed"], 0, "{operation}: {report:#}");
                assert_eq!(report["counts"]["seen"], 6, "{operation}: {report:#}");
                harness.aws.clear_hook();
                harness.check_index();
            }
        }
    }
}

/// A list of clusters may not show one that was created seconds ago. The run reads it all the same,
/// since the index knows it.
#[tokio::test(start_paused = true)]
async fn a_known_cluster_that_is_not_listed_is_read() {
    let harness = Harness::new(Options {
        list_lag: Duration::from_mins(1)..=Duration::from_mins(1),
        ..Options::default()
    });
    let arn = harness.associate("api", OLD);
    let cluster = Cluster::of(&arn.parse().unwrap());
    let aws = harness.indexer_clients();
    aws.index.known_clusters().record(&cluster).await.unwrap();
    harness.set_role(&arn, THIRD);
    let report = harness.reconcile("full").await;
    assert_eq!(report["counts"]["changed"], 1, "{report:#}");
    harness.check_index();
}
