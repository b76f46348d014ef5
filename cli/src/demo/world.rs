//! The demonstration's world: a simulated AWS with a fleet in it, on loopback, and the real handler that talks to it over
//! HTTP with the client that ships.
//!
//! Nothing here reads the environment: a proxy or an AWS profile of whoever runs the demonstration must not get into it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::{Duration, Instant, SystemTime};

use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use rerole::aws::tls::http_client;
use rerole::handler::{Handler, HandlerError, Invocation};
use rerole::intake::{Intake, read};
use rerole::metrics::Metrics;
use rerole::record::{Reply, Summary};
use rerole::request::RotationRequest;
use rerole::settings::{RotateSettings, SettingsError};
use rerole::time::Timestamp;
use rerole_sim::fleet::{Fleet, FleetSummary};
use rerole_sim::{Association, Call, Fault, LoopbackServer, Options, Service, SimulatedAws, Throttle};
use serde_json::Value;

use super::evidence::{Evidence, LedgerRow};
use crate::args::DemoPlan;

/// The event that is delivered, and where it stands in the repository.
const EVENT: &str = include_str!("../../../events/role-rotation-requested.json");
pub const EVENT_FILE: &str = "events/role-rotation-requested.json";
/// The tables' names in the contract.
pub const INDEX_TABLE: &str = "AssociationIndex";
pub const LEDGER_TABLE: &str = "RotationLedger";
/// Where the function and its tables are.
pub const REGION: &str = "us-east-1";
/// Good for nothing: the simulation checks no signature.
pub const CREDENTIAL: &str = "demo";
/// The stack's own account, from which the event has to come.
const ACCOUNT: &str = "111122223333";
/// The event's roles are under this path.
const ROLE_PATH: &str = "/platform/";
/// A tenth of what AWS takes, so that nobody waits.
const LATENCY: std::ops::RangeInclusive<Duration> = Duration::from_millis(2)..=Duration::from_millis(12);
/// Lambda's longest timeout.
const TIMEOUT: Duration = Duration::from_mins(15);
/// Lambda delivers an asynchronous event once, and after errors twice more.
const DELIVERIES_MAX: u32 = 3;
/// What EKS answers where `--fail` asks for it: a definitive no.
const REFUSAL_CODE: &str = "InvalidRequestException";

/// Why the demonstration could not be carried through. A check that fails is no error: it is the demonstration's result.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error("listen on port {port} of 127.0.0.1: {error}; choose another with --port, or leave the flag out")]
    Listen { port: u16, error: io::Error },
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("set up the HTTP client: {0}")]
    HttpClient(String),
    #[error("{EVENT_FILE} {0}")]
    Event(String),
    #[error("delivery {number} of {EVENT_FILE}: {error}")]
    Delivery { number: u32, error: Box<HandlerError> },
    #[error("the ledger holds a row that cannot be read: {0}")]
    Row(serde_json::Error),
    #[error("write to standard output: {0}")]
    Output(io::Error),
    #[error("start the runtime, or listen for signals: {0}")]
    Process(io::Error),
}

/// The simulated AWS, the handler, and what is known of the fleet.
pub struct World {
    pub aws: SimulatedAws,
    pub fleet: FleetSummary,
    pub request: RotationRequest,
    /// Each association as it was before the first delivery.
    pub before: BTreeMap<String, Association>,
    /// The associations whose update EKS refuses.
    pub refused: BTreeSet<String>,
    server: LoopbackServer,
    handler: Handler,
    payload: Value,
}

/// What one event came to, its redeliveries included.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub summary: Summary,
    /// How often the event had to be delivered until the rotation was at its end.
    pub deliveries: u32,
    pub took: Duration,
    /// Calls that arrived at the simulation meanwhile.
    pub calls: BTreeMap<(Service, String), usize>,
    /// How many of them EKS throttled; known where a throttle was asked for.
    pub throttled: Option<usize>,
}

