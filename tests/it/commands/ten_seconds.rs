//! Commands that stop a rotation at each of many points, with and without throttles and faults: no
//! update is sent later than 10 s after the command was recorded, no call is left in flight, and
//! the rotation continues where it stopped.

use std::time::{Duration, SystemTime};

use rerole::rotate::error::RotateError;
use rerole_sim::{ExecutionStatus, Fault, Options, Service, Throttle};
use serde_json::{Value, json};

use crate::guarantees::{Before, check};
use crate::harness::{Harness, TIMEOUT, in_virtual_time, is_update, rotation_event};

/// The points at which a command comes.
const POINTS: u32 = 50;

/// What disturbs the rotation and the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disturbance {
    None,
    Throttled,
    SlowDynamoDb,
    FailingDynamoDb,
    SlowEks,
}

/// A command that stops the updates of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Pause,
    Freeze,
    Cancel,
}

impl Stop {
    /// The entry of a timeline that the command adds: the member and its value.
    fn entry(self) -> (&'static str, &'static str) {
        match self {
            Self::Pause => ("to", "Paused"),
            Self::Freeze => ("type", "Frozen"),
            Self::Cancel => ("to", "Cancelling"),
        }
    }

    /// The status of the rotation once the command has had its effect.
    fn status(self) -> &'static str {
        match self {
            Self::Pause | Self::Freeze => "Paused",
            Self::Cancel => "Cancelled",
        }
    }

    /// Sends the command. Lambda delivers it again if DynamoDB fails during the invocation.
    async fn send(self, harness: &Harness) -> Value {
        let name = match self {
            Self::Pause => "Pause",
            Self::Freeze => "Freeze",
            Self::Cancel => "Cancel",
        };
        let event = harness.new_command(name, &self.detail());
        for _ in 0..DELIVERIES {
            if let Ok(response) = harness.deliver(&event).await {
                return serde_json::to_value(response).unwrap();
            }
            tokio::time::sleep(Duration::from_mins(1)).await;
        }
        panic!("{name} failed {DELIVERIES} times");
    }

    /// Sends the command after which the rotation continues.
    async fn send_opposite(self, harness: &Harness) -> Value {
        let name = match self {
            Self::Pause => "Resume",
            Self::Freeze => "Unfreeze",
            Self::Cancel => "Retry",
        };
        harness.command(name, self.detail()).await
    }

    /// What the commands are about: the rotation, or the stack.
    fn detail(self) -> Value {
        match self {
            Self::Pause | Self::Cancel => json!({}),
            Self::Freeze => json!({ "rotationId": null }),
        }
    }
}

/// How often Lambda delivers an event whose invocations fail.
const DELIVERIES: u32 = 3;

/// How many associations the fleet has.
const COUNT: usize = 40;

/// A fleet of which a rotation takes some seconds, and what disturbs it.
fn fleet(disturbance: Disturbance) -> Harness {
    let throttle = Throttle {
        rate_per_sec: 5.0,
        burst: 4.0,
    };
    let harness = Harness::with_state_machine(Options {
        throttle: (disturbance == Disturbance::Throttled).then_some(throttle),
        ..Options::default()
    });
    harness.fleet(COUNT);
    let mut number = 0;
    match disturbance {
        Disturbance::None | Disturbance::Throttled => {}
        Disturbance::SlowDynamoDb => {
            let slow = Fault::DelayResponse(Duration::from_millis(700));
            harness.inject(slow, |call| call.service == Service::DynamoDb);
        }
        Disturbance::FailingDynamoDb => harness.inject(Fault::ServerError(500), move |call| {
            number += 1;
            call.service == Service::DynamoDb && number % 5 == 0
        }),
        Disturbance::SlowEks => {
            let slow = Fault::DelayResponse(Duration::from_millis(1_500));
            harness.inject(slow, |call| call.service == Service::Eks);
        }
    }
    harness
}

/// When the command was recorded.
fn recorded_at(harness: &Harness, stop: Stop) -> Option<SystemTime> {
    let (member, value) = stop.entry();
    let calls = harness.calls("TransactWriteItems").into_iter();
    let enters = |body: &Value| {
        let parts = body["TransactItems"].as_array().unwrap().iter();
        parts.into_iter().any(|part| {
            let item = &part["Put"]["Item"];
            item.get("by").is_some() && item[member]["S"] == value
        })
    };
    let mut calls = calls.filter(|record| enters(&record.call.body));
    calls.find_map(|record| record.applied_at)
}

