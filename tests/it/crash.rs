//! The crash test. The handler's future is dropped at every single call that it makes, before the call arrives and after
//! it took effect, and the event is delivered again 60 s later. The test finds the calls itself, so that a new call is a
//! new crash point without anybody telling it.

use std::time::Duration;

use rerole_sim::fleet::Fleet;
use rerole_sim::{Fault, Options, RoleState, Throttle};
use serde_json::{Value, json};

use crate::guarantees::{Before, check};
use crate::world::{NEW, OLD, THIRD, World, event, in_virtual_time, plain};

/// After this many deliveries a rotation that dies once is over.
const DELIVERIES_MAX: u32 = 4;

/// A small world in which everything happens: two regions, several outcomes, a page of pending rows more than are in
/// work at once.
fn varied(options: Options) -> World {
    let world = World::new(options);
    world.build(&Fleet { rotating: 10, associations: 12, owned_by_addon: 1, with_target_role: 2, ..Fleet::default() });
    let drifted = world.associate("drifted", OLD);
    world.set_role(&drifted, THIRD);
    let deleted = world.associate("deleted", OLD);
    world.aws.eks(|eks| eks.delete(&deleted));
    world
}

/// What a rotation came to, without what differs from run to run.
fn end(world: &World, key: &str) -> (Value, Vec<(String, String)>) {
    let rotation = world.rotation(key);
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let rows = world.rows(key).iter().map(|row| (text(row, "associationArn"), text(row, "outcome"))).collect();
    (json!([rotation["status"], rotation["counts"], rotation["reason"]]), rows)
}

/// Runs a scenario to its end without a crash, then once for each call and each side of it.
fn crash_everywhere(name: &str, key: &str, event: &Value, world: impl Fn() -> World, deviates: bool) {
    let (calls, expected) = in_virtual_time(async {
        let world = world();
        let before = Before::of(&world);
        deliver_until_finished(&world, event).await;
        check(&world, &before);
        (world.aws.calls().len(), end(&world, key))
    });
    let mut points = 0;
    for at in 0..calls {
        for fault in [Fault::FreezeBefore, Fault::FreezeAfter] {
            points += 1;
            in_virtual_time(crash_once(name, key, event, &world, at, &fault, (!deviates).then_some(&expected)));
        }
    }
    println!("{name}: {points} crash points at {calls} calls");
    assert!(points >= 40, "{name} has {points} crash points: the scenario has lost its substance");
}

async fn crash_once(
    name: &str,
    key: &str,
    event: &Value,
    world: &impl Fn() -> World,
    at: usize,
    fault: &Fault,
    expected: Option<&(Value, Vec<(String, String)>)>,
) {
    let world = world();
    let before = Before::of(&world);
    let injected = fault.clone();
    world.aws.on_call(move |call| if call.index == at { injected.clone() } else { Fault::None });
    let case = || {
        format!(
            "{name}: crash at call {at} ({:?}), {fault:?}",
            world.aws.calls().get(at).map(|c| c.call.operation.clone())
        )
    };
    tokio::select! {
        biased;
        () = world.aws.frozen() => {}
        // The SDK gives a lost renewal up and tries again, and a slice may be done before that: no crash then.
        reply = world.deliver(event) => panic!("{}: the handler did not die: {reply:?}", case()),
    }
    world.aws.clear_hook();
    check(&world, &before);
    tokio::time::sleep(Duration::from_mins(1)).await;
    deliver_until_finished(&world, event).await;
    check(&world, &before);

    // Guarantee 8: nothing is lost. The crash shows nowhere but in inferred updates.
    if let Some(expected) = expected {
        assert_eq!(&end(&world, key), expected, "{}", case());
    }
    // Guarantee 4, once more: the end is the end.
    let written = world.updates().len();
    world.finish(event).await;
    assert_eq!(world.updates().len(), written, "{}", case());
    // Nothing was moved twice: every update that was not a replay changed a role.
    let effects = world.updates().iter().filter(|update| update.applied_at.is_some() && !update.replayed).count();
    assert_eq!(effects, world.aws.eks(|eks| eks.association_count_on(NEW)), "{}", case());
}

/// Delivers until the rotation is at its end, as Lambda does: again after a minute while the invocation fails.
async fn deliver_until_finished(world: &World, event: &Value) {
    for _ in 0..DELIVERIES_MAX {
        if world.deliver(event).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_mins(1)).await;
    }
    panic!("not at its end after {DELIVERIES_MAX} deliveries");
}

#[test]
fn a_crash_at_any_call_loses_nothing() {
    crash_everywhere("rotation", "r-1", &plain(), || varied(Options::default()), false);
}

#[test]
fn a_crash_at_any_call_of_a_dry_run_loses_nothing() {
    let event = event(&json!({ "dryRun": true }));
    crash_everywhere("dry run", "dry-run/r-1", &event, || varied(Options::default()), false);
}

/// Throttles make retries, and retries make calls to die at.
#[test]
fn a_crash_at_any_call_of_a_throttled_rotation_loses_nothing() {
    let throttle = Some(Throttle { rate_per_sec: 4.0, burst: 4.0 });
    let options = Options { throttle, seed: 3, ..Options::default() };
    crash_everywhere("throttled", "r-1", &plain(), || varied(options.clone()), false);
}

/// A new role that EKS cannot use for the first 20 s makes refusals, pauses and notes of both to die at.
#[test]
fn a_crash_at_any_call_of_a_rotation_that_waits_for_its_role_loses_nothing() {
    for replay_refusals in [false, true] {
        let world = || {
            let world = varied(Options { replay_refusals, ..Options::default() });
            let ready_at = world.aws.now() + Duration::from_secs(20);
            world.aws.eks(|eks| eks.role_state(NEW, RoleState::MissingUntil(ready_at)));
            world
        };
        crash_everywhere("waiting for the role", "r-1", &plain(), world, false);
    }
}

/// Where a cluster is denied and `maxErrors` is 1 the rotation stops early. Which associations come before the stop
/// depends on timing, so that ends differ; the guarantees do not.
#[test]
fn a_crash_at_any_call_of_a_rotation_that_stops_loses_nothing() {
    let event = event(&json!({ "maxErrors": "1" }));
    let world = || {
        let world = varied(Options::default());
        world.associate("denied-1", OLD);
        world.associate("denied-2", OLD);
        world.aws.eks(|eks| eks.deny("edge"));
        world
    };
    crash_everywhere("stopping", "r-1", &event, world, true);
}
