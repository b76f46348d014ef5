//! Plays one history to its end: the busy time with its faults, then a calm in which an operator
//! asks again for what is not finished and index runs compare the index with EKS.

use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use rerole::lambda::metrics::Metrics;
use rerole::publisher::handler::PublisherHandler;
use rerole_core::timestamp::Timestamp;
use rerole_sim::Throttle;
use serde_json::{Value, json};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, sleep, sleep_until};

use crate::common::environment::{LEDGER, publisher_settings};
use crate::common::guarantees::{Evidence, check_at_rest, check_followed, events, time};
use crate::common::stream::{deliver, mapping_with_associations};
use crate::failed_check::{self, FailedCheck, has_panicked};
use crate::faults;
use crate::history::{
    Action, CallOf, Command, Fault, Function, History, Mode, Quirk, ServiceName, Step, end_of,
};
use crate::lambda::{Lambda, Pending, reconcile};
use crate::people;
use crate::queue::Queue;
use crate::reached;
use crate::requests::{command_event, event, requests};
use crate::situations::{Counts, Situations};
use crate::world::World;

/// A step of the runner's own waiting.
const TICK: Duration = Duration::from_secs(5);
/// As in the template.
const RESUME_EVERY: Duration = Duration::from_mins(15);
const STALLED_CHECK_EVERY: Duration = Duration::from_mins(5);
/// How long retries, executions and redelivered messages may take: an execution retries for an
/// hour, and a message is received five times in 75 minutes.
const SETTLED_WITHIN: Duration = Duration::from_hours(6);
/// How often an operator asks again, before a rotation counts as one that does not end. Each round
/// finishes what is open, and lets what waited for its roles start.
const ROUNDS_MAX: u32 = 4;
/// How long after the last fault a rotation is finished that needs no operator.
const ENDS_WITHIN: Duration = Duration::from_mins(3);
/// How long it takes until the check for stalled rotations starts one that stands idle: it is idle
/// for three minutes, and the check runs every five.
const CHECK_STARTS_WITHIN: Duration = Duration::from_mins(8);
/// A full run that waits for another one, or yields to a rotation, is started again.
const RUNS_MAX: u32 = 8;

/// A history without a failure.
#[derive(Debug)]
pub struct Played {
    pub situations: Counts,
    /// The hash of all calls.
    pub trace: u64,
    /// The faults that have hit no call.
    pub missed: Vec<Fault>,
}

/// Plays a history.
///
/// # Errors
/// The first check that fails.
pub fn play(history: &History) -> Result<Played, FailedCheck> {
    failed_check::reset();
    let situations = Situations::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime needs nothing");
    let played = panic::catch_unwind(AssertUnwindSafe(|| {
        let local = LocalSet::new();
        local.block_on(&runtime, Runner::play(history, &situations))
    }));
    let panicked = failed_check::take();
    match (played, panicked) {
        (Ok(played), None) => Ok(played),
        (_, panicked) => Err(panicked.expect("the hook keeps each panic")),
    }
}

struct Runner {
    world: Rc<World>,
    lambda: Rc<Lambda>,
    starts_at: Instant,
    /// DynamoDB refuses calls or is slow, also when all faults are over.
    is_ever_disturbed: bool,
}

impl Runner {
    async fn play(history: &History, situations: &Situations) -> Played {
        let world = Rc::new(World::new(history));
        let runner = Self {
            lambda: Lambda::new(&world, history, situations),
            world,
            starts_at: Instant::now(),
            is_ever_disturbed: history.quirks.iter().any(disturbs_dynamodb),
        };
        let Self { world, lambda, .. } = &runner;
        let hits = faults::inject(world, &history.faults, &lambda.sandboxes, situations);
        // The hook has kept the panic.
        let _ = AssertUnwindSafe(runner.phases(history, situations))
            .catch_unwind()
            .await;
        failed_check::keep_calls(&world.aws);
        Played {
            situations: situations.counts(),
            trace: world.aws.trace_hash(),
            missed: hits.missed(&history.faults),
        }
    }

