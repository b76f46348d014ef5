//! The lease on a rotation as its owner sees it: until when the owner may write. How the lease is
//! renewed is in `renewal.rs`; the ledger's side, with the fence, is in `crate::aws::ledger`.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rerole_core::rotation::LEASE;
use tokio::time::Instant;

use crate::aws::eks::EKS_CALL_TIMEOUT;

/// An update is sent only if the last renewal that succeeded was requested at most this long ago.
/// So a command has its effect on EKS within seconds, and without DynamoDB, nothing is sent.
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

    /// Notes a renewal that was requested at this time and succeeded.
    pub(super) fn renewed(&self, requested_at: Instant) {
        *self.lock() = Some(requested_at);
    }

    /// Notes that another invocation has acquired the lease.
    pub(super) fn lost(&self) {
        *self.lock() = None;
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
