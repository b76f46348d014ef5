//! The crash test. It drops the handler's future at every call of a rotation, before the call
//! arrives and after it took effect, and delivers the event again 60 s later. A first run without a
//! crash lists the calls, so a new call in the code is a new crash point of the test.

/// Crashes of commands and of what they start.
mod commands;
/// Runs one scenario and crashes it at each call.
mod scenario;

use std::time::Duration;

use rerole::rotate::slice::DEADLINE_RESERVE;
use rerole_sim::fleet::Fleet;
use rerole_sim::{EksState, Options, RoleState, Throttle};
use serde_json::json;

use crate::crash::scenario::Scenario;
use crate::harness::{Harness, INDEX, NEW, OLD, THIRD, event, lagging, rotation_event};

/// A few associations in two regions, with many outcomes. They are more than are in flight at once.
fn varied(options: Options) -> Harness {
    with_varied_associations(Harness::new(options))
}

fn with_varied_associations(harness: Harness) -> Harness {
    harness.build(&Fleet {
        rotating: 10,
        associations: 12,
        owned_by_addon: 1,
        with_target_role: 2,
        ..Fleet::default()
    });
    harness.associate_chained("target", THIRD, OLD);
    harness.associate_chained("both", OLD, OLD);
    let drifted = harness.associate("drifted", OLD);
    harness.set_role(&drifted, THIRD);
    let deleted = harness.associate("deleted", OLD);
    harness.aws.eks(|eks| eks.delete(&deleted));
    let current = harness.associate("current", OLD);
    let yesterday = harness.aws.now() - Duration::from_hours(24);
    // Another actor moved it before the rotation started, and the index does not know. So the
    // rotation did not move it, whenever it describes it.
    harness.aws.eks(|eks| {
        eks.edit(&current, |association| {
            NEW.clone_into(&mut association.role_arn);
            (association.created_at, association.modified_at) = (yesterday, yesterday);
        });
    });
    let mut item = harness.index_item(&current).unwrap();
    item["modifiedAt"] = json!("2026-11-01T00:00:00.000Z");
    harness.aws.put_item(INDEX, item);
    harness
}

/// Makes the new role unusable for EKS for this long.
fn with_role_ready_after(delay: Duration, harness: Harness) -> Harness {
    let ready_at = harness.aws.now() + delay;
    harness
        .aws
        .eks(|eks| eks.set_role_state(NEW, RoleState::MissingUntil(ready_at)));
    harness
}

#[test]
fn a_crash_at_any_call_loses_nothing() {
    Scenario::new("rotation", rotation_event(), || varied(Options::default())).crash_everywhere();
}

/// Each Describe may show the state of up to three seconds ago, for example from before an update.
#[test]
fn a_crash_at_any_call_while_eks_lags_loses_nothing() {
    let new_harness = || {
        let harness = varied(lagging(Duration::from_secs(3)));
        harness.aws.eks(EksState::catch_up);
        harness
    };
    Scenario::new("lagging EKS", rotation_event(), new_harness).crash_everywhere();
}

#[test]
fn a_crash_at_any_call_of_a_dry_run_loses_nothing() {
    let dry_run = event(&json!({ "dryRun": true }));
    Scenario::new("dry run", dry_run, || varied(Options::default())).crash_everywhere();
}

/// Throttles cause retries, each a call to crash at, and the lease is renewed meanwhile.
#[test]
fn a_crash_at_any_call_of_a_throttled_rotation_loses_nothing() {
    let throttle = Some(Throttle {
        rate_per_sec: 4.0,
        burst: 4.0,
    });
    let options = Options {
        throttle,
        seed: 3,
        ..Options::default()
    };
    Scenario::new("throttled", rotation_event(), || varied(options.clone())).crash_everywhere();
}

/// A new role that EKS cannot use for the first 20 s causes refusals and pauses to crash at.
#[test]
fn a_crash_at_any_call_of_a_rotation_that_waits_for_its_role_loses_nothing() {
    for replay_refusals in [false, true] {
        let new_harness = || {
            let options = Options {
                replay_refusals,
                ..Options::default()
            };
            with_role_ready_after(Duration::from_secs(20), varied(options))
        };
        Scenario::new("waiting for the role", rotation_event(), new_harness).crash_everywhere();
    }
}

/// A slice that ends at its deadline releases the lease and records its progress. A rotation in one
/// slice does not make these calls.
#[test]
fn a_crash_at_any_call_of_a_rotation_in_slices_loses_nothing() {
    let new_harness =
        || with_role_ready_after(Duration::from_secs(100), varied(Options::default()));
    let mut scenario = Scenario::new("in slices", rotation_event(), new_harness);
    scenario.timeout = DEADLINE_RESERVE + Duration::from_secs(12);
    scenario.crash_everywhere();
}

/// The state machine of the template runs the slices after the first, and retries one that crashes.
/// The start of the state machine is also a call to crash at.
#[test]
fn a_crash_at_any_call_of_a_rotation_in_the_state_machine_loses_nothing() {
    let new_harness = || {
        let harness = Harness::with_state_machine(Options::default());
        with_role_ready_after(Duration::from_secs(20), with_varied_associations(harness))
    };
    let mut scenario = Scenario::new("in the state machine", rotation_event(), new_harness);
    scenario.timeout = DEADLINE_RESERVE + Duration::from_secs(12);
    scenario.crash_everywhere();
}

/// More rows than one transaction takes make a plan of several transactions. An association created
/// meanwhile gives the sweep something to find.
#[test]
fn a_crash_between_the_transactions_of_a_plan_loses_nothing() {
    let new_harness = || {
        let harness = Harness::calm(103);
        let aws = harness.aws.clone();
        // The crash needs the hook, so a task of its own creates the association.
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(700)).await;
            let arn = aws.eks(|eks| eks.associate("us-east-1", "edge", "tools", "late", OLD));
            aws.index_association(INDEX, &arn);
        });
        harness
    };
    let mut scenario = Scenario::new("planning", rotation_event(), new_harness);
    scenario.crashes_at = |record| {
        matches!(
            record.call.operation.as_str(),
            "TransactWriteItems" | "Query"
        )
    };
    scenario.crash_everywhere();
}

/// A denied cluster and `maxErrors` 1 stop the rotation early. Timing decides which associations
/// precede the stop, so the ends differ. The guarantees hold all the same.
#[test]
fn a_crash_at_any_call_of_a_rotation_that_stops_loses_nothing() {
    let new_harness = || {
        let harness = varied(Options::default());
        harness.associate("denied-1", OLD);
        harness.associate("denied-2", OLD);
        harness.aws.eks(|eks| eks.deny("edge"));
        harness
    };
    let stopping = event(&json!({ "maxErrors": "1" }));
    let mut scenario = Scenario::new("stopping", stopping, new_harness);
    scenario.has_one_end = false;
    scenario.crash_everywhere();
}
