//! SQS: standard queues with visibility timeouts, receive counts, dead-letter queues, and the tasks
//! that move messages back from these.
//!
//! A receive returns at once, whatever its wait time. A move task completes at once. Any host is
//! accepted in the URL of a queue.

mod digest;
mod queue;
mod wire;

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

pub use queue::{DeadLetter, Message, Queue};
pub(crate) use queue::{NewMessage, QueueState, Queues, Receive};

use crate::clock::since_epoch;
use crate::protocol::{ApiError, ApiRequest};
use crate::rng::Rng;

const BODY_LEN_MAX: usize = 1024 * 1024;
const RECEIVES_MAX: u64 = 10;

/// The queues of an account in a region, and the tasks that moved messages.
#[derive(Default)]
pub(crate) struct Sqs {
    pub(crate) queues: Queues,
    moves: Vec<MoveTask>,
}

/// A completed task.
struct MoveTask {
    source_arn: String,
    destination_arn: Option<String>,
    started_at: SystemTime,
    moved: usize,
    unmoved: usize,
}

impl Sqs {
    /// Responds to one request at `now`.
    pub(crate) fn respond(
        &mut self,
        now: SystemTime,
        request: &ApiRequest,
        rng: &mut Rng,
    ) -> Result<Value, ApiError> {
        match request.operation.as_str() {
            "GetQueueUrl" => Ok(json!({ "QueueUrl": self.queue(request, "QueueName")?.url })),
            "ListQueues" => Ok(self.list(request)),
            "GetQueueAttributes" => self.attributes(now, request),
            "SendMessage" => self.send(now, request, rng),
            "ReceiveMessage" => self.receive(now, request, rng),
            "DeleteMessage" => {
                let receipt = receipt(request)?;
                self.queue(request, "QueueUrl")?.delete(receipt);
                Ok(json!({}))
            }
            "ChangeMessageVisibility" => self.change_visibility(now, request),
            "StartMessageMoveTask" => self.start_move(now, request, rng),
            "ListMessageMoveTasks" => self.list_moves(request),
            operation => Err(ApiError::not_simulated(operation)),
        }
    }

    /// The queue that this member names.
    fn queue(&mut self, request: &ApiRequest, member: &str) -> Result<&mut QueueState, ApiError> {
        let queue = request.required(member)?;
        let state = self.queues.get_mut(queue);
        state.ok_or_else(|| ApiError {
            query_code: Some("AWS.SimpleQueueService.NonExistentQueue"),
            ..ApiError::new("QueueDoesNotExist", "The specified queue does not exist.")
        })
    }

    fn list(&self, request: &ApiRequest) -> Value {
        let prefix = request.text("QueueNamePrefix").unwrap_or_default();
        let queues = self.queues.iter();
        let named = queues.filter(|state| state.queue.name.starts_with(prefix));
        json!({ "QueueUrls": named.map(|state| &state.url).collect::<Vec<_>>() })
    }

    fn attributes(&mut self, now: SystemTime, request: &ApiRequest) -> Result<Value, ApiError> {
        let policy = self.queue(request, "QueueUrl")?.queue.dead_letter.clone();
        let target = policy.and_then(|policy| {
            let target = self.queues.get_mut(&policy.queue)?;
            Some((target.arn.clone(), policy.receives_max))
        });
        let state = self.queue(request, "QueueUrl")?;
        let mut attributes = wire::queue_attributes(state, now, target);
        let names = request.texts("AttributeNames");
        if let Some(unknown) = names.iter().find(|name| !wire::is_queue_attribute(name)) {
            let message = format!("Unknown Attribute {unknown}.");
            return Err(ApiError::new("InvalidAttributeName", message));
        }
        if !names.contains(&"All") {
            attributes.retain(|name, _| names.contains(&name.as_str()));
        }
        Ok(json!({ "Attributes": attributes }))
    }

    fn send(
        &mut self,
        now: SystemTime,
        request: &ApiRequest,
        rng: &mut Rng,
    ) -> Result<Value, ApiError> {
        let body = request.required("MessageBody")?;
        if body.len() > BODY_LEN_MAX {
            let message = "One or more parameters are invalid. Reason: Message must be shorter \
                           than 1048576 bytes.";
            return Err(ApiError::new("InvalidParameterValue", message));
        }
        let attributes = request.parameters.get("MessageAttributes");
        let new = NewMessage {
            body,
            attributes: attributes.cloned().unwrap_or_default(),
            delay: Duration::from_secs(request.count("DelaySeconds").unwrap_or_default()),
        };
        let message = self.queue(request, "QueueUrl")?.send(now, new, rng);
        Ok(json!({
            "MessageId": message.id,
            "MD5OfMessageBody": digest::of_body(&message.body),
            "MD5OfMessageAttributes": digest::of_attributes(&message.attributes),
        }))
    }

