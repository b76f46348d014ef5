//! Queues and messages as responses have them.

use std::time::SystemTime;

use serde_json::{Map, Value, json};

use crate::clock::since_epoch;
use crate::protocol::ApiRequest;
use crate::sqs::digest;
use crate::sqs::queue::{Message, QueueState};

/// The attributes of a queue whose values do not follow from its options here.
const FIXED: [(&str, &str); 4] = [
    ("DelaySeconds", "0"),
    ("MaximumMessageSize", "1048576"),
    ("ReceiveMessageWaitTimeSeconds", "0"),
    ("SqsManagedSseEnabled", "true"),
];
const DERIVED: [&str; 10] = [
    "All",
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "MessageRetentionPeriod",
    "QueueArn",
    "RedrivePolicy",
    "VisibilityTimeout",
];

/// Whether a request may ask for this attribute.
pub(crate) fn is_queue_attribute(name: &str) -> bool {
    DERIVED.contains(&name) || FIXED.iter().any(|(fixed, _)| *fixed == name)
}

/// All attributes of a queue. `dead_letter` has the ARN of its dead-letter queue, and how often a
/// message can be received.
pub(crate) fn queue_attributes(
    state: &mut QueueState,
    now: SystemTime,
    dead_letter: Option<(String, u32)>,
) -> Map<String, Value> {
    let count = |messages: &[Message], is_counted: fn(&Message, SystemTime) -> bool| {
        messages
            .iter()
            .filter(|it| is_counted(it, now))
            .count()
            .to_string()
    };
    let messages = state.messages(now).clone();
    let visible = count(&messages, Message::is_visible);
    let delayed = count(&messages, |it, now| {
        !it.is_visible(now) && it.receive_count == 0
    });
    let in_flight = count(&messages, |it, now| {
        !it.is_visible(now) && it.receive_count > 0
    });
    let created = since_epoch(state.created_at).as_secs().to_string();
    let mut attributes = vec![
        ("QueueArn", state.arn.clone()),
        ("ApproximateNumberOfMessages", visible),
        ("ApproximateNumberOfMessagesDelayed", delayed),
        ("ApproximateNumberOfMessagesNotVisible", in_flight),
        ("CreatedTimestamp", created.clone()),
        ("LastModifiedTimestamp", created),
        (
            "VisibilityTimeout",
            state.queue.visibility_timeout.as_secs().to_string(),
        ),
        (
            "MessageRetentionPeriod",
            state.queue.retention.as_secs().to_string(),
        ),
    ];
    if let Some((arn, receives_max)) = dead_letter {
        let policy = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": receives_max });
        attributes.push(("RedrivePolicy", policy.to_string()));
    }
    let fixed = FIXED.map(|(name, value)| (name, value.to_owned()));
    let attributes = attributes.into_iter().chain(fixed);
    attributes
        .map(|(name, value)| (name.to_owned(), Value::String(value)))
        .collect()
}

/// A received message, with the attributes that the request asks for.
pub(crate) fn received(request: &ApiRequest, message: &Message) -> Value {
    let attributes = message_attributes(request, &message.attributes);
    json!({
        "MessageId": message.id,
        "ReceiptHandle": message.receipt,
        "Body": message.body,
        "MD5OfBody": digest::of_body(&message.body),
        "Attributes": system_attributes(request, message),
        "MD5OfMessageAttributes": attributes.as_ref().and_then(digest::of_attributes),
        "MessageAttributes": attributes,
    })
}

fn system_attributes(request: &ApiRequest, message: &Message) -> Option<Map<String, Value>> {
    let mut names = request.texts("MessageSystemAttributeNames");
    // The earlier name of the member.
    names.extend(request.texts("AttributeNames"));
    let millis = |time: SystemTime| since_epoch(time).as_millis().to_string();
    let source = message.dead_letter_source.as_deref();
    let all = [
        ("SenderId", Some(request.account.clone())),
        ("SentTimestamp", Some(millis(message.sent_at))),
        (
            "ApproximateReceiveCount",
            Some(message.receive_count.to_string()),
        ),
        (
            "ApproximateFirstReceiveTimestamp",
            message.first_received_at.map(millis),
        ),
        (
            "DeadLetterQueueSourceArn",
            source.map(|name| request.scope().arn("sqs", name)),
        ),
    ];
    let wanted: Map<String, Value> = all
        .into_iter()
        .filter(|(name, _)| names.contains(name) || names.contains(&"All"))
        .filter_map(|(name, value)| Some((name.to_owned(), Value::String(value?))))
        .collect();
    (!wanted.is_empty()).then_some(wanted)
}

/// Those of the message's own attributes that the request asks for by name or by prefix.
fn message_attributes(request: &ApiRequest, attributes: &Value) -> Option<Value> {
    let names = request.texts("MessageAttributeNames");
    let is_wanted = |attribute: &str| {
        names.iter().any(|name| match name.strip_suffix(".*") {
            Some(prefix) => attribute.starts_with(prefix),
            None => *name == "All" || *name == attribute,
        })
    };
    let wanted = attributes
        .as_object()?
        .iter()
        .filter(|(name, _)| is_wanted(name));
    let wanted: Map<String, Value> = wanted
        .map(|(name, it)| (name.clone(), it.clone()))
        .collect();
    (!wanted.is_empty()).then_some(Value::Object(wanted))
}
