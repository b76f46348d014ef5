//! The result of a rotation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::request::RotationId;
use crate::resource::RoleArn;
use crate::rotation::{Counts, InUse, Status};
use crate::timestamp::Timestamp;

/// The result of a rotation, as an invocation returns it. Absent values are null, so every member
/// is always present.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    pub rotation_id: RotationId,
    pub status: Status,
    pub reason: Option<String>,
    pub dry_run: bool,
    pub old_role_arn: RoleArn,
    pub new_role_arn: RoleArn,
    pub counts: Counts,
    pub started_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    /// Until when the old role is expected to be in use, as known when this summary was made. Null
    /// while it is in use.
    pub old_role_in_use_until: Option<Timestamp>,
    /// Why the old role is in use, if it is.
    #[serde(default)]
    pub old_role_in_use: Option<InUse>,
    #[serde(default)]
    pub index_as_of: BTreeMap<String, Timestamp>,
}
