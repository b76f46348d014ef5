//! The rate limiter of one region: the queues in which calls wait for a permit. Its pacer decides
//! when the next permit is due; this file only waits. The number of associations in flight bounds
//! the queues.
//!
//! Updates go before reads. An update acts on what a Describe has just shown, and that ages while
//! it waits; a read acts on nothing. So a slow region moves few associations at a time, instead of
//! describing many.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rerole_core::call::{CallError, ErrorClass};
use rerole_core::pacer::{Load, Pacer, Rate, RateShare, Response};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout_at};

/// The queues, and the pacer that times them.
#[derive(Debug)]
pub struct RateLimiter {
    /// The origin of the pacer's time.
    started_at: Instant,
    pacer: Mutex<Pacer>,
    reads: Queue,
    updates: Queue,
    /// The updates that wait for a permit.
    waiting_updates: AtomicUsize,
}

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A list or a Describe.
    Read,
    Update,
}

/// The calls of one kind that wait for a permit.
#[derive(Debug, Default)]
struct Queue {
    /// Locked by the first waiter in the queue. Tokio's mutex is fair: waiters lock it in the order
    /// in which they arrived.
    first: tokio::sync::Mutex<()>,
    /// Wakes the first waiter when it may have to wait for a shorter time.
    changed: Notify,
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
    pub fn new(learned: Option<(Rate, Duration)>, share: RateShare) -> Self {
        Self {
            started_at: Instant::now(),
            pacer: Mutex::new(Pacer::new(learned, share, Duration::ZERO)),
            reads: Queue::default(),
            updates: Queue::default(),
            waiting_updates: AtomicUsize::new(0),
        }
    }

    /// Waits for a permit. Returns `None` if there is none until `until`.
    pub async fn acquire(self: &Arc<Self>, kind: Kind, until: Instant) -> Option<Permit> {
        let _waiting = (kind == Kind::Update).then(|| WaitingUpdate::announce(self));
        let queue = match kind {
            Kind::Read => &self.reads,
            Kind::Update => &self.updates,
        };
        let _first = timeout_at(until, queue.first.lock()).await.ok()?;
        loop {
            let has_to_yield = kind == Kind::Read && self.waiting_updates() > 0;
            let due_at = if has_to_yield {
                until
            } else {
                match self.try_acquire() {
                    Ok(permit) => return Some(permit),
                    Err(due_at) => due_at,
                }
            };
            tokio::select! {
                () = sleep_until(due_at.min(until)) => {}
                () = queue.changed.notified() => {}
            }
            if Instant::now() >= until {
                return None;
            }
        }
    }

    /// Returns the learned rate, from which the next rate limiter of the region starts.
    #[must_use]
    pub fn learned(&self) -> Option<Rate> {
        self.pacer().learned()
    }

    /// Returns the current rate and latency.
    #[must_use]
    pub fn load(&self) -> Load {
        self.pacer().load()
    }

    /// Takes a permit if one is due. Otherwise returns when the next one is.
    fn try_acquire(self: &Arc<Self>) -> Result<Permit, Instant> {
        let (mut pacer, now) = (self.pacer(), self.now());
        let next_at = pacer.next_at(now);
        if next_at > now {
            return Err(self.started_at + next_at);
        }
        pacer.acquire(now);
        Ok(Permit {
            rate_limiter: self.clone(),
            is_used: false,
        })
    }

    fn waiting_updates(&self) -> usize {
        self.waiting_updates.load(Ordering::Relaxed)
    }

