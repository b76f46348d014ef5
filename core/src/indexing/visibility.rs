//! How long EKS may take to show a change. It is eventually consistent.

use std::time::Duration;

use crate::timestamp::Timestamp;

/// EKS shows a change within seconds. After this time, what it shows is taken as it is.
const SHOWN_WITHIN: Duration = Duration::from_secs(10);

/// Returns whether EKS may not show yet, at `now`, what changed at `changed_at`.
#[must_use]
pub fn may_be_hidden(changed_at: Timestamp, now: Timestamp) -> bool {
    now.since(changed_at) < SHOWN_WITHIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_may_be_hidden_for_ten_seconds() {
        let changed_at = Timestamp::from_millis(1_000);
        for (millis, expected) in [(0, true), (1_000, true), (10_999, true), (11_000, false)] {
            let now = Timestamp::from_millis(millis);
            assert_eq!(may_be_hidden(changed_at, now), expected, "at {millis} ms");
        }
    }
}
