//! Times as EKS keeps and writes them.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::clock::since_epoch;

/// Truncates a time to a multiple of `resolution`.
pub(crate) fn at_resolution(time: SystemTime, resolution: Duration) -> SystemTime {
    let excess = since_epoch(time).as_nanos() % resolution.as_nanos().max(1);
    let excess = u64::try_from(excess).expect("a resolution is shorter than 584 years");
    time - Duration::from_nanos(excess)
}

/// A time on the wire: a number of seconds, with a fraction if it has one.
pub(crate) fn epoch_seconds(time: SystemTime) -> Value {
    let since_epoch = since_epoch(time);
    let fraction = since_epoch.subsec_micros();
    if fraction == 0 {
        return json!(since_epoch.as_secs());
    }
    // Parsed from text, the number prints with these decimals.
    let text = format!("{}.{fraction:06}", since_epoch.as_secs());
    json!(
        text.parse::<f64>()
            .expect("digits and one point are a number")
    )
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{at_resolution, epoch_seconds};

    #[test]
    fn times_are_truncated_to_the_resolution_and_written_as_numbers() {
        let rows = [
            (1, 1_700_000_000_123, "1700000000.123"),
            (1000, 1_700_000_000_999, "1700000000"),
            (1, 1500, "1.5"),
        ];
        for (resolution, millis, written) in rows {
            let time = SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
            let truncated = at_resolution(time, Duration::from_millis(resolution));
            assert_eq!(
                epoch_seconds(truncated).to_string(),
                written,
                "{millis} ms at {resolution} ms"
            );
        }
    }
}
