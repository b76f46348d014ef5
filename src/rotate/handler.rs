//! The handler of the `rotate` function: a payload in, a response or an error out.
//!
//! An error means: deliver this event again, or repeat this task of the state machine. The work on
//! associations is in `slice`.

use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_smithy_async::time::SharedTimeSource;
use lambda_runtime::LambdaEvent;
use rerole_core::command::Command;
use rerole_core::indexing::Coverage;
use rerole_core::keys::{LedgerKey, RotationKey};
use rerole_core::publishing::Republish;
use rerole_core::request::{
    EventRecord, MaxConcurrency, Rejection, RequestRules, Requested, check_recorded,
};
use rerole_core::rotation::{RotationRecord, Status};
use serde_json::Value;
use tracing::{Instrument, error, error_span, info, warn};

use crate::aws::Aws;
use crate::lambda::invocation::Invocation;
use crate::lambda::metrics::Metrics;
use crate::rotate::commands;
use crate::rotate::error::RotateError;
use crate::rotate::hand_over::Trigger;
use crate::rotate::payload::{Payload, Task};
use crate::rotate::response::RotateResponse;
use crate::rotate::rotation_run::{RotationRun, RunEnd};
use crate::rotate::stalled::check_stalled;
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
            Task::Command(command) => {
                let key = command.order.ledger_key();
                error_span!("command", requestId = request_id, rotationId = %key)
            }
            Task::Republish(republish) => {
                let key = &republish.key;
                error_span!("republish", requestId = request_id, rotationId = %key)
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
            Task::Command(mut command) => {
                command.envelope.request_id = Some(invocation.request_id.clone());
                self.command(&command, invocation).await
            }
            Task::CheckStalled => self.check_stalled(invocation).await,
            Task::Republish(republish) => self.republish(&republish).await,
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

    async fn command(
        &self,
        command: &Command,
        invocation: &Invocation,
    ) -> Result<RotateResponse, RotateError> {
        let key = command.order.ledger_key();
        let rules = (&self.rules, invocation.own_account.as_ref());
        let carried_out = commands::carry_out(&self.aws, &self.metrics, rules, command).await;
        let record = carried_out.map_err(|error| RotateError::CommandFailed {
            ledger_key: key.to_string(),
            command: command.order.name(),
            error,
        })?;
        Ok(RotateResponse::Command {
            ledger_key: key.to_string(),
            command: record.command,
            verdict: record.verdict,
            explanation: record.explanation,
            allowed: record.allowed,
            seq: record.seq,
        })
    }

    async fn check_stalled(&self, invocation: &Invocation) -> Result<RotateResponse, RotateError> {
        let stalled = check_stalled(&self.aws, &invocation.request_id)
            .await
            .map_err(RotateError::StalledScanFailed)?;
        self.metrics
            .stalled(self.aws.now(), stalled.count, stalled.frozen_at);
        Ok(RotateResponse::Stalled {
            stalled_rotations: stalled.first,
            stack_frozen_at: stalled.frozen_at,
        })
    }

    async fn republish(&self, republish: &Republish) -> Result<RotateResponse, RotateError> {
        let timelines = self.aws.ledger.timelines();
        let marked = timelines.republish(republish, self.aws.now()).await;
        let marked = marked.map_err(|error| RotateError::NotRepublished {
            ledger_key: republish.key.to_string(),
            error,
        })?;
        if marked == 0 {
            return Err(RotateError::NoTimeline {
                ledger_key: republish.key.to_string(),
                seq: republish.from_seq,
            });
        }
        Ok(RotateResponse::Republished {
            ledger_key: republish.key.to_string(),
            from_seq: republish.from_seq,
            to_seq: republish.from_seq + marked - 1,
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
                request,
                envelope,
                state,
                ..
            }) => {
                let own_account = invocation.own_account.as_ref();
                let checked = check_recorded(&request, own_account, &self.rules);
                // A rotation that is cancelled sends no update, and has to free its roles.
                if let Err(rejection) = checked
                    && state.status() != Status::Cancelling
                {
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
        let run = RotationRun {
            aws: &self.aws,
            metrics: &self.metrics,
            coverage: &self.coverage,
            max_concurrency: self.max_concurrency,
            invocation,
            trigger,
        };
        match Box::pin(run.advance(requested)).await? {
            RunEnd::Response(response) => Ok(response),
            RunEnd::Rejected(rejection) => self.reject(event, rejection, invocation).await,
        }
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
