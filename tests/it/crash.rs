//! The crash test. The handler's future is dropped at every single call that it makes, before the call arrives and after
//! it took effect, and the event is delivered again 60 s later. The test finds the calls itself, so that a new call is a
//! new crash point without anybody telling it.

use std::time::Duration;

use rerole::record::Reply;
use rerole::rotation::DEADLINE_RESERVE;
use rerole_sim::fleet::Fleet;
use rerole_sim::{CallRecord, ExecutionStatus, Fault, Options, RoleState, Throttle};
use serde_json::{Value, json};

use crate::guarantees::{Before, check};
use crate::states::End;
use crate::world::{INDEX, NEW, OLD, THIRD, TIMEOUT, World, event, in_virtual_time, plain};

/// After this many deliveries a rotation is over, whatever its slices and its one crash.
const DELIVERIES_MAX: u32 = 8;

/// A small world in which everything happens: two regions, several outcomes, a page of pending rows more than are in
/// work at once.
fn varied(options: Options) -> World {
    filled(World::new(options))
}

fn filled(world: World) -> World {
    world.build(&Fleet { rotating: 10, associations: 12, owned_by_addon: 1, with_target_role: 2, ..Fleet::default() });
    for (service_account, role) in [("target", THIRD), ("both", OLD)] {
        let chained = world.associate(service_account, role);
        world.aws.eks(|eks| eks.set_target_role(&chained, Some(OLD)));
        world.aws.index_association(INDEX, &chained);
    }
    let drifted = world.associate("drifted", OLD);
    world.set_role(&drifted, THIRD);
    let deleted = world.associate("deleted", OLD);
    world.aws.eks(|eks| eks.delete(&deleted));
    let current = world.associate("current", OLD);
    let yesterday = world.aws.now() - Duration::from_hours(24);
    // Moved by hand before the rotation began, and not seen by the index: nothing of ours, whenever it is looked at.
    world.aws.eks(|eks| {
        eks.edit(&current, |association| {
            NEW.clone_into(&mut association.role_arn);
            (association.created_at, association.modified_at) = (yesterday, yesterday);
        });
    });
    world.aws.put_item(INDEX, {
        let mut item = world.index_item(&current).unwrap();
        item["modifiedAt"] = json!("2026-11-01T00:00:00.000Z");
        item
    });
    world
}

/// The same, with a new role that EKS cannot use for so many seconds.
fn waiting(options: Options, secs: u64) -> World {
    without_role_for(secs, varied(options))
}

fn without_role_for(secs: u64, world: World) -> World {
    let ready_at = world.aws.now() + Duration::from_secs(secs);
    world.aws.eks(|eks| eks.role_state(NEW, RoleState::MissingUntil(ready_at)));
    world
}

/// What a rotation came to, without what differs from run to run.
fn end(world: &World, key: &str) -> (Value, Vec<(String, String)>) {
    let rotation = world.rotation(key);
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let rows = world.rows(key).iter().map(|row| (text(row, "associationArn"), text(row, "outcome"))).collect();
    (json!([rotation["status"], rotation["counts"], rotation["reason"]]), rows)
}

/// One scenario to crash in.
struct Scenario<W: Fn() -> World> {
    name: &'static str,
    /// The rotation's ledger key.
    key: &'static str,
    event: Value,
    world: W,
    /// What each invocation has.
    timeout: Duration,
    /// Whether every run must come to the same end as the one without a crash.
    one_end: bool,
    /// The calls to die at.
    dies_at: fn(&CallRecord) -> bool,
}

impl<W: Fn() -> World> Scenario<W> {
    fn new(name: &'static str, event: Value, world: W) -> Self {
        let key = if event["detail"]["dryRun"] == true { "dry-run/r-1" } else { "r-1" };
        Self { name, key, event, world, timeout: TIMEOUT, one_end: true, dies_at: |_| true }
    }

    /// Runs to the end without a crash, then once for each call and each side of it.
    fn crash_everywhere(&self) {
        let (calls, expected) = in_virtual_time(async {
            let world = (self.world)();
            let before = Before::of(&world);
            self.deliver_until_finished(&world).await;
            check(&world, &before);
            let calls = world
                .aws
                .calls()
                .iter()
                .enumerate()
                .filter(|(_, call)| (self.dies_at)(call))
                .map(|(at, _)| at)
                .collect::<Vec<_>>();
            (calls, end(&world, self.key))
        });
        let mut points = 0;
        for at in &calls {
            for fault in [Fault::FreezeBefore, Fault::FreezeAfter] {
                points += 1;
                in_virtual_time(self.crash_once(*at, &fault, &expected));
            }
        }
        println!("{}: {points} crash points at {} calls", self.name, calls.len());
        assert!(points >= 8, "{} has {points} crash points: the scenario has lost its substance", self.name);
    }

