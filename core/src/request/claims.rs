//! Who asks for a rotation and why, as the event says it. Any sender of events can write anything
//! there, so these are claims: recorded and shown, but never trusted.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The form of a claim, for error messages.
pub const CLAIM_FORM: &str = "a text of 1 to 256 characters without control characters";
const LEN_MAX: usize = 256;

/// What an event says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claims {
    /// Who asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<Claim>,
    /// Why, for example a change ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Claim>,
}

/// A text of 1 to 256 characters. Control characters are not allowed, because terminals execute
/// them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Claim(String);

/// The text is not a claim.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not allowed; allowed: {CLAIM_FORM}")]
pub struct InvalidClaim(String);

impl Claims {
    /// Returns the reason as text.
    #[must_use]
    pub fn reason_text(&self) -> Option<String> {
        self.reason.as_ref().map(ToString::to_string)
    }
}

impl Claim {
    /// Returns `None` if the text does not have the form of a claim.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let len = text.chars().count();
        ((1..=LEN_MAX).contains(&len) && !text.chars().any(char::is_control))
            .then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Claim {
    type Error = InvalidClaim;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(&text).ok_or(InvalidClaim(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_has_1_to_256_printable_characters() {
        for (text, expected) in [
            ("CHG-1: rotate app, see #platform".to_owned(), true),
            ("é".repeat(256), true),
            ("é".repeat(257), false),
            (String::new(), false),
            ("two\nlines".to_owned(), false),
            ("\u{1b}[2J".to_owned(), false),
        ] {
            assert_eq!(Claim::new(&text).is_some(), expected, "{text:?}");
            let stored = serde_json::from_value::<Claim>(text.clone().into());
            assert_eq!(stored.is_ok(), expected, "{text:?} as stored");
        }
    }
}
