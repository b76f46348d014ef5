//! The handler of the `rotate` function: a payload in, a response or an error out.
//!
//! An error means: deliver this event again, or repeat this task of the state machine. The work on
//! associations is in `slice`.

use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_smithy_async::time::SharedTimeSource;
use lambda_runtime::LambdaEvent;
use rerole_core::indexing::{Coverage, ItemRules};
use rerole_core::keys::{LedgerKey, RotationKey};
use rerole_core::request::{
    EventRecord, MaxConcurrency, Rejection, RequestRules, Requested, RotationRequest,
    check_recorded,
};
use rerole_core::rotation::{RoleUse, RotationRecord, Status};
use serde_json::Value;
use tokio::time::Instant;
use tracing::{Instrument, error, error_span, info, warn};

use crate::aws::Aws;
use crate::aws::ledger::Opened;
use crate::lambda::invocation::Invocation;
use crate::lambda::metrics::{Metrics, SliceMetrics};
use crate::rotate::error::{Owner, RotateError};
use crate::rotate::hand_over::{Trigger, hand_over};
use crate::rotate::payload::{Payload, Task};
use crate::rotate::response::RotateResponse;
use crate::rotate::slice::{DEADLINE_RESERVE, Slice, SliceSettings, TimeSpan};
use crate::rotate::stalled;
use crate::settings::RotateSettings;

/// The `rotate` function: clients and settings, made once and used for every event.
#[derive(Debug)]
pub struct RotateHandler {
    aws: Aws,
    metrics: Metrics,
    rules: RequestRules,
    coverage: Coverage,
    max_concurrency: MaxConcurrency,
}

impl RotateHandler {
    /// Makes the clients, without any call. The caller passes HTTP client, clock and metrics, so a
    /// test can simulate them.
    #[must_use]
    pub fn new(
        settings: &RotateSettings,
        http_client: SharedHttpClient,
        clock: SharedTimeSource,
        metrics: Metrics,
    ) -> Self {
        Self {
            aws: Aws::new(&settings.common, http_client, clock),
            metrics,
            rules: settings.rules.clone(),
            coverage: settings.coverage.clone(),
            max_concurrency: settings.common.max_concurrency,
        }
    }

    /// Handles an event as the Lambda runtime delivers it.
    ///
    /// # Errors
    /// See [`RotateError`].
    pub async fn invoke(&self, event: LambdaEvent<Value>) -> Result<RotateResponse, RotateError> {
        let invocation = Invocation::of(&event.context, self.aws.now());
        Box::pin(self.handle(&event.payload, &invocation)).await
    }

    /// Handles a payload.
    ///
    /// # Errors
    /// See [`RotateError`].
    pub async fn handle(
        &self,
        payload: &Value,
        invocation: &Invocation,
    ) -> Result<RotateResponse, RotateError> {
        let Payload { task, event } =
            Payload::parse(payload, invocation.own_account.as_ref(), &self.rules);
        // Each log line has the members of the span. It has the level of errors, so no log filter
        // takes it away.
        let request_id = &invocation.request_id;
        let span = match &task {
            Task::Rotate(requested) => {
                let key = RotationKey::of(&requested.request);
                error_span!("rotation", requestId = request_id, rotationId = %key)
            }
            Task::Resume(key) => {
                error_span!("rotation", requestId = request_id, rotationId = %key)
            }
            Task::CheckStalled | Task::Ignore { .. } | Task::Reject(_) => {
                error_span!("invocation", requestId = request_id)
            }
        };
        Box::pin(self.perform(task, &event, invocation))
            .instrument(span)
            .await
    }

    /// Performs the task, and logs the error with which the invocation fails.
    async fn perform(
        &self,
        task: Task,
        event: &EventRecord,
        invocation: &Invocation,
    ) -> Result<RotateResponse, RotateError> {
        let result = match task {
            Task::Rotate(mut requested) => {
                requested.envelope.request_id = Some(invocation.request_id.clone());
                self.rotate(&requested, event, invocation, Trigger::Event)
                    .await
            }
            Task::Resume(key) => self.resume(key, event, invocation).await,
            Task::CheckStalled => self.check_stalled().await,
            Task::Ignore { detail_type } => {
                info!(detailType = detail_type, "event ignored");
                Ok(RotateResponse::Ignored {
                    ignored_detail_type: detail_type,
                })
            }
            Task::Reject(rejection) => self.reject(event, rejection, invocation).await,
        };
        result.inspect_err(|error| warn!(%error, "invocation failed"))
    }

    async fn check_stalled(&self) -> Result<RotateResponse, RotateError> {
        let stalled = stalled::stalled_rotations(&self.aws)
            .await
            .map_err(RotateError::StalledScanFailed)?;
        self.metrics.stalled(self.aws.now(), stalled.count);
        Ok(RotateResponse::Stalled {
            stalled_rotations: stalled.first,
        })
    }

    /// Resumes a rotation with the request that the ledger has. The request is checked as in an
    /// event: a principal that can write to the ledger may have changed it.
    async fn resume(
        &self,
        key: RotationKey,
        event: &EventRecord,
        invocation: &Invocation,
    ) -> Result<RotateResponse, RotateError> {
        let found = self.aws.ledger.rotations().read(&key).await;
        let found = found.map_err(|error| RotateError::LedgerUnavailable {
            rotation_id: key.rotation_id().clone(),
            error,
        })?;
        match found {
            Some(RotationRecord {
                request, envelope, ..
            }) => {
                let own_account = invocation.own_account.as_ref();
                if let Err(rejection) = check_recorded(&request, own_account, &self.rules) {
                    return self.reject(event, rejection, invocation).await;
                }
                let requested = Requested { request, envelope };
                self.rotate(&requested, event, invocation, Trigger::StateMachine)
                    .await
            }
            None => Err(RotateError::UnknownRotation(key)),
        }
    }

