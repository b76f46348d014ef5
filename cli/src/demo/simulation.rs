//! The simulated AWS with its fleet, on a loopback port, and the real handler, which calls it over
//! HTTP with the client that ships.
//!
//! Nothing here reads the environment: a proxy or an AWS profile of the user must not affect the
//! demo.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant, SystemTime};

use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use rerole::aws::http::http_client;
use rerole::lambda::invocation::Invocation;
use rerole::lambda::metrics::Metrics;
use rerole::rotate::error::RotateError;
use rerole::rotate::handler::RotateHandler;
use rerole::rotate::payload::{Payload, Task};
use rerole::rotate::response::RotateResponse;
use rerole::settings::{RotateSettings, SettingsError};
use rerole_core::keys::RotationKey;
use rerole_core::request::{RequestRules, RotationRequest};
use rerole_core::resource::OwnAccount;
use rerole_core::timestamp::Timestamp;
use rerole_sim::fleet::{Fleet, FleetSummary};
use rerole_sim::{Association, LoopbackServer, Options, SimulatedAws, Throttle};
use serde_json::Value;

use crate::demo::evidence::{Delivery, Evidence, LedgerRow};
use crate::demo::flags::DemoPlan;
use crate::refusals::{Refusals, refuse};
use crate::terminal::OutputError;

/// The event's file in the repository.
pub const EVENT_FILE: &str = "events/role-rotation-requested.json";
/// The documented names of the tables.
pub const INDEX_TABLE: &str = "AssociationIndex";
pub const LEDGER_TABLE: &str = "RotationLedger";
/// The region of the function and its tables.
pub const REGION: &str = "us-east-1";
/// The regions of the fleet, whose index is complete.
const REGIONS: [&str; 2] = ["eu-west-1", "us-east-1"];
/// Any value works: the simulation does not check signatures.
pub const CREDENTIAL: &str = "demo";
/// The event that is delivered.
const EVENT: &str = include_str!("../../../events/role-rotation-requested.json");
/// The stack's own account. The event has it too, because events of other accounts are rejected.
const ACCOUNT: &str = "111122223333";
/// The path of the event's roles.
const ROLE_PATH: &str = "/platform/";
const EVENT_SOURCE: &str = "platform.iam";
/// A tenth of what AWS takes, to keep the demo short.
const LATENCY: RangeInclusive<Duration> = Duration::from_millis(2)..=Duration::from_millis(12);
/// Lambda's longest timeout.
const TIMEOUT: Duration = Duration::from_mins(15);
/// Lambda delivers an asynchronous event once, and again up to two times after errors.
const DELIVERIES_MAX: u32 = 3;

/// Why the demo stopped before its checks. A failed check is not an error: it is a result.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error(
        "listen on port {port} of 127.0.0.1: {error}; choose another port with --port, or omit \
         --port"
    )]
    Listen { port: u16, error: io::Error },
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("set up the HTTP client: {0}")]
    HttpClient(String),
    #[error("handle {EVENT_FILE}: {0}")]
    Event(String),
    #[error("delivery {number} of {EVENT_FILE}: {error}")]
    Delivery {
        number: u32,
        error: Box<RotateError>,
    },
    #[error("read a row of the ledger: {0}")]
    Row(serde_json::Error),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("start the async runtime or listen for signals: {0}")]
    Process(io::Error),
}

/// The simulated AWS, the handler, and the fleet.
pub struct Simulation {
    pub aws: SimulatedAws,
    pub fleet: FleetSummary,
    pub request: RotationRequest,
    /// Each association before the first delivery, by ARN.
    pub before: BTreeMap<String, Association>,
    /// ARNs of the associations whose update EKS refuses.
    pub refused: BTreeSet<String>,
    server: LoopbackServer,
    handler: RotateHandler,
    payload: Value,
}

/// The two deliveries of the same event.
#[derive(Debug)]
pub struct Deliveries {
    pub first: Delivery,
    pub second: Delivery,
}

impl Simulation {
    /// Starts the simulated AWS, builds the fleet in it, and creates the handler. Delivers no
    /// event.
    ///
    /// # Errors
    /// If the port is in use.
    pub async fn start(plan: &DemoPlan) -> Result<Self, DemoError> {
        let (payload, request) = event(plan)?;
        let aws = SimulatedAws::new(options(plan));
        aws.create_tables(INDEX_TABLE, LEDGER_TABLE);
        aws.complete_index(LEDGER_TABLE, &REGIONS);
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
        refuse(&aws, &refused, Refusals::Always);
        let server = aws.serve_on(plan.port).await;
        let server = server.map_err(|error| DemoError::Listen {
            port: plan.port,
            error,
        })?;
        let handler = handler(&server.url())?;
        let before = associations(&aws);
        Ok(Self {
            aws,
            fleet,
            request,
            before,
            refused,
            server,
            handler,
            payload,
        })
    }

    /// The URL of the simulated AWS.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// How many associations must move.
    pub fn expected_moves(&self) -> usize {
        movable(&self.fleet).count() - self.refused.len()
    }

    /// How many associations are on the new role now.
    pub fn moved_count(&self) -> usize {
        self.aws
            .eks(|eks| eks.association_count_on(self.request.new_role_arn.as_str()))
    }

