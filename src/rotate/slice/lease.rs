//! The lease on a rotation as its owner sees it: until when the owner may write, and how the lease
//! is renewed. The ledger's side, with the fence, is in `crate::aws::ledger`.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rerole_core::rotation::{LEASE, Progress};
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::aws::eks::EKS_CALL_TIMEOUT;
use crate::aws::ledger::{LeaseError, OwnedRotation};

/// Often enough that one renewal may fail before updates have to wait.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(4);
/// Pause after a renewal that failed.
const RENEWAL_RETRY_PAUSE: Duration = Duration::from_secs(1);
/// An update is sent only if the last renewal that succeeded was requested at most this long ago.
/// So what changes in the rotation's item has its effect on EKS within seconds, and without
/// DynamoDB, nothing is sent.
const FRESH_FOR: Duration = Duration::from_secs(7);
/// An update is sent only if the lease outlives its timeout by a second. So EKS has responded, or
/// the call has timed out, while the lease is still held.
const WRITE_MARGIN: Duration = EKS_CALL_TIMEOUT.saturating_add(Duration::from_secs(1));

/// The lease of one slice. Its times are on tokio's clock, the ledger's are on the wall clock.
#[derive(Debug)]
pub(super) struct Lease {
    /// When the last renewal that succeeded was requested. `None` after another invocation has
    /// acquired the lease.
    requested_at: Mutex<Option<Instant>>,
}

impl Lease {
    /// A lease that was requested at `requested_at`. The ledger counts its duration from before the
    /// call, so the owner does also.
    #[must_use]
    pub(super) fn acquired(requested_at: Instant) -> Self {
        Self {
            requested_at: Mutex::new(Some(requested_at)),
        }
    }

    /// Returns whether the lease outlives an update that is sent now.
    #[must_use]
    pub(super) fn allows_writes(&self) -> bool {
        self.outlives(WRITE_MARGIN)
    }

    /// Returns whether an update may be sent to EKS now, or has to wait for the next renewal.
    #[must_use]
    pub(super) fn is_fresh(&self) -> bool {
        self.lock().is_some_and(|at| at.elapsed() <= FRESH_FOR)
    }

    /// Returns whether work of this duration is done before another invocation can acquire the
    /// lease.
    pub(super) fn outlives(&self, duration: Duration) -> bool {
        self.valid_until()
            .is_some_and(|until| Instant::now() + duration < until)
    }

    /// Returns whether no other invocation can have acquired the lease yet.
    #[must_use]
    pub(super) fn is_held(&self) -> bool {
        self.valid_until()
            .is_some_and(|until| Instant::now() < until)
    }

    /// Renews the lease until `done` is notified or the lease is lost, and records the rotation's
    /// progress with each renewal. A renewal in flight always finishes first.
    pub(super) async fn renew_until(
        &self,
        done: &Notify,
        rotation: OwnedRotation<'_>,
        progress: impl Fn() -> Progress,
    ) {
        let mut pause = RENEWAL_INTERVAL;
        loop {
            tokio::select! {
                () = done.notified() => return,
                () = tokio::time::sleep(pause) => {}
            }
            let requested_at = Instant::now();
            let progress = progress();
            match rotation.renew(progress.at + LEASE, &progress).await {
                Ok(()) => {
                    *self.lock() = Some(requested_at);
                    pause = RENEWAL_INTERVAL;
                    debug!(fence = rotation.fence(), "lease renewed");
                }
                Err(LeaseError::Lost) => {
                    warn!(fence = rotation.fence(), "lease lost to another invocation");
                    *self.lock() = None;
                    return;
                }
                Err(LeaseError::Call(error)) => {
                    warn!(fence = rotation.fence(), %error, "lease not renewed, trying again");
                    pause = RENEWAL_RETRY_PAUSE;
                }
            }
        }
    }

    fn valid_until(&self) -> Option<Instant> {
        self.lock().map(|requested_at| requested_at + LEASE)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.requested_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