    fn receive(
        &mut self,
        now: SystemTime,
        request: &ApiRequest,
        rng: &mut Rng,
    ) -> Result<Value, ApiError> {
        let max = request.count("MaxNumberOfMessages").unwrap_or(1);
        if !(1..=RECEIVES_MAX).contains(&max) {
            let message = format!(
                "Value {max} for parameter MaxNumberOfMessages is invalid. Reason: Must be \
                 between 1 and {RECEIVES_MAX}, if provided."
            );
            return Err(ApiError::new("InvalidParameterValue", message));
        }
        let name = self.queue(request, "QueueUrl")?.queue.name.clone();
        let receive = Receive {
            max: usize::try_from(max).unwrap_or(usize::MAX),
            hidden_for: request.count("VisibilityTimeout").map(Duration::from_secs),
        };
        let received = self.queues.receive(now, &name, &receive, rng);
        let messages = received.unwrap_or_default().into_iter();
        let messages: Vec<Value> = messages
            .map(|message| wire::received(request, &message))
            .collect();
        if messages.is_empty() {
            return Ok(json!({}));
        }
        Ok(json!({ "Messages": messages }))
    }

    fn change_visibility(
        &mut self,
        now: SystemTime,
        request: &ApiRequest,
    ) -> Result<Value, ApiError> {
        let receipt = receipt(request)?;
        let Some(timeout) = request.count("VisibilityTimeout") else {
            return Err(request.invalid("The request must contain VisibilityTimeout."));
        };
        let state = self.queue(request, "QueueUrl")?;
        let message = state.by_receipt(now, receipt);
        let Some(message) = message.filter(|message| !message.is_visible(now)) else {
            let message = "The specified message isn't in flight.";
            return Err(ApiError {
                query_code: Some("AWS.SimpleQueueService.MessageNotInflight"),
                ..ApiError::new("MessageNotInflight", message)
            });
        };
        message.visible_at = now + Duration::from_secs(timeout);
        Ok(json!({}))
    }

    fn start_move(
        &mut self,
        now: SystemTime,
        request: &ApiRequest,
        rng: &mut Rng,
    ) -> Result<Value, ApiError> {
        let source_arn = self.existing_arn(request, "SourceArn")?;
        let destination_arn = match request.text("DestinationArn") {
            Some(_) => Some(self.existing_arn(request, "DestinationArn")?),
            None => None,
        };
        let source = queue::last_part(&source_arn);
        if !self.queues.is_dead_letter_queue(source) {
            let message = "Source queue must be configured as a Dead Letter Queue.";
            return Err(ApiError::new("InvalidParameterValue", message));
        }
        let destination = destination_arn.as_deref();
        let (moved, unmoved) = self
            .queues
            .move_back(now, source, destination, rng)
            .unwrap_or_default();
        let handle = rng.resource_id();
        self.moves.push(MoveTask {
            source_arn,
            destination_arn,
            started_at: now,
            moved,
            unmoved,
        });
        Ok(json!({ "TaskHandle": handle }))
    }

    /// The tasks of a queue, the latest first.
    fn list_moves(&mut self, request: &ApiRequest) -> Result<Value, ApiError> {
        let source_arn = self.existing_arn(request, "SourceArn")?;
        let max = usize::try_from(request.count("MaxResults").unwrap_or(1)).unwrap_or(usize::MAX);
        let tasks = self.moves.iter().rev();
        let tasks = tasks.filter(|task| task.source_arn == source_arn).take(max);
        Ok(json!({ "Results": tasks.map(MoveTask::entry).collect::<Vec<_>>() }))
    }

    /// The ARN in this member, which must be that of a queue.
    fn existing_arn(&mut self, request: &ApiRequest, member: &str) -> Result<String, ApiError> {
        let arn = request.required(member)?;
        let state = self.queues.get_mut(arn).filter(|state| state.arn == arn);
        state.map(|state| state.arn.clone()).ok_or_else(|| {
            let message = format!(
                "The resource that you specified for the {member} parameter doesn't exist."
            );
            ApiError::new("ResourceNotFoundException", message)
        })
    }
}

impl MoveTask {
    fn entry(&self) -> Value {
        let has_failed = self.unmoved > 0;
        let started = since_epoch(self.started_at).as_millis();
        json!({
            "Status": if has_failed { "FAILED" } else { "COMPLETED" },
            "SourceArn": self.source_arn,
            "DestinationArn": self.destination_arn,
            "ApproximateNumberOfMessagesMoved": self.moved,
            "ApproximateNumberOfMessagesToMove": self.moved + self.unmoved,
            "FailureReason": has_failed.then_some("CouldNotDetermineMessageSource"),
            "StartedTimestamp": u64::try_from(started).unwrap_or(u64::MAX),
        })
    }
}

/// The receipt, which must have the form of one. To delete a message that is gone is a success.
fn receipt(request: &ApiRequest) -> Result<&str, ApiError> {
    let receipt = request.required("ReceiptHandle")?;
    if receipt.contains('/') {
        return Ok(receipt);
    }
    let message = format!("The input receipt handle \"{receipt}\" is not a valid receipt handle.");
    Err(ApiError {
        status: 404,
        query_code: Some("ReceiptHandleIsInvalid"),
        ..ApiError::new("ReceiptHandleIsInvalid", message)
    })
}
