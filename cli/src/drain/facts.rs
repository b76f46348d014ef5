//! What IAM says of a role, as plain data. It is read in `iam`.

use rerole_core::timestamp::Timestamp;
use serde::Serialize;

/// What IAM says of a role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RoleFacts {
    /// Whether IAM has the role. Null if that is unknown.
    pub exists: Option<bool>,
    /// When its credentials were last used, in any region. IAM knows it up to four hours late.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub last_used_at: Option<Timestamp>,
    pub last_used_region: Option<String>,
    /// How long a session of the role can last, in seconds.
    pub session_max_secs: Option<u64>,
    /// Target roles of the workloads that name the role in their trust policies.
    pub trusted_by: Vec<String>,
    /// Who else its trust policy lets assume it, besides EKS for pods.
    pub trusts: Vec<String>,
    /// What could not be read, and why.
    pub unread: Vec<String>,
}