impl World {
    /// Starts the simulated AWS, builds the fleet in it, and makes the handler. No event is delivered yet.
    ///
    /// # Errors
    /// Where the port is taken.
    pub async fn start(plan: &DemoPlan) -> Result<Self, DemoError> {
        let (payload, request) = event()?;
        let aws = SimulatedAws::new(options(plan));
        aws.create_tables(INDEX_TABLE, LEDGER_TABLE);
        let fleet = Fleet {
            seed: plan.seed,
            clusters: plan.clusters,
            associations: plan.associations,
            rotating: plan.rotating,
            drifted: plan.drifted,
            owned_by_addon: plan.owned_by_addon,
            old_role: request.old_role_arn.to_string(),
            new_role: request.new_role_arn.to_string(),
            ..Fleet::default()
        }
        .build(&aws, INDEX_TABLE);
        let refused: BTreeSet<String> = movable(&fleet).take(plan.refused).cloned().collect();
        refuse(&aws, &refused);
        let server = aws.serve_on(plan.port).await;
        let server = server.map_err(|error| DemoError::Listen { port: plan.port, error })?;
        let handler = handler(&server.url())?;
        let before = associations(&aws);
        Ok(Self { aws, fleet, request, before, refused, server, handler, payload })
    }

    /// Where the simulated AWS listens.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// How many associations are to move, as far as anybody can know beforehand.
    pub fn to_move(&self) -> usize {
        movable(&self.fleet).count() - self.refused.len()
    }

    /// How many associations are on the new role by now.
    pub fn moved(&self) -> usize {
        self.aws.eks(|eks| eks.association_count_on(self.request.new_role_arn.as_str()))
    }

    /// Delivers the event, and again where the handler says that it has to be, as Lambda does.
    ///
    /// # Errors
    /// Where the rotation is not at its end after that.
    pub async fn deliver(&self) -> Result<Delivery, DemoError> {
        self.aws.clear_calls();
        let started = Instant::now();
        let mut number = 1;
        let reply = loop {
            let deadline = Timestamp::from(SystemTime::now()) + TIMEOUT;
            let invocation = Invocation { own_account: Some(ACCOUNT.to_owned()), deadline };
            match Box::pin(self.handler.handle(&self.payload, &invocation)).await {
                Ok(reply) => break reply,
                Err(HandlerError::Unfinished { .. }) if number < DELIVERIES_MAX => number += 1,
                Err(error) => return Err(DemoError::Delivery { number, error: Box::new(error) }),
            }
        };
        let Reply::Finished(summary) = reply else {
            return Err(DemoError::Event(format!("did not run: {reply:?}")));
        };
        let is_throttled = |status: Option<u16>| status == Some(429);
        let throttled = self.aws.calls().iter().filter(|record| is_throttled(record.status)).count();
        Ok(Delivery {
            summary: *summary,
            deliveries: number,
            took: started.elapsed(),
            calls: self.aws.call_counts(),
            throttled: self.aws.options().keep_log.then_some(throttled),
        })
    }

    /// Everything that the checks go by, as it is now.
    ///
    /// # Errors
    /// Where the ledger holds what is not a row.
    pub fn evidence(&self, first: &Delivery, second: &Delivery) -> Result<Evidence, DemoError> {
        let is_row =
            |item: &Value| item["rotationId"] == self.request.ledger_key() && item.get("associationArn").is_some();
        let items = self.aws.items(LEDGER_TABLE).into_iter().filter(is_row);
        let rows = items.map(serde_json::from_value).collect::<Result<Vec<LedgerRow>, _>>();
        Ok(Evidence {
            new_role: self.request.new_role_arn.to_string(),
            before: self.before.clone(),
            after: associations(&self.aws),
            rotating: self.fleet.rotating.iter().cloned().collect(),
            drifted: self.fleet.drifted.iter().cloned().collect(),
            owned_by_addon: self.fleet.owned_by_addon.iter().cloned().collect(),
            refused: self.refused.clone(),
            index: self.aws.items(INDEX_TABLE),
            rows: rows.map_err(DemoError::Row)?,
            first: first.summary.clone(),
            second: second.summary.clone(),
            second_eks_writes: second.eks_writes(),
        })
    }

