//! The scene: a rotation that is requested, paused, resumed, requested again, and rolled back. What
//! happened is the evidence for the checks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rerole::rotate::response::RotateResponse;
use rerole_core::rotation::{Status, Summary};
use rerole_core::timestamp::Timestamp;
use rerole_sim::Association;
use rerole_sim::fleet::FleetSummary;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::demo::error::DemoError;
use crate::demo::evidence::{Calls, Evidence, Pause, Rollback, Timeline, Update};
use crate::demo::flags::DemoPlan;
use crate::demo::operator::{Event, Operator};
use crate::playground::Playground;

/// The event's file in the repository.
pub const EVENT_FILE: &str = "events/role-rotation-requested.json";
const EVENT: &str = include_str!("../../../events/role-rotation-requested.json");
/// How many associations are in flight after the pause: what a stack allows by default.
pub const CONCURRENCY: u32 = 64;
/// Enough to show that some have moved.
const MOVED_BEFORE_PAUSE: usize = 10;
/// How long the demo watches EKS during the pause.
pub const WATCHED: Duration = Duration::from_secs(2);

/// The `detail` of the request, as far as the demo shows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    pub rotation_id: String,
    pub old_role_arn: String,
    pub new_role_arn: String,
}

/// The scene before its first step.
pub struct Scene {
    pub operator: Operator,
    pub fleet: FleetSummary,
    pub request: Request,
    /// Each association before the rotation, by ARN.
    pub before: BTreeMap<String, Association>,
    refused: BTreeSet<String>,
    moving: usize,
    event: Value,
}

/// The rotation moves associations, one at a time.
pub struct Requested {
    event_id: String,
}

/// The rotation is paused, and no slice works on it.
pub struct Paused {
    /// How long after the command was recorded the slice has ended.
    pub took: Duration,
    /// How many associations have moved.
    pub moved: usize,
    /// Updates that were sent while the demo watched.
    pub watched_updates: usize,
    recorded_at: Timestamp,
    idle_from: Timestamp,
}

/// The rotation is finished.
pub struct Finished {
    pub summary: Summary,
    pub took: Duration,
    /// Those of the whole rotation.
    pub calls: Calls,
    pause: Pause,
    updates: Vec<Update>,
    moved: BTreeMap<String, Association>,
}

/// The same request has come again.
pub struct Repeated {
    pub summary: Summary,
    pub calls: Calls,
}

/// The rotation is rolled back.
pub struct RolledBack {
    pub took: Duration,
    pub rollback: Rollback,
}

/// What is left of all steps.
pub struct Ended {
    pub finished: Finished,
    pub repeated: Repeated,
    pub rolled_back: Option<RolledBack>,
}

impl Scene {
    /// The scene in this playground.
    ///
    /// # Errors
    /// If the event cannot be read.
    pub fn new(plan: &DemoPlan, playground: &Playground) -> Result<Self, DemoError> {
        let mut event: Value = serde_json::from_str(EVENT).map_err(DemoError::Event)?;
        let detail = &mut event["detail"];
        detail["maxConcurrency"] = json!("1");
        if plan.refused > 0 {
            // The failures that `--fail` asks for must not stop the rotation.
            detail["maxErrors"] = json!("100%");
        }
        let operator = Operator::of(playground)?;
        Ok(Self {
            request: serde_json::from_value(detail.clone()).map_err(DemoError::Event)?,
            before: operator.associations(),
            fleet: playground.fleet.clone(),
            refused: playground.refused.clone(),
            moving: plan.moving(),
            operator,
            event,
        })
    }

    /// The key of the rollback in the ledger.
    pub fn rollback_key(&self) -> String {
        format!("rollback/{}", self.request.rotation_id)
    }

    /// How many associations must move.
    pub fn moving(&self) -> usize {
        self.moving
    }

    /// How many associations have moved.
    pub fn moved_count(&self) -> usize {
        self.operator.count_on(&self.request.new_role_arn)
    }

    /// Requests the rotation, and waits until some associations have moved.
    ///
    /// # Errors
    /// If the rotation does not start.
    pub async fn request(&self) -> Result<Requested, DemoError> {
        self.operator.aws.clear_calls();
        let event_id = self.put_request().await?;
        self.operator.start_of(&self.request.rotation_id).await?;
        let some = MOVED_BEFORE_PAUSE.min(self.moving / 5);
        let look = || (self.moved_count() >= some).then_some(());
        self.operator.wait("wait for the first moves", look).await?;
        Ok(Requested { event_id })
    }

