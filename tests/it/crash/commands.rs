//! Crashes at every call of commands, of turns, and of the slices between them. Lambda delivers an
//! event again after a crash, the state machine retries its task, and the check for stalled
//! rotations starts what stands idle then.

use std::time::Duration;

use rerole_core::rotation::LEASE;
use rerole_core::timestamp::Timestamp;
use rerole_sim::{ExecutionStatus, Fault, Options, Service};
use serde_json::{Value, json};

use crate::common::guarantees;
use crate::harness::{
    Harness, NEW, THIRD, TIMEOUT, command_event, event, in_virtual_time, stalled_check_event,
};

/// One step of a script.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A request for this rotation, from the first to the second role.
    Request(&'static str, [&'static str; 2]),
    /// A command about this rotation, or about the stack.
    Command(&'static str, Option<&'static str>),
    /// The invocation that works on this rotation dies after its third update.
    Die(&'static str, [&'static str; 2]),
    /// A request for this rotation, and a command about it, or about the stack, that comes after
    /// its third update, while the slice works.
    Steer(&'static str, &'static str),
    /// The check for stalled rotations, after five minutes without an invocation.
    Check,
    /// All executions run to their ends.
    Play,
}

use Step::{Check, Command, Die, Play, Request, Steer};

const ROLES: [&str; 2] = [crate::harness::OLD, NEW];
const NEXT_ROLES: [&str; 2] = [NEW, THIRD];

/// A rotation that is queued, paused, resumed, and started by its turn; another one waits for it.
const QUEUE: &[Step] = &[
    Command("Freeze", None),
    Request("r-1", ROLES),
    Request("r-2", NEXT_ROLES),
    Command("Pause", Some("r-1")),
    Command("Change", Some("r-1")),
    Command("Resume", Some("r-1")),
    Command("Unfreeze", None),
    Check,
    Play,
];

/// A rotation whose slice died, cancelled and tried again.
const CANCEL: &[Step] = &[
    Die("r-1", ROLES),
    Command("Cancel", Some("r-1")),
    Play,
    Command("Retry", Some("r-1")),
    Play,
];

/// A rotation whose slice died, paused, frozen, and resumed.
const PAUSE: &[Step] = &[
    Die("r-1", ROLES),
    Command("Pause", Some("r-1")),
    Command("Resume", Some("r-1")),
    Command("Freeze", None),
    Command("Unfreeze", None),
    Play,
];

/// A rotation that is cancelled while it waits, so the next one has its turn.
const LEAVE: &[Step] = &[
    Die("r-1", ROLES),
    Request("r-2", NEXT_ROLES),
    Request("r-3", NEXT_ROLES),
    Command("Cancel", Some("r-2")),
    Command("Resume", Some("r-1")),
    Play,
];

/// A slice that is interrupted by a pause, and then by a freeze.
const INTERRUPT: &[Step] = &[
    Steer("r-1", "Pause"),
    Command("Resume", Some("r-1")),
    Steer("r-1", "Freeze"),
    Command("Unfreeze", None),
    Play,
];

/// A slice that is interrupted by its cancellation, and tried again while the stack is frozen.
const RETRY_LATER: &[Step] = &[
    Steer("r-1", "Cancel"),
    Play,
    Command("Freeze", None),
    Command("Retry", Some("r-1")),
    Command("Unfreeze", None),
    Play,
];

/// A rotation whose slice died, taken back by one command, and again, which changes nothing.
const ROLL_BACK: &[Step] = &[
    Die("r-1", ROLES),
    Command("Rollback", Some("r-1")),
    Play,
    Command("Rollback", Some("r-1")),
    Play,
];

/// A rotation that is finished, and a slice of its rollback that a pause interrupts.
const INTERRUPTED_ROLLBACK: &[Step] = &[
    Request("r-1", ROLES),
    Command("Rollback", Some("r-1")),
    Steer("rollback/r-1", "Pause"),
    Command("Resume", Some("rollback/r-1")),
    Play,
];

fn new_harness() -> Harness {
    // So a slice works for some seconds, and commands come in the middle.
    let second = Duration::from_secs(1);
    let harness = Harness::with_state_machine(Options {
        eks_latency: Some(second..=second),
        ..Options::default()
    });
    harness.fleet(6);
    harness
}

