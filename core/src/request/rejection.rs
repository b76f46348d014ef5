//! Why a payload cannot run: the field, its value, and what is allowed.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::printable::printable;

/// A rejected value, and the path of its field, are truncated to this length: either may be a whole
/// megabyte.
const SHOWN_VALUE_LEN_MAX: usize = 200;
/// What is allowed may quote the event. The longest text of our own lists the members of a detail.
const ALLOWED_LEN_MAX: usize = 2_000;

/// Why an event cannot run. Another delivery of the same event is rejected again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{field} {value} is not allowed; allowed: {allowed}")]
pub struct Rejection {
    /// Path of the field in the event, for example `detail.newRoleArn`, truncated if it is long.
    pub field: String,
    /// The field's value as JSON, truncated if it is long.
    pub value: String,
    /// The values that are allowed.
    pub allowed: String,
}

impl Rejection {
    /// Creates a rejection. A `value` of null also stands for a missing field.
    #[must_use]
    pub fn new(field: impl Into<String>, value: &Value, allowed: impl Into<String>) -> Self {
        Self {
            field: printable(field.into(), SHOWN_VALUE_LEN_MAX),
            value: shown(value),
            allowed: printable(allowed.into(), ALLOWED_LEN_MAX),
        }
    }
}

/// Returns a value as a rejection shows it.
pub(super) fn shown(value: &Value) -> String {
    let text = if value.is_null() {
        "(nothing)".to_owned()
    } else {
        value.to_string()
    };
    printable(text, SHOWN_VALUE_LEN_MAX)
}
