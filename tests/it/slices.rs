//! Rotations, and runs of the reconciler, that are longer than an invocation: handed over to the state machine of
//! `template.yaml`, which is played here, and done by it slice by slice.

use std::time::Duration;

use lambda_runtime::Diagnostic;
use rerole::handler::HandlerError;
use rerole::index::reconcile::RECONCILE_RESERVE;
use rerole::rotation::{DEADLINE_RESERVE, LEASE};
use rerole::watch::STALLED_AFTER;
use rerole_sim::fleet::Fleet;
use rerole_sim::{ExecutionStatus, Fault, Options, RoleState, Service, Throttle};
use serde_json::{Value, json};

use crate::guarantees::{Before, check};
use crate::states::End;
use crate::world::{MACHINE, NEW, World, event, in_virtual_time, plain};

/// A function that has a second and a half to work in.
const SHORT: Duration = DEADLINE_RESERVE.saturating_add(Duration::from_millis(1_500));
/// A function whose time is up once it has taken the lease.
const TOO_SHORT: Duration = DEADLINE_RESERVE.saturating_add(Duration::from_millis(100));
/// What a history may hold.
const EVENTS_MAX: u32 = 25_000;
const TIMEOUT: Duration = Duration::from_mins(15);

/// A world with a state machine and this many associations to move.
fn in_slices(count: usize) -> World {
    let world = World::in_slices(Options::default());
    world.fleet(count);
    world
}

/// Delivers the event to a function that runs out of time, and expects it to hand over.
async fn hand_over(world: &World, event: &Value) -> Value {
    let reply = world.deliver_within(event, SHORT).await.unwrap_or_else(|error| panic!("{error}"));
    let reply = serde_json::to_value(reply).unwrap();
    assert_eq!(reply["status"], "InProgress", "{reply:#}");
    reply
}

/// The names of all executions, each with its status.
fn executions(world: &World) -> Vec<(String, ExecutionStatus)> {
    world.aws.executions().into_iter().map(|execution| (execution.name, execution.status)).collect()
}

fn named(names: &[(&str, ExecutionStatus)]) -> Vec<(String, ExecutionStatus)> {
    names.iter().map(|(name, status)| ((*name).to_owned(), *status)).collect()
}

fn error_type(error: HandlerError) -> String {
    Diagnostic::from(error).error_type
}

/// Freezes the function at its `nth` update from now on, after that took effect.
fn freeze_after_update(world: &World, nth: usize) {
    let mut updates = 0;
    world.aws.on_call(move |call| {
        updates += usize::from(call.operation == "UpdatePodIdentityAssociation");
        let is_it = call.operation == "UpdatePodIdentityAssociation" && updates == nth;
        if is_it { Fault::FreezeAfter } else { Fault::None }
    });
}

/// Shows that a rotation which fits into its invocation never calls the state machine.
#[tokio::test(start_paused = true)]
async fn a_small_rotation_never_touches_the_state_machine() {
    let world = in_slices(100);
    assert_eq!(world.finish(&plain()).await["counts"]["updated"], 100);
    assert_eq!(world.call_count(Service::StepFunctions), 0);
}

