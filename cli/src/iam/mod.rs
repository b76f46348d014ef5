//! IAM roles with their policies, as IAM shows them to the operator. What cannot be read is data,
//! and never a failure: an operator who may rotate roles need not be allowed to read them. What
//! follows from policies is decided in `core`, and what a person is told in `preflight`.

mod client;
mod last_accessed;
mod policies;

pub use client::Iam;
pub use last_accessed::ServiceUse;

use std::fmt;
use std::time::Duration;

use rerole_core::resource::RoleArn;
use rerole_core::timestamp::Timestamp;

/// Why something could not be read, such as `not readable: iam:GetRole`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable(String);

/// What could be read, or why it could not.
pub type Reading<T> = Result<T, Unreadable>;

/// A role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    pub arn: RoleArn,
    /// The trust policy, as JSON.
    pub trust: Reading<String>,
    pub max_session: Option<Duration>,
    /// Keys and values of its tags, in the order of IAM.
    pub tags: Vec<(String, String)>,
    /// When its credentials were last used, in any region, and where. IAM knows it up to four hours
    /// late.
    pub last_used: Option<(Timestamp, Option<String>)>,
    /// The ARN of the policy that is its permissions boundary.
    pub boundary_arn: Option<String>,
}

/// A policy of a role by the name that a person knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub name: String,
    /// The document, as JSON.
    pub document: Reading<String>,
}

/// All policies of a role that say what it may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policies {
    /// Managed and inline policies.
    pub identity: Vec<Policy>,
    pub boundary: Option<Policy>,
    /// Lists that could not be read, so there may be more policies.
    pub gaps: Vec<Unreadable>,
}

/// A role with its policies.
#[derive(Debug)]
pub struct RoleWithPolicies {
    pub role: Role,
    pub policies: Policies,
}

/// What could be read of a role: `None` if it does not exist.
pub type ReadRole = Reading<Option<RoleWithPolicies>>;

impl Unreadable {
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
