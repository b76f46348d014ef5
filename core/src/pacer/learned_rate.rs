//! The learned rate of a region, as the ledger passes it from one slice to the next.

use serde::{Deserialize, Serialize};

use crate::pacer::Rate;
use crate::timestamp::Timestamp;

/// The learned rate of a region.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LearnedRate {
    pub per_sec: Rate,
    pub learned_at: Timestamp,
}
