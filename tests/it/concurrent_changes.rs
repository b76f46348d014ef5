//! Changes that other actors make while a rotation runs, and an index that lags behind them.

use std::time::Duration;

use rerole_sim::{Fault, Options};

use crate::common::environment::index_lag;
use crate::guarantees::{Before, check};
use crate::harness::{Harness, INDEX, OLD, THIRD, is_update, rotation_event};

/// Another actor moves one association and deletes another between the plan and their Describe.
#[tokio::test(start_paused = true)]
async fn changes_by_others_during_a_rotation_are_respected() {
    let harness = Harness::new(Options::default());
    let fleet = harness.fleet(40);
    let (drifted, deleted) = (fleet.rotating[30].clone(), fleet.rotating[31].clone());
    let before = Before::of(&harness);
    let aws = harness.aws.clone();
    let (to_third, to_delete) = (drifted.clone(), deleted.clone());
    harness.aws.on_call(move |call| {
        if is_update(call) {
            let now = aws.now();
            aws.eks(|eks| {
                if eks
                    .association(&to_third)
                    .is_some_and(|a| a.role_arn == OLD)
                {
                    eks.set_role(&to_third, THIRD, now);
                }
                eks.delete(&to_delete);
            });
        }
        Fault::None
    });
    let summary = harness.finish(&rotation_event()).await;
    // A rotation starts with a single update, so the changes precede the Describe of every
    // association but the first. The order of the rows decides which one is the first.
    assert_eq!(summary["counts"]["drifted"], 1);
    assert_eq!(summary["counts"]["deleted"], 1);
    assert_eq!(summary["counts"]["updated"], 38);
    assert_eq!(harness.role_of(&drifted).as_deref(), Some(THIRD));
    assert_eq!(harness.row("r-1", &deleted)["outcome"], "Deleted");
    assert!(harness.index_item(&deleted).is_none());
    check(&harness, &before);
}

#[tokio::test(start_paused = true)]
async fn an_association_deleted_between_describe_and_update_is_deleted_not_failed() {
    let harness = Harness::new(Options::default());
    let arn = harness.associate("api", OLD);
    let (aws, target) = (harness.aws.clone(), arn.clone());
    harness.aws.on_call(move |call| {
        if is_update(call) {
            aws.eks(|eks| eks.delete(&target));
        }
        Fault::None
    });
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["counts"]["deleted"], 1);
    assert_eq!(harness.row("r-1", &arn)["attempts"], 1);
}

#[tokio::test(start_paused = true)]
async fn associations_created_during_the_rotation_are_moved_also() {
    let harness = Harness::new(Options::default());
    harness.fleet(20);
    let (aws, mut updates) = (harness.aws.clone(), 0);
    harness.aws.on_call(move |call| {
        if is_update(call) {
            updates += 1;
            // One is created in the first round, and one in the round that moves the first.
            if updates == 10 || updates == 21 {
                let name = format!("late-{updates}");
                let arn = aws.eks(|eks| {
                    let cluster = eks.clusters().next().unwrap();
                    let (region, cluster) = (cluster.region.clone(), cluster.name.clone());
                    eks.associate(&region, &cluster, "late", &name, OLD)
                });
                aws.index_association(INDEX, &arn);
            }
        }
        Fault::None
    });
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["counts"]["updated"], 22);
    assert_eq!(harness.aws.eks(|eks| eks.association_count_on(OLD)), 0);
}

/// A rotation neither trusts nor rewrites an index whose secondary index lags.
#[tokio::test(start_paused = true)]
async fn a_lagging_index_moves_no_association_twice() {
    let harness = Harness::new(Options {
        index_lag: index_lag(Duration::from_secs(5)),
        ..Options::default()
    });
    harness.fleet(30);
    let before = Before::of(&harness);
    tokio::time::sleep(Duration::from_secs(6)).await;
    let summary = harness.finish(&rotation_event()).await;
    assert_eq!(summary["counts"]["updated"], 30);
    assert_eq!(summary["counts"]["reverted"], 0);
    assert_eq!(harness.updates().len(), 30);
    check(&harness, &before);
}
