//! What one invocation does of a rotation: it opens the rotation, runs a slice, and returns the
//! result or hands over. The work on associations is in `slice`.

use std::time::Duration;

use rerole_core::call::CallError;
use rerole_core::indexing::{Coverage, ItemRules};
use rerole_core::keys::RotationKey;
use rerole_core::request::{MaxConcurrency, Rejection, Requested, RotationRequest};
use rerole_core::rotation::{
    Author, PauseCause, RoleUse, RollbackSummary, RotationRecord, Status, Summary, queue_full,
};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::aws::Aws;
use crate::aws::dynamodb::DYNAMODB_OPERATION_TIMEOUT;
use crate::aws::ledger::{NotAcquired, Opened};
use crate::lambda::invocation::Invocation;
use crate::lambda::metrics::{Metrics, SliceMetrics};
use crate::rotate::error::RotateError;
use crate::rotate::hand_over::{Trigger, hand_over};
use crate::rotate::queue::start_next;
use crate::rotate::response::RotateResponse;
use crate::rotate::slice::{DEADLINE_RESERVE, Incomplete, Slice, SliceSettings, TimeSpan};

/// Slices of one rotation in one invocation. Each but the first follows a command that interrupted
/// the one before, and few commands come within one invocation. The state machine runs the rest.
const SLICES_MAX: u32 = 4;

/// The time that is left when another slice is started: less would be no progress.
const SLICE_MIN: Duration = DEADLINE_RESERVE.saturating_add(Duration::from_secs(10));

/// The time in which the result is read: the old role's item, and the index.
const RESULT_MAX: Duration = DYNAMODB_OPERATION_TIMEOUT.saturating_mul(2);

/// What an invocation needs to work on a rotation.
#[derive(Debug)]
pub(super) struct RotationRun<'a> {
    pub(super) aws: &'a Aws,
    pub(super) metrics: &'a Metrics,
    pub(super) coverage: &'a Coverage,
    pub(super) max_concurrency: MaxConcurrency,
    pub(super) invocation: &'a Invocation,
    pub(super) trigger: Trigger,
}

/// What comes of it.
#[derive(Debug)]
pub(super) enum RunEnd {
    Response(RotateResponse),
    /// The ID is taken by another request.
    Rejected(Rejection),
}