/// The event of a step that is first delivered at `now`. Of [`Steer`], the request.
fn event_of(number: usize, step: Step, now: Timestamp) -> Value {
    let mut event = match step {
        Request(id, [old, new]) | Die(id, [old, new]) => event(&json!({
            "rotationId": id, "oldRoleArn": old, "newRoleArn": new,
        })),
        Steer(id, _) if id.starts_with("rollback/") => return json!({ "rotationId": id }),
        Steer(id, _) => event(&json!({ "rotationId": id })),
        Command(name, id) => {
            let limit = (name == "Change").then_some(50);
            command_event(name, &json!({ "rotationId": id, "maxErrors": limit }))
        }
        Check => return stalled_check_event(),
        Play => return Value::Null,
    };
    event["id"] = json!(format!("e-{number}"));
    event["time"] = json!(now);
    event
}

/// The command of [`Steer`], which is first delivered soon after `now`.
fn steering_event(number: usize, (id, name): (&str, &str), now: Timestamp) -> Value {
    let id = (name != "Freeze").then_some(id);
    let mut event = command_event(name, &json!({ "rotationId": id }));
    event["id"] = json!(format!("s-{number}"));
    event["time"] = json!(now);
    event
}

/// Plays a script. Lambda delivers an event again a minute after a crash.
async fn play(harness: &Harness, script: &[Step]) {
    for (number, step) in script.iter().enumerate() {
        let event = event_of(number, *step, Timestamp::from(harness.aws.now()));
        match step {
            Play => play_all(harness).await,
            Check => {
                tokio::time::sleep(Duration::from_mins(5)).await;
                handle(harness, &event).await;
            }
            Die(..) => die(harness, &event).await,
            Steer(id, name) => {
                let now = Timestamp::from(harness.aws.now());
                steer(harness, &event, &steering_event(number, (id, name), now)).await;
            }
            Request(..) | Command(..) => handle(harness, &event).await,
        }
    }
}

/// Delivers an event, again a minute after a crash.
async fn handle(harness: &Harness, event: &Value) {
    while !is_handled(harness, event).await {
        tokio::time::sleep(Duration::from_mins(1)).await;
    }
}

