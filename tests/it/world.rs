//! A world for one test: a simulated AWS with a fleet in it, the handler under test, and short ways to look at both.

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use rerole::handler::{Handler, HandlerError, Invocation};
use rerole::index::handler::{IndexError, IndexHandler, IndexReply};
use rerole::metrics::Metrics;
use rerole::record::Reply;
use rerole::settings::{IndexSettings, RotateSettings, Settings};
use rerole::time::Timestamp;
use rerole_sim::fleet::{Fleet, FleetSummary};
use rerole_sim::{Association, CallRecord, Options, Service, SimulatedAws, index_item};
use serde_json::{Value, json};

use crate::permissions;

pub const INDEX: &str = "association-index";
pub const LEDGER: &str = "rotation-ledger";
pub const OLD: &str = "arn:aws:iam::111122223333:role/platform/app-2025";
pub const NEW: &str = "arn:aws:iam::111122223333:role/platform/app-2026";
pub const THIRD: &str = "arn:aws:iam::111122223333:role/platform/by-hand";
/// The state machine, where a world has one.
pub const MACHINE: &str = "arn:aws:states:us-east-1:111122223333:stateMachine:rerole-slices";
/// Sign the calls of the two functions.
pub const ACCESS_KEY: &str = "rotate-function";
pub const INDEX_ACCESS_KEY: &str = "index-function";
/// Lambda's longest timeout.
pub const TIMEOUT: Duration = Duration::from_mins(15);

pub struct World {
    pub aws: SimulatedAws,
    pub handler: Handler,
    pub index: IndexHandler,
    /// What the handlers have written of metrics.
    metrics: Lines,
}

/// Lines as they were written, shared with whoever writes.
type Lines = Arc<Mutex<Vec<String>>>;

impl World {
    /// An AWS with empty tables, and a handler that talks to it. Must be called under paused time.
    pub fn new(options: Options) -> Self {
        Self::with_settings(options, &[])
    }

    /// As [`World::new`], with environment variables on top of the usual ones.
    pub fn with_settings(options: Options, variables: &[(&str, &str)]) -> Self {
        // The SDK's jitter and ours come from this generator.
        fastrand::seed(options.seed);
        let aws = SimulatedAws::new(options);
        aws.create_tables(INDEX, LEDGER);
        let metrics = Lines::default();
        let handler = handler_with(&aws, variables, metrics.clone());
        let index = index_with(&aws, variables, metrics.clone());
        Self { aws, handler, index, metrics }
    }

    /// As [`World::new`], with a state machine to hand over to.
    pub fn in_slices(options: Options) -> Self {
        let world = Self::with_settings(options, &[("CONTINUATION_STATE_MACHINE_ARN", MACHINE)]);
        world.aws.create_state_machine(MACHINE);
        world
    }

    /// A calm world with `count` associations on the old role, in two clusters and regions.
    pub fn calm(count: usize) -> Self {
        let world = Self::new(Options::default());
        world.fleet(count);
        world
    }

    /// Adds a fleet with `count` associations on the old role, and a few on others.
    pub fn fleet(&self, count: usize) -> FleetSummary {
        self.build(&Fleet { rotating: count, associations: count + 5, ..Fleet::default() })
    }

    /// Adds this fleet, on this test's roles.
    pub fn build(&self, fleet: &Fleet) -> FleetSummary {
        let fleet = Fleet { clusters: 2, old_role: OLD.to_owned(), new_role: NEW.to_owned(), ..fleet.clone() };
        fleet.build(&self.aws, INDEX)
    }

    /// Adds an association in region `us-east-1`, cluster `edge`, and its index item.
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

    pub async fn deliver(&self, event: &Value) -> Result<Reply, HandlerError> {
        self.deliver_within(event, TIMEOUT).await
    }

    /// Delivers the event to a function that has `timeout` left.
    pub async fn deliver_within(&self, event: &Value, timeout: Duration) -> Result<Reply, HandlerError> {
        self.handler.handle(event, &self.invocation(timeout)).await
    }

    /// Delivers to a handler that dies at the first frozen call: its future is dropped there.
    pub async fn deliver_and_die(&self, event: &Value) {
        tokio::select! {
            reply = self.deliver(event) => panic!("the handler did not die: {reply:?}"),
            () = self.aws.frozen() => {}
        }
        self.aws.clear_hook();
    }