impl RotationRun<'_> {
    /// Works on the rotation until it is finished, waits for a command, or has to be handed over.
    ///
    /// # Errors
    /// See [`RotateError`].
    pub(super) async fn advance(&self, requested: &Requested) -> Result<RunEnd, RotateError> {
        let request = &requested.request;
        let left = self.time_left();
        if left < DEADLINE_RESERVE {
            return Err(RotateError::InsufficientTime { left });
        }
        let by = Author::rerole(&self.invocation.request_id);
        let mut slices = 0;
        loop {
            let (start, left) = (Instant::now(), self.time_left());
            let rotations = self.aws.ledger.rotations();
            let opened = rotations.open(requested, &by, || self.aws.now()).await;
            let record = match opened.map_err(|error| unavailable(request, error))? {
                Opened::Acquired(record) => *record,
                Opened::NotAcquired(why) => return self.not_acquired(why, request, &by).await,
            };
            let deadline = start + left;
            slices += 1;
            let opened = record.clone();
            let incomplete = match self.run_slice(record, TimeSpan { start, deadline }).await {
                Ok(record) => {
                    self.start_next(&record, &by).await;
                    return Ok(finished(record.summary(self.role_use(&record).await?)));
                }
                Err(incomplete) => incomplete,
            };
            // After a command, another slice follows in this invocation, if there is time for it.
            let is_over = slices == SLICES_MAX || self.time_left() < SLICE_MIN;
            if let Some(waiting) = incomplete.waiting() {
                // A freeze may be over by now, and then nothing else would resume the rotation: it
                // was not paused yet when the command looked for paused ones.
                let is_frozen = waiting.state.pause_cause() == Some(PauseCause::Frozen);
                if is_over || !is_frozen {
                    info!(status = ?waiting.status(), "rotation waits");
                    return Ok(waits(waiting));
                }
            }
            if is_over || !incomplete.lets_next_slice_follow() {
                let response = hand_over(self.aws, &opened, incomplete, self.trigger).await?;
                return Ok(RunEnd::Response(response));
            }
        }
    }

    /// Returns what follows if this invocation may not work on the rotation.
    async fn not_acquired(
        &self,
        why: NotAcquired,
        request: &RotationRequest,
        by: &Author,
    ) -> Result<RunEnd, RotateError> {
        match why {
            NotAcquired::Waiting(record) => {
                // Paused rotations let others pass, so it may be its turn already.
                if record.status() == Status::Queued {
                    self.start_next(&record, by).await;
                }
                Ok(waits(&record))
            }
            NotAcquired::Finished(record) => {
                info!(status = ?record.status(), "rotation already finished");
                // The invocation that closed it may have died before it did this.
                self.start_next(&record, by).await;
                let mut summary = record.repeated_summary(self.role_use(&record).await?);
                summary.rollback = self.rollback_of(&record).await?;
                Ok(finished(summary))
            }
            NotAcquired::AlreadyRunning => {
                info!("rotation already running");
                match self.trigger {
                    // If the other invocation fails, it is itself retried.
                    Trigger::Event => Ok(RunEnd::Response(RotateResponse::AlreadyRunning {
                        rotation_id: request.rotation_id.clone(),
                        already_running: true,
                    })),
                    // The execution ends only when the rotation is finished, so it tries again.
                    Trigger::StateMachine => Err(RotateError::Busy {
                        rotation_id: request.rotation_id.clone(),
                    }),
                }
            }
            NotAcquired::OtherRequest(found) => Ok(RunEnd::Rejected(
                request.id_taken(&found.request, found.started_at),
            )),
            NotAcquired::QueueFull(role) => Ok(RunEnd::Rejected(queue_full(request, &role))),
        }
    }

    /// Runs a slice of a rotation whose lease this invocation holds. Its limits are those of the
    /// record: the first event's, or those of a later command.
    async fn run_slice(
        &self,
        record: RotationRecord,
        time: TimeSpan,
    ) -> Result<RotationRecord, Incomplete> {
        let request = &record.request.clone();
        info!(
            fence = record.fence,
            oldRole = %request.old_role_arn,
            newRole = %request.new_role_arn,
            "rotation opened"
        );
        let before = record.counts;
        let settings = SliceSettings {
            max_concurrency: self.max_concurrency,
            coverage: self.coverage,
            own_account: self.invocation.own_account.as_ref(),
            request_id: &self.invocation.request_id,
        };
        let slice = Slice::new(self.aws, record, time, settings);
        let end = Box::pin(slice.run()).await;
        let (after, ended) = match &end {
            Ok(record) => (Some(record.counts), Some(record.status())),
            Err(incomplete) => {
                let is_recorded = incomplete.released.is_some();
                (is_recorded.then_some(incomplete.counts), None)
            }
        };
        self.metrics.slice(
            self.aws.now(),
            &SliceMetrics {
                key: &RotationKey::of(request),
                associations: after
                    .filter(|_| !request.dry_run)
                    .map(|after| (before, after)),
                throttled_calls: self.aws.eks.take_throttled_calls(),
                ended,
            },
        );
        end.inspect(log_end)
    }

    /// Starts the rotations whose turn it is to have the roles of this one, which does not work.
    async fn start_next(&self, record: &RotationRecord, by: &Author) {
        if record.request.dry_run {
            return;
        }
        let roles = [&record.old_role_arn, &record.new_role_arn];
        let left = self.time_left().saturating_sub(RESULT_MAX);
        match tokio::time::timeout(left, start_next(self.aws, roles, by)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                warn!(%error, "queued rotations were not started, the next check starts them");
            }
            Err(_) => warn!("no time to start queued rotations, the next check starts them"),
        }
    }

    /// Returns what may be said about the old role of a finished rotation now.
    async fn role_use(&self, record: &RotationRecord) -> Result<RoleUse, RotateError> {
        let rules = ItemRules {
            own_account: self.invocation.own_account.as_ref(),
            regions: Some(&self.coverage.regions),
            now: self.aws.now(),
        };
        let found = self.aws.role_use(&record.old_role_arn, &rules).await;
        found.map_err(|error| unavailable(&record.request, error))
    }

    /// Returns what is to be shown of the rollback of a finished rotation, if there is one.
    async fn rollback_of(
        &self,
        record: &RotationRecord,
    ) -> Result<Option<RollbackSummary>, RotateError> {
        let RotationKey::Rotation(rotation_id) = &record.key else {
            return Ok(None);
        };
        let key = RotationKey::Rollback(rotation_id.clone());
        let found = self.aws.ledger.rotations().read(&key).await;
        let found = found.map_err(|error| unavailable(&record.request, error))?;
        Ok(found.map(|rollback| rollback.as_rollback()))
    }

    fn time_left(&self) -> Duration {
        self.invocation.deadline.since(self.aws.now())
    }
}

fn finished(summary: Summary) -> RunEnd {
    RunEnd::Response(RotateResponse::Finished(Box::new(summary)))
}

fn waits(record: &RotationRecord) -> RunEnd {
    RunEnd::Response(RotateResponse::Open {
        rotation_id: record.request.rotation_id.clone(),
        status: record.status(),
        counts: record.counts,
    })
}

fn unavailable(request: &RotationRequest, error: CallError) -> RotateError {
    RotateError::LedgerUnavailable {
        rotation_id: request.rotation_id.clone(),
        error,
    }
}

fn log_end(record: &RotationRecord) {
    let counts = &record.counts;
    info!(
        status = ?record.status(),
        reason = record.state.end().and_then(|end| end.reason.as_deref()),
        total = counts.total,
        updated = counts.updated,
        failed = counts.failed,
        "rotation finished"
    );
}
