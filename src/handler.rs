//! What Lambda calls: a payload in, a reply or an error out. An error means "deliver this event again", or "take this step
//! of the state machine again".

use std::time::Duration;

use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_smithy_async::time::SharedTimeSource;
use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use serde_json::Value;
use tokio::time::Instant;
use tracing::{Instrument, error, info, info_span, warn};

use crate::arn::{RoleArn, function_account};
use crate::aws::Aws;
use crate::aws::error::CallError;
use crate::aws::ledger::Opened;
use crate::continuation::{Continuation, Work};
use crate::intake::{Intake, event_id, read};
use crate::max_concurrency::MaxConcurrency;
use crate::metrics::{Metrics, SliceMetrics};
use crate::record::{Reply, RotationRecord};
use crate::request::{Rejection, RotationId, RotationRequest};
use crate::rotation::{DEADLINE_RESERVE, LEASE, Left, Slice, SliceError};
use crate::settings::RotateSettings;
use crate::status::{Counts, Status};
use crate::time::Timestamp;
use crate::watch;

/// The rotate function: clients and settings, made once and used for every event.
#[derive(Debug)]
pub struct Handler {
    aws: Aws,
    metrics: Metrics,
    role_path: String,
    max_concurrency: MaxConcurrency,
}

/// What Lambda says of an invocation, beside its payload.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The account that the function runs in, where its ARN tells.
    pub own_account: Option<String>,
    /// When Lambda ends the function.
    pub deadline: Timestamp,
}

/// Why an event has to be delivered again, or a step of the state machine repeated. What is settled by then stays settled.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    #[error("rotation {rotation_id} has to wait: {holder}")]
    Busy { rotation_id: RotationId, holder: Holder },
    #[error(
        "rotation {rotation_id} is not at its end: {reason}; {} of {} associations are pending, and the next delivery or \
         slice carries on", counts.pending, counts.total
    )]
    Unfinished { rotation_id: RotationId, reason: LeftFor, counts: Counts },
    #[error(
        "rotation {rotation_id} was not brought on before time was up, and would not be by another invocation; {} of {} \
         associations are pending", counts.pending, counts.total
    )]
    NoProgress { rotation_id: RotationId, counts: Counts },
    #[error("the ledger knows no rotation {0}")]
    UnknownRotation(Continuation),
    #[error("rotation {rotation_id} could not be opened: {error}")]
    Unopened { rotation_id: RotationId, error: CallError },
    #[error("the rejection of event {event_id} could not be recorded ({rejection}): {error}")]
    Unrecorded { event_id: String, rejection: Rejection, error: CallError },
    #[error("open rotations could not be read: {0}")]
    Unwatched(CallError),
    #[error(
        "{left:?} are left of this invocation, and {DEADLINE_RESERVE:?} are needed to begin; raise the function's timeout"
    )]
    TooLate { left: Duration },
}

/// Whom a rotation has to wait for.
#[derive(Debug, thiserror::Error)]
pub enum Holder {
    #[error("rotation {holder} has {role} in hand")]
    Rotation { role: RoleArn, holder: String },
    #[error("another invocation is at work on it")]
    Invocation,
}

/// Why an invocation left its rotation before the end.
#[derive(Debug, thiserror::Error)]
pub enum LeftFor {
    #[error(transparent)]
    Slice(SliceError),
    #[error("time is up, and the rotation could not be handed over: {0}")]
    NotHandedOver(CallError),
}

/// Who asks for a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asker {
    /// Lambda delivers an event, three times at the most.
    Event,
    /// The state machine asks for slices until the rotation is at its end.
    Machine,
}

impl From<HandlerError> for Diagnostic {
    /// The variant's name is the error type that Step Functions, alarms and people match on.
    fn from(error: HandlerError) -> Self {
        let error_type = match &error {
            HandlerError::Busy { .. } => "Busy",
            HandlerError::Unfinished { .. } => "Unfinished",
            HandlerError::NoProgress { .. } => "NoProgress",
            HandlerError::UnknownRotation(_) => "UnknownRotation",
            HandlerError::Unopened { .. } => "Unopened",
            HandlerError::Unrecorded { .. } => "Unrecorded",
            HandlerError::Unwatched(_) => "Unwatched",
            HandlerError::TooLate { .. } => "TooLate",
        };
        Self { error_type: error_type.to_owned(), error_message: error.to_string() }
    }
}

impl Invocation {
    /// Reads what the runtime hands over at `now`.
    #[must_use]
    pub fn of(context: &Context, now: Timestamp) -> Self {
        Self {
            own_account: function_account(&context.invoked_function_arn).map(str::to_owned),
            deadline: deadline(context.deadline().into(), now),
        }
    }
}

