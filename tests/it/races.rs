//! Runs of the reconciler that die, and rotations that are at work meanwhile.

use std::time::Duration;

use rerole_sim::fleet::Fleet;
use rerole_sim::{Fault, Options};
use serde_json::json;

use crate::reconcile::unknown;
use crate::world::{INDEX, OLD, THIRD, TIMEOUT, World, in_virtual_time, index_handler, plain};

/// Ten minutes, and then some: by then a slice that died has lost its lease.
const LEASE_IS_OVER: Duration = Duration::from_mins(11);

/// Shows that a run which dies at any of its calls, on either side of the effect, is taken up again and ends with a true
/// index.
#[test]
fn a_crash_at_any_call_is_healed() {
    let varied = || {
        let world = unknown(14);
        world.aws.eks(|eks| {
            eks.create_cluster("us-east-1", "old");
            eks.associate("us-east-1", "old", "tools", "gone", OLD);
        });
        world
    };
    let prepare = async |world: &World| {
        world.reconcile("deep").await;
        let arns: Vec<_> = world.aws.eks(|eks| eks.associations().map(|a| a.association_arn.clone()).collect());
        world.aws.eks(|eks| {
            eks.delete_cluster("us-east-1", "old");
            eks.delete(&arns[0]);
            eks.associate("us-east-1", "prod-2", "tools", "new", OLD);
        });
        world.set_role(&arns[1], THIRD);
        world.aws.clear_calls();
    };
    let calls = in_virtual_time(async {
        let world = varied();
        prepare(&world).await;
        world.reconcile("deep").await;
        world.aws.calls().len()
    });
    assert!(calls > 30, "{calls} calls");
    for at in 0..calls {
        for fault in [Fault::FreezeBefore, Fault::FreezeAfter] {
            in_virtual_time(async {
                let world = varied();
                prepare(&world).await;
                let injected = fault.clone();
                world.aws.on_call(move |call| if call.index == at { injected.clone() } else { Fault::None });
                tokio::select! {
                    biased;
                    () = world.aws.frozen() => {}
                    report = world.reconcile("deep") => panic!("{fault:?} at {at}: it did not die: {report:#}"),
                }
                world.aws.clear_hook();
                tokio::time::sleep(LEASE_IS_OVER).await;
                let report = world.reconcile("deep").await;
                assert_eq!(report["status"], "Finished", "{fault:?} at {at}: {report:#}");
                world.check_index();
            });
        }
    }
}

/// Shows that a rotation and the reconciler, at work on the same associations, leave no index item behind EKS and no
/// association behind the rotation, in whatever order their calls arrive.
#[test]
fn a_rotation_and_a_run_do_not_undo_each_other() {
    for seed in 0..25 {
        in_virtual_time(async {
            let world = World::new(Options { seed, ..Options::default() });
            let fleet = world.fleet(30);
            // Half of what the index holds is old.
            for arn in fleet.associations.iter().step_by(2) {
                let mut item = world.index_item(arn).unwrap();
                item["modifiedAt"] = json!("2026-01-01T00:00:00.000Z");
                world.aws.put_item(INDEX, item);
            }
            let index = index_handler(&world.aws);
            let invocation = world.invocation(TIMEOUT);
            let request = plain();
            // The run is under way before the rotation opens, so that it does not give way at once.
            let run = async {
                index.handle(json!({ "reconcile": { "mode": "deep" } }), &invocation).await.unwrap();
            };
            let rotation = async {
                tokio::time::sleep(Duration::from_millis(20 * seed)).await;
                world.finish(&request).await
            };
            let ((), summary) = tokio::join!(run, rotation);
            assert_eq!(summary["counts"]["updated"], 30, "seed {seed}: {summary:#}");
            world.reconcile("resume").await;
            world.check_index();
            assert!(world.aws.items(INDEX).iter().all(|item| item["roleArn"] != OLD), "seed {seed}");
        });
    }
}

/// Shows the same where one of the two dies at any call of both, on either side of its effect: after the next delivery and the
/// next run EKS, index and ledger agree.
#[test]
fn a_crash_in_a_race_is_healed() {
    // Nothing that is in work by then takes longer.
    const DONE_OR_DEAD: Duration = Duration::from_mins(10);
    let race = async |world: &World| {
        let index = index_handler(&world.aws);
        let invocation = world.invocation(TIMEOUT);
        let request = plain();
        let both = async {
            let run = index.handle(json!({ "reconcile": { "mode": "deep" } }), &invocation);
            let rotation = async {
                tokio::time::sleep(Duration::from_millis(150)).await;
                world.deliver(&request).await
            };
            let _ = tokio::join!(run, rotation);
        };
        // Whoever died is not waited for.
        let _ = tokio::time::timeout(DONE_OR_DEAD, Box::pin(both)).await;
    };
    let fleet = || {
        let world = World::new(Options::default());
        world.build(&Fleet { rotating: 5, associations: 6, ..Fleet::default() });
        let arns: Vec<_> = world.aws.eks(|eks| eks.associations().map(|a| a.association_arn.clone()).collect());
        world.set_role(&arns[0], THIRD);
        world.aws.eks(|eks| eks.associate("us-east-1", "prod-2", "tools", "new", OLD));
        world
    };
    let calls = in_virtual_time(async {
        let world = fleet();
        race(&world).await;
        world.aws.calls().len()
    });
    assert!(calls > 60, "{calls} calls");
    for at in 0..calls {
        for fault in [Fault::FreezeBefore, Fault::FreezeAfter] {
            in_virtual_time(async {
                let world = fleet();
                let injected = fault.clone();
                world.aws.on_call(move |call| if call.index == at { injected.clone() } else { Fault::None });
                race(&world).await;
                world.aws.clear_hook();
                tokio::time::sleep(LEASE_IS_OVER).await;
                world.reconcile("deep").await;
                let summary = world.finish(&plain()).await;
                world.reconcile("deep").await;
                world.check_index();
                let left = world.aws.eks(|eks| eks.association_count_on(OLD));
                // What the index learnt of after the rotation's end is recorded, and not moved by itself.
                let returned = world.rotation("r-1")["counts"]["returned"].as_u64().unwrap();
                assert_eq!(left as u64, returned, "{fault:?} at {at}: {summary:#}");
            });
        }
    }
}