/// The last update that was sent, if there was one.
fn last_update(harness: &Harness) -> Option<SystemTime> {
    harness.updates().iter().map(|update| update.sent_at).max()
}

/// How long the rotation takes if no command comes.
async fn undisturbed(disturbance: Disturbance) -> Duration {
    let harness = fleet(disturbance);
    let started_at = harness.aws.now();
    harness.deliver(&rotation_event()).await.unwrap();
    harness.aws.now().duration_since(started_at).unwrap()
}

/// Stops the rotation after this time, and lets it continue. Returns how long after the command the
/// last update was sent. `None` if the command came when the rotation was finished.
async fn stop_at(stop: Stop, disturbance: Disturbance, after: Duration) -> Option<Duration> {
    let harness = fleet(disturbance);
    let before = Before::of(&harness);
    let event = rotation_event();
    let command = async {
        tokio::time::sleep(after).await;
        stop.send(&harness).await
    };
    let (response, verdict) = tokio::join!(harness.deliver(&event), command);
    let response = serde_json::to_value(response.unwrap()).unwrap();
    let is_late = stop == Stop::Freeze && response.get("finishedAt").is_some();
    if verdict["verdict"] == "Refused" || is_late {
        return None;
    }
    let rotation = harness.rotation("r-1");
    assert_eq!(rotation["status"], stop.status(), "{rotation:#}");
    // Without DynamoDB, the slice cannot release its lease, which expires.
    if rotation.get("leaseUntil").is_none() {
        assert_eq!(response["status"], stop.status(), "{after:?}: {response:#}");
    } else {
        assert_eq!(
            disturbance,
            Disturbance::FailingDynamoDb,
            "{after:?}: {rotation:#}"
        );
    }
    let recorded_at = recorded_at(&harness, stop).unwrap();
    let in_flight = harness.aws.calls();
    let in_flight = in_flight.iter().filter(|call| call.status.is_none());
    assert_eq!(in_flight.count(), 0, "no call is left in flight");
    harness.aws.clear_hook();
    let calls = harness.aws.calls().len();
    // A second delivery changes nothing.
    let again = harness.deliver(&event).await.unwrap();
    assert_eq!(
        serde_json::to_value(again).unwrap()["status"],
        stop.status()
    );
    assert_eq!(harness.rotation("r-1"), rotation);
    // The response of a finished rotation also says whether the index shows its old role in use.
    let is_read =
        |operation: &str| operation == "GetItem" || (stop == Stop::Cancel && operation == "Query");
    assert!(
        harness.aws.calls()[calls..]
            .iter()
            .all(|call| is_read(&call.call.operation))
    );
    let sent_after = last_update(&harness).and_then(|at| at.duration_since(recorded_at).ok());

    let continued = stop.send_opposite(&harness).await;
    assert_eq!(continued["verdict"], "Accepted", "{continued:#}");
    let running = harness.aws.executions().into_iter();
    let mut running = running.filter(|one| one.status == ExecutionStatus::Running);
    let execution = running.next().unwrap();
    let played = harness.play_execution(&execution.name, TIMEOUT).await;
    assert_eq!(
        played.output()["counts"]["updated"],
        COUNT,
        "{:?}",
        played.end
    );
    check(&harness, &before);
    Some(sent_after.unwrap_or_default())
}

/// Stops a rotation at each point, and says how soon the updates end.
fn stop_at_each_point(stop: Stop, disturbance: Disturbance) {
    in_virtual_time(async {
        let length = undisturbed(disturbance).await;
        let mut delays = Vec::new();
        for point in 0..POINTS {
            delays.extend(stop_at(stop, disturbance, length * point / POINTS).await);
        }
        delays.sort_unstable();
        let count = delays.len();
        assert!(count > 25, "only {count} were stopped");
        let (median, max) = (delays[count / 2], delays[count - 1]);
        println!("{stop:?}, {disturbance:?}: {count} points, median {median:?}, max {max:?}");
        assert!(max <= Duration::from_secs(10), "{max:?}");
        assert!(!max.is_zero(), "no update was in danger");
    });
}

#[test]
fn no_update_is_sent_ten_seconds_after_a_pause() {
    stop_at_each_point(Stop::Pause, Disturbance::None);
}

#[test]
fn no_update_is_sent_ten_seconds_after_a_pause_while_eks_throttles() {
    stop_at_each_point(Stop::Pause, Disturbance::Throttled);
}