/// Shows a rotation in many slices: the first hands over, the machine has the others done and ends with the rotation's own
/// end, and each association was updated once.
#[tokio::test(start_paused = true)]
async fn a_long_rotation_is_done_by_the_state_machine() {
    let world = in_slices(150);
    let before = Before::of(&world);
    let reply = hand_over(&world, &plain()).await;
    let counts = world.rotation("r-1")["counts"].clone();
    assert_eq!(reply, json!({ "rotationId": "r-1", "status": "InProgress", "counts": counts }));
    let progress = world.rotation("r-1")["progress"].clone();
    assert_eq!(progress["counts"], counts);
    assert!(progress["settledPerSec"].as_f64().unwrap() > 1.0, "{progress:#}");
    assert!(progress["estimatedEndAt"].as_str() > progress["at"].as_str(), "{progress:#}");
    let executions_begun = world.aws.executions();
    assert_eq!(executions_begun.len(), 1);
    assert_eq!(executions_begun[0].state_machine_arn, MACHINE);
    assert_eq!(
        (executions_begun[0].name.as_str(), &executions_begun[0].input),
        ("r-1-1", &json!({ "rotationId": "r-1" }))
    );
    check(&world, &before);

    let played = world.play(SHORT).await;
    assert_eq!(played.output()["status"], "Succeeded");
    assert_eq!(played.output()["counts"]["updated"], 150);
    assert!(played.slices() >= 3, "{:?}", played.path);
    assert_eq!(world.rotation("r-1")["fence"], played.slices() + 1);
    assert_eq!(world.updates().len(), 150, "nothing was written twice");
    assert_eq!(world.call_count(Service::StepFunctions), 1, "the machine's slices start nothing");
    check(&world, &before);
    // Started, a choice, the slices with the choice after each, the end.
    assert_eq!(played.events, 1 + 2 + 7 * u32::try_from(played.slices()).unwrap() + 2 + 1);

    assert_eq!(&world.finish(&plain()).await, played.output(), "the event again brings the same answer");
    assert_eq!(executions(&world), named(&[("r-1-1", ExecutionStatus::Succeeded)]));
}

/// Shows what the template says of the history's length: a week of full slices fits into it.
#[test]
fn a_week_of_slices_fits_into_a_history() {
    let definition = &crate::stack::properties("Slices")["Definition"];
    let slice = TIMEOUT.saturating_sub(DEADLINE_RESERVE);
    let slices = Duration::from_secs(definition["TimeoutSeconds"].as_u64().unwrap()).as_secs() / slice.as_secs();
    assert!(7 * slices < u64::from(EVENTS_MAX), "{slices} slices");
}

/// Shows that a rotation which stops early ends an execution that succeeds: its status is its own.
#[tokio::test(start_paused = true)]
async fn a_rotation_that_fails_is_no_failed_execution() {
    let world = in_slices(100);
    hand_over(&world, &event(&json!({ "maxErrors": "0" }))).await;
    world.aws.eks(|eks| ["prod-1", "prod-2"].into_iter().for_each(|cluster| eks.deny(cluster)));
    let played = world.play(SHORT).await;
    assert_eq!(played.output()["status"], "Failed", "{:#}", played.output());
    assert_eq!(executions(&world), named(&[("r-1-1", ExecutionStatus::Succeeded)]));
}

/// Shows that a dry run is handed over under a name of its own.
#[tokio::test(start_paused = true)]
async fn a_long_dry_run_is_done_by_the_state_machine() {
    let world = in_slices(150);
    hand_over(&world, &event(&json!({ "dryRun": true }))).await;
    assert_eq!(world.aws.executions()[0].input, json!({ "rotationId": "dry-run/r-1" }));
    let played = world.play(SHORT).await;
    assert_eq!(played.output()["status"], "Planned");
    assert_eq!(played.output()["counts"]["wouldUpdate"], 150);
    assert_eq!(executions(&world), named(&[("dry-run-r-1-1", ExecutionStatus::Succeeded)]));
}

/// Shows that handing over twice starts one execution.
#[tokio::test(start_paused = true)]
async fn starting_twice_starts_once() {
    let world = in_slices(150);
    hand_over(&world, &plain()).await;
    hand_over(&world, &plain()).await;
    assert_eq!(world.call_count(Service::StepFunctions), 2);
    assert_eq!(executions(&world), named(&[("r-1-1", ExecutionStatus::Running)]));
}

