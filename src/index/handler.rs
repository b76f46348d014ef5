//! What Lambda calls: messages of the queue, or a schedule's `{"reconcile": …}`. An error means "try this again".

use std::time::Duration;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_smithy_async::time::SharedTimeSource;
use lambda_runtime::{Diagnostic, LambdaEvent};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;
use tracing::{info, warn};

use super::follow::Follower;
use super::reconcile::{RECONCILE_RESERVE, ReconcileError, Reconciled, Reconciler, SliceEnd};
use super::returns::ReturnWatch;
use super::run::{Run, RunCounts, RunRequest, Trouble, Wanted, wanted};
use crate::aws::Aws;
use crate::continuation::Work;
use crate::handler::Invocation;
use crate::metrics::{IndexMetrics, Metrics};
use crate::request::Rejection;
use crate::settings::IndexSettings;
use crate::time::Timestamp;

/// A batch that takes longer comes again, well before the queue gives its messages to another invocation.
const FOLLOW_MAX: Duration = Duration::from_mins(5);

/// The index function: clients and settings, made once and used for every event.
#[derive(Debug)]
pub struct IndexHandler {
    aws: Aws,
    metrics: Metrics,
    regions: Vec<String>,
    width: usize,
    stale_after: Duration,
}

/// Why an invocation failed.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error("the payload has neither Records nor reconcile")]
    NotUnderstood,
    #[error("the payload cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("{0}")]
    Rejected(#[from] Rejection),
    #[error("the index could not be reconciled: {0}")]
    Unreconciled(#[from] ReconcileError),
    #[error(
        "the index's run of {began_at} was not brought on before time was up, and would not be by another invocation"
    )]
    NoProgress { began_at: Timestamp },
}

impl From<IndexError> for Diagnostic {
    /// The variant's name is the error type that alarms and people match on.
    fn from(error: IndexError) -> Self {
        let error_type = match &error {
            IndexError::NotUnderstood => "NotUnderstood",
            IndexError::Unreadable(_) => "Unreadable",
            IndexError::Rejected(_) => "Rejected",
            IndexError::Unreconciled(_) => "Unreconciled",
            IndexError::NoProgress { .. } => "NoProgress",
        };
        Self { error_type: error_type.to_owned(), error_message: error.to_string() }
    }
}

/// What an invocation that succeeds returns.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum IndexReply {
    /// The messages that have to come again.
    Followed(SqsBatchResponse),
    Reconciled(Box<Report>),
}

/// What a run of the reconciler has come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub status: ReportStatus,
    /// Absent where there was no run to go on with.
    #[serde(flatten)]
    pub run: Option<RunReport>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReportStatus {
    /// The run is at its end.
    Finished,
    /// Time was up. The state machine goes on, or else the next schedule.
    Continues,
    /// A rotation is at work. The next schedule goes on.
    GaveWay,
    /// Another invocation is at work on the run.
    AlreadyRunning,
    /// There was no run to go on with.
    Nothing,
}

/// A run as it is told. Absent values are null, so that readers find every name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunReport {
    #[serde(flatten)]
    pub request: RunRequest,
    pub counts: RunCounts,
    pub troubles: Vec<Trouble>,
    pub trouble_count: u64,
    pub began_at: Timestamp,
    pub finished_at: Option<Timestamp>,
}

impl From<Run> for RunReport {
    fn from(run: Run) -> Self {
        let Run { request, counts, troubles, trouble_count, began_at, finished_at, .. } = run;
        Self { request, counts, troubles, trouble_count, began_at, finished_at }
    }
}

impl IndexHandler {
    /// Makes the clients; no call is made. The HTTP client, the clock and the metrics are the edges to the world.
    #[must_use]
    pub fn new(
        settings: &IndexSettings,
        http_client: SharedHttpClient,
        clock: SharedTimeSource,
        metrics: Metrics,
    ) -> Self {
        Self {
            aws: Aws::new(&settings.common, http_client, clock),
            metrics,
            regions: settings.regions.clone(),
            width: settings.common.max_concurrency.count(),
            stale_after: settings.stale_after,
        }
    }