    async fn phases(&self, history: &History, situations: &Situations) {
        let Self { world, lambda, .. } = self;
        Queue::start(world, lambda, history, situations);
        self.start_schedules();
        self.start_steps(history, situations);
        self.start_dips(history, situations);
        sleep_until(self.at(end_of(history))).await;
        faults::end(world);
        let calm_since = world.aws.now();
        lambda.calm_since.set(Some(calm_since));
        self.settle().await;
        let is_left = has_panicked() || self.waits_for_operator();
        if !is_left && self.is_anything_open() {
            // The check for stalled rotations starts it.
            situations.note("left to the check for stalled rotations");
            sleep(CHECK_STARTS_WITHIN).await;
            self.settle().await;
        }
        if is_unattended(&situations.counts()) && is_followed(history) && !is_left {
            situations.note("checked before an operator and a full run");
            let within = if starts_fail(history) {
                ENDS_WITHIN + CHECK_STARTS_WITHIN
            } else {
                ENDS_WITHIN
            };
            end_in_time(&check_followed(&world.aws), calm_since, within);
        }
        self.finish(&requests(history)).await;
        self.compare().await;
        self.repeat(&requests(history)).await;
        if !has_panicked() {
            let evidence = check_at_rest(&world.aws);
            reached::note(&evidence, situations);
            self.publish(history).await;
        }
    }

    /// Publishes all that has happened, on a bus that refuses some events. It makes no difference
    /// when: the publisher reads nothing but the stream, and nothing else reads the bus.
    async fn publish(&self, history: &History) {
        let aws = &self.world.aws;
        let mut mapping = mapping_with_associations();
        mapping.record_age_max = Duration::MAX;
        mapping.repeats = history.seed.is_multiple_of(2);
        let settings = publisher_settings();
        let metrics = Metrics::new(settings.clients.function_name.clone(), drop);
        let (http_client, clock) = (aws.http_client(), aws.time_source());
        let publisher = PublisherHandler::new(&settings, http_client, clock, metrics);
        deliver(&mut mapping, aws, &publisher).await;
        events::are_the_timelines(aws);
        events::are_the_moved_associations(aws);
    }

    fn at(&self, millis: u64) -> Instant {
        self.starts_at + Duration::from_millis(millis)
    }

    fn start_schedules(&self) {
        let schedules = [
            (Function::Indexer, RESUME_EVERY, reconcile("resume")),
            (
                Function::Rotate,
                STALLED_CHECK_EVERY,
                json!({ "check": "stalledRotations" }),
            ),
        ];
        for (function, every, payload) in schedules {
            let lambda = Rc::clone(&self.lambda);
            spawn_local(async move {
                loop {
                    sleep(every).await;
                    lambda.deliver(function, payload.clone()).await;
                }
            });
        }
    }

    fn start_steps(&self, history: &History, situations: &Situations) {
        for (number, step) in history.steps.iter().enumerate() {
            let (world, lambda) = (Rc::clone(&self.world), Rc::clone(&self.lambda));
            let (action, at) = (step.action.clone(), self.at(step.at));
            let situations = situations.clone();
            let pending = Pending::new(&self.lambda);
            spawn_local(async move {
                let _pending = pending;
                sleep_until(at).await;
                let name = format!("{action:?}");
                let name = name.split(['(', ' ']).next().expect("a name");
                situations.note(&format!("step {name}"));
                match &action {
                    Action::Request(request) => {
                        let event = event(request, number);
                        lambda.deliver(Function::Rotate, event).await;
                    }
                    Action::Command(command) => {
                        let event = command_event(command, number, world.aws.now());
                        lambda.deliver(Function::Rotate, event.clone()).await;
                        if let Some(after) = command.again_after {
                            sleep(Duration::from_millis(after)).await;
                            lambda.deliver(Function::Rotate, event).await;
                        }
                    }
                    Action::Reconcile(mode) => {
                        let mode = match mode {
                            Mode::ListOnly => "listOnly",
                            Mode::Full => "full",
                        };
                        lambda.deliver(Function::Indexer, reconcile(mode)).await;
                    }
                    _ => people::act(&world, &action).await,
                }
            });
        }
    }

    fn start_dips(&self, history: &History, situations: &Situations) {
        for fault in &history.faults {
            let Fault::Dip {
                from,
                until,
                rate_per_sec,
            } = *fault
            else {
                continue;
            };
            let (from, until) = (self.at(from), self.at(until));
            let (world, usual) = (Rc::clone(&self.world), self.world.aws.options().throttle);
            let dip = Throttle {
                rate_per_sec,
                burst: 1.0,
            };
            situations.note("dip of EKS's rate");
            spawn_local(async move {
                sleep_until(from).await;
                world.aws.eks(|eks| eks.set_throttle(Some(dip)));
                sleep_until(until).await;
                world.aws.eks(|eks| eks.set_throttle(usual));
            });
        }
    }

