//! A rotation as it was requested, after all checks.

use serde::{Deserialize, Serialize};

use crate::request::{MaxConcurrency, MaxErrors, RotationId, Scope};
use crate::resource::RoleArn;

/// A rotation as it was requested. Two events request the same rotation if these are equal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RotationRequest {
    pub rotation_id: RotationId,
    pub old_role_arn: RoleArn,
    pub new_role_arn: RoleArn,
    #[serde(flatten)]
    pub scope: Scope,
    pub dry_run: bool,
    pub max_errors: MaxErrors,
    /// A maximum of its own, which can only lower the function's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrency: Option<MaxConcurrency>,
}
