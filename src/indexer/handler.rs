//! The handler of the `indexer` function: a payload in, a response or an error out.
//!
//! An error means: deliver this payload again, or repeat this task of the state machine. The work
//! on associations is in `cloudtrail` and `reconciler`.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_lambda_events::event::sqs::SqsEvent;
use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_smithy_async::time::SharedTimeSource;
use lambda_runtime::LambdaEvent;
use rerole_core::call::CallError;
use rerole_core::indexing::{
    Coverage, Mode, ReconcileRequest, RegionIndex, RunRequest, is_first_run_due,
};
use rerole_core::timestamp::Timestamp;
use serde_json::Value;
use tokio::time::Instant;
use tracing::{Instrument, error_span, info, warn};

use crate::aws::Aws;
use crate::aws::dynamodb::DYNAMODB_OPERATION_TIMEOUT;
use crate::aws::ledger::LeaseError;
use crate::indexer::cloudtrail::EventFollower;
use crate::indexer::error::IndexerError;
use crate::indexer::hand_over::hand_over;
use crate::indexer::index_writer::{IndexWriter, StackScope};
use crate::indexer::payload::Payload;
use crate::indexer::reconciler::{RECONCILE_RESERVE, Reconciled, Reconciler, SliceEnd};
use crate::indexer::response::{IndexerResponse, report};
use crate::indexer::walker::{Purpose, WalkContext};
use crate::lambda::invocation::Invocation;
use crate::lambda::metrics::{IndexMetrics, Metrics};
use crate::settings::IndexerSettings;

/// The longest that one batch of messages may take. The queue delivers messages again that were not
/// followed. The limit is well below the queue's visibility timeout of 15 minutes, so no other
/// invocation receives the messages of this batch meanwhile.
const FOLLOW_MAX: Duration = Duration::from_mins(5);

/// The longest that the last calls take that end the use of a role.
const USES_RESERVE: Duration = DYNAMODB_OPERATION_TIMEOUT.saturating_mul(3);

/// The `indexer` function: clients and settings, made once and used for every event.
#[derive(Debug)]
pub struct IndexerHandler {
    aws: Aws,
    metrics: Metrics,
    coverage: Coverage,
    concurrency: usize,
}

impl IndexerHandler {
    /// Makes the clients, without any call. The caller passes HTTP client, clock and metrics, so a
    /// test can simulate them.
    #[must_use]
    pub fn new(
        settings: &IndexerSettings,
        http_client: SharedHttpClient,
        clock: SharedTimeSource,
        metrics: Metrics,
    ) -> Self {
        Self {
            aws: Aws::new(&settings.common, http_client, clock),
            metrics,
            coverage: settings.coverage.clone(),
            concurrency: settings.common.max_concurrency.count(),
        }
    }

    /// Handles an event as the Lambda runtime delivers it.
    ///
    /// # Errors
    /// See [`IndexerError`].
    pub async fn invoke(&self, event: LambdaEvent<Value>) -> Result<IndexerResponse, IndexerError> {
        let invocation = Invocation::of(&event.context, self.aws.now());
        Box::pin(self.handle(event.payload, &invocation)).await
    }

    /// Handles a payload.
    ///
    /// # Errors
    /// See [`IndexerError`].
    pub async fn handle(
        &self,
        payload: Value,
        invocation: &Invocation,
    ) -> Result<IndexerResponse, IndexerError> {
        // It has the level of errors, so no log filter takes it away.
        let span = error_span!("invocation", requestId = invocation.request_id);
        Box::pin(self.perform(payload, invocation))
            .instrument(span)
            .await
    }

    async fn perform(
        &self,
        payload: Value,
        invocation: &Invocation,
    ) -> Result<IndexerResponse, IndexerError> {
        let deadline = Instant::now() + invocation.deadline.since(self.aws.now());
        let stack = StackScope {
            coverage: &self.coverage,
            own_account: invocation.own_account.as_ref(),
        };
        let writer = IndexWriter::new(&self.aws, Some(stack));
        let result = match Payload::parse(payload, &self.coverage) {
            Ok(Payload::Messages(batch)) => Ok(self.follow(batch, &writer, deadline).await),
            Ok(Payload::Reconcile(request)) => self.reconcile(&request, &writer, deadline).await,
            Err(error) => Err(error),
        };
        result.inspect_err(|error| warn!(%error, "invocation failed"))
    }

    async fn follow(
        &self,
        batch: SqsEvent,
        writer: &IndexWriter<'_>,
        deadline: Instant,
    ) -> IndexerResponse {
        let ends_at = deadline.checked_sub(RECONCILE_RESERVE).unwrap_or(deadline);
        let context = WalkContext {
            aws: &self.aws,
            purpose: Purpose::Repair(writer),
            concurrency: self.concurrency,
            ends_at: ends_at.min(Instant::now() + FOLLOW_MAX),
        };
        let followed = EventFollower::new(context, writer).follow(batch).await;
        self.metrics
            .reverted(self.aws.now(), writer.recorded_reversions());
        log_uses(writer.end_uses(uses_end_by(deadline)).await);
        IndexerResponse::Followed(followed)
    }

