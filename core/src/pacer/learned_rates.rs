//! The learned rates of a region, as the ledger passes them from one slice to the next.

use serde::{Deserialize, Serialize};

use crate::pacer::Rate;
use crate::timestamp::Timestamp;

/// The learned rates of a region.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct LearnedRates {
    /// Calls that list clusters and associations. AWS does not say whether these share a bucket
    /// with the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lists: Option<LearnedRate>,
    /// Calls that describe an association.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub describes: Option<LearnedRate>,
    /// Calls that update an association.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updates: Option<LearnedRate>,
}

/// The learned rate of one class of calls.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LearnedRate {
    pub per_sec: Rate,
    pub learned_at: Timestamp,
}
