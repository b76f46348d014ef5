//! What decides how a rotation ends.

use crate::request::RotationRequest;
use crate::rotation::{RotationRecord, Tally};

/// What decides how a rotation ends.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    pub request: &'a RotationRequest,
    /// What its rows add up to. All of them are settled.
    pub tally: &'a Tally,
    /// The reason if it was stopped early.
    pub stopped: Option<&'a str>,
    /// A command has cancelled it. No sweep has looked for new associations.
    pub is_cancelled: bool,
    /// The regions whose index is not complete. Associations there may be unknown.
    pub incomplete_regions: &'a [String],
    /// How many items of the index name the old role and cannot be. Each may hide an association.
    pub invalid_items: u64,
    /// The clusters that the stack leaves out of its index, as `region/cluster`.
    pub excluded_clusters: &'a [String],
    /// The rotation that has moved associations from the old role before, if none is left.
    pub moved_before: Option<&'a RotationRecord>,
}