    /// Waits until nothing is under way any more: no retry, no execution and no message.
    async fn settle(&self) {
        let until = Instant::now() + SETTLED_WITHIN;
        // An event that was emitted a moment ago counts once the queue has taken it up.
        let mut idle_ticks = 0;
        while idle_ticks < 2 && !has_panicked() {
            assert!(
                Instant::now() < until,
                "something is still under way {SETTLED_WITHIN:?} after the last fault"
            );
            sleep(TICK).await;
            let is_idle = self.lambda.pending.get() == 0;
            idle_ticks = if is_idle { idle_ticks + 1 } else { 0 };
        }
    }

    /// Asks again for each rotation until it is finished, as an operator does. The roles that one
    /// rotation holds keep others waiting, so a round may finish only some of them.
    async fn finish(&self, events: &[Value]) {
        for round in 0..ROUNDS_MAX {
            self.resume_all(round).await;
            let mut is_finished = true;
            for event in events {
                if has_panicked() {
                    return;
                }
                let response = self.lambda.deliver(Function::Rotate, event.clone()).await;
                is_finished &= response.is_some_and(|response| {
                    response.get("finishedAt").is_some() || response["status"] == "Rejected"
                });
                self.settle().await;
            }
            // No event requests them.
            for payload in self.open_rollbacks() {
                self.lambda.deliver(Function::Rotate, payload).await;
                self.settle().await;
            }
            if is_finished && self.open_rollbacks().is_empty() {
                return;
            }
        }
        panic!("rotations are open after {ROUNDS_MAX} rounds without a fault");
    }

    /// Ends what commands have left: a freeze of the stack, and paused rotations.
    async fn resume_all(&self, round: u32) {
        let mut commands = Vec::new();
        if self.world.aws.items(LEDGER).iter().any(is_frozen_stack) {
            commands.push(Command {
                name: "Unfreeze".to_owned(),
                ..Command::default()
            });
        }
        let paused = self.paused().into_iter();
        commands.extend(paused.map(|paused| Command {
            name: "Resume".to_owned(),
            ..paused
        }));
        for (at, command) in commands.iter().enumerate() {
            let number = 1_000 * (usize::try_from(round).expect("a few") + 1) + at;
            let event = command_event(command, number, self.world.aws.now());
            self.lambda.deliver(Function::Rotate, event).await;
            self.settle().await;
        }
    }

    /// Commands without a name about the rotations that are paused.
    fn paused(&self) -> Vec<Command> {
        let items = self.world.aws.items(LEDGER).into_iter();
        let paused = items.filter(|item| item["status"] == "Paused");
        paused
            .filter_map(|item| {
                let key = item["rotationId"].as_str()?;
                let dry_run = key.strip_prefix("dry-run/");
                let key = dry_run.unwrap_or(key);
                let rollback = key.strip_prefix("rollback/");
                let id = rollback.unwrap_or(key).strip_prefix("r-")?;
                Some(Command {
                    id: Some(id.parse().ok()?),
                    dry_run: dry_run.is_some(),
                    of_rollback: rollback.is_some(),
                    ..Command::default()
                })
            })
            .collect()
    }

    /// The payloads that resume rollbacks that are open.
    fn open_rollbacks(&self) -> Vec<Value> {
        let items = self.world.aws.items(LEDGER).into_iter();
        let is_open =
            |item: &Value| item.get("rollbackOf").is_some() && item.get("finishedAt").is_none();
        let open = items.filter(is_open);
        open.map(|item| json!({ "rotationId": item["rotationId"] }))
            .collect()
    }

    fn is_anything_open(&self) -> bool {
        let open = ["Queued", "Planning", "InProgress", "Cancelling"];
        let items = self.world.aws.items(LEDGER);
        let mut statuses = items.iter().filter_map(|item| item["status"].as_str());
        statuses.any(|status| open.contains(&status))
    }

    /// Whether a command has left something that only another command ends.
    fn waits_for_operator(&self) -> bool {
        let items = self.world.aws.items(LEDGER);
        items
            .iter()
            .any(|item| item["status"] == "Paused" || is_frozen_stack(item))
    }

