//! `maxConcurrency`, as in AWS Systems Manager, but only as a count: the maximum number of
//! associations in flight. How many are needed to call EKS at its full rate is calculated in
//! `pacer`. This maximum is for operators who want fewer.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The form of `maxConcurrency`, for error messages.
pub const MAX_CONCURRENCY_FORM: &str = "a whole number from 1 to 128";
/// More would not be faster: with a latency of 200 ms, 128 associations in flight are about 200 per
/// second. Each holds connections and memory, and a function has little memory.
const COUNT_MAX: u16 = 128;

/// The maximum number of associations in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MaxConcurrency(u16);

/// The text is not such a count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not allowed; allowed: {MAX_CONCURRENCY_FORM}")]
pub struct InvalidMaxConcurrency(String);

impl MaxConcurrency {
    /// Returns the count.
    #[must_use]
    pub fn count(self) -> usize {
        self.0.into()
    }
}

impl Default for MaxConcurrency {
    /// Returns 64: enough for the rates that EKS is known to allow, in about 2 MB of memory.
    fn default() -> Self {
        Self(64)
    }
}

impl FromStr for MaxConcurrency {
    type Err = InvalidMaxConcurrency;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
        let count = text
            .parse()
            .ok()
            .filter(|count| is_plain && (1..=COUNT_MAX).contains(count));
        count
            .map(Self)
            .ok_or_else(|| InvalidMaxConcurrency(text.to_owned()))
    }
}

impl fmt::Display for MaxConcurrency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<String> for MaxConcurrency {
    type Error = InvalidMaxConcurrency;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<MaxConcurrency> for String {
    fn from(max_concurrency: MaxConcurrency) -> Self {
        max_concurrency.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_numbers_from_1_to_128_are_counts() {
        for (text, expected) in [
            ("1", Some(1)),
            ("64", Some(64)),
            ("128", Some(128)),
            ("129", None),
            ("0", None),
            ("01", None),
            ("+1", None),
            ("-1", None),
            ("10%", None),
            ("", None),
            (" 1", None),
        ] {
            let parsed = text.parse().ok().map(MaxConcurrency::count);
            assert_eq!(parsed, expected, "{text}");
            let stored = serde_json::from_value::<MaxConcurrency>(text.into()).ok();
            assert_eq!(
                stored.map(MaxConcurrency::count),
                expected,
                "{text} as stored"
            );
        }
    }
}
