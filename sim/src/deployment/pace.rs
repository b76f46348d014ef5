//! How fast a stack reacts.

use std::time::Duration;

/// How fast the stack reacts where AWS gives no time, or a long one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How often queues and streams without anything new are polled.
    pub poll: Duration,
    /// How often alarms are evaluated.
    pub alarms: Duration,
    /// The pauses before Lambda's first and its later retries of an event.
    pub retry_pauses: [Duration; 2],
}

impl Default for Pace {
    /// As AWS.
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(1),
            alarms: Duration::from_mins(1),
            retry_pauses: [Duration::from_mins(1), Duration::from_mins(2)],
        }
    }
}
