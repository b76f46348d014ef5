//! Index runs that crash or race with a rotation. Crashes of rotations alone are in `crash/`.

use std::time::Duration;

use rerole_sim::fleet::Fleet;
use rerole_sim::{EksState, Fault, Options};
use serde_json::json;

use crate::harness::{
    Harness, INDEX, OLD, THIRD, TIMEOUT, in_virtual_time, indexer_handler, lagging, rotation_event,
};
use crate::reconcile::{association_arns, unindexed};

/// Longer than the lease of an index run, which is ten minutes: a crashed slice has lost it by
/// then.
pub const LEASE_EXPIRY: Duration = Duration::from_mins(11);

/// A complete index, and then each kind of difference between EKS and that index.
async fn harness_with_differences() -> Harness {
    let harness = unindexed(14);
    harness.aws.eks(|eks| {
        eks.create_cluster("us-east-1", "old");
        eks.associate("us-east-1", "old", "tools", "deleted", OLD);
    });
    harness.reconcile("full").await;
    let arns = association_arns(&harness);
    harness.aws.eks(|eks| {
        eks.delete_cluster("us-east-1", "old");
        eks.delete(&arns[0]);
        eks.associate("us-east-1", "prod-2", "tools", "new", OLD);
    });
    harness.set_role(&arns[1], THIRD);
    harness.aws.clear_calls();
    harness
}

/// Each call crashes once before its effect and once after it.
#[test]
fn the_run_after_a_crash_at_any_call_repairs_the_index() {
    let calls = in_virtual_time(async {
        let harness = harness_with_differences().await;
        harness.reconcile("full").await;
        harness.aws.calls().len()
    });
    assert!(calls > 30, "{calls} calls");
    for index in 0..calls {
        for fault in [Fault::FreezeBefore, Fault::FreezeAfter] {
            in_virtual_time(async {
                let harness = harness_with_differences().await;
                harness.inject_at(index, &fault);
                tokio::select! {
                    biased;
                    () = harness.aws.wait_for_frozen_call() => {}
                    report = harness.reconcile("full") => {
                        panic!("{fault:?} at call {index}: the run did not crash: {report:#}")
                    }
                }
                harness.aws.clear_hook();
                tokio::time::sleep(LEASE_EXPIRY).await;
                let report = harness.reconcile("full").await;
                assert_eq!(
                    report["status"], "Finished",
                    "{fault:?} at call {index}: {report:#}"
                );
                harness.check_index();
            });
        }
    }
}

/// The seeds vary the order in which the calls of both arrive. In every order the index must end
/// equal to EKS, and the rotation must move every association.
#[test]
fn a_rotation_and_a_run_do_not_undo_each_other() {
    for (seed, lag_secs) in (0..25)
        .map(|seed| (seed, 0))
        .chain((25..35).map(|seed| (seed, 4)))
    {
        in_virtual_time(async {
            let harness = Harness::new(Options {
                seed,
                ..lagging(Duration::from_secs(lag_secs))
            });
            let fleet = harness.fleet(30);
            harness.aws.eks(EksState::catch_up);
            // Half of the index items are outdated.
            for arn in fleet.associations.iter().step_by(2) {
                let mut item = harness.index_item(arn).unwrap();
                item["modifiedAt"] = json!("2026-01-01T00:00:00.000Z");
                harness.aws.put_item(INDEX, item);
            }
            let indexer = indexer_handler(&harness.aws);
            let invocation = harness.invocation(TIMEOUT);
            let request = rotation_event();
            // The run starts before the rotation opens. Otherwise it would yield at once.
            let run = async {
                let full = json!({ "reconcile": { "mode": "full" } });
                harness
                    .run_indexer(&indexer, full, &invocation)
                    .await
                    .unwrap();
            };
            let rotation = async {
                tokio::time::sleep(Duration::from_millis(20 * seed)).await;
                harness.finish(&request).await
            };
            let ((), summary) = tokio::join!(run, rotation);
            assert_eq!(summary["counts"]["updated"], 30, "seed {seed}: {summary:#}");
            harness.reconcile("resume").await;
            if lag_secs > 0 {
                tokio::time::sleep(Duration::from_secs(lag_secs)).await;
                harness.reconcile("full").await;
            }
            harness.check_index();
            assert!(
                harness
                    .aws
                    .items(INDEX)
                    .iter()
                    .all(|item| item["roleArn"] != OLD),
                "seed {seed}"
            );
        });
    }
}

/// A small fleet, and an index that has missed two changes in EKS.
fn small_fleet(lag: Duration) -> Harness {
    let harness = Harness::new(lagging(lag));
    harness.build(&Fleet {
        rotating: 5,
        associations: 6,
        ..Fleet::default()
    });
    harness.set_role(&association_arns(&harness)[0], THIRD);
    harness
        .aws
        .eks(|eks| eks.associate("us-east-1", "prod-2", "tools", "new", OLD));
    harness.aws.eks(EksState::catch_up);
    harness
}

/// Starts a run and then a rotation. Returns when both have ended, or when one of them must have
/// crashed.
async fn race(harness: &Harness) {
    // Neither of them takes this long unless it has crashed.
    const CRASHED_AFTER: Duration = Duration::from_mins(10);
    let indexer = indexer_handler(&harness.aws);
    let invocation = harness.invocation(TIMEOUT);
    let request = rotation_event();
    let both = async {
        let full = json!({ "reconcile": { "mode": "full" } });
        let run = harness.run_indexer(&indexer, full, &invocation);
        let rotation = async {
            tokio::time::sleep(Duration::from_millis(150)).await;
            harness.deliver(&request).await
        };
        let _ = tokio::join!(run, rotation);
    };
    let _ = tokio::time::timeout(CRASHED_AFTER, Box::pin(both)).await;
}

/// Any call of either one crashes, before or after its effect. The next delivery and the next run
/// repair the differences.
#[test]
fn a_crash_in_a_race_leaves_eks_index_and_ledger_in_agreement() {
    crash_in_a_race(Duration::ZERO);
}

#[test]
fn a_crash_in_a_race_at_an_eks_that_lags_leaves_all_in_agreement() {
    crash_in_a_race(Duration::from_secs(3));
}

fn crash_in_a_race(lag: Duration) {
    let calls = in_virtual_time(async {
        let harness = small_fleet(lag);
        race(&harness).await;
        harness.aws.calls().len()
    });
    assert!(calls > 60, "{calls} calls");
    for index in 0..calls {
        for fault in [Fault::FreezeBefore, Fault::FreezeAfter] {
            in_virtual_time(async {
                let harness = small_fleet(lag);
                harness.inject_at(index, &fault);
                race(&harness).await;
                harness.aws.clear_hook();
                tokio::time::sleep(LEASE_EXPIRY).await;
                harness.reconcile("full").await;
                let summary = harness.finish(&rotation_event()).await;
                harness.reconcile("full").await;
                harness.check_index();
                let on_old = harness.aws.eks(|eks| eks.association_count_on(OLD));
                // An association that was indexed after the rotation finished is recorded as a
                // reversion. rerole does not move it.
                let reverted = &harness.rotation("r-1")["counts"]["reverted"];
                assert_eq!(
                    Some(on_old as u64),
                    reverted.as_u64(),
                    "{fault:?} at call {index}: {summary:#}"
                );
            });
        }
    }
}
