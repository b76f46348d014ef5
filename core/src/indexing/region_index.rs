//! Since when the index of a region is complete, as the ledger stores it, and which regions of a
//! stack have no complete index.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::request::ClusterGlob;
use crate::timestamp::Timestamp;

/// Since when the index of a region is complete.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegionIndex {
    /// When the last complete full reconcile of this region started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub described_at: Option<Timestamp>,
    /// When the last complete reconcile of this region started, list-only or full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed_at: Option<Timestamp>,
    /// The clusters that the stack leaves out of the index, as the last complete reconcile saw
    /// them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<String>,
}

impl RegionIndex {
    /// Returns whether the index has not been complete for longer than `stale_after`.
    #[must_use]
    pub fn is_stale(&self, now: Timestamp, stale_after: Duration) -> bool {
        self.described_at
            .is_none_or(|at| now.since(at) > stale_after)
    }
}

/// What the index of a stack has to cover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// The regions whose clusters are indexed, sorted and without duplicates.
    pub regions: Vec<String>,
    /// A region's index is stale if it was last complete longer ago than this.
    pub stale_after: Duration,
    /// Clusters that are left out of the index, for example because they can never be read.
    pub exclude_clusters: Vec<ClusterGlob>,
}

impl Coverage {
    /// Returns the coverage of these regions, without exclusions. An index is stale after 36 hours:
    /// a full reconcile runs once a day, and one that takes long may take half a day.
    #[must_use]
    pub fn of(regions: &[String]) -> Self {
        Self {
            regions: regions.to_vec(),
            stale_after: Duration::from_hours(36),
            exclude_clusters: Vec::new(),
        }
    }

    /// Returns the regions that were indexed once and are not any more. Their events are ignored
    /// and their items removed, so their index is not complete any more either, should they be
    /// indexed again.
    #[must_use]
    pub fn dropped(&self, indexes: &BTreeMap<String, RegionIndex>) -> Vec<String> {
        let is_dropped = |(region, index): &(&String, &RegionIndex)| {
            let was_complete = index.described_at.is_some() || index.listed_at.is_some();
            was_complete && !self.regions.contains(region)
        };
        let dropped = indexes.iter().filter(is_dropped);
        dropped.map(|(region, _)| region.clone()).collect()
    }

    /// Returns the regions whose index is not complete: it never was, or it is stale. `indexes` are
    /// those that the ledger has.
    #[must_use]
    pub fn incomplete(
        &self,
        indexes: &BTreeMap<String, RegionIndex>,
        now: Timestamp,
    ) -> Vec<String> {
        let is_stale = |region: &&String| {
            let index = indexes.get(*region).cloned().unwrap_or_default();
            index.is_stale(now, self.stale_after)
        };
        self.regions.iter().filter(is_stale).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_dropped_if_it_was_complete_and_is_not_indexed() {
        let complete = || RegionIndex {
            listed_at: Some(Timestamp::from_millis(0)),
            ..RegionIndex::default()
        };
        let indexes = [
            ("eu-west-1", complete()),
            ("us-east-1", complete()),
            ("us-west-2", RegionIndex::default()),
        ];
        let indexes = indexes
            .map(|(region, index)| (region.to_owned(), index))
            .into();
        let coverage = Coverage::of(&["us-east-1".to_owned()]);
        assert_eq!(coverage.dropped(&indexes), ["eu-west-1"]);
    }

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

    #[test]
    fn a_region_without_a_complete_index_is_named() {
        let at = |secs: i64| Timestamp::from_millis(secs * 1_000);
        let described = |secs| RegionIndex {
            described_at: Some(at(secs)),
            ..RegionIndex::default()
        };
        let coverage = Coverage {
            regions: ["a", "b", "c"].map(str::to_owned).to_vec(),
            stale_after: Duration::from_secs(10),
            exclude_clusters: Vec::new(),
        };
        let indexes = BTreeMap::from([
            ("a".to_owned(), described(95)),
            ("b".to_owned(), described(80)),
            // The stack no longer indexes this one.
            ("d".to_owned(), described(0)),
        ]);
        assert_eq!(coverage.incomplete(&indexes, at(100)), ["b", "c"]);
    }
}
