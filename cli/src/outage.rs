//! While a command waits, reads that fail for some minutes do not end it.

use std::time::Duration;

use tokio::time::Instant;

use crate::failure::Failure;

/// For so long, reads may fail one after another. Services of AWS recover from most outages within
/// minutes, and after that an operator should know that nothing is seen.
const BORNE: Duration = Duration::from_mins(5);

/// One of several reads.
#[derive(Debug)]
pub enum Read<T> {
    Done(T),
    /// It failed, and should be tried again.
    Failed(Failure),
}

/// Since when reads have failed, if the last one has.
#[derive(Debug, Default)]
pub struct Outage {
    since: Option<Instant>,
}

impl Outage {
    /// Returns what came of a read.
    ///
    /// # Errors
    /// If another try would fail as well, or reads have failed for too long.
    pub fn bear<T>(&mut self, read: Result<T, Failure>) -> Result<Read<T>, Failure> {
        match read {
            Ok(read) => {
                self.since = None;
                Ok(Read::Done(read))
            }
            Err(failure) => {
                let since = *self.since.get_or_insert_with(Instant::now);
                if may_pass(&failure) && since.elapsed() < BORNE {
                    Ok(Read::Failed(failure))
                } else {
                    Err(failure)
                }
            }
        }
    }
}

/// Errors that are known to last, such as missing permissions, end the command at once. So do
/// expired credentials, which only the operator can renew.
fn may_pass(failure: &Failure) -> bool {
    let Failure::Call(error) = failure else {
        return false;
    };
    let has_expired = error
        .code
        .as_deref()
        .is_some_and(|code| code.contains("Expired"));
    error.class.is_retryable() && !has_expired
}

#[cfg(test)]
mod tests {
    use rerole_core::call::{CallError, ErrorClass, FailedCall};
    use tokio::time::advance;

    use super::*;

    fn failed(class: ErrorClass, code: Option<&str>) -> Result<(), Failure> {
        Err(Failure::Call(CallError::from(FailedCall {
            operation: "read rotation",
            subject: "r".to_owned(),
            class,
            code: code.map(str::to_owned),
            message: String::new(),
            request_id: None,
            retry_after_secs: None,
            no_response: false,
        })))
    }

    fn is_borne(outage: &mut Outage, class: ErrorClass) -> bool {
        matches!(outage.bear(failed(class, None)), Ok(Read::Failed(_)))
    }

    #[tokio::test(start_paused = true)]
    async fn failures_that_may_pass_are_borne_for_minutes() {
        let mut outage = Outage::default();
        let four = Duration::from_mins(4);
        for _ in 0..3 {
            assert!(is_borne(&mut outage, ErrorClass::Transient));
            advance(four).await;
            // Each success starts the time anew.
            assert!(matches!(outage.bear(Ok(())), Ok(Read::Done(()))));
        }
        assert!(is_borne(&mut outage, ErrorClass::Throttled));
        advance(four).await;
        assert!(is_borne(&mut outage, ErrorClass::Transient));
        advance(four).await;
        assert!(!is_borne(&mut outage, ErrorClass::Transient));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_that_lasts_ends_the_wait_at_once() {
        let mut outage = Outage::default();
        for class in [
            ErrorClass::Denied,
            ErrorClass::NotFound,
            ErrorClass::Terminal,
        ] {
            assert!(!is_borne(&mut outage, class), "{class:?}");
        }
        let expired = failed(ErrorClass::Transient, Some("ExpiredTokenException"));
        assert!(outage.bear(expired).is_err());
        let refused = Err::<(), _>(Failure::Refused("no".to_owned()));
        assert!(outage.bear(refused).is_err());
    }
}
