//! `maxErrors`, as in AWS Systems Manager: how many associations may fail before a rotation stops.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The form of `maxErrors`, for error messages.
pub const MAX_ERRORS_FORM: &str =
    "a count from \"0\" to \"9999999\" or a percentage from \"0%\" to \"100%\"";

/// The maximum number of failures: a count (`"5"`) or a percentage of the rotation's associations
/// (`"10%"`). The rotation stops at the next failure after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum MaxErrors {
    Count(u32),
    Percent(u8),
}

/// The text is neither a count nor a percentage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not allowed; allowed: {MAX_ERRORS_FORM}")]
pub struct InvalidMaxErrors(String);

impl MaxErrors {
    /// Returns how many of `total` associations may fail. A percentage is rounded down: 10% of 15
    /// is 1.5, so the second failure is one too many.
    #[must_use]
    pub fn allowed_of(self, total: u64) -> u64 {
        match self {
            Self::Count(count) => count.into(),
            Self::Percent(percent) => u64::from(percent) * total / 100,
        }
    }
}

impl Default for MaxErrors {
    /// Returns 10%: a fault that concerns every association stops the rotation early.
    fn default() -> Self {
        Self::Percent(10)
    }
}

impl FromStr for MaxErrors {
    type Err = InvalidMaxErrors;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidMaxErrors(text.to_owned());
        let (digits, len_max) = text.strip_suffix('%').map_or((text, 7), |share| (share, 3));
        let is_plain = (1..=len_max).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && (digits == "0" || !digits.starts_with('0'));
        if !is_plain {
            return Err(invalid());
        }
        let number: u32 = digits.parse().map_err(|_| invalid())?;
        if digits.len() == text.len() {
            return Ok(Self::Count(number));
        }
        u8::try_from(number)
            .ok()
            .filter(|percent| *percent <= 100)
            .map(Self::Percent)
            .ok_or_else(invalid)
    }
}

impl fmt::Display for MaxErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl TryFrom<String> for MaxErrors {
    type Error = InvalidMaxErrors;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<MaxErrors> for String {
    fn from(max_errors: MaxErrors) -> Self {
        max_errors.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_percentages_are_distinguished() {
        for (text, expected) in [
            ("0", MaxErrors::Count(0)),
            ("5", MaxErrors::Count(5)),
            ("9999999", MaxErrors::Count(9_999_999)),
            ("0%", MaxErrors::Percent(0)),
            ("10%", MaxErrors::Percent(10)),
            ("100%", MaxErrors::Percent(100)),
        ] {
            assert_eq!(text.parse(), Ok(expected));
            let stored = serde_json::from_value::<MaxErrors>(text.into()).unwrap();
            assert_eq!(stored, expected, "as stored");
            assert_eq!(expected.to_string(), text);
        }
    }

    #[test]
    fn every_other_text_is_rejected() {
        for text in [
            "", "%", "-1", "+1", "1.5", "05", "101%", "999%", "1000%", "10 %", " 5", "ten",
            "10000000",
        ] {
            assert!(text.parse::<MaxErrors>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_percentage_of_the_associations_is_rounded_down() {
        for (text, total, most_allowed) in [
            ("0", 10, 0),
            ("5", 10, 5),
            ("0%", 10, 0),
            ("10%", 10, 1),
            ("10%", 15, 1),
            ("34%", 3, 1),
            ("100%", 3, 3),
        ] {
            let max_errors: MaxErrors = text.parse().unwrap();
            assert_eq!(
                max_errors.allowed_of(total),
                most_allowed,
                "{text} of {total}"
            );
        }
    }
}
