//! Where calls wait for their turn: a queue in front of one class of calls in one region. The pacer behind it decides when;
//! here it is only waited. As many wait as associations are in work, of which there is a most.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::error::CallError;
use crate::classify::ErrorClass;
use crate::pacer::{Answer, Learnt, Load, Pacer};

/// A queue and its pacer.
#[derive(Debug)]
pub struct Turnstile {
    /// The pacer's time counts from here.
    began_at: Instant,
    pacer: Mutex<Pacer>,
    /// Held by the first in the queue. Tokio's mutex is fair: the others get it in the order in which they came.
    first: tokio::sync::Mutex<()>,
    /// The pacer may have come to another decision.
    changed: Notify,
}

/// The right to send one call now. Dropped without a call, it goes to the next in the queue.
#[derive(Debug)]
pub struct Turn {
    turnstile: Arc<Turnstile>,
    is_used: bool,
}

impl Turnstile {
    /// A turnstile that begins with what was learnt so long ago, if anything.
    #[must_use]
    pub fn new(learnt: Option<(Learnt, Duration)>) -> Self {
        Self {
            began_at: Instant::now(),
            pacer: Mutex::new(Pacer::new(learnt, Duration::ZERO)),
            first: tokio::sync::Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Waits for a turn; `None` where none came until then.
    pub async fn turn(self: &Arc<Self>, until: Instant) -> Option<Turn> {
        let _first = timeout_at(until, self.first.lock()).await.ok()?;
        loop {
            let next_at = {
                let (mut pacer, now) = (self.pacer(), self.now());
                let next_at = pacer.next_at(now);
                if next_at <= now {
                    pacer.take(now);
                    return Some(Turn { turnstile: self.clone(), is_used: false });
                }
                self.began_at + next_at
            };
            tokio::select! {
                () = sleep_until(next_at.min(until)) => {}
                () = self.changed.notified() => {}
            }
            if Instant::now() >= until {
                return None;
            }
        }
    }

    /// What the next turnstile should know.
    #[must_use]
    pub fn learnt(&self) -> Option<Learnt> {
        self.pacer().learnt()
    }

    /// How much goes through now.
    #[must_use]
    pub fn load(&self) -> Load {
        self.pacer().load(self.now())
    }

    fn now(&self) -> Duration {
        self.began_at.elapsed()
    }

    fn pacer(&self) -> MutexGuard<'_, Pacer> {
        // The pacer is whole after every statement, so that a panic elsewhere leaves nothing to fear.
        self.pacer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Whether it is a right no more, since the service has asked to wait meanwhile.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.turnstile.pacer().is_held(self.turnstile.now())
    }

    /// Sends the call, and tells the pacer what became of it. One that is dropped on its way counts as sent.
    ///
    /// # Errors
    /// The call's own.
    pub async fn send<T>(mut self, call: impl Future<Output = Result<T, CallError>>) -> Result<T, CallError> {
        self.is_used = true;
        let sent = self.turnstile.pacer().send(self.turnstile.now());
        let end = call.await;
        let answer = match &end {
            Err(error) if error.class == ErrorClass::Throttled => {
                let retry_after = error.retry_after_secs.map(|secs| Duration::from_secs(secs.into()));
                Answer::Throttled { retry_after }
            }
            Err(error) if error.is_unanswered => Answer::Lost,
            Ok(_) | Err(_) => Answer::Admitted,
        };
        self.turnstile.pacer().answered(self.turnstile.now(), sent, answer);
        self.turnstile.changed.notify_one();
        end
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.is_used {
            self.turnstile.pacer().give_back();
            self.turnstile.changed.notify_one();
        }
    }
}
