//! An invocation without its payload: its ID, the function's account and the deadline.

use std::time::{Duration, SystemTime};

use lambda_runtime::Context;
use rerole_core::resource::OwnAccount;
use rerole_core::timestamp::Timestamp;

/// Lambda's longest timeout.
const TIMEOUT_MAX: Duration = Duration::from_mins(15);

/// What Lambda says about an invocation, besides its payload.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The ID that Lambda gave the invocation. Lambda's own log lines have it.
    pub request_id: String,
    /// The account of the function; `None` if the function's ARN does not name one.
    pub own_account: Option<OwnAccount>,
    /// When Lambda ends the invocation.
    pub deadline: Timestamp,
}

impl Invocation {
    /// Reads the context of an invocation that starts at `now`.
    #[must_use]
    pub fn of(context: &Context, now: Timestamp) -> Self {
        Self {
            request_id: context.request_id.clone(),
            own_account: OwnAccount::of_function(&context.invoked_function_arn),
            deadline: deadline(context.deadline(), now),
        }
    }
}

/// Returns when Lambda ends the invocation. Lambda sends a time of day. `cargo lambda watch` sends
/// the remaining time instead, 600,000 ms. So a time within the first minutes of 1970 is read as a
/// remaining time.
fn deadline(sent: SystemTime, now: Timestamp) -> Timestamp {
    let sent = Timestamp::from(sent);
    let since_1970 = sent.since(Timestamp::from_millis(0));
    if since_1970 <= TIMEOUT_MAX {
        now + since_1970
    } else {
        sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_a_time_of_day_or_the_remaining_time() {
        let now = Timestamp::from_millis(1_795_467_600_000);
        for (sent, remaining_ms) in [
            (600_000, 600_000),
            (900_000, 900_000),
            (900_001, 0),
            (1_795_467_650_000, 50_000),
        ] {
            let sent = SystemTime::UNIX_EPOCH + Duration::from_millis(sent);
            let deadline = deadline(sent, now);
            assert_eq!(
                deadline.since(now),
                Duration::from_millis(remaining_ms),
                "{sent:?}"
            );
        }
    }
}