/// Shows that the event, put again after an execution failed, is handed over under the next number; and that the failed
/// execution, redriven beside it, does no harm.
#[tokio::test(start_paused = true)]
async fn a_closed_name_is_followed_by_the_next() {
    let world = in_slices(150);
    let before = Before::of(&world);
    hand_over(&world, &plain()).await;
    world.aws.set_execution("r-1-1", ExecutionStatus::Failed);
    hand_over(&world, &plain()).await;
    hand_over(&world, &plain()).await;
    let (failed, running) = (ExecutionStatus::Failed, ExecutionStatus::Running);
    assert_eq!(executions(&world), named(&[("r-1-1", failed), ("r-1-2", running)]));
    let played = world.play(SHORT).await;
    assert_eq!(played.output()["counts"]["updated"], 150);

    world.aws.set_execution("r-1-1", ExecutionStatus::Running);
    let redriven = world.play(SHORT).await;
    assert_eq!(redriven.output(), played.output());
    assert_eq!(redriven.slices(), 1);
    assert_eq!(world.updates().len(), 150);
    check(&world, &before);
}

/// Shows that a failed execution which is redriven goes on where the rotation stands.
#[tokio::test(start_paused = true)]
async fn a_failed_execution_can_be_redriven() {
    let world = in_slices(150);
    hand_over(&world, &plain()).await;
    world.aws.on_call(|call| if call.service == Service::DynamoDb { Fault::ServerError(500) } else { Fault::None });
    let began = world.aws.now();
    let played = world.play(SHORT).await;
    assert!(matches!(&played.end, End::Failed(error, _) if error == "Unopened"), "{played:?}");
    let took = world.aws.now().duration_since(began).unwrap();
    assert!((Duration::from_mins(45)..Duration::from_mins(75)).contains(&took), "it was tried for {took:?}");
    assert_eq!(executions(&world), named(&[("r-1-1", ExecutionStatus::Failed)]));

    world.aws.clear_hook();
    world.aws.set_execution("r-1-1", ExecutionStatus::Running);
    assert_eq!(world.play(SHORT).await.output()["counts"]["updated"], 150);
    assert_eq!(world.updates().len(), 150);
}

/// Shows that slices which bring nothing on end in an error, whoever asks for them, and not in a loop.
#[tokio::test(start_paused = true)]
async fn a_slice_without_progress_is_an_error() {
    let world = in_slices(150);
    let error = world.deliver_within(&plain(), TOO_SHORT).await.unwrap_err();
    assert!(error.to_string().contains("was not brought on before time was up"), "{error}");
    assert_eq!(error_type(error), "NoProgress");
    assert_eq!(executions(&world), []);

    hand_over(&world, &plain()).await;
    let updated = world.updates().len();
    let played = world.play(TOO_SHORT).await;
    assert!(matches!(&played.end, End::Failed(error, _) if error == "NoProgress"), "{played:?}");
    assert_eq!(played.path, ["WhatGoesOn", "Rotate", "(NoProgress)", "(NoProgress)", "(NoProgress)"]);
    assert_eq!(world.updates().len(), updated);
}

/// Shows that waiting for a new role which EKS cannot use yet is no lack of progress, since it has an end.
#[test]
fn a_wait_for_the_role_goes_on_from_slice_to_slice() {
    for (ready_after_secs, status) in [(75, "Succeeded"), (600, "Failed")] {
        in_virtual_time(async {
            let world = in_slices(10);
            let ready_at = world.aws.now() + Duration::from_secs(ready_after_secs);
            world.aws.eks(|eks| eks.role_state(NEW, RoleState::MissingUntil(ready_at)));
            let slice = DEADLINE_RESERVE + Duration::from_secs(10);
            world.deliver_within(&plain(), slice).await.unwrap();
            let played = world.play(slice).await;
            assert_eq!(played.output()["status"], status, "{played:#?}");
            assert!(played.slices() >= 3);
        });
    }
}

/// Shows that the machine waits while a delivery of the event is at work, and then ends with the rotation.
#[tokio::test(start_paused = true)]
async fn the_machine_waits_for_a_delivery_that_is_at_work() {
    let world = in_slices(150);
    let before = Before::of(&world);
    hand_over(&world, &plain()).await;
    let other = crate::world::handler(&world.aws, &[]);
    let (event, invocation) = (plain(), world.invocation(TIMEOUT));
    let later = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        world.play(TIMEOUT).await
    };
    let (delivered, played) = tokio::join!(other.handle(&event, &invocation), later);
    assert_eq!(played.output(), &serde_json::to_value(delivered.unwrap()).unwrap());
    assert_eq!(played.path[..4], ["WhatGoesOn", "Rotate", "(Busy)", "WaitForRotation"]);
    assert_eq!(world.updates().len(), 150);
    check(&world, &before);
}

