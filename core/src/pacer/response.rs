//! What the pacer knows about one call: when it was sent, and what the service responded.

use std::time::Duration;

/// A call that has been sent.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    /// The first call of a pacer has number 1.
    pub(super) number: u64,
    pub(super) at: Duration,
}

impl Sent {
    /// Returns when the call was sent.
    #[must_use]
    pub fn at(self) -> Duration {
        self.at
    }
}

/// The service's response to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Response {
    /// Any response except a throttle: the bucket admitted the call.
    Admitted,
    Throttled {
        /// How long the service asks the caller to wait.
        retry_after: Option<Duration>,
    },
    /// No response arrived.
    Lost,
}