    /// Delivers the event, and again while the rotation is incomplete, as Lambda does after an
    /// error.
    ///
    /// # Errors
    /// If the rotation is not finished after the last delivery.
    pub async fn deliver(&self) -> Result<Delivery, DemoError> {
        self.aws.clear_calls();
        let started = Instant::now();
        let mut number = 1;
        let response = loop {
            let deadline = Timestamp::from(SystemTime::now()) + TIMEOUT;
            let invocation = Invocation {
                request_id: "7c7b9b4e-6c2a-4a8f-9d0a-2f1f5b1d9e11".to_owned(),
                own_account: Some(own_account()),
                deadline,
            };
            match Box::pin(self.handler.handle(&self.payload, &invocation)).await {
                Ok(response) => break response,
                Err(RotateError::Incomplete { .. }) if number < DELIVERIES_MAX => number += 1,
                Err(error) => {
                    return Err(DemoError::Delivery {
                        number,
                        error: Box::new(error),
                    });
                }
            }
        };
        let RotateResponse::Finished(summary) = response else {
            return Err(DemoError::Event(format!(
                "the rotation did not run: {response:?}"
            )));
        };
        let is_throttled = |status: Option<u16>| status == Some(429);
        let throttled = self
            .aws
            .calls()
            .iter()
            .filter(|record| is_throttled(record.status))
            .count();
        Ok(Delivery {
            summary: *summary,
            deliveries: number,
            took: started.elapsed(),
            calls: self.aws.call_counts(),
            throttled: self.aws.options().keep_log.then_some(throttled),
        })
    }

    /// Collects what the checks need.
    ///
    /// # Errors
    /// If a row of the ledger cannot be read.
    pub fn evidence(&self, deliveries: &Deliveries) -> Result<Evidence, DemoError> {
        let Deliveries { first, second } = deliveries;
        let is_row = |item: &Value| {
            item["rotationId"] == RotationKey::of(&self.request).to_string()
                && item.get("associationArn").is_some()
        };
        let items = self.aws.items(LEDGER_TABLE).into_iter().filter(is_row);
        let rows = items
            .map(serde_json::from_value)
            .collect::<Result<Vec<LedgerRow>, _>>();
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

    /// Shuts the endpoints down.
    pub async fn stop(self) {
        self.server.shutdown().await;
    }
}

fn own_account() -> OwnAccount {
    OwnAccount {
        partition: "aws".to_owned(),
        account: ACCOUNT.to_owned(),
    }
}

/// The event, and the rotation that it requests. The failures that `--fail` asks for must not stop
/// it.
fn event(plan: &DemoPlan) -> Result<(Value, RotationRequest), DemoError> {
    let mut payload: Value =
        serde_json::from_str(EVENT).map_err(|error| DemoError::Event(error.to_string()))?;
    if plan.refused > 0 {
        payload["detail"]["maxErrors"] = Value::from("100%");
    }
    let rules = RequestRules {
        source: EVENT_SOURCE.to_owned(),
        role_path: ROLE_PATH.to_owned(),
        old_role_path: ROLE_PATH.to_owned(),
    };
    match Payload::parse(&payload, Some(&own_account()), &rules).task {
        Task::Rotate(requested) => Ok((payload, requested.request)),
        other => Err(DemoError::Event(format!(
            "it does not request a rotation: {other:?}"
        ))),
    }
}

fn options(plan: &DemoPlan) -> Options {
    Options {
        seed: plan.seed,
        account: ACCOUNT.to_owned(),
        // The handler uses the machine's clock, and the expiry of a lease compares the two.
        starts_at: SystemTime::now(),
        latency: LATENCY,
        throttle: plan.throttle.map(|rate_per_sec| Throttle {
            rate_per_sec,
            burst: 2.0 * rate_per_sec,
        }),
        // The log is only needed to count throttled calls.
        keep_log: plan.throttle.is_some(),
        ..Options::default()
    }
}

/// The rotating associations that are neither drifted nor owned by an add-on, in the order in which
/// they were created.
fn movable(fleet: &FleetSummary) -> impl Iterator<Item = &String> {
    fleet
        .rotating
        .iter()
        .filter(|arn| !fleet.drifted.contains(arn) && !fleet.owned_by_addon.contains(arn))
}

fn handler(url: &str) -> Result<RotateHandler, DemoError> {
    let settings = RotateSettings::from_lookup(|name| {
        let value = match name {
            "ASSOCIATION_INDEX_TABLE" => INDEX_TABLE,
            "ROTATION_LEDGER_TABLE" => LEDGER_TABLE,
            "ROLE_PATH" => ROLE_PATH,
            "ROTATION_EVENT_SOURCE" => EVENT_SOURCE,
            "AWS_REGION" => REGION,
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => CREDENTIAL,
            "AWS_ENDPOINT_URL" => url,
            "INDEX_REGIONS" => &REGIONS.join(","),
            _ => return None,
        };
        Some(value.to_owned())
    })?;
    let client = http_client(&settings.common.clients)
        .map_err(|error| DemoError::HttpClient(error.to_string()))?;
    // Metrics are JSON for CloudWatch, which only clutters the output of a terminal.
    let metrics = Metrics::new(settings.common.clients.function_name.clone(), drop);
    Ok(RotateHandler::new(
        &settings,
        client,
        SharedTimeSource::new(SystemTimeSource::new()),
        metrics,
    ))
}

fn associations(aws: &SimulatedAws) -> BTreeMap<String, Association> {
    aws.eks(|eks| {
        eks.associations()
            .map(|found| (found.association_arn.clone(), found.clone()))
            .collect()
    })
}