    /// Lets a holder of the lease work until one of its calls is frozen, and then leaves it alone for a minute, as a
    /// sandbox that is frozen: another can have the lease by then.
    pub async fn cut_off<T: Debug>(&self, holder: Pin<&mut impl Future<Output = T>>) {
        tokio::select! {
            reply = holder => panic!("the holder was not cut off: {reply:?}"),
            () = self.aws.frozen() => {}
        }
        tokio::time::sleep(Duration::from_mins(1)).await;
        self.aws.clear_hook();
    }

    pub fn invocation(&self, timeout: Duration) -> Invocation {
        Invocation { own_account: Some("111122223333".to_owned()), deadline: Timestamp::from(self.aws.now()) + timeout }
    }

    /// Delivers and expects the rotation's end, as JSON.
    pub async fn finish(&self, event: &Value) -> Value {
        let reply = self.deliver(event).await.unwrap_or_else(|error| panic!("{error}"));
        assert!(matches!(reply, Reply::Finished(_)), "{reply:?}");
        serde_json::to_value(reply).unwrap()
    }

    /// Invokes the index function.
    pub async fn invoke_index(&self, payload: Value, timeout: Duration) -> Result<IndexReply, IndexError> {
        self.index.handle(payload, &self.invocation(timeout)).await
    }

    /// Reconciles, and returns the report as JSON.
    pub async fn reconcile(&self, mode: &str) -> Value {
        self.reconcile_within(&json!({ "mode": mode }), TIMEOUT).await
    }

    pub async fn reconcile_within(&self, reconcile: &Value, timeout: Duration) -> Value {
        let reply = self.invoke_index(json!({ "reconcile": reconcile }), timeout).await;
        serde_json::to_value(reply.unwrap_or_else(|error| panic!("{error}"))).unwrap()
    }

    /// Hands these events to the index function, as one batch of messages. Returns the places of those that failed.
    pub async fn follow(&self, events: &[Value]) -> Vec<usize> {
        let message =
            |(place, event): (usize, &Value)| json!({ "messageId": place.to_string(), "body": event.to_string() });
        let records: Vec<_> = events.iter().enumerate().map(message).collect();
        let reply = self.invoke_index(json!({ "Records": records }), TIMEOUT).await;
        let reply = serde_json::to_value(reply.unwrap_or_else(|error| panic!("{error}"))).unwrap();
        let failures = reply["batchItemFailures"].as_array().unwrap().iter();
        failures.map(|failure| failure["itemIdentifier"].as_str().unwrap().parse().unwrap()).collect()
    }

    /// Empties the index.
    pub fn forget_index(&self) {
        for item in self.aws.items(INDEX) {
            let key = json!({ "clusterArn": item["clusterArn"], "associationId": item["associationId"] });
            self.aws.delete_item(INDEX, key);
        }
    }

    /// Checks that the index holds exactly what EKS has.
    pub fn check_index(&self) {
        let items = self.aws.items(INDEX).into_iter().filter(|item| item.get("roleArn").is_some());
        let mut held: Vec<_> = items
            .map(|mut item| {
                item.as_object_mut().unwrap().remove("seenAt");
                item
            })
            .collect();
        let mut shown: Vec<_> = self.aws.eks(|eks| {
            let item = |association: &Association| {
                let mut item = index_item(association, SystemTime::UNIX_EPOCH);
                item.as_object_mut().unwrap().remove("seenAt");
                item
            };
            eks.associations().map(item).collect()
        });
        let by_arn = |item: &Value| item["associationArn"].to_string();
        held.sort_by_key(by_arn);
        shown.sort_by_key(by_arn);
        assert_eq!(held, shown, "the index is not what EKS has");
    }

