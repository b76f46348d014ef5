//! The way of a change in EKS to the indexer: EventBridge, which may deliver late, twice, in any
//! order or not at all, and the queue, which delivers a message again until it was followed.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};
use tokio::task::spawn_local;
use tokio::time::sleep;

use crate::history::{Function, History, Quirk};
use crate::lambda::{Lambda, Pending};
use crate::situations::Situations;
use crate::world::World;

/// How often the queue is polled.
const POLL: Duration = Duration::from_secs(2);
/// As in the template.
const VISIBILITY_TIMEOUT: Duration = Duration::from_mins(15);
const RECEIVES_MAX: u32 = 5;
const BATCH_LEN: usize = 10;

/// A message that is waiting to be received.
struct Message {
    body: String,
    receives: u32,
    /// Until it is dropped, the history is not over.
    _pending: Pending,
}

/// The queue between EventBridge and the indexer.
pub struct Queue {
    lambda: Rc<Lambda>,
    situations: Situations,
    /// Events that CloudTrail has emitted and nothing has taken up.
    emitted: Arc<Mutex<Vec<Value>>>,
    waiting: RefCell<Vec<Message>>,
    rng: RefCell<Rng>,
    delay_max: Duration,
    lost: f64,
    repeated: f64,
}

impl Queue {
    /// Follows the events of `world` from now on.
    pub fn start(world: &World, lambda: &Rc<Lambda>, history: &History, situations: &Situations) {
        let emitted = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&emitted);
        world.aws.on_cloudtrail_event(move |event| {
            sink.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(event);
        });
        let mut queue = Self {
            lambda: Rc::clone(lambda),
            situations: situations.clone(),
            emitted,
            waiting: RefCell::default(),
            rng: RefCell::new(Rng::with_seed(history.seed)),
            delay_max: Duration::from_secs(2),
            lost: 0.0,
            repeated: 0.0,
        };
        for quirk in &history.quirks {
            match quirk {
                Quirk::EventDelay(millis) => queue.delay_max = Duration::from_millis(*millis),
                Quirk::LostEvents(share) => queue.lost = *share,
                Quirk::RepeatedEvents(share) => queue.repeated = *share,
                _ => {}
            }
        }
        let queue = Rc::new(queue);
        spawn_local(queue.poll());
    }

    async fn poll(self: Rc<Self>) {
        loop {
            self.take_up();
            let batch: Vec<_> = {
                let mut waiting = self.waiting.borrow_mut();
                let len = waiting.len().min(BATCH_LEN);
                waiting.drain(..len).collect()
            };
            if !batch.is_empty() {
                spawn_local(Rc::clone(&self).receive(batch));
            }
            sleep(POLL).await;
        }
    }

    /// Decides when each new event arrives, and how often.
    fn take_up(self: &Rc<Self>) {
        let emitted =
            std::mem::take(&mut *self.emitted.lock().unwrap_or_else(PoisonError::into_inner));
        for event in emitted {
            let mut rng = self.rng.borrow_mut();
            let copies = if rng.f64() < self.lost {
                self.situations.note("CloudTrail event lost");
                0
            } else if rng.f64() < self.repeated {
                self.situations.note("CloudTrail event repeated");
                2
            } else {
                1
            };
            for _ in 0..copies {
                let delay = self.delay_max.mul_f64(rng.f64());
                let message = Message {
                    body: event.to_string(),
                    receives: 0,
                    _pending: Pending::new(&self.lambda),
                };
                spawn_local(Rc::clone(self).put(message, delay));
            }
        }
    }

    async fn put(self: Rc<Self>, message: Message, delay: Duration) {
        sleep(delay).await;
        self.waiting.borrow_mut().push(message);
    }

    /// Invokes the indexer with a batch. What it could not follow is delivered again.
    async fn receive(self: Rc<Self>, batch: Vec<Message>) {
        let record = |(number, message): (usize, &Message)| json!({ "messageId": number.to_string(), "body": message.body });
        let records: Vec<_> = batch.iter().enumerate().map(record).collect();
        let payload = json!({ "Records": records });
        let failed: Option<Vec<String>> = match self.lambda.invoke(Function::Indexer, payload).await
        {
            Ok(response) => {
                let failures = response["batchItemFailures"].as_array().expect("a list");
                let id = |failure: &Value| failure["itemIdentifier"].as_str().map(str::to_owned);
                Some(failures.iter().filter_map(id).collect())
            }
            Err(_) => None,
        };
        for (number, mut message) in batch.into_iter().enumerate() {
            let is_failed = failed
                .as_ref()
                .is_none_or(|failed| failed.contains(&number.to_string()));
            message.receives += 1;
            if !is_failed {
                continue;
            }
            if message.receives == RECEIVES_MAX {
                self.situations.note("message dead-lettered");
                continue;
            }
            spawn_local(Rc::clone(&self).put(message, VISIBILITY_TIMEOUT));
        }
    }
}
