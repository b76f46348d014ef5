//! How long EKS may take to show a change. It is eventually consistent.

use std::time::Duration;

/// EKS shows a change within seconds. After this time, what it shows is taken as it is.
const SHOWN_WITHIN: Duration = Duration::from_secs(10);

/// Returns whether EKS may not show a change of this age yet.
#[must_use]
pub fn may_be_hidden(age: Duration) -> bool {
    age < SHOWN_WITHIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_may_be_hidden_for_ten_seconds() {
        for (millis, expected) in [(0, true), (9_999, true), (10_000, false)] {
            let age = Duration::from_millis(millis);
            assert_eq!(may_be_hidden(age), expected, "after {millis} ms");
        }
    }
}
