//! Renews the lease of a slice, records the rotation's progress, and finds out whether a command or
//! a freeze of the stack interrupts the slice.

use std::time::Duration;

use rerole_core::call::CallError;
use rerole_core::rotation::LEASE;
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::aws::ledger::Renewed;
use crate::rotate::slice::context::Context;

/// Often enough that one renewal may fail before updates have to wait.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(4);
/// Pause after a renewal that failed.
const RENEWAL_RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Renews the lease until `done` is notified, the lease is lost or a command interrupts the slice.
/// A renewal in flight always finishes first.
pub(super) async fn renew_until(done: &Notify, slice: &Context<'_>) {
    let fence = slice.record.fence;
    let mut pause = RENEWAL_INTERVAL;
    loop {
        tokio::select! {
            () = done.notified() => return,
            () = tokio::time::sleep(pause) => {}
        }
        let requested_at = Instant::now();
        let progress = slice.progress();
        let owned = slice.owned();
        let (renewed, frozen) = tokio::join!(
            owned.renew(progress.at + LEASE, &progress),
            is_frozen(slice)
        );
        match renewed.and_then(|renewed| Ok((renewed, frozen?))) {
            Ok((Renewed::Held(_), true)) => {
                info!(fence, "a freeze of the stack interrupts the slice");
                slice.interrupt();
                return;
            }
            Ok((Renewed::Held(found), false)) => {
                slice.state().note_renewed(&found);
                slice.lease.renewed(requested_at);
                pause = RENEWAL_INTERVAL;
                debug!(fence, "lease renewed");
            }
            Ok((Renewed::StatusChanged, _)) => {
                info!(fence, "a command interrupts the slice");
                slice.interrupt();
                return;
            }
            Ok((Renewed::Lost, _)) => {
                warn!(fence, "lease lost to another invocation");
                slice.lease.lost();
                return;
            }
            Err(error) => {
                warn!(fence, %error, "lease not renewed, trying again");
                pause = RENEWAL_RETRY_PAUSE;
            }
        }
    }
}

/// Returns whether the stack is frozen, if that matters to this slice. One that sends no updates
/// continues.
async fn is_frozen(slice: &Context<'_>) -> Result<bool, CallError> {
    if slice.request().dry_run || slice.is_cancelling() {
        return Ok(false);
    }
    let stack = slice.aws.ledger.stack().read().await?;
    Ok(stack.is_frozen())
}