/// Lambda's longest timeout.
const TIMEOUT_MAX: Duration = Duration::from_mins(15);

/// When Lambda ends the function. `cargo lambda watch` sends the time that is left, 600,000 ms, where Lambda sends the time
/// of day: what would be within the first minutes of 1970 is taken for that.
fn deadline(sent: Timestamp, now: Timestamp) -> Timestamp {
    let since_1970 = sent.since(Timestamp::from_millis(0));
    if since_1970 <= TIMEOUT_MAX { now + since_1970 } else { sent }
}

impl Handler {
    /// Makes the clients; no call is made. The HTTP client, the clock and the metrics are the edges to the world.
    #[must_use]
    pub fn new(
        settings: &RotateSettings,
        http_client: SharedHttpClient,
        clock: SharedTimeSource,
        metrics: Metrics,
    ) -> Self {
        Self {
            metrics,
            aws: Aws::new(&settings.common, http_client, clock),
            role_path: settings.role_path.clone(),
            max_concurrency: settings.common.max_concurrency,
        }
    }

    /// Handles an event as the Lambda runtime hands it over.
    ///
    /// # Errors
    /// See [`HandlerError`].
    pub async fn invoke(&self, event: LambdaEvent<Value>) -> Result<Reply, HandlerError> {
        let invocation = Invocation::of(&event.context, self.aws.now());
        Box::pin(self.handle(&event.payload, &invocation)).await
    }

    /// Handles a payload.
    ///
    /// # Errors
    /// See [`HandlerError`].
    pub async fn handle(&self, payload: &Value, invocation: &Invocation) -> Result<Reply, HandlerError> {
        match read(payload, invocation.own_account.as_deref(), &self.role_path) {
            Intake::Watch => {
                let stalled = watch::stalled_rotations(&self.aws).await.map_err(HandlerError::Unwatched)?;
                self.metrics.stalled(self.aws.now(), stalled.count);
                Ok(Reply::Watched { stalled_rotations: stalled.first })
            }
            Intake::Ignore { detail_type } => {
                info!(detail_type, "event of another kind ignored");
                Ok(Reply::Ignored { ignored_detail_type: detail_type })
            }
            Intake::Reject { event_id, rejection } => self.reject(&event_id, rejection, payload).await,
            Intake::Rotate(request) => {
                let span = info_span!("rotation", rotationId = %request.ledger_key());
                Box::pin(self.rotate(&request, payload, invocation, Asker::Event)).instrument(span).await
            }
            Intake::Continue(continuation) => {
                let span = info_span!("rotation", rotationId = %continuation);
                Box::pin(self.go_on(continuation, payload, invocation)).instrument(span).await
            }
        }
    }

    /// Goes on with a rotation as it was asked for when it began.
    async fn go_on(
        &self,
        continuation: Continuation,
        payload: &Value,
        invocation: &Invocation,
    ) -> Result<Reply, HandlerError> {
        let found = self.aws.ledger.read(&continuation.to_string()).await;
        let found =
            found.map_err(|error| HandlerError::Unopened { rotation_id: continuation.rotation_id.clone(), error })?;
        match found {
            Some(record) => self.rotate(&record.request, payload, invocation, Asker::Machine).await,
            None => Err(HandlerError::UnknownRotation(continuation)),
        }
    }

    async fn rotate(
        &self,
        request: &RotationRequest,
        payload: &Value,
        invocation: &Invocation,
        asker: Asker,
    ) -> Result<Reply, HandlerError> {
        let rotation_id = request.rotation_id.clone();
        let (now, asked_at) = (self.aws.now(), Instant::now());
        let left = invocation.deadline.since(now);
        if left < DEADLINE_RESERVE {
            return Err(HandlerError::TooLate { left });
        }
        let opened = self.aws.ledger.open(request, now, now + LEASE).await;
        let opened = opened.map_err(|error| HandlerError::Unopened { rotation_id: rotation_id.clone(), error })?;
        match opened {
            Opened::Ours(record) => {
                let deadline = asked_at + left;
                self.work(request, *record, asked_at, deadline, asker).await
            }
            Opened::Finished(record) => {
                info!(status = ?record.status, "rotation was finished by an earlier delivery");
                Ok(Reply::Finished(Box::new(record.summary())))
            }
            Opened::AlreadyRunning => {
                info!("another invocation is at work on this rotation");
                match asker {
                    Asker::Event => Ok(Reply::AlreadyRunning { rotation_id, already_running: true }),
                    Asker::Machine => Err(HandlerError::Busy { rotation_id, holder: Holder::Invocation }),
                }
            }
            Opened::OtherRequest(found) => {
                let allowed = format!(
                    "an id of its own: rotation {rotation_id} began at {} with another request ({} to {})",
                    found.started_at, found.old_role_arn, found.new_role_arn
                );
                let rejection = Rejection::new("detail.rotationId", &Value::from(rotation_id.as_str()), allowed);
                self.reject(&event_id(payload), rejection, payload).await
            }
            Opened::RoleLocked { role, holder } => {
                let busy = HandlerError::Busy { rotation_id, holder: Holder::Rotation { role, holder } };
                warn!("{busy}");
                Err(busy)
            }
        }
    }

