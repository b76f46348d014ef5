//! The lease on a rotation, as its holder sees it: until when it may write, and the task that extends it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::aws::Aws;
use crate::aws::eks::EKS_CALL_TIMEOUT;
use crate::aws::ledger::LeaseError;
use crate::record::Headway;

/// How long a lease lasts. Lambda delivers a failed event again after 60 s at the earliest, by when the lease of an
/// invocation that crashed has run out, so that a crash never strands a rotation.
pub const LEASE: Duration = Duration::from_secs(45);
/// Three renewals may fail before the lease runs out.
const RENEW_EVERY: Duration = Duration::from_secs(10);
/// A renewal that failed is tried again sooner.
const RENEW_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// A write leaves only while the lease outlives it by a second, so that it is answered, or given up, under the lease.
const WRITE_MARGIN: Duration = EKS_CALL_TIMEOUT.saturating_add(Duration::from_secs(1));

/// The lease of one slice. Times are on tokio's clock; the ledger's copy of them is on the wall's.
#[derive(Debug)]
pub(super) struct Lease {
    key: String,
    fence: u64,
    /// `None` once it has passed to another invocation.
    valid_until: Mutex<Option<Instant>>,
}

impl Lease {
    /// A lease that was asked for at `asked_at`: the ledger's time runs from before the call, and so does ours.
    #[must_use]
    pub(super) fn taken(key: String, fence: u64, asked_at: Instant) -> Self {
        Self { key, fence, valid_until: Mutex::new(Some(asked_at + LEASE)) }
    }

    #[must_use]
    pub(super) fn fence(&self) -> u64 {
        self.fence
    }

    /// Whether a write may be sent.
    #[must_use]
    pub(super) fn allows_writes(&self) -> bool {
        self.outlives(WRITE_MARGIN)
    }

    /// Whether what takes this long is done before it can pass to another invocation.
    pub(super) fn outlives(&self, span: Duration) -> bool {
        self.valid_until().is_some_and(|until| Instant::now() + span < until)
    }

    /// Whether it has certainly not passed to another invocation.
    #[must_use]
    pub(super) fn is_held(&self) -> bool {
        self.valid_until().is_some_and(|until| Instant::now() < until)
    }

    /// Extends the lease until `done`, or until it is lost, and records how far the rotation is with it. A renewal under way is
    /// always finished.
    pub(super) async fn keep(&self, aws: &Aws, done: &Notify, headway: impl Fn() -> Headway) {
        let mut pause = RENEW_EVERY;
        loop {
            tokio::select! {
                () = done.notified() => return,
                () = tokio::time::sleep(pause) => {}
            }
            let asked_at = Instant::now();
            match aws.ledger.renew(&self.key, self.fence, aws.now() + LEASE, &headway()).await {
                Ok(()) => {
                    *self.lock() = Some(asked_at + LEASE);
                    pause = RENEW_EVERY;
                    debug!(fence = self.fence, "lease renewed");
                }
                Err(LeaseError::Lost) => {
                    warn!(fence = self.fence, "lease lost to another invocation");
                    *self.lock() = None;
                    return;
                }
                Err(LeaseError::Call(error)) => {
                    warn!(fence = self.fence, %error, "lease could not be renewed");
                    pause = RENEW_AGAIN_AFTER;
                }
            }
        }
    }

    fn valid_until(&self) -> Option<Instant> {
        *self.lock()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.valid_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
