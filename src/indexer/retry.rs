//! Retries one call to EKS until it succeeds, fails for good, or time is up, and repeats one that
//! did not find its resource. Throttled reads are also repeated in `crate::aws::eks`, as long as a
//! permit comes in time.

use std::time::Duration;

use rerole_core::call::{Backoff, CallError, ErrorClass};
use rerole_core::resource::Absence;
use tokio::time::Instant;

/// Attempts of one call that ends in a retryable error other than a throttle. With the pauses below
/// they take half a minute, so an outage that short, or a broken connection, costs no association
/// its Describe.
const ATTEMPTS_MAX: u32 = 7;
/// How long a throttled call is retried. A throttle says nothing about the cluster, so the call
/// waits for its permit. But if no call gets through for this long, the rest of the run must not
/// wait any longer.
const THROTTLED_MAX: Duration = Duration::from_mins(5);
/// Pauses between attempts.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_secs(1),
    max: Duration::from_secs(10),
};

/// Why work on a cluster or region ends early.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    #[error("time is up")]
    OutOfTime,
    #[error(transparent)]
    Call(#[from] CallError),
}

/// Calls until the call succeeds, returns an error that is not retryable, or time is up. `call`
/// receives the time until which it may wait for its permit.
///
/// # Errors
/// If the call returns an error that is not retryable, or too many retryable errors in a row: the
/// last error. If time is up: [`RetryError::OutOfTime`].
pub async fn retry<T>(
    ends_at: Instant,
    call: impl AsyncFn(Instant) -> Result<T, CallError>,
) -> Result<T, RetryError> {
    let until = ends_at.min(Instant::now() + THROTTLED_MAX);
    let (mut attempts, mut calls) = (0, 0);
    loop {
        if Instant::now() >= ends_at {
            return Err(RetryError::OutOfTime);
        }
        match call(until).await {
            Ok(response) => return Ok(response),
            Err(error) => {
                calls += 1;
                attempts += u32::from(error.class != ErrorClass::Throttled);
                let is_given_up = (until..ends_at).contains(&Instant::now());
                if !error.class.is_retryable() || attempts == ATTEMPTS_MAX || is_given_up {
                    return Err(error.into());
                }
                let pause = BACKOFF.jittered(calls, fastrand::f64());
                tokio::time::sleep_until((Instant::now() + pause).min(ends_at)).await;
            }
        }
    }
}

/// As [`retry`], for a call that returns `None` if EKS does not have the resource. One such
/// response proves nothing, so `None` is returned only after several of them, seconds apart.
///
/// # Errors
/// As [`retry`].
pub async fn find<T>(
    ends_at: Instant,
    call: impl AsyncFn(Instant) -> Result<Option<T>, CallError>,
) -> Result<Option<T>, RetryError> {
    let mut absence = Absence::default();
    loop {
        let found = retry(ends_at, &call).await?;
        if found.is_some() {
            return Ok(found);
        }
        let Some(pause) = absence.note() else {
            return Ok(None);
        };
        tokio::time::sleep_until((Instant::now() + pause).min(ends_at)).await;
    }
}