    /// Takes the endpoints down.
    pub async fn stop(self) {
        self.server.shutdown().await;
    }
}

impl Delivery {
    /// Calls by which EKS could have been changed.
    pub fn eks_writes(&self) -> usize {
        let is_read = |operation: &str| operation.starts_with("Describe") || operation.starts_with("List");
        self.of(Service::Eks).filter(|(operation, _)| !is_read(operation)).map(|(_, count)| count).sum()
    }

    /// The operations of a service that were called, and how often.
    pub fn of(&self, service: Service) -> impl Iterator<Item = (&str, usize)> {
        let calls = self.calls.iter().filter(move |((of, _), _)| *of == service);
        calls.map(|((_, operation), count)| (operation.as_str(), *count))
    }
}

/// The event, as it stands in the repository, and the rotation that it asks for.
fn event() -> Result<(Value, RotationRequest), DemoError> {
    let payload = serde_json::from_str(EVENT).map_err(|error| DemoError::Event(error.to_string()))?;
    match read(&payload, Some(ACCOUNT), ROLE_PATH) {
        Intake::Rotate(request) => Ok((payload, *request)),
        other => Err(DemoError::Event(format!("asks for no rotation: {other:?}"))),
    }
}

fn options(plan: &DemoPlan) -> Options {
    Options {
        seed: plan.seed,
        account: ACCOUNT.to_owned(),
        // The handler goes by the machine's clock here, and leases compare the two.
        starts_at: SystemTime::now(),
        latency: LATENCY,
        throttle: plan.throttle.map(|rate_per_sec| Throttle { rate_per_sec, burst: 2.0 * rate_per_sec }),
        // The log tells how many calls were throttled; nothing else in it is needed.
        keep_log: plan.throttle.is_some(),
        ..Options::default()
    }
}

/// The rotating associations that nothing keeps from moving, in the order in which they were made.
fn movable(fleet: &FleetSummary) -> impl Iterator<Item = &String> {
    fleet.rotating.iter().filter(|arn| !fleet.drifted.contains(arn) && !fleet.owned_by_addon.contains(arn))
}

/// From now on EKS refuses to update these.
fn refuse(aws: &SimulatedAws, arns: &BTreeSet<String>) {
    let subjects: BTreeSet<String> = aws.eks(|eks| {
        let found = arns.iter().filter_map(|arn| eks.association(arn));
        found.map(|association| format!("{}/{}", association.cluster_name, association.association_id)).collect()
    });
    aws.on_call(move |call: &Call| {
        if call.operation != "UpdatePodIdentityAssociation" || !subjects.contains(&call.subject) {
            return Fault::None;
        }
        let message = "refused because the demonstration was asked to (--fail)".to_owned();
        Fault::Error { status: 400, code: REFUSAL_CODE.to_owned(), message }
    });
}

fn handler(url: &str) -> Result<Handler, DemoError> {
    let settings = RotateSettings::from_lookup(|name| {
        let value = match name {
            "ASSOCIATION_INDEX_TABLE" => INDEX_TABLE,
            "ROTATION_LEDGER_TABLE" => LEDGER_TABLE,
            "ROLE_PATH" => ROLE_PATH,
            "AWS_REGION" => REGION,
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => CREDENTIAL,
            "AWS_ENDPOINT_URL" => url,
            _ => return None,
        };
        Some(value.to_owned())
    })?;
    let client = http_client(&settings.common).map_err(|error| DemoError::HttpClient(error.to_string()))?;
    // A log that is read as it scrolls by has no use for them.
    let metrics = Metrics::new(settings.common.function_name.clone(), drop);
    Ok(Handler::new(&settings, client, SharedTimeSource::new(SystemTimeSource::new()), metrics))
}

fn associations(aws: &SimulatedAws) -> BTreeMap<String, Association> {
    aws.eks(|eks| eks.associations().map(|found| (found.association_arn.clone(), found.clone())).collect())
}