    async fn rotate(
        &self,
        requested: &Requested,
        event: &EventRecord,
        invocation: &Invocation,
        trigger: Trigger,
    ) -> Result<RotateResponse, RotateError> {
        let request = &requested.request;
        let (now, start) = (self.aws.now(), Instant::now());
        let left = invocation.deadline.since(now);
        if left < DEADLINE_RESERVE {
            return Err(RotateError::InsufficientTime { left });
        }
        let rotations = self.aws.ledger.rotations();
        let opened = rotations.open(requested, || self.aws.now()).await;
        let opened = opened.map_err(|error| RotateError::LedgerUnavailable {
            rotation_id: request.rotation_id.clone(),
            error,
        })?;
        match opened {
            Opened::Acquired(record) => {
                let deadline = start + left;
                let time = TimeSpan { start, deadline };
                self.run_slice(*record, time, invocation, trigger).await
            }
            Opened::Finished(record) => {
                info!(status = ?record.status, "rotation already finished");
                let old_role = self.role_use(&record, invocation).await?;
                Ok(RotateResponse::Finished(Box::new(
                    record.repeated_summary(old_role),
                )))
            }
            Opened::AlreadyRunning => {
                info!("rotation already running");
                match trigger {
                    // If the other invocation fails, it is itself retried.
                    Trigger::Event => Ok(RotateResponse::AlreadyRunning {
                        rotation_id: request.rotation_id.clone(),
                        already_running: true,
                    }),
                    // The execution ends only when the rotation is finished, so it tries again.
                    Trigger::StateMachine => Err(busy(request, Owner::Invocation)),
                }
            }
            Opened::OtherRequest(found) => {
                let rejection = request.id_taken(&found.request, found.started_at);
                self.reject(event, rejection, invocation).await
            }
            Opened::RoleLocked { role, owner } => {
                Err(busy(request, Owner::Rotation { role, owner }))
            }
        }
    }

    /// Runs this invocation's slice of a rotation whose lease it holds. The limits are those of the
    /// first event, which the record has.
    async fn run_slice(
        &self,
        record: RotationRecord,
        time: TimeSpan,
        invocation: &Invocation,
        trigger: Trigger,
    ) -> Result<RotateResponse, RotateError> {
        let request = &record.request.clone();
        info!(
            fence = record.fence,
            oldRole = %request.old_role_arn,
            newRole = %request.new_role_arn,
            "rotation opened"
        );
        let before = record.counts;
        let ceiling = request
            .max_concurrency
            .map_or(self.max_concurrency, |requested| {
                requested.min(self.max_concurrency)
            });
        let settings = SliceSettings {
            max_concurrency: ceiling.count(),
            coverage: &self.coverage,
            own_account: invocation.own_account.as_ref(),
        };
        let slice = Slice::new(&self.aws, record, time, settings);
        let end = Box::pin(slice.run()).await;
        let (after, ended) = match &end {
            Ok(record) => (Some(record.counts), Some(record.status)),
            Err(incomplete) => (incomplete.is_recorded.then_some(incomplete.counts), None),
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
        match end {
            Ok(record) => {
                log_end(&record);
                let old_role = self.role_use(&record, invocation).await?;
                Ok(RotateResponse::Finished(Box::new(record.summary(old_role))))
            }
            Err(incomplete) => hand_over(&self.aws, request, incomplete, trigger).await,
        }
    }

    /// Returns what may be said about the old role of a finished rotation now.
    async fn role_use(
        &self,
        record: &RotationRecord,
        invocation: &Invocation,
    ) -> Result<RoleUse, RotateError> {
        let rules = ItemRules {
            own_account: invocation.own_account.as_ref(),
            regions: Some(&self.coverage.regions),
            now: self.aws.now(),
        };
        let found = self.aws.role_use(&record.old_role_arn, &rules).await;
        found.map_err(|error| RotateError::LedgerUnavailable {
            rotation_id: record.request.rotation_id.clone(),
            error,
        })
    }

    /// Records an event that cannot run. The invocation succeeds, since another delivery could not
    /// help.
    async fn reject(
        &self,
        event: &EventRecord,
        rejection: Rejection,
        invocation: &Invocation,
    ) -> Result<RotateResponse, RotateError> {
        let (now, request_id) = (self.aws.now(), &invocation.request_id);
        let rejections = self.aws.ledger.rejections();
        match rejections.record(event, &rejection, request_id, now).await {
            Ok(is_new) => {
                error!(eventId = event.id, reason = %rejection, "event rejected");
                if is_new {
                    let key = LedgerKey::Rejected(event.id.clone());
                    self.metrics.rejected(now, &key);
                }
                Ok(RotateResponse::Rejected {
                    event_id: event.id.clone(),
                    status: Status::Rejected,
                    reason: rejection.to_string(),
                })
            }
            Err(error) => Err(RotateError::RejectionNotRecorded {
                event_id: event.id.clone(),
                rejection,
                error,
            }),
        }
    }
}

fn busy(request: &RotationRequest, owner: Owner) -> RotateError {
    RotateError::Busy {
        rotation_id: request.rotation_id.clone(),
        owner,
    }
}

fn log_end(record: &RotationRecord) {
    let counts = &record.counts;
    info!(
        status = ?record.status,
        reason = record.reason,
        total = counts.total,
        updated = counts.updated,
        failed = counts.failed,
        "rotation finished"
    );
}
