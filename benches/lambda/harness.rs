//! The surroundings of a function under measurement: a simulated AWS with a fleet in it, and events
//! about that fleet.

use std::io;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use rerole_sim::fleet::Fleet;
use rerole_sim::{LoopbackServer, Options, SimulatedAws};
use serde_json::{Value, json};

use crate::tls::Terminator;

pub const INDEX: &str = "association-index";
pub const LEDGER: &str = "rotation-ledger";
pub const BUS: &str = "rerole";
/// Tables that no function reads. An index is built there if the function must find an empty one.
const UNREAD_INDEX: &str = "unread-index";
const UNREAD_LEDGER: &str = "unread-ledger";
const OLD: &str = "arn:aws:iam::111122223333:role/platform/app-2025";
const NEW: &str = "arn:aws:iam::111122223333:role/platform/app-2026";

/// Typical latency of AWS.
pub const LATENCY: RangeInclusive<Duration> = Duration::from_millis(20)..=Duration::from_millis(60);
const NO_LATENCY: RangeInclusive<Duration> = Duration::ZERO..=Duration::ZERO;

/// What the index of the functions contains at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Index {
    Empty,
    /// Every association.
    Complete,
}

/// How the functions reach the simulated AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Http,
    /// With the buffers and instructions of TLS.
    Https,
}

/// A simulated AWS that throttles no call, with associations of one role.
pub struct Harness {
    pub aws: SimulatedAws,
    server: LoopbackServer,
    tls: Option<Terminator>,
    associations: Vec<String>,
}

impl Harness {
    /// An AWS that responds at once.
    pub async fn new(associations: usize, index: Index, protocol: Protocol) -> io::Result<Self> {
        Self::with_latency(associations, index, protocol, NO_LATENCY).await
    }

    pub async fn with_latency(
        associations: usize,
        index: Index,
        protocol: Protocol,
        latency: RangeInclusive<Duration>,
    ) -> io::Result<Self> {
        let aws = SimulatedAws::new(Options {
            latency,
            keep_log: false,
            starts_at: SystemTime::now(),
            ..Options::default()
        });
        aws.create_tables(INDEX, LEDGER);
        aws.create_tables(UNREAD_INDEX, UNREAD_LEDGER);
        aws.create_event_bus(BUS);
        aws.complete_index(LEDGER, &["eu-west-1", "us-east-1"]);
        let fleet = Fleet {
            clusters: 20,
            associations,
            rotating: associations,
            old_role: OLD.to_owned(),
            new_role: NEW.to_owned(),
            ..Fleet::default()
        };
        let table = match index {
            Index::Empty => UNREAD_INDEX,
            Index::Complete => INDEX,
        };
        let fleet = fleet.build(&aws, table);
        let server = aws.serve().await?;
        let tls = match protocol {
            Protocol::Http => None,
            Protocol::Https => {
                let url = server.url();
                let address = url.trim_start_matches("http://");
                Some(Terminator::start(address.to_owned()).await?)
            }
        };
        Ok(Self {
            aws,
            server,
            tls,
            associations: fleet.associations,
        })
    }

    pub fn url(&self) -> String {
        self.tls
            .as_ref()
            .map_or_else(|| self.server.url(), Terminator::url)
    }

    pub fn ca_bundle(&self) -> Option<PathBuf> {
        self.tls.as_ref().map(Terminator::ca_bundle)
    }

    /// A message about the update of one association, as the indexer receives it.
    pub fn update_message(&self, number: usize) -> io::Result<Value> {
        let arn = &self.associations[number];
        let mut segments = arn.rsplit('/');
        let (id, cluster) = (
            segments.next().unwrap_or_default(),
            segments.next().unwrap_or_default(),
        );
        let mut event: Value =
            serde_json::from_str(include_str!("../../events/indexer/cloudtrail-update.json"))?;
        event["region"] = Value::from(arn.split(':').nth(3));
        event["detail"]["awsRegion"] = event["region"].clone();
        event["detail"]["requestParameters"]["name"] = Value::from(cluster);
        event["detail"]["requestParameters"]["associationId"] = Value::from(id);
        event["detail"]["responseElements"] = Value::Null;
        let mut batch: Value =
            serde_json::from_str(include_str!("../../events/indexer/sqs-cloudtrail.json"))?;
        let mut message = batch["Records"][0].take();
        message["body"] = Value::from(event.to_string());
        batch["Records"] = json!([message]);
        Ok(batch)
    }

    pub async fn shutdown(self) {
        self.server.shutdown().await;
    }
}

/// A record of the ledger's stream, as the publisher receives it: a rotation has succeeded.
pub fn published_entry(number: usize) -> io::Result<Value> {
    let aws = SimulatedAws::new(Options {
        ledger_stream: true,
        ..Options::default()
    });
    aws.create_tables(INDEX, LEDGER);
    let sample = include_str!("../../events/published/rotation-succeeded.json");
    let mut event: Value = serde_json::from_str(sample)?;
    let mut item = event["detail"].take();
    item["entry"] = Value::from(format!("timeline#{:08}", number + 1));
    aws.put_item(LEDGER, item);
    Ok(json!({ "Records": aws.stream_records(LEDGER, None, 1) }))
}

/// One event about a whole fleet.
pub struct FleetEvent {
    pub event: Value,
    /// The index that the function needs for it.
    pub index: Index,
    /// The field of `counts` that must reach the size of the fleet.
    pub count: &'static str,
}

impl FleetEvent {
    /// For `rotate`, moves every association. For `indexer`, builds the index from nothing.
    pub fn of(binary: &str) -> io::Result<Self> {
        Ok(match binary {
            "rotate" => Self {
                event: rotation(0)?,
                index: Index::Complete,
                count: "updated",
            },
            _ => Self {
                event: json!({ "reconcile": { "mode": "full" } }),
                index: Index::Empty,
                count: "added",
            },
        })
    }
}

/// The event that moves all associations: to the new role, back to the old one, and so on.
pub fn rotation(number: usize) -> io::Result<Value> {
    let mut event: Value =
        serde_json::from_str(include_str!("../../events/role-rotation-requested.json"))?;
    let roles = if number.is_multiple_of(2) {
        [OLD, NEW]
    } else {
        [NEW, OLD]
    };
    event["detail"]["rotationId"] = Value::from(format!("rotation-{number}"));
    [event["detail"]["oldRoleArn"], event["detail"]["newRoleArn"]] = roles.map(Value::from);
    Ok(event)
}
