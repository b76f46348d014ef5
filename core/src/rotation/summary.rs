//! The result of a rotation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::request::RotationId;
use crate::resource::RoleArn;
use crate::rotation::{Counts, InUse, Status};
use crate::timestamp::Timestamp;

/// The result of a rotation, as an invocation returns it and as events show it. Absent values are
/// null, so every member is always present.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    #[cfg_attr(test, schemars(with = "String"))]
    pub rotation_id: RotationId,
    /// The rotation that was taken back, if this is the result of a rollback.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub rollback_of: Option<RotationId>,
    pub status: Status,
    pub reason: Option<String>,
    pub dry_run: bool,
    #[cfg_attr(test, schemars(with = "String"))]
    pub old_role_arn: RoleArn,
    #[cfg_attr(test, schemars(with = "String"))]
    pub new_role_arn: RoleArn,
    pub counts: Counts,
    #[cfg_attr(test, schemars(with = "String"))]
    pub started_at: Timestamp,
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub finished_at: Option<Timestamp>,
    /// Until when the old role is expected to be in use, as known when this summary was made. Null
    /// while it is in use.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub old_role_in_use_until: Option<Timestamp>,
    /// Why the old role is in use, if it is.
    #[serde(default)]
    pub old_role_in_use: Option<InUse>,
    /// Since when the index of each region is complete, as known when the rotation finished.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "BTreeMap<String, String>"))]
    pub index_as_of: BTreeMap<String, Timestamp>,
    /// The rollback of the rotation, if there is one.
    #[serde(default)]
    pub rollback: Option<RollbackSummary>,
}

/// What the result of a rotation shows of its rollback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RollbackSummary {
    pub status: Status,
    /// When it ended, or started if it has not ended.
    #[cfg_attr(test, schemars(with = "String"))]
    pub at: Timestamp,
}
