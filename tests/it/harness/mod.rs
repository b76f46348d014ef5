//! The harness of one test: a simulated AWS with associations in it, and the handlers of both
//! functions. This file sets up AWS and delivers to the handlers; `faults.rs` injects faults, and
//! `inspect.rs` reads the result.

mod faults;
mod inspect;
mod state_machine;

pub use crate::common::environment::{
    INDEX, LEDGER, NEW, OLD, STATE_MACHINE, THIRD, TIMEOUT, rules,
};
pub use crate::common::events::{command_event, event, rotation_event, stalled_check_event};
pub use faults::{error, is_close, is_describe, is_lease_write, is_update};
pub use inspect::timestamp;

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rerole::aws::Aws;
use rerole::indexer::error::IndexerError;
use rerole::indexer::handler::IndexerHandler;
use rerole::indexer::response::IndexerResponse;
use rerole::lambda::invocation::Invocation;
use rerole::lambda::metrics::Metrics;
use rerole::publisher::handler::PublisherHandler;
use rerole::rotate::error::RotateError;
use rerole::rotate::handler::RotateHandler;
use rerole::rotate::response::RotateResponse;
use rerole::settings::PublisherSettings;
use rerole_core::resource::OwnAccount;
use rerole_core::timestamp::Timestamp;
use rerole_sim::fleet::{Fleet, FleetSummary};
use rerole_sim::{Options, SimulatedAws};
use serde_json::{Value, json};

use crate::common::environment::{
    BUS, FUNCTION_ARN, REGIONS, indexer_settings, publisher_settings, rotate_settings, settings,
};
use crate::common::grants::check_granted;
use crate::common::liveness::check_liveness;
use crate::conditions::writes;

/// The ID of every invocation.
pub const REQUEST_ID: &str = "7c7b9b4e-6c2a-4a8f-9d0a-2f1f5b1d9e11";

pub struct Harness {
    pub aws: SimulatedAws,
    pub rotate: RotateHandler,
    pub indexer: IndexerHandler,
    /// The lines of metrics that the handlers wrote.
    metrics: Lines,
}

/// Lines in the order in which they were written, shared with the writers.
type Lines = Arc<Mutex<Vec<String>>>;

impl Harness {
    /// An AWS with empty tables, and handlers that call it. Call it under paused time.
    pub fn new(options: Options) -> Self {
        Self::with_settings(options, &[])
    }

    /// As [`Harness::new`], with environment variables on top of the usual ones.
    pub fn with_settings(options: Options, variables: &[(&str, &str)]) -> Self {
        // Seeds the jitter of the SDK and of rerole.
        fastrand::seed(options.seed);
        let aws = SimulatedAws::new(options);
        aws.create_tables(INDEX, LEDGER);
        // As after a full run over both regions.
        aws.complete_index(LEDGER, &REGIONS);
        aws.create_event_bus(BUS);
        let metrics = Lines::default();
        let rotate = build_rotate_handler(&aws, variables, metrics.clone());
        let indexer = build_indexer_handler(&aws, variables, metrics.clone());
        Self {
            aws,
            rotate,
            indexer,
            metrics,
        }
    }

    /// Deploys the function that rotates again, with other environment variables.
    pub fn redeploy_rotate(&mut self, variables: &[(&str, &str)]) {
        self.rotate = build_rotate_handler(&self.aws, variables, self.metrics.clone());
    }

    /// As [`Harness::new`], with a state machine that the functions can start.
    pub fn with_state_machine(options: Options) -> Self {
        let harness = Self::with_settings(options, &[("STATE_MACHINE_ARN", STATE_MACHINE)]);
        harness.aws.create_state_machine(STATE_MACHINE);
        harness
    }

    /// An AWS without faults, with `count` associations on the old role in two clusters and
    /// regions.
    pub fn calm(count: usize) -> Self {
        let harness = Self::new(Options::default());
        harness.fleet(count);
        harness
    }

    /// As [`Harness::calm`], with all associations in one region.
    pub fn calm_region(count: usize) -> Self {
        let harness = Self::new(Options::default());
        harness.build(&Fleet {
            rotating: count,
            associations: count + 5,
            regions: vec!["us-east-1".to_owned()],
            ..Fleet::default()
        });
        harness
    }

    /// Adds a fleet with `count` associations on the old role and a few on other roles.
    pub fn fleet(&self, count: usize) -> FleetSummary {
        self.build(&Fleet {
            rotating: count,
            associations: count + 5,
            ..Fleet::default()
        })
    }

    /// Adds this fleet, in two clusters and with the roles of the tests.
    pub fn build(&self, fleet: &Fleet) -> FleetSummary {
        let fleet = Fleet {
            clusters: 2,
            old_role: OLD.to_owned(),
            new_role: NEW.to_owned(),
            ..fleet.clone()
        };
        fleet.build(&self.aws, INDEX)
    }

