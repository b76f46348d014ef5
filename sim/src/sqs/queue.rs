//! Queues and their messages: visibility timeouts, receive counts, and dead-letter queues.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::arn::{Scope, dns_suffix};
use crate::rng::Rng;

/// A standard queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    pub name: String,
    pub visibility_timeout: Duration,
    /// When a message expires.
    pub retention: Duration,
    pub dead_letter: Option<DeadLetter>,
}

impl Default for Queue {
    /// With the defaults of SQS; it still needs a name.
    fn default() -> Self {
        Self {
            name: String::new(),
            visibility_timeout: Duration::from_secs(30),
            retention: Duration::from_hours(4 * 24),
            dead_letter: None,
        }
    }
}

/// Where a queue's messages go that were received too often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The name of the dead-letter queue.
    pub queue: String,
    /// How often a message can be received before it goes there.
    pub receives_max: u32,
}

/// A message in a queue.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub id: String,
    pub body: String,
    /// The message attributes, as in the API; null if there are none.
    pub attributes: Value,
    /// The receipt of the latest receive.
    pub receipt: Option<String>,
    pub receive_count: u32,
    pub sent_at: SystemTime,
    pub first_received_at: Option<SystemTime>,
    /// Until then it is hidden: it is in flight, or was sent with a delay.
    pub visible_at: SystemTime,
    /// The queue from which a message came to its dead-letter queue.
    pub dead_letter_source: Option<String>,
}

impl Message {
    pub(crate) fn is_visible(&self, now: SystemTime) -> bool {
        self.visible_at <= now
    }
}

/// What a sender gives.
pub(crate) struct NewMessage<'a> {
    pub(crate) body: &'a str,
    pub(crate) attributes: Value,
    pub(crate) delay: Duration,
}

/// A queue with its messages, in the order in which they came.
pub(crate) struct QueueState {
    pub(crate) queue: Queue,
    pub(crate) url: String,
    pub(crate) arn: String,
    pub(crate) created_at: SystemTime,
    messages: Vec<Message>,
}

impl QueueState {
    pub(crate) fn new(scope: Scope<'_>, now: SystemTime, queue: Queue) -> Self {
        let Scope { account, region } = scope;
        let name = &queue.name;
        Self {
            url: format!(
                "https://sqs.{region}.{}/{account}/{name}",
                dns_suffix(region)
            ),
            arn: scope.arn("sqs", name),
            created_at: now,
            messages: Vec::new(),
            queue,
        }
    }

    /// The messages that have not expired.
    pub(crate) fn messages(&mut self, now: SystemTime) -> &mut Vec<Message> {
        let retention = self.queue.retention;
        self.messages.retain(|it| now < it.sent_at + retention);
        &mut self.messages
    }

    pub(crate) fn send(&mut self, now: SystemTime, new: NewMessage<'_>, rng: &mut Rng) -> Message {
        let message = Message {
            id: rng.resource_id(),
            body: new.body.to_owned(),
            attributes: new.attributes,
            receipt: None,
            receive_count: 0,
            sent_at: now,
            first_received_at: None,
            visible_at: now + new.delay,
            dead_letter_source: None,
        };
        self.messages.push(message.clone());
        message
    }

    /// The message that was last received with this receipt.
    pub(crate) fn by_receipt(&mut self, now: SystemTime, receipt: &str) -> Option<&mut Message> {
        let mut messages = self.messages(now).iter_mut();
        messages.find(|message| message.receipt.as_deref() == Some(receipt))
    }

    pub(crate) fn delete(&mut self, receipt: &str) {
        let is_other = |it: &Message| it.receipt.as_deref() != Some(receipt);
        self.messages.retain(is_other);
    }

    /// Removes and returns the visible messages that were received as often as the redrive policy
    /// allows.
    fn take_dead(&mut self, now: SystemTime) -> Vec<Message> {
        let Some(policy) = self.queue.dead_letter.clone() else {
            return Vec::new();
        };
        let is_dead =
            |it: &mut Message| it.is_visible(now) && it.receive_count >= policy.receives_max;
        self.messages(now).extract_if(.., is_dead).collect()
    }
}

