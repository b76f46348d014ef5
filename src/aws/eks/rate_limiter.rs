//! The rate limiter of one class of calls in one region: a queue in which calls wait for a permit.
//! Its pacer decides when the next permit is due; this file only waits. The number of
//! associations in flight bounds the queue.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rerole_core::call::{CallError, ErrorClass};
use rerole_core::pacer::{Load, Pacer, Rate, Response};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout_at};

/// A queue, and the pacer that times it.
#[derive(Debug)]
pub struct RateLimiter {
    /// The origin of the pacer's time.
    started_at: Instant,
    pacer: Mutex<Pacer>,
    /// Locked by the first waiter in the queue. Tokio's mutex is fair: waiters lock it in the order
    /// in which they arrived.
    first: tokio::sync::Mutex<()>,
    /// Wakes the first waiter when the pacer may have changed its decision.
    pacer_changed: Notify,
}

/// The right to send one call now. If it is dropped unused, the next waiter in the queue gets it.
#[derive(Debug)]
pub struct Permit {
    rate_limiter: Arc<RateLimiter>,
    is_used: bool,
}

impl RateLimiter {
    /// Creates a rate limiter that starts at a learned rate, given with its age, if there is one.
    #[must_use]
    pub fn new(learned: Option<(Rate, Duration)>) -> Self {
        Self {
            started_at: Instant::now(),
            pacer: Mutex::new(Pacer::new(learned, Duration::ZERO)),
            first: tokio::sync::Mutex::default(),
            pacer_changed: Notify::new(),
        }
    }

    /// Waits for a permit. Returns `None` if there is none until `until`.
    pub async fn acquire(self: &Arc<Self>, until: Instant) -> Option<Permit> {
        let _first = timeout_at(until, self.first.lock()).await.ok()?;
        loop {
            let next_at = {
                let (mut pacer, now) = (self.pacer(), self.now());
                let next_at = pacer.next_at(now);
                if next_at <= now {
                    pacer.acquire(now);
                    return Some(Permit {
                        rate_limiter: self.clone(),
                        is_used: false,
                    });
                }
                self.started_at + next_at
            };
            tokio::select! {
                () = sleep_until(next_at.min(until)) => {}
                () = self.pacer_changed.notified() => {}
            }
            if Instant::now() >= until {
                return None;
            }
        }
    }

    /// Returns the learned rate, from which the next rate limiter of this kind starts.
    #[must_use]
    pub fn learned(&self) -> Option<Rate> {
        self.pacer().learned()
    }

    /// Returns the current rate and latency.
    #[must_use]
    pub fn load(&self) -> Load {
        self.pacer().load(self.now())
    }

    fn now(&self) -> Duration {
        self.started_at.elapsed()
    }

    fn pacer(&self) -> MutexGuard<'_, Pacer> {
        // Each statement leaves the pacer consistent, so it stays usable if another thread
        // panicked.
        self.pacer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Returns whether the permit has become invalid, because the service has since asked callers
    /// to wait.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.rate_limiter.pacer().is_held(self.rate_limiter.now())
    }

    /// Sends the call and reports its result to the pacer. A call that is dropped in flight counts
    /// as sent.
    ///
    /// # Errors
    /// If the call fails: its error.
    pub async fn send<T>(
        mut self,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        self.is_used = true;
        let sent = self.rate_limiter.pacer().send(self.rate_limiter.now());
        let result = call.await;
        let response = match &result {
            Err(error) if error.class == ErrorClass::Throttled => {
                let retry_after = error
                    .retry_after_secs
                    .map(|secs| Duration::from_secs(secs.into()));
                Response::Throttled { retry_after }
            }
            Err(error) if error.no_response => Response::Lost,
            Ok(_) | Err(_) => Response::Admitted,
        };
        self.rate_limiter
            .pacer()
            .record_response(self.rate_limiter.now(), sent, response);
        self.rate_limiter.pacer_changed.notify_one();
        result
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.is_used {
            self.rate_limiter.pacer().release();
            self.rate_limiter.pacer_changed.notify_one();
        }
    }
}