    /// Compares the index with EKS twice. The second full run finds no difference.
    async fn compare(&self) {
        self.full_run().await;
        let run = self.full_run().await;
        if has_panicked() {
            return;
        }
        let differences = ["added", "changed", "removed", "invalid", "clustersRemoved"];
        let differs = |name: &&&str| run["counts"][**name].as_u64() != Some(0);
        let found: Vec<_> = differences.iter().filter(differs).collect();
        assert!(
            found.is_empty(),
            "a second full run finds {found:?}: {run:#}"
        );
    }

    /// A full run over everything without an error, from its start to its end. Returns its item in
    /// the ledger.
    async fn full_run(&self) -> Value {
        let started_at = Timestamp::from(self.world.aws.now());
        let mut reports = Vec::new();
        for _ in 0..RUNS_MAX {
            // What changed a moment ago is shown by then.
            sleep(Duration::from_mins(2)).await;
            let payload = reconcile("full");
            reports.push(self.lambda.deliver(Function::Indexer, payload).await);
            self.settle().await;
            let items = self.world.aws.items(LEDGER);
            let mut items = items.into_iter();
            let run = items.find(|item| item["rotationId"] == "index" && item["entry"] == "run");
            let is_done = |run: &Value| {
                run["request"]["mode"] == "full"
                    && run.get("finishedAt").is_some()
                    && time(&run["startedAt"]) >= started_at
            };
            if let Some(run) = run.filter(is_done) {
                if run["errorCount"] == 0 {
                    return run;
                }
                assert!(
                    self.is_ever_disturbed,
                    "a calm full run has errors: {run:#}"
                );
            }
            if has_panicked() {
                return Value::Null;
            }
        }
        panic!("no full run has finished in {RUNS_MAX} tries without a fault: {reports:#?}");
    }

    /// 4. Asking again for what is finished writes nothing to EKS.
    async fn repeat(&self, events: &[Value]) {
        let updates = || {
            let counts = self.world.aws.call_counts();
            let mut counts = counts.into_iter();
            let update = |((_, name), _): &((_, String), usize)| name.starts_with("UpdatePod");
            counts.find(update).map(|(_, count)| count)
        };
        let before = updates();
        for event in events {
            self.lambda.deliver(Function::Rotate, event.clone()).await;
        }
        self.settle().await;
        assert_eq!(before, updates(), "guarantee 4: a repeat has written");
    }
}

/// Whether the item is that of the stack, and the stack is frozen.
fn is_frozen_stack(item: &Value) -> bool {
    item["entry"] == "stack" && item.get("frozenAt").is_some()
}

/// Every rotation that waits for no operator is finished soon after the last fault.
fn end_in_time(evidence: &Evidence, calm_since: SystemTime, within: Duration) {
    for rotation in &evidence.rotations {
        let finished_at = rotation.finished_at().expect("nothing is open");
        let after = finished_at.since(Timestamp::from(calm_since));
        assert!(
            after <= within,
            "{} ended {after:?} after the last fault",
            rotation.key
        );
    }
}

/// Whether executions may not be started when they should.
fn starts_fail(history: &History) -> bool {
    let is_start = |at: &CallOf| at.operation == "StartExecution";
    history.faults.iter().any(|fault| match fault {
        Fault::Outage { service, .. } => *service == ServiceName::StepFunctions,
        Fault::Call { at, .. } | Fault::Death { at, .. } | Fault::Freeze { at, .. } => is_start(at),
        Fault::Dip { .. } => false,
    })
}

/// Whether nothing has failed for good, so that an operator has nothing to do.
fn is_unattended(counts: &Counts) -> bool {
    let needs_operator = |name: &&String| {
        name.ends_with("dead-lettered")
            || name.starts_with("execution failed")
            || *name == "CloudTrail event lost"
    };
    !counts.keys().any(|name| needs_operator(&name))
}

/// Whether the indexer is told of every change: the index was complete at first, and no add-on
/// moved an association.
fn is_followed(history: &History) -> bool {
    let is_unseen = |step: &Step| matches!(step.action, Action::MoveByAddon(..) | Action::Adopt(_));
    !history.quirks.contains(&Quirk::EmptyIndex) && !history.steps.iter().any(is_unseen)
}

/// Whether calls of DynamoDB may fail for good because of this.
fn disturbs_dynamodb(quirk: &Quirk) -> bool {
    matches!(
        quirk,
        Quirk::DynamoDbThrottles(_) | Quirk::TransactionConflicts(_) | Quirk::Latency(_)
    )
}
