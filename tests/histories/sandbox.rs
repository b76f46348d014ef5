//! The sandbox in which an invocation runs. It ends or stands still at the call that the history
//! says, whatever else the invocation does at that time.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use rerole_sim::Fault as CallFault;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::history::Side;

/// What happens to an invocation at one of its calls.
#[derive(Debug, Clone, Copy)]
pub enum Interruption {
    Death,
    Freeze(Duration),
}

/// An interruption at a call that takes at most `latency`.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub interruption: Interruption,
    pub side: Side,
    pub latency: Duration,
}

/// The invocations that are running, by the access keys with which they sign their calls.
#[derive(Debug, Clone, Default)]
pub struct Sandboxes(Arc<Mutex<BTreeMap<String, State>>>);

/// What happens to one running invocation.
#[derive(Debug)]
struct State {
    dies_at: Instant,
    frozen: Option<(Instant, Instant)>,
}

/// What an invocation is doing now.
enum Now {
    Running,
    Frozen { until: Instant },
    Dead,
}

impl Sandboxes {
    /// An invocation starts. Lambda ends it at `deadline`.
    pub fn open(&self, key: &str, deadline: Instant) {
        let state = State {
            dies_at: deadline,
            frozen: None,
        };
        self.lock().insert(key.to_owned(), state);
    }

    /// The invocation has ended. Returns whether it stood still for some time.
    pub fn close(&self, key: &str) -> bool {
        let state = self.lock().remove(key);
        state.is_some_and(|state| state.frozen.is_some_and(|(from, _)| from <= Instant::now()))
    }

    /// Interrupts the invocation at the call that it makes now. Returns what has to happen to the
    /// call, which takes at most `latency`.
    pub fn interrupt(&self, key: &str, place: Place) -> CallFault {
        let Place {
            interruption,
            side,
            latency,
        } = place;
        let mut states = self.lock();
        let Some(state) = states.get_mut(key) else {
            return CallFault::None;
        };
        let now = Instant::now();
        let starts_at = match side {
            Side::Before => now,
            Side::After => now + latency,
        };
        match interruption {
            Interruption::Death => state.dies_at = state.dies_at.min(starts_at),
            Interruption::Freeze(time) => state.frozen = Some((starts_at, starts_at + time)),
        }
        match (interruption, side) {
            (Interruption::Death, Side::Before) => CallFault::FreezeBefore,
            (Interruption::Death, Side::After) => CallFault::FreezeAfter,
            (Interruption::Freeze(_), Side::Before) => CallFault::None,
            (Interruption::Freeze(_), Side::After) => CallFault::DelayResponse(2 * latency),
        }
    }

    fn now(&self, key: &str) -> Now {
        let states = self.lock();
        let (state, now) = (&states[key], Instant::now());
        match state.frozen {
            Some((from, until)) if from <= now && now < until => Now::Frozen { until },
            _ if now >= state.dies_at => Now::Dead,
            _ => Now::Running,
        }
    }

    /// When the invocation stands still or ends.
    fn next_change(&self, key: &str) -> Instant {
        let (states, now) = (self.lock(), Instant::now());
        let state = &states[key];
        let freeze = state.frozen.map(|(from, _)| from);
        let freeze = freeze.filter(|from| now < *from);
        freeze.map_or(state.dies_at, |from| from.min(state.dies_at))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A future that runs in a sandbox. Its output is `None` if the invocation ended at a call.
pub struct Sandboxed<'a, F> {
    pub inner: Pin<Box<F>>,
    pub sandboxes: &'a Sandboxes,
    pub key: &'a str,
    /// Called when the invocation stands still.
    pub on_freeze: Option<Box<dyn FnOnce() + 'a>>,
    pub timer: Option<Pin<Box<Sleep>>>,
}

impl<F: Future> Sandboxed<'_, F> {
    /// Waits for a time. Returns whether it has come.
    fn wait(&mut self, until: Instant, context: &mut Context<'_>) -> bool {
        let timer = match &mut self.timer {
            Some(timer) if timer.deadline() == until => timer,
            timer => timer.insert(Box::pin(sleep_until(until))),
        };
        timer.as_mut().poll(context).is_ready()
    }
}

impl<F: Future> Future for Sandboxed<'_, F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let next = match self.sandboxes.now(self.key) {
                Now::Dead => return Poll::Ready(None),
                Now::Frozen { until } => {
                    if let Some(on_freeze) = self.on_freeze.take() {
                        on_freeze();
                    }
                    until
                }
                Now::Running => {
                    if let Poll::Ready(output) = self.inner.as_mut().poll(context) {
                        return Poll::Ready(Some(output));
                    }
                    self.sandboxes.next_change(self.key)
                }
            };
            if !self.wait(next, context) {
                return Poll::Pending;
            }
        }
    }
}
