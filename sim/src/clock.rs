//! The clock that everything simulated reads: a start, plus whatever tokio's clock has advanced since. Under
//! `tokio::time::pause` it is virtual. Nothing here, and nothing else in this crate, reads the machine's wall clock.

use aws_smithy_async::time::TimeSource;
use chrono::{DateTime, SecondsFormat, Utc};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// Wall-clock time derived from tokio's clock.
#[derive(Clone, Debug)]
pub struct VirtualClock {
    starts_at: SystemTime,
    started: Instant,
}

impl VirtualClock {
    pub(crate) fn starting_at(starts_at: SystemTime) -> Self {
        Self { starts_at, started: Instant::now() }
    }

    /// The time now.
    pub fn now(&self) -> SystemTime {
        self.starts_at + self.started.elapsed()
    }

    /// How long this clock has run at `time`.
    pub(crate) fn since_start(&self, time: SystemTime) -> Duration {
        time.duration_since(self.starts_at).unwrap_or_default()
    }
}

impl TimeSource for VirtualClock {
    fn now(&self) -> SystemTime {
        VirtualClock::now(self)
    }
}

/// The embedded DynamoDB asks for the time to expire items.
impl dynoxide::storage_backend::Clock for VirtualClock {
    fn now_unix_secs(&self) -> u64 {
        since_epoch(self.now()).as_secs()
    }

    fn now_unix_secs_f64(&self) -> f64 {
        since_epoch(self.now()).as_secs_f64()
    }
}

/// Time since 1970. Times before it do not occur here and count as zero.
pub(crate) fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// RFC 3339 in UTC with milliseconds, as the tables hold times: `2026-11-23T21:17:00.000Z`.
pub fn rfc3339_millis(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// RFC 3339 in UTC with whole seconds, as EventBridge and CloudTrail date events: `2026-11-23T21:17:00Z`.
pub(crate) fn rfc3339_secs(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;

    #[test]
    fn the_default_start_is_the_documented_one() {
        assert_eq!(rfc3339_millis(Options::default().starts_at), "2026-11-23T21:00:00.000Z");
    }
}
