//! Why a verdict is unknown.

use std::fmt;

/// What would have to be known for a definite verdict.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The value of this condition key in the request, or whether the request has it.
    Key(String),
    /// Whether the caller is this principal.
    Principal(String),
    /// The resource of the request.
    Resource,
    /// `disableSessionTags` of the association.
    SessionTags,
    /// A rule that the documentation of IAM does not give.
    Undocumented(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => f.write_str(key),
            Self::Principal(principal) => write!(f, "whether the caller is {principal}"),
            Self::Resource => f.write_str("the resource"),
            Self::SessionTags => f.write_str("disableSessionTags"),
            Self::Undocumented(rule) => write!(f, "not documented: {rule}"),
        }
    }
}