/// Shows that a slice which is killed in the middle is repeated, and that the update whose answer it never had is not.
#[tokio::test(start_paused = true)]
async fn a_killed_slice_is_carried_on() {
    let world = in_slices(150);
    let before = Before::of(&world);
    hand_over(&world, &plain()).await;
    freeze_after_update(&world, 20);
    let played = world.play(SHORT).await;
    assert_eq!(played.path[..3], ["WhatGoesOn", "Rotate", "(Lambda.Unknown)"]);
    assert_eq!(played.output()["counts"]["updated"], 150);
    assert!(world.rows("r-1").iter().any(|row| row["inferred"] == true));
    let effects = world.updates().iter().filter(|update| update.applied_at.is_some() && !update.replayed).count();
    assert_eq!(effects, 150, "each was moved once");
    check(&world, &before);
}

/// Shows that a rotation which cannot be handed over fails its invocation in time and says why, whatever is wrong with Step
/// Functions, so that the event is delivered again; and that it then goes on.
#[test]
fn a_failed_start_fails_the_invocation() {
    let error = |code: &str| Fault::Error { status: 400, code: code.to_owned(), message: "injected".to_owned() };
    for (fault, expected) in [
        (error("AccessDeniedException"), "AccessDeniedException: injected"),
        (error("StateMachineDoesNotExist"), "StateMachineDoesNotExist: injected"),
        (error("ExecutionAlreadyExists"), "its executions r-1-1 to r-1-100 are over"),
        (Fault::ServerError(500), "InternalFailure: "),
        (Fault::Throttle, "ThrottlingException: "),
        (Fault::Delay(Duration::from_mins(1)), "request has timed out"),
    ] {
        in_virtual_time(async {
            let world = in_slices(150);
            let injected = fault.clone();
            world.aws.on_call(
                move |call| {
                    if call.service == Service::StepFunctions { injected.clone() } else { Fault::None }
                },
            );
            let began = world.aws.now();
            let error = world.deliver_within(&plain(), SHORT).await.unwrap_err();
            let took = world.aws.now().duration_since(began).unwrap();
            assert!(took < SHORT, "{fault:?}: the slice took {took:?}");
            assert!(error.to_string().contains("could not be handed over"), "{fault:?}: {error}");
            assert!(error.to_string().contains(expected), "{fault:?}: {error}");
            assert_eq!(error_type(error), "Unfinished");
            assert_eq!(executions(&world), []);
            world.aws.clear_hook();
            assert_eq!(world.finish(&plain()).await["counts"]["updated"], 150);
        });
    }
}

/// Shows that a start whose answer was lost is found to have been one.
#[tokio::test(start_paused = true)]
async fn a_start_whose_answer_is_lost_starts_once() {
    let world = in_slices(150);
    let mut lost = false;
    world.aws.on_call(move |call| {
        let is_first = call.service == Service::StepFunctions && !std::mem::replace(&mut lost, true);
        if is_first { Fault::LoseAnswer } else { Fault::None }
    });
    hand_over(&world, &plain()).await;
    assert_eq!(executions(&world), named(&[("r-1-1", ExecutionStatus::Running)]));
}

/// Shows that passing trouble is told and not handed over: the state machine is for what runs out of time.
#[tokio::test(start_paused = true)]
async fn trouble_is_not_handed_over() {
    let world = in_slices(30);
    world.aws.on_call(|call| if call.service == Service::Eks { Fault::ServerError(503) } else { Fault::None });
    let error = world.deliver(&plain()).await.unwrap_err();
    assert_eq!(error_type(error), "Unfinished");
    assert_eq!(world.call_count(Service::StepFunctions), 0);
}

