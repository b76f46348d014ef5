//! `maxConcurrency`, as AWS Systems Manager has it, as a count: a ceiling for the associations in work at the same time. How
//! many it takes to call EKS as fast as it allows is found out; this is for people who want fewer.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A count of associations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MaxConcurrency(u16);

/// More would not be faster: 128 in work are two hundred a second where a call takes a fifth of one. Each holds connections and
/// memory, of which a function has little.
const COUNT_MAX: u16 = 128;

/// A text that is no such count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not allowed; allowed: {MAX_CONCURRENCY_FORM}")]
pub struct InvalidMaxConcurrency(String);

/// What `maxConcurrency` looks like, for error messages.
pub const MAX_CONCURRENCY_FORM: &str = "a whole number from 1 to 128";

impl MaxConcurrency {
    #[must_use]
    pub fn count(self) -> usize {
        self.0.into()
    }
}

impl Default for MaxConcurrency {
    /// Enough for what EKS is known to admit, and about 2 MB.
    fn default() -> Self {
        Self(64)
    }
}

impl FromStr for MaxConcurrency {
    type Err = InvalidMaxConcurrency;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
        let count = text.parse().ok().filter(|count| is_plain && (1..=COUNT_MAX).contains(count));
        count.map(Self).ok_or_else(|| InvalidMaxConcurrency(text.to_owned()))
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
    fn counts_are_plain_numbers() {
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
            assert_eq!(text.parse().ok().map(MaxConcurrency::count), expected, "{text}");
        }
    }
}