/// The queues of an account in a region.
#[derive(Default)]
pub(crate) struct Queues {
    by_name: BTreeMap<String, QueueState>,
}

/// How many messages a receive returns at most, and for how long it hides them; by default for the
/// queue's visibility timeout.
pub(crate) struct Receive {
    pub(crate) max: usize,
    pub(crate) hidden_for: Option<Duration>,
}

impl Queues {
    pub(crate) fn create(&mut self, state: QueueState) {
        self.by_name.insert(state.queue.name.clone(), state);
    }

    /// The queue that a name, URL or ARN names.
    pub(crate) fn get_mut(&mut self, queue: &str) -> Option<&mut QueueState> {
        self.by_name.get_mut(last_part(queue))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &QueueState> {
        self.by_name.values()
    }

    /// Whether the redrive policy of any queue names the queue with this name.
    pub(crate) fn is_dead_letter_queue(&self, name: &str) -> bool {
        let mut policies = self.iter().filter_map(|it| it.queue.dead_letter.as_ref());
        policies.any(|policy| policy.queue == name)
    }

    /// Receives visible messages: hides them, counts the receive, and gives each a new receipt.
    /// Messages that were received too often go to the dead-letter queue instead.
    pub(crate) fn receive(
        &mut self,
        now: SystemTime,
        queue: &str,
        receive: &Receive,
        rng: &mut Rng,
    ) -> Option<Vec<Message>> {
        self.bury_dead(now, queue)?;
        let state = self.get_mut(queue)?;
        let hidden_for = receive.hidden_for.unwrap_or(state.queue.visibility_timeout);
        let messages = state.messages(now).iter_mut();
        let visible = messages.filter(|message| message.is_visible(now));
        let received = visible.take(receive.max).map(|message| {
            message.receive_count += 1;
            message.first_received_at.get_or_insert(now);
            message.visible_at = now + hidden_for;
            message.receipt = Some(format!("{}/{}", message.id, rng.resource_id()));
            message.clone()
        });
        Some(received.collect())
    }

    fn bury_dead(&mut self, now: SystemTime, queue: &str) -> Option<()> {
        let state = self.get_mut(queue)?;
        let dead = state.take_dead(now);
        let (source, policy) = (state.queue.name.clone(), state.queue.dead_letter.clone());
        let target = policy.and_then(|policy| self.get_mut(&policy.queue));
        if let Some(target) = target {
            target
                .messages
                .extend(dead.into_iter().map(|message| Message {
                    dead_letter_source: Some(source.clone()),
                    ..message
                }));
        }
        Some(())
    }

    /// Moves the visible messages of a dead-letter queue to `destination`, or else each to the
    /// queue from which it came. Returns how many moved, and how many have no known source.
    pub(crate) fn move_back(
        &mut self,
        now: SystemTime,
        dead_letter_queue: &str,
        destination: Option<&str>,
        rng: &mut Rng,
    ) -> Option<(usize, usize)> {
        let state = self.get_mut(dead_letter_queue)?;
        let is_visible = |it: &mut Message| it.is_visible(now);
        let visible: Vec<Message> = state.messages(now).extract_if(.., is_visible).collect();
        let (mut moved, mut stuck) = (0, Vec::new());
        for message in visible {
            let target = destination.or(message.dead_letter_source.as_deref());
            let Some(target) = target.and_then(|target| self.by_name.get_mut(last_part(target)))
            else {
                stuck.push(message);
                continue;
            };
            // For SQS, a message that moves back is a new one.
            let new = NewMessage {
                body: &message.body,
                attributes: message.attributes.clone(),
                delay: Duration::ZERO,
            };
            target.send(now, new, rng);
            moved += 1;
        }
        let unmoved = stuck.len();
        self.get_mut(dead_letter_queue)?.messages.extend(stuck);
        Some((moved, unmoved))
    }
}

/// The name in a name, URL or ARN.
pub(crate) fn last_part(queue: &str) -> &str {
    queue.rsplit(['/', ':']).next().unwrap_or(queue)
}
