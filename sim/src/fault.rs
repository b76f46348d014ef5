//! Faults: what a test can do to a call, and the hook that chooses the fault of each call.

use std::future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use crate::call::Call;
use crate::sync::lock;

/// What a hook does to a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The connection breaks before the request arrives: the call does not take effect.
    LoseRequest,
    /// The call takes effect, and the connection breaks before the response arrives.
    LoseResponse,
    /// The connection breaks, and the request arrives all the same, this much later. Nobody waits
    /// for the response.
    ArriveLate(Duration),
    /// The effect is delayed by this much.
    Delay(Duration),
    /// The response is delayed by this much; the effect is not.
    DelayResponse(Duration),
    /// The service's own throttling error: HTTP 429 in EKS,
    /// `ProvisionedThroughputExceededException` in DynamoDB, `ThrottlingException` in Step
    /// Functions and EventBridge, `TooManyRequestsException` in Lambda.
    Throttle,
    /// HTTP 429 without an error code.
    BareThrottle,
    /// The service's own error for this 5xx status.
    ServerError(u16),
    /// Any error; the call does not take effect.
    Error {
        status: u16,
        code: String,
        message: String,
    },
    /// The call does not take effect, and a response never arrives.
    FreezeBefore,
    /// The call takes effect, and a response never arrives.
    FreezeAfter,
}

type Hook = Arc<Mutex<dyn FnMut(&Call) -> Fault + Send>>;

/// The hook, and the number of calls that were frozen since it was set.
pub(crate) struct FaultInjector {
    hook: Mutex<Option<Hook>>,
    frozen: watch::Sender<usize>,
}

impl FaultInjector {
    pub(crate) fn new() -> Self {
        Self {
            hook: Mutex::new(None),
            frozen: watch::Sender::new(0),
        }
    }

    pub(crate) fn set_hook(&self, hook: impl FnMut(&Call) -> Fault + Send + 'static) {
        self.frozen.send_replace(0);
        *lock(&self.hook) = Some(Arc::new(Mutex::new(hook)));
    }

    pub(crate) fn clear_hook(&self) {
        self.frozen.send_replace(0);
        *lock(&self.hook) = None;
    }

    /// The fault that the hook chooses for this call.
    pub(crate) fn choose(&self, call: &Call) -> Fault {
        // While the hook runs, only its own lock is held: it may use the simulated AWS, and even
        // replace itself.
        let hook = lock(&self.hook).clone();
        hook.map_or(Fault::None, |hook| (*lock(&hook))(call))
    }

    /// Counts a frozen call, and never returns.
    pub(crate) async fn freeze<T>(&self) -> T {
        self.frozen.send_modify(|calls| *calls += 1);
        future::pending().await
    }

    /// Returns once a call was frozen since the hook was set.
    pub(crate) async fn wait_for_frozen_call(&self) {
        let mut frozen = self.frozen.subscribe();
        frozen
            .wait_for(|calls| *calls > 0)
            .await
            .expect("the sender lives as long as self");
    }
}
