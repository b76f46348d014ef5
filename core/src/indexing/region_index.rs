//! Since when the index of a region is complete, as the ledger stores it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::timestamp::Timestamp;

/// Since when the index of a region is complete.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegionIndex {
    /// When the last complete full reconcile of this region started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub described_at: Option<Timestamp>,
    /// When the last complete reconcile of this region started, list-only or full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed_at: Option<Timestamp>,
}

impl RegionIndex {
    /// Returns whether the index has not been complete for longer than `stale_after`.
    #[must_use]
    pub fn is_stale(&self, now: Timestamp, stale_after: Duration) -> bool {
        self.described_at
            .is_none_or(|at| now.since(at) > stale_after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_stale_until_it_is_complete_and_some_time_after() {
        let stale_after = Duration::from_secs(10);
        let at = |secs: i64| Timestamp::from_millis(secs * 1_000);
        for (described_at, now, expected) in [
            (None, 100, true),
            (Some(90), 100, false),
            (Some(89), 100, true),
        ] {
            let index = RegionIndex {
                described_at: described_at.map(at),
                ..RegionIndex::default()
            };
            assert_eq!(
                index.is_stale(at(now), stale_after),
                expected,
                "{described_at:?}"
            );
        }
    }
}
