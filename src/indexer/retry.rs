//! Retries one call to EKS until it succeeds, fails for good, or time is up. Throttled reads are
//! also repeated in `crate::aws::eks`, as long as a permit comes in time.

use std::time::Duration;

use rerole_core::call::{CallError, ErrorClass};
use tokio::time::Instant;

/// Attempts of one call that ends in a retryable error other than a throttle. With the pauses below
/// they take half a minute, so an outage that short, or a broken connection, costs no association
/// its Describe.
const ATTEMPTS_MAX: u32 = 7;
/// How long a throttled call is retried. A throttle says nothing about the cluster, so the call
/// waits for its permit. But if no call gets through for this long, the rest of the run must not
/// wait any longer.
const THROTTLED_MAX: Duration = Duration::from_mins(5);
/// The first pause between attempts. It doubles each time, up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// Why work on a cluster or region ends early.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    #[error("time is up")]
    OutOfTime,
    #[error(transparent)]
    Call(#[from] Box<CallError>),
}

impl From<CallError> for RetryError {
    fn from(error: CallError) -> Self {
        Self::Call(Box::new(error))
    }
}

/// Calls until the call succeeds, returns an error that is not retryable, or time is up. `call`
/// receives the time until which it may wait for its permit.
///
/// # Errors
/// If the call returns an error that is not retryable, or too many retryable errors in a row: the
/// last error. If time is up: [`RetryError::OutOfTime`].
pub async fn retry<T, F>(ends_at: Instant, call: impl Fn(Instant) -> F) -> Result<T, RetryError>
where
    F: Future<Output = Result<T, CallError>>,
{
    let until = ends_at.min(Instant::now() + THROTTLED_MAX);
    let (mut attempts, mut pauses) = (0, 0);
    loop {
        if Instant::now() >= ends_at {
            return Err(RetryError::OutOfTime);
        }
        match call(until).await {
            Ok(response) => return Ok(response),
            Err(error) => {
                attempts += u32::from(error.class != ErrorClass::Throttled);
                let is_given_up = (until..ends_at).contains(&Instant::now());
                if !error.class.is_retryable() || attempts == ATTEMPTS_MAX || is_given_up {
                    return Err(error.into());
                }
                let pause = PAUSE_MIN
                    .saturating_mul(2_u32.saturating_pow(pauses))
                    .min(PAUSE_MAX);
                // Half of the pause is random. Otherwise calls that were throttled together would
                // also come again together.
                let pause = pause.mul_f64(0.5 + fastrand::f64() / 2.0);
                tokio::time::sleep_until((Instant::now() + pause).min(ends_at)).await;
                pauses += 1;
            }
        }
    }
}
