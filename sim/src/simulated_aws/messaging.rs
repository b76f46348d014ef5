//! Event buses, queues and topics, as tests set them up and use them.

use std::time::Duration;

use serde_json::Value;

use crate::event_bridge::{BusEvent, Rule};
use crate::simulated_aws::SimulatedAws;
use crate::sns::Subscription;
use crate::sqs::{Message, NewMessage, Queue, QueueState, Receive, Sqs};
use crate::sync::lock;

/// EventBridge.
impl SimulatedAws {
    /// Creates an event bus.
    pub fn create_event_bus(&self, name: &str) {
        lock(&self.pipeline.services.event_bridge).create_bus(name);
    }

    /// Sets the resource policy of an event bus.
    ///
    /// # Panics
    /// If the bus does not exist.
    pub fn set_bus_policy(&self, bus: &str, policy: &Value) {
        lock(&self.pipeline.services.event_bridge).set_policy(bus, policy);
    }

    /// Creates a rule, or changes the one with the same bus and name. Returns its ARN. Rules do not
    /// run.
    pub fn create_rule(&self, rule: Rule) -> String {
        let scope = self.scope();
        let mut event_bridge = lock(&self.pipeline.services.event_bridge);
        event_bridge.rules.of(scope).put(scope, rule)
    }

    /// All events on all buses, in the order in which they were put.
    pub fn bus_events(&self) -> Vec<BusEvent> {
        lock(&self.pipeline.services.event_bridge).events().to_vec()
    }

    /// Passes each event to `listener` when it has been put on a bus. The listener has it before
    /// the client has the response, and may read and change this `SimulatedAws`.
    pub fn on_bus_event(&self, listener: impl FnMut(&BusEvent) + Send + 'static) {
        self.pipeline.services.bus_events.add(listener);
    }
}

/// SQS. A queue is named by its name, its URL or its ARN.
impl SimulatedAws {
    /// Creates a queue, or replaces the one with the same name. Returns its URL.
    pub fn create_queue(&self, queue: Queue) -> String {
        let state = QueueState::new(self.scope(), self.now(), queue);
        let url = state.url.clone();
        self.sqs(|sqs| sqs.queues.create(state));
        url
    }

    /// Sends a message. Returns its ID.
    ///
    /// # Panics
    /// If the queue does not exist.
    pub fn send_message(&self, queue: &str, body: &str) -> String {
        let new = NewMessage {
            body,
            attributes: Value::Null,
            delay: Duration::ZERO,
        };
        let now = self.now();
        let mut rng = lock(&self.pipeline.rng);
        let sent = self.sqs(|sqs| Some(sqs.queues.get_mut(queue)?.send(now, new, &mut rng)));
        existing(queue, sent).id
    }

    /// Receives up to `max` messages, as `ReceiveMessage` does: they are hidden for the queue's
    /// visibility timeout, and the receive counts.
    ///
    /// # Panics
    /// If the queue does not exist.
    pub fn receive_messages(&self, queue: &str, max: usize) -> Vec<Message> {
        let receive = Receive {
            max,
            hidden_for: None,
        };
        let now = self.now();
        let mut rng = lock(&self.pipeline.rng);
        let received = self.sqs(|sqs| sqs.queues.receive(now, queue, &receive, &mut rng));
        existing(queue, received)
    }

    /// Deletes the message that was last received with this receipt, if it is still there.
    ///
    /// # Panics
    /// If the queue does not exist.
    pub fn delete_message(&self, queue: &str, receipt: &str) {
        let deleted = self.sqs(|sqs| {
            sqs.queues.get_mut(queue)?.delete(receipt);
            Some(())
        });
        existing(queue, deleted);
    }

    /// All messages of a queue, also hidden ones, without receiving them.
    ///
    /// # Panics
    /// If the queue does not exist.
    pub fn messages(&self, queue: &str) -> Vec<Message> {
        let now = self.now();
        let messages = self.sqs(|sqs| Some(sqs.queues.get_mut(queue)?.messages(now).clone()));
        existing(queue, messages)
    }

    fn sqs<T>(&self, work: impl FnOnce(&mut Sqs) -> T) -> T {
        self.with(&self.pipeline.services.sqs, work)
    }
}

/// SNS.
impl SimulatedAws {
    /// Creates a topic unless it exists. Returns its ARN.
    pub fn create_topic(&self, name: &str) -> String {
        let scope = self.scope();
        self.with(&self.pipeline.services.sns, |topics| {
            topics.create(scope, name)
        })
    }

    /// Subscribes to the topic with this ARN.
    ///
    /// # Panics
    /// If the topic does not exist.
    pub fn subscribe(&self, topic_arn: &str, subscription: Subscription) {
        let id = self.resource_id();
        self.with(&self.pipeline.services.sns, |topics| {
            topics.subscribe(topic_arn, id, subscription);
        });
    }
}

fn existing<T>(queue: &str, found: Option<T>) -> T {
    found.unwrap_or_else(|| panic!("a test uses queues that exist in the region, not {queue}"))
}