/// Delivers a request, and a command while its slice works. A crash ends one of the two
/// invocations, and the other one goes on. A minute later, Lambda delivers again what has crashed.
async fn steer(harness: &Harness, request: &Value, command: &Value) {
    let (mut is_requested, mut is_commanded, mut has_crashed) = (false, false, false);
    {
        let before = harness.call_count(Service::Eks);
        let mut slice = std::pin::pin!(harness.deliver(request));
        let mut command = std::pin::pin!(async {
            for _ in 0..50 {
                if harness.call_count(Service::Eks) >= before + 3 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            harness.deliver(command).await
        });
        let is_over = |is_requested: bool, is_commanded: bool, has_crashed: bool| {
            (is_requested && is_commanded) || (has_crashed && (is_requested || is_commanded))
        };
        while !is_over(is_requested, is_commanded, has_crashed) {
            tokio::select! {
                biased;
                () = harness.aws.wait_for_frozen_call(), if !has_crashed => has_crashed = true,
                response = slice.as_mut(), if !is_requested => {
                    response.unwrap_or_else(|error| panic!("{error}"));
                    is_requested = true;
                }
                response = command.as_mut(), if !is_commanded => {
                    response.unwrap_or_else(|error| panic!("{error}"));
                    is_commanded = true;
                }
            }
        }
    }
    if has_crashed {
        harness.aws.clear_hook();
        tokio::time::sleep(Duration::from_mins(1)).await;
    }
    if !is_requested {
        handle(harness, request).await;
    }
    if !is_commanded {
        handle(harness, command).await;
    }
}

/// Delivers an event. Returns whether that was no crash.
async fn is_handled(harness: &Harness, event: &Value) -> bool {
    let is_handled = tokio::select! {
        biased;
        () = harness.aws.wait_for_frozen_call() => false,
        response = harness.deliver(event) => {
            response.unwrap_or_else(|error| panic!("{error}"));
            true
        }
    };
    if !is_handled {
        harness.aws.clear_hook();
    }
    is_handled
}

/// Delivers an event to an invocation that ends without a trace once it has sent three updates.
async fn die(harness: &Harness, event: &Value) {
    let death = async {
        while harness.updates().len() < 3 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let mut death = std::pin::pin!(death);
    loop {
        tokio::select! {
            biased;
            () = harness.aws.wait_for_frozen_call() => harness.aws.clear_hook(),
            () = death.as_mut() => break,
            response = harness.deliver(event) => panic!("{response:?}"),
        }
        tokio::time::sleep(Duration::from_mins(1)).await;
    }
    tokio::time::sleep(LEASE).await;
}

/// Plays the executions that run, and those that the check for stalled rotations starts, until
/// nothing is open.
async fn play_all(harness: &Harness) {
    for _ in 0..6 {
        loop {
            let executions = harness.aws.executions();
            let is_running = |status| status == ExecutionStatus::Running;
            let mut running = executions.iter().filter(|one| is_running(one.status));
            let Some(next) = running.next() else { break };
            harness.play_execution(&next.name, TIMEOUT).await;
        }
        let open = harness.aws.items(crate::harness::LEDGER);
        let mut statuses = open.iter().filter_map(|item| item["status"].as_str());
        if !statuses
            .any(|status| ["Queued", "Planning", "InProgress", "Cancelling"].contains(&status))
        {
            return;
        }
        tokio::time::sleep(Duration::from_mins(5)).await;
        while !is_handled(harness, &stalled_check_event()).await {}
    }
    panic!("a rotation is open after six checks");
}

/// What the ledger shows at the end: statuses, counts and attempts of all rotations.
fn end(harness: &Harness) -> Vec<Value> {
    let items = harness.aws.items(crate::harness::LEDGER).into_iter();
    let rotations = items.filter(|item| item.get("request").is_some());
    rotations
        .map(|item| {
            json!([
                item["rotationId"],
                item["status"],
                item["counts"]["updated"],
                item["counts"]["total"],
                item["attempt"],
            ])
        })
        .collect()
}

/// What the ledger and EKS show at the end if it depends on chance how much has moved before a
/// command: the statuses, and how many associations have which role.
fn end_of_any_course(harness: &Harness) -> Vec<Value> {
    let statuses = end(harness).into_iter().map(|of| json!([of[0], of[1]]));
    let on_roles = [crate::harness::OLD, NEW].map(|role| {
        let count = harness.aws.eks(|eks| eks.association_count_on(role));
        json!([role, count])
    });
    statuses.chain(on_roles).collect()
}

fn crash_everywhere(name: &str, script: &[Step], end: fn(&Harness) -> Vec<Value>) {
    let (calls, expected) = in_virtual_time(async {
        let harness = new_harness();
        play(&harness, script).await;
        guarantees::check(&harness.aws);
        (harness.aws.calls().len(), end(&harness))
    });
    let mut points = 0;
    for at in 0..calls {
        for fault in [Fault::FreezeBefore, Fault::FreezeAfter] {
            points += 1;
            in_virtual_time(async {
                let harness = new_harness();
                harness.inject_at(at, &fault);
                play(&harness, script).await;
                guarantees::check(&harness.aws);
                let case = format!("{name}: {fault:?} at call {at}");
                assert_eq!(end(&harness), expected, "{case}");
            });
        }
    }
    println!("{name}: {points} crash points at {calls} calls");
    assert!(points > 100, "{name} has only {points} crash points");
}

#[test]
fn a_crash_at_any_call_around_a_queue_loses_nothing() {
    crash_everywhere("queue", QUEUE, end);
}

/// When the slice dies decides how much has moved before the cancellation.
#[test]
fn a_crash_at_any_call_around_a_cancellation_and_a_retry_loses_nothing() {
    crash_everywhere("cancel and retry", CANCEL, end);
}

#[test]
fn a_crash_at_any_call_around_pauses_loses_nothing() {
    crash_everywhere("pause and freeze", PAUSE, end);
}

#[test]
fn a_crash_at_any_call_of_an_interrupted_slice_loses_nothing() {
    crash_everywhere("interrupt", INTERRUPT, end);
}

#[test]
fn a_crash_at_any_call_around_a_retry_that_waits_loses_nothing() {
    crash_everywhere("retry later", RETRY_LATER, end);
}

#[test]
fn a_crash_at_any_call_around_a_rollback_of_an_open_rotation_loses_nothing() {
    crash_everywhere("rollback", ROLL_BACK, end_of_any_course);
}

#[test]
fn a_crash_at_any_call_around_an_interrupted_rollback_loses_nothing() {
    crash_everywhere("interrupted rollback", INTERRUPTED_ROLLBACK, end);
}

#[test]
fn a_crash_at_any_call_around_a_rotation_that_leaves_its_queue_loses_nothing() {
    crash_everywhere("leave the queue", LEAVE, end);
}