    /// Does this invocation's part of a rotation that is ours.
    async fn work(
        &self,
        request: &RotationRequest,
        record: RotationRecord,
        asked_at: Instant,
        deadline: Instant,
        asker: Asker,
    ) -> Result<Reply, HandlerError> {
        info!(fence = record.fence, old_role = %request.old_role_arn, new_role = %request.new_role_arn, "rotation opened");
        let before = record.counts;
        let ceiling = request.max_concurrency.map_or(self.max_concurrency, |asked| asked.min(self.max_concurrency));
        let slice = Slice::new(&self.aws, record, asked_at, deadline, ceiling.count());
        let end = Box::pin(slice.run()).await;
        let (after, ended) = match &end {
            Ok(record) => (Some(record.counts), Some(record.status)),
            Err(left) => (left.is_recorded.then_some(left.counts), None),
        };
        self.metrics.slice(
            self.aws.now(),
            &SliceMetrics {
                rotation_id: &request.ledger_key(),
                associations: after.filter(|_| !request.dry_run).map(|after| (before, after)),
                throttled_calls: self.aws.eks.take_throttled_calls(),
                ended,
            },
        );
        match end {
            Ok(record) => {
                info!(status = ?record.status, reason = record.reason, counts = ?record.counts, "rotation finished");
                Ok(Reply::Finished(Box::new(record.summary())))
            }
            Err(left) => self.hand_over(request, left, asker).await.inspect_err(|error| warn!("{error}")),
        }
    }

    /// Sees to it that somebody goes on with a rotation whose lease was given back: the state machine where time was up, and
    /// whoever repeats a failed invocation where something is in the way.
    async fn hand_over(&self, request: &RotationRequest, left: Left, asker: Asker) -> Result<Reply, HandlerError> {
        let Left { reason, counts, has_advanced, .. } = left;
        let rotation_id = request.rotation_id.clone();
        let machine = match (&reason, asker, &self.aws.machine) {
            (SliceError::OutOfTime, Asker::Machine, _) => None,
            (SliceError::OutOfTime, Asker::Event, Some(machine)) => Some(machine),
            _ => {
                return Err(HandlerError::Unfinished { rotation_id, reason: LeftFor::Slice(reason), counts });
            }
        };
        if !has_advanced {
            return Err(HandlerError::NoProgress { rotation_id, counts });
        }
        if let Some(machine) = machine {
            let work = Work::Rotation(Continuation { rotation_id: rotation_id.clone(), dry_run: request.dry_run });
            match machine.hand_over(&work).await {
                Ok(execution) => info!(execution, "rotation handed over to the state machine"),
                Err(error) => {
                    let reason = LeftFor::NotHandedOver(error);
                    return Err(HandlerError::Unfinished { rotation_id, reason, counts });
                }
            }
        }
        info!(?counts, "rotation goes on in another invocation");
        Ok(Reply::InProgress { rotation_id, status: Status::InProgress, counts })
    }

    /// Records an event that may not run. The invocation succeeds: delivering the event again cannot help.
    async fn reject(&self, event_id: &str, rejection: Rejection, payload: &Value) -> Result<Reply, HandlerError> {
        error!(event_id, reason = %rejection, "event rejected");
        let now = self.aws.now();
        match self.aws.ledger.reject(event_id, &rejection, payload, now).await {
            Ok(is_new) => {
                if is_new {
                    self.metrics.rejected(now, &format!("rejected/{event_id}"));
                }
                Ok(Reply::Rejected {
                    event_id: event_id.to_owned(),
                    status: Status::Rejected,
                    reason: rejection.to_string(),
                })
            }
            Err(error) => Err(HandlerError::Unrecorded { event_id: event_id.to_owned(), rejection, error }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_a_time_of_day_or_what_is_left() {
        let now = Timestamp::from_millis(1_795_467_600_000);
        for (sent, left) in [(600_000, 600_000), (900_000, 900_000), (900_001, 0), (1_795_467_650_000, 50_000)] {
            let deadline = deadline(Timestamp::from_millis(sent), now);
            assert_eq!(deadline.since(now), Duration::from_millis(left), "{sent}");
        }
    }
}
