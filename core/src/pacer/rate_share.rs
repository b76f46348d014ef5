//! `RateShare`: the part of the found rate that is used. Other callers of the same account and
//! region, such as controllers, get the rest.

use std::fmt;
use std::str::FromStr;

/// The form of a share, for error messages.
pub const RATE_SHARE_FORM: &str = "a whole number from 10 to 100";

/// The part of the found rate that is used once it is known, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateShare(u8);

/// The text is not such a share.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not allowed; allowed: {RATE_SHARE_FORM}")]
pub struct InvalidRateShare(String);

impl RateShare {
    /// The whole rate. Nothing is left to other callers, but what they take.
    pub const WHOLE: Self = Self(100);

    /// Returns whether nothing is left to other callers.
    pub(super) fn is_whole(self) -> bool {
        self == Self::WHOLE
    }

    /// Returns the share as a fraction of one.
    pub(super) fn fraction(self) -> f64 {
        f64::from(self.0) / 100.0
    }
}

impl Default for RateShare {
    /// Returns 80 %.
    fn default() -> Self {
        Self(80)
    }
}

impl FromStr for RateShare {
    type Err = InvalidRateShare;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
        let percent = text
            .parse()
            .ok()
            .filter(|percent| is_plain && (10..=100).contains(percent));
        percent
            .map(Self)
            .ok_or_else(|| InvalidRateShare(text.to_owned()))
    }
}

impl fmt::Display for RateShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_numbers_from_10_to_100_are_shares() {
        for (text, expected) in [
            ("10", Some(0.1)),
            ("80", Some(0.8)),
            ("100", Some(1.0)),
            ("9", None),
            ("101", None),
            ("256", None),
            ("080", None),
            ("+80", None),
            ("80%", None),
            ("0.8", None),
            ("", None),
        ] {
            let share = text.parse::<RateShare>().ok();
            assert_eq!(share.map(RateShare::fraction), expected, "{text}");
            let is_whole = share.is_some_and(RateShare::is_whole);
            assert_eq!(is_whole, text == "100");
            assert!(share.is_none_or(|share| share.to_string() == text));
        }
        assert_eq!(RateShare::default().to_string(), "80");
        assert_eq!(
            "9%".parse::<RateShare>().unwrap_err().to_string(),
            "\"9%\" is not allowed; allowed: a whole number from 10 to 100"
        );
    }
}