/// Shows that a rotation which the ledger does not know fails its execution at once.
#[tokio::test(start_paused = true)]
async fn a_rotation_that_nobody_asked_for_fails_its_execution() {
    let world = in_slices(1);
    hand_over_by_hand(&world, "r-7").await;
    let played = world.play(SHORT).await;
    assert_eq!(played.end, End::Failed("UnknownRotation".to_owned(), "the ledger knows no rotation r-7".to_owned()));
    assert_eq!(played.path, ["WhatGoesOn", "Rotate", "(UnknownRotation)"]);
}

/// Starts an execution as an operator might.
async fn hand_over_by_hand(world: &World, rotation_id: &str) {
    use aws_sdk_sfn::config::{BehaviorVersion, Credentials, Region};
    let config = aws_sdk_sfn::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("operator", "test", None, None, "test"))
        .http_client(world.aws.http_client())
        .build();
    let start = aws_sdk_sfn::Client::from_conf(config).start_execution().state_machine_arn(MACHINE);
    start.input(json!({ "rotationId": rotation_id }).to_string()).send().await.unwrap();
}

/// Shows that a payload with anything beside the rotation's id is rejected, and that the rejection is recorded.
#[tokio::test(start_paused = true)]
async fn a_continuation_is_an_id_and_nothing_else() {
    let world = in_slices(1);
    let reply = world.deliver(&json!({ "rotationId": "r-1", "dryRun": true })).await.unwrap();
    let reply = serde_json::to_value(reply).unwrap();
    assert_eq!(reply["reason"], "dryRun true is not allowed; allowed: nothing beside rotationId");
    let key = format!("rejected/{}", reply["eventId"].as_str().unwrap());
    assert_eq!(world.rotation(&key)["status"], "Rejected");
}

/// Shows that a run of the reconciler which is longer than an invocation is done by the same machine, that no schedule starts
/// it a second time, and that what a schedule takes up meanwhile is waited for.
#[tokio::test(start_paused = true)]
async fn a_long_run_of_the_reconciler_is_done_by_the_state_machine() {
    let throttle = Some(Throttle { rate_per_sec: 20.0, burst: 20.0 });
    let world = World::in_slices(Options { throttle, ..Options::default() });
    world.build(&Fleet { rotating: 600, associations: 1_200, ..Fleet::default() });
    world.forget_index();
    let slice = RECONCILE_RESERVE + Duration::from_secs(10);
    let deep = json!({ "mode": "deep" });
    let report = world.reconcile_within(&deep, slice).await;
    assert_eq!(report["status"], "Continues", "{report:#}");
    let began_at: rerole::time::Timestamp = report["beganAt"].as_str().unwrap().parse().unwrap();
    let name = format!("index-{}-1", began_at.as_millis());
    assert_eq!(executions(&world), named(&[(&name, ExecutionStatus::Running)]));
    assert_eq!(world.aws.executions()[0].input, json!({ "reconcile": { "mode": "resume" } }));
    // The schedule that goes on, and the one that asks for the same again.
    assert_eq!(world.reconcile_within(&json!({ "mode": "resume" }), slice).await["status"], "Continues");
    assert_eq!(world.call_count(Service::StepFunctions), 1);
    assert_eq!(world.reconcile_within(&deep, slice).await["status"], "Continues");
    assert_eq!(executions(&world), named(&[(&name, ExecutionStatus::Running)]));

    let other = crate::world::index_handler(&world.aws);
    let (resume, invocation) = (json!({ "reconcile": { "mode": "resume" } }), world.invocation(slice));
    let later = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        world.play(slice).await
    };
    let (_, played) = tokio::join!(other.handle(resume, &invocation), later);
    assert_eq!(played.path[..4], ["WhatGoesOn", "Reconcile", "IsReconciled", "WaitForRun"]);
    assert_eq!(played.output()["status"], "Finished", "{:#}", played.output());
    assert!(played.slices() >= 3, "{:?}", played.path);
    world.check_index();
}

