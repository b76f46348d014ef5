//! What the checks judge: the log of calls, the items of both tables, and EKS, each as they are
//! now.

use std::time::{Duration, SystemTime};

use rerole_core::request::{Location, Scope};
use rerole_core::timestamp::Timestamp;
use rerole_sim::{Association, CallRecord, SimulatedAws};
use serde::Deserialize;
use serde_json::Value;

use crate::common::environment::{INDEX, LEDGER};
use crate::common::guarantees::periods::{Timeline, held, timelines};

pub struct Evidence {
    pub at: SystemTime,
    pub calls: Vec<CallRecord>,
    pub ledger: Vec<Value>,
    pub index: Vec<Value>,
    pub rotations: Vec<Rotation>,
    pub associations: Vec<Association>,
    /// The timeline of the stack.
    pub stack: Timeline,
    /// The longest lag of a Describe.
    pub describe_lag: Duration,
}

/// A rotation with its rows and reversions.
pub struct Rotation {
    pub key: String,
    pub item: Value,
    pub rows: Vec<Value>,
    pub reversions: Vec<Value>,
    pub timeline: Timeline,
    /// From when to when it held its roles, once for each attempt that started.
    pub held: Vec<(SystemTime, SystemTime)>,
}

impl Evidence {
    pub fn of(aws: &SimulatedAws) -> Self {
        let ledger = aws.items(LEDGER);
        let is_rotation =
            |item: &&Value| item["entry"] == "rotation" && item.get("request").is_some();
        let rotations = ledger.iter().filter(is_rotation);
        let (at, calls) = (aws.now(), aws.calls());
        let mut timelines = timelines(&ledger, &calls);
        let rotations = rotations.map(|item| {
            let timeline = timelines.remove(text(&item["rotationId"]));
            Rotation::of(item, &ledger, timeline.unwrap_or_default(), at)
        });
        let rotations = rotations.collect();
        Self {
            at,
            calls,
            stack: timelines.remove("stack/state").unwrap_or_default(),
            index: aws.items(INDEX),
            rotations,
            ledger,
            associations: aws.eks(|eks| eks.associations().cloned().collect()),
            describe_lag: *aws.options().describe_lag.end(),
        }
    }

    /// The rotations that change something.
    pub fn real_rotations(&self) -> impl Iterator<Item = &Rotation> {
        self.rotations
            .iter()
            .filter(|rotation| !rotation.is_dry_run())
    }

    /// The items of roles, each with the role's ARN.
    pub fn roles(&self) -> impl Iterator<Item = (&str, &Value)> {
        let items = self.ledger.iter().filter(|item| item["entry"] == "role");
        items.map(|item| {
            let key = text(&item["rotationId"]);
            (key.strip_prefix("role/").expect("the key of a role"), item)
        })
    }

    /// The calls of this operation, in order of their arrival.
    pub fn calls_of<'a>(&'a self, operation: &'a str) -> impl Iterator<Item = &'a CallRecord> {
        let is_operation = move |record: &&CallRecord| record.call.operation == operation;
        self.calls.iter().filter(is_operation)
    }
}

impl Rotation {
    fn of(item: &Value, ledger: &[Value], timeline: Timeline, now: SystemTime) -> Self {
        let of_rotation = ledger
            .iter()
            .filter(|other| other["rotationId"] == item["rotationId"]);
        let of_rotation: Vec<_> = of_rotation.collect();
        let entries = |prefix: &str| {
            let has_prefix = |item: &&&Value| text(&item["entry"]).starts_with(prefix);
            let items = of_rotation.iter().filter(has_prefix);
            items.map(|item| (*item).clone()).collect()
        };
        Self {
            key: text(&item["rotationId"]).to_owned(),
            rows: entries("association#"),
            reversions: entries("reversion#"),
            held: held(&timeline, now),
            timeline,
            item: item.clone(),
        }
    }

    pub fn is_dry_run(&self) -> bool {
        self.item["request"]["dryRun"] == true
    }

    /// The ID of the rotation that it takes back, if it is a rollback.
    pub fn rollback_of(&self) -> Option<&str> {
        self.item["rollbackOf"].as_str()
    }

    pub fn old_role(&self) -> &str {
        text(&self.item["oldRoleArn"])
    }

    pub fn new_role(&self) -> &str {
        text(&self.item["newRoleArn"])
    }

    pub fn status(&self) -> &str {
        text(&self.item["status"])
    }

    pub fn started_at(&self) -> Timestamp {
        time(&self.item["startedAt"])
    }

    pub fn finished_at(&self) -> Option<Timestamp> {
        self.item.get("finishedAt").map(time)
    }

    /// Whether its scope has an association that is in EKS, or as EKS has shown it.
    pub fn covers(&self, location: Location<'_>) -> bool {
        let scope = Scope::deserialize(&self.item["request"]).expect("a request has a scope");
        scope.covers(location)
    }

    pub fn row(&self, arn: &str) -> Option<&Value> {
        self.rows.iter().find(|row| row["associationArn"] == arn)
    }
}

/// A time in an item.
pub fn time(value: &Value) -> Timestamp {
    let parsed = value.as_str().and_then(|text| text.parse().ok());
    parsed.unwrap_or_else(|| panic!("{value} is not a time"))
}

pub fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is not a text"))
}
