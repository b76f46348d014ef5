//! The error for a flag whose value is not allowed. The flags are in `args` and `index::flags`.

use std::fmt::Display;

/// The name of a flag or an argument, for error messages.
#[derive(Debug, Clone, Copy)]
pub struct Flag(pub &'static str);

/// A flag value that is not allowed, by itself or together with the other flags.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{flag} {value} is not allowed; allowed: {allowed}")]
pub struct InvalidFlag {
    flag: &'static str,
    value: String,
    allowed: String,
}

impl InvalidFlag {
    pub fn new(flag: &'static str, value: impl Display, allowed: String) -> Self {
        Self {
            flag,
            value: value.to_string(),
            allowed,
        }
    }
}