/// Shows that a run which gives way to a rotation ends its execution, and is left to the schedule.
#[tokio::test(start_paused = true)]
async fn a_run_that_gives_way_is_left_to_the_schedule() {
    let throttle = Some(Throttle { rate_per_sec: 20.0, burst: 20.0 });
    let world = World::in_slices(Options { throttle, ..Options::default() });
    world.build(&Fleet { rotating: 300, associations: 600, ..Fleet::default() });
    let slice = RECONCILE_RESERVE + Duration::from_secs(10);
    assert_eq!(world.reconcile_within(&json!({ "mode": "deep" }), slice).await["status"], "Continues");
    let event = plain();
    let later = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.play(slice).await
    };
    let (_, played) = tokio::join!(world.finish(&event), later);
    assert_eq!(played.path, ["WhatGoesOn", "Reconcile", "IsReconciled", "Done"]);
    assert_eq!(played.output()["status"], "GaveWay");
    assert_eq!(world.reconcile("resume").await["status"], "Finished");
}

/// Shows that a run which cannot be handed over is left to the schedule, and fails nothing.
#[tokio::test(start_paused = true)]
async fn a_run_that_cannot_be_handed_over_is_left_to_the_schedule() {
    let world = World::in_slices(Options::default());
    world.build(&Fleet { rotating: 400, associations: 800, ..Fleet::default() });
    world.forget_index();
    world.aws.on_call(|call| if call.service == Service::StepFunctions { Fault::FailBefore } else { Fault::None });
    let slice = RECONCILE_RESERVE + Duration::from_secs(4);
    assert_eq!(world.reconcile_within(&json!({ "mode": "deep" }), slice).await["status"], "Continues");
    assert_eq!(executions(&world), []);
    assert_eq!(world.reconcile("resume").await["status"], "Finished");
    world.check_index();
}

/// Shows that a slice of the reconciler which brings nothing on is an error.
#[tokio::test(start_paused = true)]
async fn a_slice_of_the_reconciler_without_progress_is_an_error() {
    let world = World::in_slices(Options::default());
    world.fleet(100);
    let too_short = RECONCILE_RESERVE + Duration::from_millis(1);
    let error = world.invoke_index(json!({ "reconcile": { "mode": "deep" } }), too_short).await.unwrap_err();
    assert_eq!(Diagnostic::from(error).error_type, "NoProgress");
    assert_eq!(executions(&world), []);
}

/// Shows that the definition retries and catches only errors that the functions have.
#[test]
fn the_definition_names_errors_that_there_are() {
    let definition = &crate::stack::properties("Slices")["Definition"];
    let ours = [("Rotate", "src/handler.rs"), ("Reconcile", "src/index/handler.rs")];
    for (state, file) in ours {
        let source = std::fs::read_to_string(format!("{}/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let rules = ["Retry", "Catch"].into_iter().filter_map(|name| definition["States"][state][name].as_array());
        let names = rules.flatten().flat_map(|rule| rule["ErrorEquals"].as_array().unwrap());
        let names = names.map(|name| name.as_str().unwrap()).filter(|name| !name.contains('.'));
        let names: Vec<_> =
            names.inspect(|name| assert!(source.contains(&format!("=> \"{name}\"")), "{name}")).collect();
        assert!(names.len() >= 2, "{names:?}");
    }
}

/// Shows that the machine comes again when a slice that was killed has lost its lease, and before its rotation counts as
/// stalled.
#[test]
fn pauses_are_longer_than_a_lease_and_raise_no_alarm() {
    let states = &crate::stack::properties("Slices")["Definition"]["States"];
    let seconds = |value: &Value| Duration::from_secs(value.as_u64().unwrap());
    for state in ["Rotate", "Reconcile"] {
        for rule in states[state]["Retry"].as_array().unwrap() {
            let longest = rule.get("MaxDelaySeconds").unwrap_or(&rule["IntervalSeconds"]);
            assert!(seconds(&rule["IntervalSeconds"]) > LEASE, "{rule:#}");
            assert!(seconds(longest) < STALLED_AFTER, "{rule:#}");
        }
    }
    assert!(seconds(&states["WaitForRotation"]["Seconds"]) > LEASE);
}
