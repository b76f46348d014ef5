//! The event about an entry of a timeline.

use serde::{Deserialize, Serialize};

use crate::publishing::SchemaVersion;
use crate::rotation::TimelineEntry;

/// The detail of the event: the entry, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(title = "Role Rotation Status Changed"))]
#[serde(rename_all = "camelCase")]
pub struct RotationStatusChanged {
    pub schema_version: SchemaVersion,
    /// `<id>`, `dry-run/<id>`, `rollback/<id>`, `dry-run/rollback/<id>`, or `stack/state`.
    pub rotation_id: String,
    /// The number of the entry in the timeline, from 1.
    pub seq: u64,
    #[serde(flatten)]
    pub entry: TimelineEntry,
}

impl RotationStatusChanged {
    /// The `detail-type` of the event.
    pub const DETAIL_TYPE: &'static str = "Role Rotation Status Changed";
}