#[test]
fn no_update_is_sent_ten_seconds_after_a_pause_while_dynamodb_is_slow() {
    stop_at_each_point(Stop::Pause, Disturbance::SlowDynamoDb);
}

#[test]
fn no_update_is_sent_ten_seconds_after_a_pause_while_dynamodb_fails() {
    stop_at_each_point(Stop::Pause, Disturbance::FailingDynamoDb);
}

#[test]
fn no_update_is_sent_ten_seconds_after_a_pause_while_eks_is_slow() {
    stop_at_each_point(Stop::Pause, Disturbance::SlowEks);
}

#[test]
fn no_update_is_sent_ten_seconds_after_a_freeze() {
    stop_at_each_point(Stop::Freeze, Disturbance::None);
    stop_at_each_point(Stop::Freeze, Disturbance::Throttled);
}

#[test]
fn no_update_is_sent_ten_seconds_after_a_freeze_while_dynamodb_is_slow_or_fails() {
    stop_at_each_point(Stop::Freeze, Disturbance::SlowDynamoDb);
    stop_at_each_point(Stop::Freeze, Disturbance::FailingDynamoDb);
}

#[test]
fn no_update_is_sent_ten_seconds_after_a_cancellation() {
    stop_at_each_point(Stop::Cancel, Disturbance::None);
    stop_at_each_point(Stop::Cancel, Disturbance::Throttled);
}

#[test]
fn no_update_is_sent_ten_seconds_after_a_cancellation_while_dynamodb_is_slow_or_fails() {
    stop_at_each_point(Stop::Cancel, Disturbance::SlowDynamoDb);
    stop_at_each_point(Stop::Cancel, Disturbance::FailingDynamoDb);
}

/// The command comes while an update is in flight whose function is then killed. What was on its
/// way arrives, and no other slice starts.
#[test]
fn a_pause_while_the_function_is_being_killed_is_kept() {
    in_virtual_time(async {
        let harness = fleet(Disturbance::None);
        let mut updates = 0;
        let slow = Fault::ArriveLate(Duration::from_secs(3));
        harness.inject(slow, move |call| {
            updates += u32::from(is_update(call));
            is_update(call) && updates == 10
        });
        let kill = async {
            while harness.updates().len() < 10 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let paused = harness.command("Pause", json!({})).await;
            assert_eq!(paused["verdict"], "Accepted");
        };
        let event = rotation_event();
        tokio::select! {
            response = harness.deliver(&event) => panic!("not killed: {response:?}"),
            () = kill => {}
        }
        let killed_at = harness.aws.now();
        tokio::time::sleep(Duration::from_mins(2)).await;
        let response = harness.deliver(&rotation_event()).await.unwrap();
        assert_eq!(serde_json::to_value(response).unwrap()["status"], "Paused");
        assert!(last_update(&harness).unwrap() <= killed_at);
        let updates = harness.updates().len();
        harness.command("Resume", json!({})).await;
        let played = harness.play(TIMEOUT).await;
        assert_eq!(played.output()["counts"]["updated"], COUNT);
        assert!(harness.updates().len() > updates);
        assert_eq!(harness.effective_update_count(), COUNT);
    });
}

/// An execution waits for the lease of the delivery that works, and tries again each minute. The
/// command interrupts the delivery, and the execution finds the rotation paused.
#[test]
fn a_pause_while_another_delivery_waits_is_seen_by_both() {
    in_virtual_time(async {
        let harness = fleet(Disturbance::SlowEks);
        let (event, resume) = (rotation_event(), json!({ "rotationId": "r-1" }));
        let pause = async {
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            let busy = harness.deliver(&resume).await.unwrap_err();
            assert!(matches!(busy, RotateError::Busy { .. }), "{busy}");
            harness.command("Pause", json!({})).await
        };
        let (response, paused) = tokio::join!(harness.deliver(&event), pause);
        assert_eq!(paused["verdict"], "Accepted");
        let waiting = harness.deliver(&resume).await;
        for response in [response, waiting] {
            let response = serde_json::to_value(response.unwrap()).unwrap();
            assert_eq!(response["status"], "Paused", "{response:#}");
        }
        let recorded_at = recorded_at(&harness, Stop::Pause).unwrap();
        let sent_after = last_update(&harness).and_then(|at| at.duration_since(recorded_at).ok());
        assert!(sent_after.is_none_or(|delay| delay <= Duration::from_secs(10)));
        assert!(harness.updates().len() < COUNT);
    });
}