    /// The metrics that were written, one object a line, in order.
    pub fn metrics(&self) -> Vec<Value> {
        self.metrics.lock().unwrap().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The rotation's own item.
    pub fn rotation(&self, key: &str) -> Value {
        self.ledger_item(key, "rotation").unwrap_or_else(|| panic!("no rotation {key}"))
    }

    pub fn ledger_item(&self, key: &str, entry: &str) -> Option<Value> {
        self.aws.items(LEDGER).into_iter().find(|item| item["rotationId"] == key && item["entry"] == entry)
    }

    /// The rows of a rotation.
    pub fn rows(&self, key: &str) -> Vec<Value> {
        let is_row = |item: &Value| item["rotationId"] == key && item.get("associationArn").is_some();
        self.aws.items(LEDGER).into_iter().filter(is_row).collect()
    }

    pub fn row(&self, key: &str, arn: &str) -> Value {
        self.rows(key).into_iter().find(|row| row["associationArn"] == arn).unwrap_or_else(|| panic!("no row {arn}"))
    }

    /// How many rows of the rotation have this outcome.
    pub fn count(&self, key: &str, outcome: &str) -> usize {
        self.rows(key).iter().filter(|row| row["outcome"] == outcome).count()
    }

    /// The association's item, where the index holds it to be there.
    pub fn index_item(&self, arn: &str) -> Option<Value> {
        self.index_entry(arn).filter(|item| item.get("deletedAt").is_none())
    }

    /// The association's item, or its tombstone.
    pub fn index_entry(&self, arn: &str) -> Option<Value> {
        self.aws.items(INDEX).into_iter().find(|item| item["associationArn"] == arn)
    }

    pub fn role_of(&self, arn: &str) -> Option<String> {
        self.aws.eks(|eks| eks.association(arn).map(|association| association.role_arn.clone()))
    }

    pub fn set_role(&self, arn: &str, role: &str) {
        let now = self.aws.now();
        self.aws.eks(|eks| eks.set_role(arn, role, now));
    }

    /// Calls of this operation so far, in order.
    pub fn calls(&self, operation: &str) -> Vec<CallRecord> {
        self.aws.calls().into_iter().filter(|record| record.call.operation == operation).collect()
    }

    pub fn updates(&self) -> Vec<CallRecord> {
        self.calls("UpdatePodIdentityAssociation")
    }

    pub fn call_count(&self, service: Service) -> usize {
        self.aws.call_counts().iter().filter(|((of, _), _)| *of == service).map(|(_, count)| count).sum()
    }
}

impl Drop for World {
    /// Whatever a test was about, its calls were calls that the deployed function may make.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            permissions::check(&self.aws.calls());
        }
    }
}

/// Another instance of the function, as a second sandbox would be.
pub fn handler(aws: &SimulatedAws, variables: &[(&str, &str)]) -> Handler {
    handler_with(aws, variables, Lines::default())
}

fn handler_with(aws: &SimulatedAws, variables: &[(&str, &str)], metrics: Lines) -> Handler {
    let settings = rotate_settings(variables);
    let metrics = Metrics::new(settings.common.function_name.clone(), move |line| metrics.lock().unwrap().push(line));
    Handler::new(&settings, aws.http_client(), aws.time_source(), metrics)
}

fn index_with(aws: &SimulatedAws, variables: &[(&str, &str)], metrics: Lines) -> IndexHandler {
    let settings = IndexSettings::from_lookup(|name| {
        if name == "AWS_ACCESS_KEY_ID" { Some(INDEX_ACCESS_KEY.to_owned()) } else { lookup(variables)(name) }
    });
    let settings = settings.unwrap();
    let metrics = Metrics::new(settings.common.function_name.clone(), move |line| metrics.lock().unwrap().push(line));
    IndexHandler::new(&settings, aws.http_client(), aws.time_source(), metrics)
}

/// Another instance of the index function.
pub fn index_handler(aws: &SimulatedAws) -> IndexHandler {
    index_with(aws, &[], Lines::default())
}

/// The usual settings, with these environment variables on top.
pub fn settings(variables: &[(&str, &str)]) -> Settings {
    rotate_settings(variables).common
}

fn rotate_settings(variables: &[(&str, &str)]) -> RotateSettings {
    RotateSettings::from_lookup(lookup(variables)).unwrap()
}

/// An environment: the usual variables, with these on top.
pub fn lookup<'a>(variables: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
    let usual = [
        ("ASSOCIATION_INDEX_TABLE", INDEX),
        ("ROTATION_LEDGER_TABLE", LEDGER),
        ("ROLE_PATH", "/platform/"),
        ("INDEX_REGIONS", "eu-west-1,us-east-1"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    move |name| {
        let value =
            |pairs: &[(&str, &str)]| pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        value(variables).or_else(|| value(&usual))
    }
}

/// The event that asks for rotation `r-1`, with these members in its detail.
pub fn event(detail: &Value) -> Value {
    let mut event = json!({
        "version": "0",
        "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "detail-type": "Role Rotation Requested",
        "source": "platform.iam",
        "account": "111122223333",
        "time": "2026-11-23T21:00:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail": { "rotationId": "r-1", "oldRoleArn": OLD, "newRoleArn": NEW },
    });
    for (name, value) in detail.as_object().unwrap() {
        event["detail"][name] = value.clone();
    }
    event
}

/// The event without anything special.
pub fn plain() -> Value {
    event(&json!({}))
}

/// Runs what would be one test, so that a table can have a world for each row. Virtual time starts anew.
pub fn in_virtual_time<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(test)
}