    /// Handles an event as the Lambda runtime hands it over.
    ///
    /// # Errors
    /// See [`IndexError`].
    pub async fn invoke(&self, event: LambdaEvent<Value>) -> Result<IndexReply, IndexError> {
        let invocation = Invocation::of(&event.context, self.aws.now());
        Box::pin(self.handle(event.payload, &invocation)).await
    }

    /// Handles a payload.
    ///
    /// # Errors
    /// See [`IndexError`].
    pub async fn handle(&self, payload: Value, invocation: &Invocation) -> Result<IndexReply, IndexError> {
        let deadline = Instant::now() + invocation.deadline.since(self.aws.now());
        let returns = ReturnWatch::new(&self.aws);
        if payload.get("Records").is_some() {
            let batch: SqsEvent = serde_json::from_value(payload)?;
            let ends_at = deadline.checked_sub(RECONCILE_RESERVE).unwrap_or(deadline);
            let ends_at = ends_at.min(Instant::now() + FOLLOW_MAX);
            let followed = Follower::new(&self.aws, &returns, self.width, ends_at).follow(batch).await;
            self.metrics.returned(self.aws.now(), returns.noted());
            return Ok(IndexReply::Followed(followed));
        }
        let reconcile = payload.get("reconcile").ok_or(IndexError::NotUnderstood)?;
        let wanted = wanted(reconcile, &self.regions)?;
        let reconciled = Reconciler::new(&self.aws, &returns, self.width, deadline).reconcile(&wanted).await;
        self.metrics.returned(self.aws.now(), returns.noted());
        self.measure(reconciled.as_ref().ok()).await;
        let reconciled = reconciled?;
        if let Reconciled::Slice { run, end: SliceEnd::OutOfTime, has_advanced } = &reconciled {
            if !has_advanced {
                return Err(IndexError::NoProgress { began_at: run.began_at });
            }
            if wanted != Wanted::Resume {
                self.hand_over(run).await;
            }
        }
        Ok(IndexReply::Reconciled(Box::new(report(reconciled))))
    }

    /// Has the state machine go on with a run. It asks for resumes, which hand nothing over: it asks again by itself. Where it
    /// cannot be started the schedule goes on.
    async fn hand_over(&self, run: &Run) {
        let Some(machine) = &self.aws.machine else { return };
        match machine.hand_over(&Work::IndexRun(run.began_at)).await {
            Ok(execution) => info!(execution, "the index's run was handed over to the state machine"),
            Err(error) => warn!(%error, "the index's run could not be handed over; the schedule goes on"),
        }
    }

    /// Metrics are written whatever came of it: an index that cannot be reconciled grows stale.
    async fn measure(&self, reconciled: Option<&Reconciled>) {
        let now = self.aws.now();
        let stale_regions = match self.aws.ledger.region_indexes().await {
            Ok(indexes) => {
                let is_fresh = |region: &&String| {
                    let described_at = indexes.get(*region).and_then(|index| index.described_at);
                    described_at.is_some_and(|at| now.since(at) <= self.stale_after)
                };
                (self.regions.len() - self.regions.iter().filter(is_fresh).count()) as u64
            }
            Err(error) => {
                warn!(%error, "how old the index is could not be read");
                self.regions.len() as u64
            }
        };
        let finished = match reconciled {
            Some(Reconciled::Slice { run, end: SliceEnd::Finished, .. }) => Some(run),
            _ => None,
        };
        self.metrics.index(
            now,
            &IndexMetrics {
                stale_regions,
                throttled_calls: self.aws.eks.take_throttled_calls(),
                healed: finished.map(|run| run.counts.healed()),
                troubles: finished.map(|run| run.trouble_count),
            },
        );
    }
}

fn report(reconciled: Reconciled) -> Report {
    let (status, run) = match reconciled {
        Reconciled::Nothing => return Report { status: ReportStatus::Nothing, run: None },
        Reconciled::AlreadyRunning(run) => (ReportStatus::AlreadyRunning, run),
        Reconciled::Slice { run, end, .. } => {
            let status = match end {
                SliceEnd::Finished => ReportStatus::Finished,
                SliceEnd::OutOfTime => ReportStatus::Continues,
                SliceEnd::GaveWay => ReportStatus::GaveWay,
            };
            (status, run)
        }
    };
    Report { status, run: Some((*run).into()) }
}
