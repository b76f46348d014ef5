//! Why a payload cannot run: the field, its value, and what is allowed.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A rejected value is truncated to this length: it may be a whole megabyte.
const SHOWN_VALUE_LEN_MAX: usize = 200;

/// Why an event cannot run. Another delivery of the same event is rejected again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{field} {value} is not allowed; allowed: {allowed}")]
pub struct Rejection {
    /// Path of the field in the event, for example `detail.newRoleArn`.
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
        let mut value = if value.is_null() {
            "(nothing)".to_owned()
        } else {
            value.to_string()
        };
        if value.len() > SHOWN_VALUE_LEN_MAX {
            value.truncate(value.floor_char_boundary(SHOWN_VALUE_LEN_MAX));
            value.push('…');
        }
        Self {
            field: field.into(),
            value,
            allowed: allowed.into(),
        }
    }
}