    async fn crash_once(&self, at: usize, fault: &Fault, expected: &(Value, Vec<(String, String)>)) {
        let world = (self.world)();
        let before = Before::of(&world);
        let injected = fault.clone();
        world.aws.on_call(move |call| if call.index == at { injected.clone() } else { Fault::None });
        let case = || format!("{}: {fault:?} at call {at}", self.name);
        let mut died = false;
        for _ in 0..DELIVERIES_MAX {
            tokio::select! {
                biased;
                () = world.aws.frozen() => died = true,
                reply = world.deliver_within(&self.event, self.timeout) => {
                    if let Ok(Reply::InProgress { .. }) = reply {
                        // The state machine goes on by itself, past a slice that dies.
                        let played = world.play(self.timeout).await;
                        assert!(matches!(played.end, End::Succeeded(_)), "{}: {played:?}", case());
                        died = played.path.iter().any(|state| state == "(Lambda.Unknown)");
                    } else {
                        assert!(reply.is_err(), "{}: the handler did not die: {reply:?}", case());
                    }
                }
            }
            tokio::time::sleep(Duration::from_mins(1)).await;
            if died {
                break;
            }
        }
        assert!(died, "{}: the handler did not die", case());
        world.aws.clear_hook();
        check(&world, &before);
        self.deliver_until_finished(&world).await;
        check(&world, &before);

        // Guarantee 8: nothing is lost. The crash shows nowhere but in inferred updates.
        if self.one_end {
            assert_eq!(&end(&world, self.key), expected, "{}", case());
        }
        // Guarantee 4, once more: the end is the end.
        let written = world.updates().len();
        world.finish(&self.event).await;
        assert_eq!(world.updates().len(), written, "{}", case());
        // Nothing was moved twice: every update that was not a replay changed a role.
        let effects = world.updates().iter().filter(|update| update.applied_at.is_some() && !update.replayed).count();
        let moved = Before::of(&world).count_on(NEW) - before.count_on(NEW);
        assert_eq!(effects, moved, "{}", case());
    }

    /// Delivers until the rotation is at its end, as Lambda does: again after a minute while the invocation fails. The state
    /// machine does what is handed over to it.
    async fn deliver_until_finished(&self, world: &World) {
        for _ in 0..DELIVERIES_MAX {
            match world.deliver_within(&self.event, self.timeout).await {
                Ok(Reply::Finished(_)) => {
                    // A slice that died as it handed over has started the state machine, which finds nothing to do.
                    if world.aws.executions().iter().any(|execution| execution.status == ExecutionStatus::Running) {
                        assert_eq!(world.play(self.timeout).await.slices(), 1, "{}", self.name);
                    }
                    return;
                }
                Ok(Reply::InProgress { .. }) => {
                    let played = world.play(self.timeout).await;
                    assert!(matches!(played.end, End::Succeeded(_)), "{}: {played:?}", self.name);
                }
                Ok(other) => panic!("{}: {other:?}", self.name),
                Err(_) => tokio::time::sleep(Duration::from_mins(1)).await,
            }
        }
        panic!("{}: not at its end after {DELIVERIES_MAX} deliveries", self.name);
    }
}

#[test]
fn a_crash_at_any_call_loses_nothing() {
    Scenario::new("rotation", plain(), || varied(Options::default())).crash_everywhere();
}

#[test]
fn a_crash_at_any_call_of_a_dry_run_loses_nothing() {
    Scenario::new("dry run", event(&json!({ "dryRun": true })), || varied(Options::default())).crash_everywhere();
}

/// Throttles make retries, and retries make calls to die at; the lease is renewed meanwhile.
#[test]
fn a_crash_at_any_call_of_a_throttled_rotation_loses_nothing() {
    let throttle = Some(Throttle { rate_per_sec: 4.0, burst: 4.0 });
    let options = Options { throttle, seed: 3, ..Options::default() };
    Scenario::new("throttled", plain(), || varied(options.clone())).crash_everywhere();
}

/// A new role that EKS cannot use for the first 20 s makes refusals and pauses to die at.
#[test]
fn a_crash_at_any_call_of_a_rotation_that_waits_for_its_role_loses_nothing() {
    for replay_refusals in [false, true] {
        let world = || waiting(Options { replay_refusals, ..Options::default() }, 20);
        Scenario::new("waiting for the role", plain(), world).crash_everywhere();
    }
}

/// Slices that end by their deadline give the lease back and note what they know: calls to die at that a rotation in one
/// slice does not make.
#[test]
fn a_crash_at_any_call_of_a_rotation_in_slices_loses_nothing() {
    let mut scenario = Scenario::new("in slices", plain(), || waiting(Options::default(), 75));
    scenario.timeout = DEADLINE_RESERVE + Duration::from_secs(6);
    scenario.crash_everywhere();
}

/// The same in the state machine of the template: the slices after the first are its own, and so is what follows when one of
/// them dies. Handing over is a call to die at, too.
#[test]
fn a_crash_at_any_call_of_a_rotation_in_the_state_machine_loses_nothing() {
    let world = || without_role_for(20, filled(World::in_slices(Options::default())));
    let mut scenario = Scenario::new("in the state machine", plain(), world);
    scenario.timeout = DEADLINE_RESERVE + Duration::from_secs(6);
    scenario.crash_everywhere();
}

/// More rows than one transaction takes make a plan of several; a newcomer makes a sweep that finds something.
#[test]
fn a_crash_between_the_transactions_of_a_plan_loses_nothing() {
    let world = || {
        let world = World::calm(103);
        let aws = world.aws.clone();
        // Not through the hook, which the crash needs: the newcomer comes with its own task's next turn.
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(700)).await;
            let arn = aws.eks(|eks| eks.associate("us-east-1", "edge", "tools", "late", OLD));
            aws.index_association(INDEX, &arn);
        });
        world
    };
    let mut scenario = Scenario::new("planning", plain(), world);
    scenario.dies_at = |record| matches!(record.call.operation.as_str(), "TransactWriteItems" | "Query");
    scenario.crash_everywhere();
}

/// Where a cluster is denied and `maxErrors` is 1 the rotation stops early. Which associations come before the stop
/// depends on timing, so that ends differ; the guarantees do not.
#[test]
fn a_crash_at_any_call_of_a_rotation_that_stops_loses_nothing() {
    let world = || {
        let world = varied(Options::default());
        world.associate("denied-1", OLD);
        world.associate("denied-2", OLD);
        world.aws.eks(|eks| eks.deny("edge"));
        world
    };
    let mut scenario = Scenario::new("stopping", event(&json!({ "maxErrors": "1" })), world);
    scenario.one_end = false;
    scenario.crash_everywhere();
}
