//! Receives the messages of a queue, and deletes them or lets others receive them again.

use aws_sdk_sqs::types::{Message as Received, MessageSystemAttributeName};
use rerole::aws::call_error::call_error;
use rerole_core::call::Operation;
use rerole_core::timestamp::Timestamp;

use crate::failure::Failure;
use crate::queue::Queue;
use crate::stack::Stack;
use crate::verbs::queues::message::Message;

/// The most that SQS delivers at once.
const BATCH_LEN: i32 = 10;
/// With a wait, SQS asks all of its servers, so an empty response means an empty queue.
const WAIT_SECS: i32 = 1;

/// A queue whose messages are looked at.
#[derive(Debug)]
pub struct Inbox<'a> {
    stack: &'a Stack,
    queue: Queue,
    client: aws_sdk_sqs::Client,
    url: String,
}

impl<'a> Inbox<'a> {
    /// Opens a queue.
    ///
    /// # Errors
    /// If the stack does not say where it is.
    pub fn new(stack: &'a Stack, queue: Queue) -> Result<Self, Failure> {
        Ok(Self {
            stack,
            queue,
            client: aws_sdk_sqs::Client::new(&stack.sdk),
            url: queue.url(stack)?,
        })
    }

    /// Receives up to `most` messages. Nobody else receives them for `hidden_secs`.
    ///
    /// # Errors
    /// If the caller may not receive.
    pub async fn receive(&self, most: usize, hidden_secs: i32) -> Result<Vec<Message>, Failure> {
        let subject = format!("{} (sqs:ReceiveMessage)", self.queue.name());
        let operation = Operation::on("receive from queue", &subject);
        let mut messages = Vec::new();
        while messages.len() < most {
            let receive = self
                .client
                .receive_message()
                .queue_url(&self.url)
                .max_number_of_messages(BATCH_LEN)
                .visibility_timeout(hidden_secs)
                .wait_time_seconds(WAIT_SECS)
                .message_system_attribute_names(MessageSystemAttributeName::All)
                .message_attribute_names("All");
            let received = receive.send().await;
            let received = received.map_err(|error| call_error(operation, &error))?;
            let received = received.messages.unwrap_or_default();
            if received.is_empty() {
                break;
            }
            messages.extend(received.into_iter().map(message));
        }
        Ok(messages)
    }

    /// Deletes a message.
    ///
    /// # Errors
    /// If the caller may not.
    pub async fn delete(&self, message: &Message) -> Result<(), Failure> {
        let subject = format!("{} (sqs:DeleteMessage)", self.queue.name());
        let operation = Operation::on("delete from queue", &subject);
        let delete = self.client.delete_message().queue_url(&self.url);
        let deleted = delete.receipt_handle(&message.receipt).send().await;
        deleted.map_err(|error| call_error(operation, &error))?;
        Ok(())
    }

    /// Lets others receive the messages at once. If that fails, they can when the time is over.
    pub async fn release(&self, messages: &[Message]) {
        for message in messages {
            let change = self.client.change_message_visibility().queue_url(&self.url);
            let change = change
                .receipt_handle(&message.receipt)
                .visibility_timeout(0);
            let _ = change.send().await;
        }
    }

    /// Sends a message to this queue.
    ///
    /// # Errors
    /// If the caller may not.
    pub async fn send(&self, body: &str) -> Result<(), Failure> {
        let subject = format!("{} (sqs:SendMessage)", self.queue.name());
        let operation = Operation::on("send to queue", &subject);
        let request = self.client.send_message().queue_url(&self.url);
        let sent = request.message_body(body).send().await;
        sent.map_err(|error| call_error(operation, &error))?;
        Ok(())
    }

    /// Lets SQS move all messages of this dead-letter queue to another one. It is named, because
    /// SQS does not know where a message came from that an operator has sent. Returns whether the
    /// service can.
    ///
    /// # Errors
    /// If the caller may not.
    pub async fn move_to(&self, destination: Queue) -> Result<bool, Failure> {
        let arn = self.queue.arn(self.stack).await?;
        let destination = destination.arn(self.stack).await?;
        let subject = format!("{} (sqs:StartMessageMoveTask)", self.queue.name());
        let operation = Operation::on("move the messages of queue", &subject);
        let started = self
            .client
            .start_message_move_task()
            .source_arn(arn)
            .destination_arn(destination)
            .send()
            .await;
        match started.map_err(|error| call_error(operation, &error)) {
            Ok(_) => Ok(true),
            Err(error) if is_unknown(error.code.as_deref()) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether a service in place of SQS does not have the call. SQS itself answers
/// `UnsupportedOperation` if it refuses the move, which is an error.
fn is_unknown(code: Option<&str>) -> bool {
    let unknown = ["InvalidAction", "UnknownOperation", "NotImplemented"];
    code.is_some_and(|code| unknown.iter().any(|name| code.contains(name)))
}

fn message(received: Received) -> Message {
    let system = received.attributes.unwrap_or_default();
    let number = |name: &MessageSystemAttributeName| system.get(name)?.parse::<i64>().ok();
    let sent_at = number(&MessageSystemAttributeName::SentTimestamp);
    let count = number(&MessageSystemAttributeName::ApproximateReceiveCount);
    let attributes = received.message_attributes.unwrap_or_default().into_iter();
    let attributes = attributes.filter_map(|(name, value)| Some((name, value.string_value?)));
    Message {
        id: received.message_id.unwrap_or_default(),
        receipt: received.receipt_handle.unwrap_or_default(),
        body: received.body.unwrap_or_default(),
        attributes: attributes.collect(),
        sent_at: sent_at.map(Timestamp::from_millis),
        receive_count: count
            .and_then(|count| u64::try_from(count).ok())
            .unwrap_or_default(),
    }
}
