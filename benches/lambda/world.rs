//! What the functions work on: a simulated AWS with a fleet in it, and events about that fleet.

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
const OLD: &str = "arn:aws:iam::111122223333:role/platform/app-2025";
const NEW: &str = "arn:aws:iam::111122223333:role/platform/app-2026";

/// As long as AWS takes for an answer.
pub const LATENCY: RangeInclusive<Duration> = Duration::from_millis(20)..=Duration::from_millis(60);

/// A simulated AWS that throttles nobody, with associations of one role.
pub struct World {
    pub aws: SimulatedAws,
    server: LoopbackServer,
    tls: Option<Terminator>,
    associations: Vec<String>,
}

impl World {
    /// One that answers at once. `indexed` says whether the functions' index knows the associations.
    pub async fn new(associations: usize, indexed: bool) -> io::Result<Self> {
        Self::with_latency(associations, indexed, Duration::ZERO..=Duration::ZERO).await
    }

    pub async fn with_latency(
        associations: usize,
        indexed: bool,
        latency: RangeInclusive<Duration>,
    ) -> io::Result<Self> {
        let options = Options { latency, keep_log: false, starts_at: SystemTime::now(), ..Options::default() };
        let aws = SimulatedAws::new(options);
        aws.create_tables(INDEX, LEDGER);
        aws.create_tables("an-index-that-nobody-reads", "a-ledger-that-nobody-reads");
        let fleet = Fleet {
            clusters: 20,
            associations,
            rotating: associations,
            old_role: OLD.to_owned(),
            new_role: NEW.to_owned(),
            ..Fleet::default()
        };
        let fleet = fleet.build(&aws, if indexed { INDEX } else { "an-index-that-nobody-reads" });
        let server = aws.serve().await?;
        Ok(Self { aws, server, tls: None, associations: fleet.associations })
    }

    /// The same behind TLS.
    pub async fn behind_tls(mut self) -> io::Result<Self> {
        self.tls = Some(Terminator::start(self.server.url().trim_start_matches("http://").to_owned()).await?);
        Ok(self)
    }

    pub fn url(&self) -> String {
        self.tls.as_ref().map_or_else(|| self.server.url(), Terminator::url)
    }

    pub fn ca_bundle(&self) -> Option<PathBuf> {
        self.tls.as_ref().map(Terminator::ca_bundle)
    }

    /// A message about the update of one association, as the index function gets it.
    pub fn update_message(&self, number: usize) -> io::Result<Value> {
        let arn = &self.associations[number];
        let mut names = arn.rsplit('/');
        let (id, cluster) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
        let mut event: Value = serde_json::from_str(include_str!("../../events/index/cloudtrail-update.json"))?;
        event["region"] = Value::from(arn.split(':').nth(3));
        event["detail"]["awsRegion"] = event["region"].clone();
        event["detail"]["requestParameters"]["name"] = Value::from(cluster);
        event["detail"]["requestParameters"]["associationId"] = Value::from(id);
        event["detail"]["responseElements"] = Value::Null;
        let mut batch: Value = serde_json::from_str(include_str!("../../events/index/sqs-cloudtrail.json"))?;
        let mut message = batch["Records"][0].take();
        message["body"] = Value::from(event.to_string());
        batch["Records"] = json!([message]);
        Ok(batch)
    }

    pub async fn shutdown(self) {
        self.server.shutdown().await;
    }
}

/// The event that moves the associations: there, back, and so on.
pub fn rotation(number: usize) -> io::Result<Value> {
    let mut event: Value = serde_json::from_str(include_str!("../../events/role-rotation-requested.json"))?;
    let roles = if number.is_multiple_of(2) { [OLD, NEW] } else { [NEW, OLD] };
    event["detail"]["rotationId"] = Value::from(format!("rotation-{number}"));
    [event["detail"]["oldRoleArn"], event["detail"]["newRoleArn"]] = roles.map(Value::from);
    Ok(event)
}

/// The event that builds the index.
pub fn reconcile() -> Value {
    json!({ "reconcile": { "mode": "deep" } })
}
