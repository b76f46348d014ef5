//! A scenario of the crash test: runs a rotation once without a crash, and once for each point at
//! which it can crash. The scenarios themselves are in `mod.rs`.

use std::time::Duration;

use rerole::rotate::response::RotateResponse;
use rerole_sim::state_machine::End;
use rerole_sim::{CallRecord, ExecutionStatus, Fault};
use serde_json::{Value, json};

use crate::common::state_machine::slices;
use crate::guarantees::{Before, check};
use crate::harness::{Harness, NEW, TIMEOUT, in_virtual_time};

/// Every rotation finishes within this many deliveries, whatever its slices and its one crash.
const DELIVERIES_MAX: u32 = 8;

pub struct Scenario<F: Fn() -> Harness> {
    name: &'static str,
    /// The rotation's ledger key.
    key: &'static str,
    event: Value,
    new_harness: F,
    /// The timeout of each invocation.
    pub timeout: Duration,
    /// Whether each run must end with the same status, counts and outcomes as the one without a
    /// crash.
    pub has_one_end: bool,
    /// The calls to crash at.
    pub crashes_at: fn(&CallRecord) -> bool,
}

/// Status, counts and reason of a rotation, and the outcome of each of its associations. Omits
/// what differs from run to run, such as times.
#[derive(Debug, PartialEq)]
struct RotationEnd {
    rotation: Value,
    outcomes: Vec<(String, String)>,
}

impl RotationEnd {
    fn of(harness: &Harness, key: &str) -> Self {
        let rotation = harness.rotation(key);
        let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let outcome = |row: &Value| (text(row, "associationArn"), text(row, "outcome"));
        Self {
            rotation: json!([rotation["status"], rotation["counts"], rotation["reason"]]),
            outcomes: harness.rows(key).iter().map(outcome).collect(),
        }
    }
}

impl<F: Fn() -> Harness> Scenario<F> {
    /// A scenario that crashes at every call.
    pub fn new(name: &'static str, event: Value, new_harness: F) -> Self {
        let key = if event["detail"]["dryRun"] == true {
            "dry-run/r-1"
        } else {
            "r-1"
        };
        Self {
            name,
            key,
            event,
            new_harness,
            timeout: TIMEOUT,
            has_one_end: true,
            crashes_at: |_| true,
        }
    }

    /// Runs the rotation without a crash, and then crashes it before and after each call.
    pub fn crash_everywhere(&self) {
        let (calls, expected) = in_virtual_time(self.run_without_crash());
        let mut points = 0;
        for at in &calls {
            for fault in [Fault::FreezeBefore, Fault::FreezeAfter] {
                points += 1;
                in_virtual_time(self.crash_once(*at, &fault, &expected));
            }
        }
        println!(
            "{}: {points} crash points at {} calls",
            self.name,
            calls.len()
        );
        assert!(points >= 8, "{} has only {points} crash points", self.name);
    }

    /// Returns the indexes of the calls to crash at, and the rotation's end.
    async fn run_without_crash(&self) -> (Vec<usize>, RotationEnd) {
        let harness = (self.new_harness)();
        let before = Before::of(&harness);
        self.deliver_until_finished(&harness).await;
        check(&harness, &before);
        let records = harness.aws.calls();
        let calls = records
            .iter()
            .enumerate()
            .filter(|(_, record)| (self.crashes_at)(record));
        let calls = calls.map(|(index, _)| index).collect();
        (calls, RotationEnd::of(&harness, self.key))
    }

    async fn crash_once(&self, at: usize, fault: &Fault, expected: &RotationEnd) {
        let harness = (self.new_harness)();
        let before = Before::of(&harness);
        harness.inject_at(at, fault);
        let case = format!("{}: {fault:?} at call {at}", self.name);
        self.deliver_until_crash(&harness, &case).await;
        harness.aws.clear_hook();
        check(&harness, &before);
        self.deliver_until_finished(&harness).await;
        check(&harness, &before);

        // Guarantee 8: a crash loses nothing and leaves no trace but inferred updates.
        if self.has_one_end {
            assert_eq!(&RotationEnd::of(&harness, self.key), expected, "{case}");
        }
        // Guarantee 4: a repeat after the end writes nothing.
        let updates = harness.updates().len();
        harness.finish(&self.event).await;
        assert_eq!(harness.updates().len(), updates, "{case}");
        // No association moved twice: every update but the replayed ones moved an association.
        let moved = Before::of(&harness).count_on(NEW) - before.count_on(NEW);
        assert_eq!(harness.effective_update_count(), moved, "{case}");
    }

    /// Delivers the event, again a minute after each invocation, until the handler crashes.
    async fn deliver_until_crash(&self, harness: &Harness, case: &str) {
        for _ in 0..DELIVERIES_MAX {
            let mut crashed = false;
            tokio::select! {
                biased;
                () = harness.aws.wait_for_frozen_call() => crashed = true,
                response = harness.deliver_within(&self.event, self.timeout) => {
                    if let Ok(RotateResponse::Open { .. }) = response {
                        // The state machine retries a slice that crashes.
                        let played = harness.play(self.timeout).await;
                        assert!(matches!(played.end, End::Succeeded(_)), "{case}: {played:?}");
                        crashed = played.path.iter().any(|state| state == "(Lambda.Unknown)");
                    } else {
                        assert!(response.is_err(), "{case}: no crash: {response:?}");
                    }
                }
            }
            tokio::time::sleep(Duration::from_mins(1)).await;
            if crashed {
                return;
            }
        }
        panic!("{case}: the handler did not crash");
    }

    /// Delivers the event as Lambda does, again a minute after each failed invocation, until the
    /// rotation is finished. Plays the state machine if the rotation is handed over.
    async fn deliver_until_finished(&self, harness: &Harness) {
        for _ in 0..DELIVERIES_MAX {
            match harness.deliver_within(&self.event, self.timeout).await {
                Ok(RotateResponse::Finished(_)) => {
                    self.play_leftover_execution(harness).await;
                    return;
                }
                Ok(RotateResponse::Open { .. }) => {
                    let played = harness.play(self.timeout).await;
                    assert!(
                        matches!(played.end, End::Succeeded(_)),
                        "{}: {played:?}",
                        self.name
                    );
                }
                Ok(other) => panic!("{}: {other:?}", self.name),
                Err(_) => tokio::time::sleep(Duration::from_mins(1)).await,
            }
        }
        panic!(
            "{}: not finished after {DELIVERIES_MAX} deliveries",
            self.name
        );
    }

    /// A slice that crashed while it handed over can have started the state machine. That execution
    /// finds the rotation finished.
    async fn play_leftover_execution(&self, harness: &Harness) {
        let executions = harness.aws.executions();
        if executions
            .iter()
            .any(|execution| execution.status == ExecutionStatus::Running)
        {
            assert_eq!(
                slices(&harness.play(self.timeout).await),
                1,
                "{}",
                self.name
            );
        }
    }
}
