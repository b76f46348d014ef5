//! How a read is sent: with a permit, and again if EKS throttles it. Updates are sent in
//! `update.rs`.

use std::sync::Arc;

use rerole_core::call::{CallError, ErrorClass, Operation};
use tokio::time::Instant;

use crate::aws::eks::{Kind, RateLimiter};

/// Sends a read, and sends it again as long as EKS throttles it and there is time. Repeating a read
/// is safe.
pub(super) async fn read<T>(
    rate_limiter: &Arc<RateLimiter>,
    operation: Operation<'_>,
    until: Instant,
    call: impl AsyncFn() -> Result<T, CallError>,
) -> Result<T, CallError> {
    loop {
        let Some(permit) = rate_limiter.acquire(Kind::Read, until).await else {
            return Err(CallError::no_permit(operation));
        };
        match permit.send(call()).await {
            Err(error) if error.class == ErrorClass::Throttled && Instant::now() < until => {}
            result => return result,
        }
    }
}

/// Turns "not found", which is a valid response, into `None`.
///
/// # Errors
/// Any other error.
pub fn none_if_not_found<T>(error: CallError) -> Result<Option<T>, CallError> {
    if error.class == ErrorClass::NotFound {
        Ok(None)
    } else {
        Err(error)
    }
}