    /// Wakes the first waiter of each queue.
    fn wake(&self) {
        self.updates.changed.notify_one();
        self.reads.changed.notify_one();
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

/// Counts an update as waiting, until this is dropped.
struct WaitingUpdate<'a>(&'a RateLimiter);

impl<'a> WaitingUpdate<'a> {
    fn announce(rate_limiter: &'a RateLimiter) -> Self {
        rate_limiter.waiting_updates.fetch_add(1, Ordering::Relaxed);
        Self(rate_limiter)
    }
}

impl Drop for WaitingUpdate<'_> {
    fn drop(&mut self) {
        self.0.waiting_updates.fetch_sub(1, Ordering::Relaxed);
        self.0.wake();
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
        self.rate_limiter.wake();
        result
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.is_used {
            self.rate_limiter.pacer().release();
            self.rate_limiter.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join;

    use super::*;

    /// A rate limiter with a known rate of two calls a second. Its first permit is taken.
    async fn busy_rate_limiter() -> Arc<RateLimiter> {
        let learned = Rate::new(2.0).map(|rate| (rate, Duration::ZERO));
        let rate_limiter = Arc::new(RateLimiter::new(learned, RateShare::WHOLE));
        let permit = acquire(&rate_limiter, Kind::Read, 0.0).await;
        permit.unwrap().send(async { Ok(()) }).await.unwrap();
        rate_limiter
    }

    /// Waits for a permit, at most this many seconds.
    async fn acquire(rate_limiter: &Arc<RateLimiter>, kind: Kind, secs: f64) -> Option<Permit> {
        let until = Instant::now() + Duration::from_secs_f64(secs);
        rate_limiter.acquire(kind, until).await
    }

    /// The time until a call of this kind has its permit and is sent, in milliseconds.
    async fn sent_after(rate_limiter: &Arc<RateLimiter>, kind: Kind) -> u128 {
        let started_at = Instant::now();
        let permit = acquire(rate_limiter, kind, 60.0).await.unwrap();
        permit.send(async { Ok(()) }).await.unwrap();
        started_at.elapsed().as_millis()
    }

    #[tokio::test(start_paused = true)]
    async fn an_update_goes_before_the_reads_that_wait() {
        let rate_limiter = busy_rate_limiter().await;
        let reads = async {
            let first = sent_after(&rate_limiter, Kind::Read);
            join(first, sent_after(&rate_limiter, Kind::Read)).await
        };
        let update = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            sent_after(&rate_limiter, Kind::Update).await
        };
        let ((first, second), update) = join(reads, update).await;
        assert_eq!(
            [update, first, second].map(|millis| millis / 100),
            [4, 10, 15]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn reads_continue_when_the_update_gives_up() {
        let rate_limiter = busy_rate_limiter().await;
        let update = acquire(&rate_limiter, Kind::Update, 0.2);
        let (update, read) = join(update, sent_after(&rate_limiter, Kind::Read)).await;
        assert!(update.is_none());
        assert_eq!(read / 100, 5);
    }

    /// A handler that runs out of time is dropped with all its calls.
    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_dropped_while_it_waits_lets_the_next_one_go() {
        let rate_limiter = busy_rate_limiter().await;
        let dropped = async {
            let update = acquire(&rate_limiter, Kind::Update, 60.0);
            let result = tokio::time::timeout(Duration::from_millis(200), update).await;
            assert!(result.is_err());
        };
        let calls = join(
            sent_after(&rate_limiter, Kind::Read),
            sent_after(&rate_limiter, Kind::Update),
        );
        let (read_and_update, ()) = join(calls, dropped).await;
        let (read, update) = read_and_update;
        assert_eq!([update, read].map(|millis| millis / 100), [5, 10]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_unused_permit_goes_to_the_next_waiter() {
        let rate_limiter = busy_rate_limiter().await;
        let permit = acquire(&rate_limiter, Kind::Update, 1.0).await.unwrap();
        let drop_later = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            drop(permit);
        };
        let (read, ()) = join(sent_after(&rate_limiter, Kind::Read), drop_later).await;
        assert_eq!(read / 100, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_waits_no_longer_than_it_may() {
        let rate_limiter = busy_rate_limiter().await;
        let started_at = Instant::now();
        assert!(acquire(&rate_limiter, Kind::Read, 0.3).await.is_none());
        // It also stops waiting in the queue.
        let waiting = acquire(&rate_limiter, Kind::Read, 0.1);
        let queued = acquire(&rate_limiter, Kind::Read, 0.05);
        let (waiting, queued) = join(waiting, queued).await;
        assert!(waiting.is_none() && queued.is_none());
        assert_eq!(started_at.elapsed().as_millis() / 100, 4);
    }
}
