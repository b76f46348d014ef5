//! The ID of a rotation.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The form of a rotation ID, for error messages.
pub const ROTATION_ID_FORM: &str = "1 to 64 letters, digits, \"_\" or \"-\"";

/// The ID of a rotation: 1 to 64 characters out of `[A-Za-z0-9_-]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct RotationId(String);

/// The text is not a rotation ID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not allowed; allowed: {ROTATION_ID_FORM}")]
pub struct InvalidRotationId(String);

impl RotationId {
    /// Returns `None` if the text does not have the form of a rotation ID.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        ((1..=64).contains(&text.len()) && text.bytes().all(allowed)).then(|| Self(text.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RotationId {
    type Error = InvalidRotationId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(&text).ok_or(InvalidRotationId(text))
    }
}

impl fmt::Display for RotationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
