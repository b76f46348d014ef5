//! The simulated clock, and how times are written. The clock shows a start time plus the time that
//! tokio's clock has advanced since. Under `tokio::time::pause` it is virtual.
//!
//! No code in this crate reads the machine's wall clock.

use std::time::{Duration, SystemTime};

use aws_smithy_async::time::TimeSource;
use chrono::{DateTime, SecondsFormat, Utc};
use tokio::time::Instant;

/// RFC 3339 in UTC with milliseconds, as the tables store times: `2026-11-23T21:17:00.000Z`.
pub fn rfc3339_millis(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// RFC 3339 in UTC with whole seconds, as EventBridge and CloudTrail date events:
/// `2026-11-23T21:17:00Z`.
pub(crate) fn rfc3339_secs(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// As many records of CloudTrail have times: `Nov 23, 2026, 9:17:00 PM`.
pub(crate) fn english(time: SystemTime) -> String {
    let time = DateTime::<Utc>::from(time);
    time.format("%b %-d, %Y, %-I:%M:%S %p").to_string()
}

/// Time since 1970. Times before 1970 do not occur here and count as zero.
pub(crate) fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

/// Wall-clock time derived from tokio's clock.
#[derive(Clone, Debug)]
pub(crate) struct VirtualClock {
    starts_at: SystemTime,
    started: Instant,
}

impl VirtualClock {
    pub(crate) fn starting_at(starts_at: SystemTime) -> Self {
        Self {
            starts_at,
            started: Instant::now(),
        }
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.starts_at + self.started.elapsed()
    }

    /// How long this clock had run at `time`.
    pub(crate) fn since_start(&self, time: SystemTime) -> Duration {
        time.duration_since(self.starts_at).unwrap_or_default()
    }
}

/// The SDK signs requests by this clock.
impl TimeSource for VirtualClock {
    fn now(&self) -> SystemTime {
        VirtualClock::now(self)
    }
}

/// The embedded DynamoDB expires items by this clock.
impl dynoxide::storage_backend::Clock for VirtualClock {
    fn now_unix_secs(&self) -> u64 {
        since_epoch(self.now()).as_secs()
    }

    fn now_unix_secs_f64(&self) -> f64 {
        since_epoch(self.now()).as_secs_f64()
    }
}
