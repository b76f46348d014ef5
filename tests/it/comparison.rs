//! A comparison of the index with EKS, beside everything that a reconcile would change.

use std::time::Duration;

use rerole::indexer::comparison::compare;
use rerole_core::indexing::{Mode, RunRequest};
use rerole_sim::{Fault, Options};
use serde_json::json;
use tokio::time::Instant;

use crate::harness::{Harness, INDEX, LEDGER, NEW, OLD, THIRD, is_describe, rotation_event};
use crate::reconcile::unindexed;

/// Also while a rotation is active, to which a reconcile would yield.
#[tokio::test(start_paused = true)]
async fn a_comparison_reports_every_difference_and_writes_nothing() {
    let harness = Harness::new(Options::default());
    let moved = harness.associate("moved", OLD);
    let deleted = harness.associate("deleted", OLD);
    harness
        .aws
        .eks(|eks| eks.associate("us-east-1", "gone", "tools", "old", NEW));
    harness.reconcile("full").await;
    harness.set_role(&moved, THIRD);
    harness.aws.eks(|eks| {
        eks.delete(&deleted);
        eks.delete_cluster("us-east-1", "gone");
        eks.associate("us-east-1", "prod-2", "tools", "new", NEW);
    });
    tokio::time::sleep(Duration::from_mins(1)).await;
    harness.inject(Fault::FreezeBefore, is_describe);
    harness.deliver_and_crash(&rotation_event()).await;
    harness.aws.clear_hook();

    let (index, ledger) = (harness.aws.items(INDEX), harness.aws.items(LEDGER));
    let aws = harness.indexer_clients();
    let request = RunRequest {
        mode: Mode::Full,
        regions: vec!["us-east-1".to_owned()],
        cluster_names: None,
        exclude_clusters: Vec::new(),
    };
    let in_an_hour = Instant::now() + Duration::from_hours(1);
    let comparison = compare(&aws, &request, 8, in_an_hour, |_| {})
        .await
        .unwrap();
    let counts = comparison.run.counts;
    assert_eq!(
        (
            counts.added,
            counts.changed,
            counts.removed,
            counts.clusters_removed
        ),
        (1, 1, 2, 1),
        "{:#?}",
        comparison.differences
    );
    assert_eq!(comparison.differences.len(), 4);
    assert_eq!(harness.aws.items(INDEX), index);
    assert_eq!(harness.aws.items(LEDGER), ledger);
}

/// The index reads a cluster in pages of 250, and EKS's list is compared page by page.
#[tokio::test(start_paused = true)]
async fn a_list_only_reconcile_of_a_large_cluster_without_differences_describes_nothing() {
    let harness = unindexed(700);
    harness.reconcile("full").await;
    harness.aws.clear_calls();
    let report = harness.reconcile("listOnly").await;
    assert_eq!(report["counts"]["seen"], json!(700), "{report:#}");
    assert_eq!(harness.calls("DescribePodIdentityAssociation").len(), 0);
}