    /// Adds an association in region `us-east-1`, cluster `edge`, and its index item. Returns its
    /// ARN.
    pub fn associate(&self, service_account: &str, role: &str) -> String {
        let arn = self.aws.eks(|eks| {
            if eks.clusters().all(|cluster| cluster.name != "edge") {
                eks.create_cluster("us-east-1", "edge");
            }
            eks.associate("us-east-1", "edge", "tools", service_account, role)
        });
        self.aws.index_association(INDEX, &arn);
        arn
    }

    /// As [`Harness::associate`], with a target role.
    pub fn associate_chained(&self, service_account: &str, role: &str, target: &str) -> String {
        let arn = self.associate(service_account, role);
        self.aws.eks(|eks| eks.set_target_role(&arn, Some(target)));
        self.aws.index_association(INDEX, &arn);
        arn
    }

    /// Sets the association's role as another actor does, without a call.
    pub fn set_role(&self, arn: &str, role: &str) {
        let now = self.aws.now();
        self.aws.eks(|eks| eks.set_role(arn, role, now));
    }

    /// Empties the index, as before its first run.
    pub fn empty_index(&self) {
        for region in REGIONS {
            let entry = format!("region#{region}");
            let key = json!({ "rotationId": "index", "entry": entry });
            self.aws.delete_item(LEDGER, key);
        }
        for item in self.aws.items(INDEX) {
            let key = json!({
                "clusterArn": item["clusterArn"],
                "associationId": item["associationId"],
            });
            self.aws.delete_item(INDEX, key);
        }
    }

    pub async fn deliver(&self, event: &Value) -> Result<RotateResponse, RotateError> {
        self.deliver_within(event, TIMEOUT).await
    }

    /// Delivers the event to a rotate function that has `timeout` left.
    pub async fn deliver_within(
        &self,
        event: &Value,
        timeout: Duration,
    ) -> Result<RotateResponse, RotateError> {
        self.run_rotate(&self.rotate, event, &self.invocation(timeout))
            .await
    }

    /// Delivers the event to this handler, and checks that it was not slow if it succeeds.
    pub async fn run_rotate(
        &self,
        handler: &RotateHandler,
        event: &Value,
        invocation: &Invocation,
    ) -> Result<RotateResponse, RotateError> {
        let from = self.aws.now();
        let response = handler.handle(event, invocation).await;
        if response.is_ok() {
            check_liveness(&self.aws, from);
        }
        response
    }

    /// Sends a command about rotation `r-1`, with the members of `detail` set, and returns the
    /// response as JSON. The event has an ID of its own, and is as old as the call.
    pub async fn command(&self, name: &str, detail: Value) -> Value {
        let response = self.deliver(&self.new_command(name, &detail)).await;
        serde_json::to_value(response.unwrap_or_else(|error| panic!("{error}"))).unwrap()
    }

    /// The event of a command that is sent now.
    pub fn new_command(&self, name: &str, detail: &Value) -> Value {
        let now = Timestamp::from(self.aws.now());
        let mut event = command_event(name, detail);
        event["id"] = json!(format!("{name}-{}", now.as_millis()));
        event["time"] = json!(now);
        event
    }

    /// Delivers the event to a handler that crashes at the first frozen call: its future is dropped
    /// there.
    pub async fn deliver_and_crash(&self, event: &Value) {
        tokio::select! {
            response = self.deliver(event) => panic!("the handler did not crash: {response:?}"),
            () = self.aws.wait_for_frozen_call() => {}
        }
        self.aws.clear_hook();
    }

    /// Polls an owner of the lease until one of its calls freezes, and then not at all for a
    /// minute, as Lambda freezes a sandbox. Another invocation can acquire the lease in that time.
    pub async fn freeze_owner<T: Debug>(&self, owner: Pin<&mut impl Future<Output = T>>) {
        tokio::select! {
            response = owner => panic!("no call of the owner froze: {response:?}"),
            () = self.aws.wait_for_frozen_call() => {}
        }
        tokio::time::sleep(Duration::from_mins(1)).await;
        self.aws.clear_hook();
    }

    /// The AWS clients of the `rotate` function, for tests without a handler.
    pub fn clients(&self) -> Aws {
        let settings = settings(&[]);
        Aws::new(&settings, self.aws.http_client(), self.aws.time_source())
    }

    /// As [`Harness::clients`], of the `indexer` function.
    pub fn indexer_clients(&self) -> Aws {
        let settings = indexer_settings(&[]).common;
        Aws::new(&settings, self.aws.http_client(), self.aws.time_source())
    }

    /// An indexer with environment variables on top of the usual ones.
    pub fn another_indexer(&self, variables: &[(&str, &str)]) -> IndexerHandler {
        build_indexer_handler(&self.aws, variables, self.metrics.clone())
    }

    /// The publisher.
    pub fn publisher(&self) -> PublisherHandler {
        self.publisher_with(&publisher_settings())
    }

