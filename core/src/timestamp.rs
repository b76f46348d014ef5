//! Points in time as the tables store them: UTC, whole milliseconds, as RFC 3339 text whose
//! alphabetical order is the order in time.
//!
//! There is no clock here. The caller passes `now`, so every decision can be replayed.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Serialize};

/// A point in time, in milliseconds since the Unix epoch. Its text is `2026-11-23T21:17:00.000Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(i64);

/// The text is not an RFC 3339 time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a time; allowed: RFC 3339 in UTC, for example 2026-11-23T21:17:00.000Z")]
pub struct InvalidTimestamp(String);

impl Timestamp {
    /// Creates a timestamp from milliseconds since the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Returns the time that has passed since `earlier`, or zero if `earlier` is later than this.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(later.as_millis()).unwrap_or(i64::MAX)),
        )
    }
}

impl std::ops::Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, earlier: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(earlier.as_millis()).unwrap_or(i64::MAX)),
        )
    }
}

impl From<SystemTime> for Timestamp {
    /// Truncates to whole milliseconds. A time before 1970 becomes 1970: no such time gets into a
    /// table.
    fn from(time: SystemTime) -> Self {
        let millis = time
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis();
        Self(i64::try_from(millis).unwrap_or(i64::MAX))
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed =
            DateTime::parse_from_rfc3339(text).map_err(|_| InvalidTimestamp(text.to_owned()))?;
        Ok(Self(parsed.timestamp_millis()))
    }
}

impl TryFrom<String> for Timestamp {
    type Error = InvalidTimestamp;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Timestamp> for String {
    fn from(time: Timestamp) -> Self {
        time.to_string()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A clock cannot show times outside chrono's range (the year 262,000). They print as the
        // epoch.
        let time = DateTime::from_timestamp_millis(self.0).unwrap_or_default();
        f.write_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_sort_like_times_and_survive_a_round_trip() {
        let texts = [
            "1970-01-01T00:00:00.000Z",
            "2026-11-23T21:17:00.000Z",
            "2026-11-23T21:17:00.001Z",
        ];
        let times: Vec<Timestamp> = texts.iter().map(|text| text.parse().unwrap()).collect();
        assert!(times.is_sorted());
        assert_eq!(
            times.iter().map(ToString::to_string).collect::<Vec<_>>(),
            texts
        );
        assert_eq!(format!("{:?}", times[1]), texts[1]);
    }

    #[test]
    fn other_offsets_and_fractions_become_utc_milliseconds() {
        for (given, kept) in [
            ("2026-11-23T22:17:00+01:00", "2026-11-23T21:17:00.000Z"),
            ("2026-11-23T21:17:00.123456Z", "2026-11-23T21:17:00.123Z"),
        ] {
            assert_eq!(given.parse::<Timestamp>().unwrap().to_string(), kept);
        }
    }

    #[test]
    fn an_invalid_time_is_quoted_in_the_error() {
        for bad in ["", "yesterday", "2026-11-23", "1795468620"] {
            let error = bad.parse::<Timestamp>().unwrap_err().to_string();
            assert!(error.contains(&format!("\"{bad}\"")), "{error}");
        }
    }
}