    /// Pauses the rotation, waits until the slice has ended, and watches EKS.
    ///
    /// # Errors
    /// If the rotation does not pause.
    pub async fn pause(&self, requested: Requested) -> Result<Paused, DemoError> {
        let detail = json!({ "command": "Pause", "reason": "INC-7" });
        let seq = self.command(detail).await?;
        let response = self.operator.response(&requested.event_id).await?;
        let RotateResponse::Open {
            status: Status::Paused,
            ..
        } = response
        else {
            return Err(DemoError::Response {
                event: EVENT_FILE.to_owned(),
                response: format!("{response:?}, and not that it is paused"),
            });
        };
        let idle_from = self.now();
        sleep(WATCHED).await;
        let updates = self.operator.updates().into_iter();
        let watched_updates = updates.filter(|it| it.sent_at >= idle_from).count();
        let timeline = self.operator.timeline(&self.request.rotation_id)?;
        let entry = usize::try_from(seq - 1)
            .ok()
            .and_then(|at| timeline.get(at));
        let recorded_at = entry.map_or(idle_from, |entry| entry.at);
        Ok(Paused {
            took: idle_from.since(recorded_at),
            moved: self.moved_count(),
            watched_updates,
            recorded_at,
            idle_from,
        })
    }

    /// Raises the limit, resumes the rotation, and waits for its end.
    ///
    /// # Errors
    /// If the rotation does not end.
    pub async fn resume(&self, paused: Paused) -> Result<Finished, DemoError> {
        let started = Instant::now();
        let limit = CONCURRENCY.to_string();
        self.command(json!({ "command": "Change", "maxConcurrency": limit }))
            .await?;
        let resumed_at = self.now();
        self.command(json!({ "command": "Resume" })).await?;
        let summary = self.operator.end_of(&self.request.rotation_id).await?;
        Ok(Finished {
            summary,
            took: started.elapsed(),
            calls: self.operator.calls(),
            pause: Pause {
                recorded_at: paused.recorded_at,
                idle_from: paused.idle_from,
                resumed_at,
            },
            updates: self.operator.updates(),
            moved: self.operator.associations(),
        })
    }

    /// Requests the finished rotation again.
    ///
    /// # Errors
    /// If the response is not a result.
    pub async fn repeat(&self) -> Result<Repeated, DemoError> {
        self.operator.aws.clear_calls();
        let id = self.put_request().await?;
        match self.operator.response(&id).await? {
            RotateResponse::Finished(summary) => Ok(Repeated {
                summary: *summary,
                calls: self.operator.calls(),
            }),
            other => Err(DemoError::Response {
                event: EVENT_FILE.to_owned(),
                response: format!("{other:?}, and not a result"),
            }),
        }
    }

    /// Rolls the rotation back, and waits for the end. None if it has moved nothing.
    ///
    /// # Errors
    /// If the rollback does not end.
    pub async fn roll_back(&self) -> Result<Option<RolledBack>, DemoError> {
        if self.moving == 0 {
            return Ok(None);
        }
        self.operator.aws.clear_calls();
        let started = Instant::now();
        self.command(json!({ "command": "Rollback", "reason": "INC-8" }))
            .await?;
        let key = self.rollback_key();
        let summary = self.operator.end_of(&key).await?;
        let took = started.elapsed();
        let rollback = Rollback {
            summary,
            rows: self.operator.rows(&key)?,
            updates: self.operator.updates(),
            timeline: self.timeline(&key)?,
        };
        Ok(Some(RolledBack { took, rollback }))
    }

    /// Collects what the checks need.
    ///
    /// # Errors
    /// If an item of the ledger is not as documented.
    pub fn evidence(&self, ended: Ended) -> Result<Evidence, DemoError> {
        let Ended {
            finished,
            repeated,
            rolled_back,
        } = ended;
        let set = |arns: &[String]| arns.iter().cloned().collect();
        let id = &self.request.rotation_id;
        Ok(Evidence {
            new_role: self.request.new_role_arn.clone(),
            before: self.before.clone(),
            moved: finished.moved,
            after: self.operator.associations(),
            rotating: set(&self.fleet.rotating),
            drifted: set(&self.fleet.drifted),
            owned_by_addon: set(&self.fleet.owned_by_addon),
            refused: self.refused.clone(),
            index: self.operator.aws.items(&self.operator.index_table),
            rows: self.operator.rows(id)?,
            summary: finished.summary,
            timeline: self.timeline(id)?,
            pause: finished.pause,
            updates: finished.updates,
            second: repeated.summary,
            second_eks_writes: repeated.calls.eks_writes(),
            rollback: rolled_back.map(|it| it.rollback),
        })
    }

    async fn put_request(&self) -> Result<String, DemoError> {
        self.operator
            .put(self.as_event("Role Rotation Requested", &self.event["detail"]))
            .await
    }

    /// Sends a command to the rotation. Returns its number in the timeline.
    async fn command(&self, mut detail: Value) -> Result<u64, DemoError> {
        detail["rotationId"] = json!(self.request.rotation_id);
        self.operator
            .command(self.as_event("Role Rotation Command", &detail))
            .await
    }

    fn as_event<'a>(&'a self, detail_type: &'a str, detail: &'a Value) -> Event<'a> {
        Event {
            source: self.event["source"].as_str().unwrap_or_default(),
            detail_type,
            detail,
        }
    }

    fn timeline(&self, key: &str) -> Result<Timeline, DemoError> {
        Ok(Timeline {
            recorded: self.operator.timeline(key)?,
            published: self.operator.published_timeline(key)?,
        })
    }

    fn now(&self) -> Timestamp {
        self.operator.aws.now().into()
    }
}