    /// The publisher with other settings.
    pub fn publisher_with(&self, settings: &PublisherSettings) -> PublisherHandler {
        let function_name = settings.clients.function_name.clone();
        let metrics = metrics_into(self.metrics.clone(), function_name);
        let (http_client, clock) = (self.aws.http_client(), self.aws.time_source());
        PublisherHandler::new(settings, http_client, clock, metrics)
    }

    /// An invocation that has `timeout` left.
    pub fn invocation(&self, timeout: Duration) -> Invocation {
        Invocation {
            request_id: REQUEST_ID.to_owned(),
            own_account: OwnAccount::of_function(FUNCTION_ARN),
            deadline: Timestamp::from(self.aws.now()) + timeout,
        }
    }

    /// Delivers the event and expects the rotation to finish. Returns the response as JSON.
    pub async fn finish(&self, event: &Value) -> Value {
        let response = self
            .deliver(event)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        assert!(
            matches!(response, RotateResponse::Finished(_)),
            "{response:?}"
        );
        serde_json::to_value(response).unwrap()
    }

    /// Invokes the indexer.
    pub async fn invoke_indexer(
        &self,
        payload: Value,
        timeout: Duration,
    ) -> Result<IndexerResponse, IndexerError> {
        self.run_indexer(&self.indexer, payload, &self.invocation(timeout))
            .await
    }

    /// Invokes this indexer, and checks that it was not slow if it succeeds.
    pub async fn run_indexer(
        &self,
        handler: &IndexerHandler,
        payload: Value,
        invocation: &Invocation,
    ) -> Result<IndexerResponse, IndexerError> {
        let from = self.aws.now();
        let response = handler.handle(payload, invocation).await;
        if response.is_ok() {
            check_liveness(&self.aws, from);
        }
        response
    }

    /// Reconciles, and returns the report as JSON.
    pub async fn reconcile(&self, mode: &str) -> Value {
        self.reconcile_within(&json!({ "mode": mode }), TIMEOUT)
            .await
    }

    pub async fn reconcile_within(&self, reconcile: &Value, timeout: Duration) -> Value {
        let response = self
            .invoke_indexer(json!({ "reconcile": reconcile }), timeout)
            .await;
        serde_json::to_value(response.unwrap_or_else(|error| panic!("{error}"))).unwrap()
    }

    /// Delivers these events to the indexer as one batch of messages. Returns the positions of
    /// those that failed.
    pub async fn follow(&self, events: &[Value]) -> Vec<usize> {
        let message = |(position, event): (usize, &Value)| {
            let message_id = position.to_string();
            json!({ "messageId": message_id, "body": event.to_string() })
        };
        let records: Vec<_> = events.iter().enumerate().map(message).collect();
        let response = self
            .invoke_indexer(json!({ "Records": records }), TIMEOUT)
            .await;
        let response = response.unwrap_or_else(|error| panic!("{error}"));
        let response = serde_json::to_value(response).unwrap();
        let failures = response["batchItemFailures"].as_array().unwrap().iter();
        let position =
            |failure: &Value| failure["itemIdentifier"].as_str().unwrap().parse().unwrap();
        failures.map(position).collect()
    }
}

impl Drop for Harness {
    /// In every test, the functions make only calls that the template grants them, and write only
    /// under conditions that have cases.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let calls = self.aws.calls();
            check_granted(&calls);
            writes::check_listed(&calls);
        }
    }
}

/// Another instance of the rotate function, as in a second sandbox.
pub fn rotate_handler(aws: &SimulatedAws) -> RotateHandler {
    build_rotate_handler(aws, &[], Lines::default())
}

/// Another instance of the indexer.
pub fn indexer_handler(aws: &SimulatedAws) -> IndexerHandler {
    build_indexer_handler(aws, &[], Lines::default())
}

/// An EKS whose Describes and lists show the state of up to `lag` ago.
pub fn lagging(lag: Duration) -> Options {
    Options {
        describe_lag: Duration::ZERO..=lag,
        list_lag: Duration::ZERO..=lag,
        ..Options::default()
    }
}

/// Runs the body of a test in its own virtual time, so a table of cases can have a harness for
/// each row.
pub fn in_virtual_time<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(test)
}

fn build_rotate_handler(
    aws: &SimulatedAws,
    variables: &[(&str, &str)],
    metrics: Lines,
) -> RotateHandler {
    let settings = rotate_settings(variables);
    let metrics = metrics_into(metrics, settings.common.clients.function_name.clone());
    RotateHandler::new(&settings, aws.http_client(), aws.time_source(), metrics)
}

fn build_indexer_handler(
    aws: &SimulatedAws,
    variables: &[(&str, &str)],
    metrics: Lines,
) -> IndexerHandler {
    let settings = indexer_settings(variables);
    let metrics = metrics_into(metrics, settings.common.clients.function_name.clone());
    IndexerHandler::new(&settings, aws.http_client(), aws.time_source(), metrics)
}

/// Metrics of this function that are kept as lines.
fn metrics_into(lines: Lines, function_name: String) -> Metrics {
    Metrics::new(function_name, move |line| lines.lock().unwrap().push(line))
}
