//! Numbers where the contract has text: `5` is the same as `"5"`. Systems Manager, whose names the
//! contract uses, has text there, and people write numbers.

use serde::Deserialize;

/// A text, or a number in its usual text form.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "TextOrNumber")]
pub(crate) struct NumericText(pub(crate) String);

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a string or a number")]
enum TextOrNumber {
    Text(String),
    Number(serde_json::Number),
}

impl From<TextOrNumber> for NumericText {
    fn from(value: TextOrNumber) -> Self {
        match value {
            TextOrNumber::Text(text) => Self(text),
            TextOrNumber::Number(number) => Self(number.to_string()),
        }
    }
}