    async fn reconcile(
        &self,
        request: &ReconcileRequest,
        writer: &IndexWriter<'_>,
        deadline: Instant,
    ) -> Result<IndexerResponse, IndexerError> {
        let mut reconciler = Reconciler::new(&self.aws, writer, self.concurrency, deadline);
        let mut result = reconciler.reconcile(request).await;
        let first = self.first_run(result.as_ref().ok()).await;
        let request = first.as_ref().unwrap_or(request);
        if first.is_some() {
            result = reconciler.reconcile(request).await;
        }
        self.metrics
            .reverted(self.aws.now(), writer.recorded_reversions());
        self.write_metrics(result.as_ref().ok()).await;
        let is_full = result.as_ref().is_ok_and(|it| it.has_finished(Mode::Full));
        let response = self.conclude(request, result).await;
        let ended = if is_full {
            writer.end_all_uses(uses_end_by(deadline)).await
        } else {
            writer.end_uses(uses_end_by(deadline)).await
        };
        log_uses(ended);
        response
    }

    /// Hands an unfinished run over, and reports.
    async fn conclude(
        &self,
        request: &ReconcileRequest,
        result: Result<Reconciled, LeaseError>,
    ) -> Result<IndexerResponse, IndexerError> {
        let slice = result.map_err(IndexerError::ReconcileFailed)?;
        if let Reconciled::Slice {
            run,
            end: SliceEnd::OutOfTime,
            has_advanced,
        } = &slice
        {
            if !has_advanced {
                return Err(IndexerError::NoProgress {
                    started_at: run.started_at,
                });
            }
            if *request != ReconcileRequest::Resume {
                hand_over(&self.aws, run).await;
            }
        }
        Ok(IndexerResponse::Reconciled(Box::new(report(slice))))
    }

    /// Returns the request of the first full run of a new stack, if there was nothing to resume.
    /// The schedule of full runs starts its first one only after a day, and without it no region's
    /// index is complete. A run that has been there, whether or not it could read everything, is
    /// not repeated here.
    async fn first_run(&self, reconciled: Option<&Reconciled>) -> Option<ReconcileRequest> {
        let Some(Reconciled::NothingToResume) = reconciled else {
            return None;
        };
        let ledger = &self.aws.ledger;
        let known = async {
            let indexes = ledger.region_indexes().read().await?;
            Ok::<_, CallError>((indexes, ledger.index_runs().last().await?))
        };
        let (indexes, last) = known
            .await
            .inspect_err(|error| warn!(%error, "whether a first full run is due is not known"))
            .ok()?;
        is_first_run_due(&indexes, last.as_ref()).then(|| {
            ReconcileRequest::Run(RunRequest {
                mode: Mode::Full,
                regions: self.coverage.regions.clone(),
                cluster_names: None,
                exclude_clusters: self.coverage.exclude_clusters.clone(),
            })
        })
    }

    /// Writes the metrics, also if reconciling failed: an index that cannot be reconciled becomes
    /// stale.
    async fn write_metrics(&self, reconciled: Option<&Reconciled>) {
        let now = self.aws.now();
        let stale_regions = match self.aws.ledger.region_indexes().read().await {
            Ok(indexes) => {
                log_ages(&self.coverage, &indexes, now);
                self.coverage.incomplete(&indexes, now).len() as u64
            }
            Err(error) => {
                warn!(%error, "age of the index unknown, all regions count as stale");
                self.coverage.regions.len() as u64
            }
        };
        let finished = match reconciled {
            Some(Reconciled::Slice {
                run,
                end: SliceEnd::Finished,
                ..
            }) => Some(run),
            _ => None,
        };
        self.metrics.index(
            now,
            &IndexMetrics {
                stale_regions,
                throttled_calls: self.aws.eks.take_throttled_calls(),
                repaired: finished.map(|run| run.counts.repaired()),
                errors: finished.map(|run| run.error_count),
            },
        );
    }
}

/// Logs since when the index of each region is complete, for the dashboard. A region that was never
/// complete has no age.
fn log_ages(coverage: &Coverage, indexes: &BTreeMap<String, RegionIndex>, now: Timestamp) {
    let age_secs = |at: Option<Timestamp>| at.map(|at| now.since(at).as_secs());
    for region in &coverage.regions {
        let index = indexes.get(region).cloned().unwrap_or_default();
        info!(
            region,
            fullAgeSecs = age_secs(index.described_at),
            listAgeSecs = age_secs(index.listed_at),
            "age of the index"
        );
    }
}

/// Returns until when the use of roles may be ended. It is the last work of an invocation.
fn uses_end_by(deadline: Instant) -> Instant {
    deadline.checked_sub(USES_RESERVE).unwrap_or(deadline)
}

/// What was not done, the next full run does. Until then a role may count as in use, or a role that
/// was put to use in the same seconds as free. Summaries also ask the index.
fn log_uses(ended: Result<(), CallError>) {
    if let Err(error) = ended {
        warn!(%error, "use of roles not checked, the next full run checks it");
    }
}
