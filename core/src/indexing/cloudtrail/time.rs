//! The forms in which a CloudTrail event may have a time.

use std::time::Duration;

use chrono::NaiveDateTime;
use serde_json::Value;

use crate::timestamp::Timestamp;

/// Parses a time as EKS sends it (epoch seconds), or as CloudTrail writes it (RFC 3339, or
/// `Nov 23, 2026, 9:17:00 PM`).
#[must_use]
pub fn parse_time(value: &Value) -> Option<Timestamp> {
    let Some(text) = value.as_str() else {
        return epoch_seconds(value.as_f64()?);
    };
    let written_out = || {
        // Java versions differ in the comma before the time of day.
        let time =
            NaiveDateTime::parse_from_str(&text.replace(',', " "), "%b %d %Y %I:%M:%S %p").ok()?;
        Some(Timestamp::from_millis(time.and_utc().timestamp_millis()))
    };
    text.parse()
        .ok()
        .or_else(|| epoch_seconds(text.parse().ok()?))
        .or_else(written_out)
}

/// Rounds to milliseconds. As a float, `.123` is 122,999,9xx ns. If that were truncated, it would
/// not be the version that Describe shows.
fn epoch_seconds(seconds: f64) -> Option<Timestamp> {
    let micros = Duration::try_from_secs_f64(seconds).ok()?.as_micros();
    i64::try_from((micros + 500) / 1_000)
        .ok()
        .map(Timestamp::from_millis)
}
