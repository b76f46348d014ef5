//! What an answer from the index covers: as of when, for which regions, and what it does not cover.

use std::collections::BTreeMap;
use std::time::Duration;

use rerole_core::call::CallError;
use rerole_core::indexing::RegionIndex;
use rerole_core::timestamp::Timestamp;
use serde::Serialize;

use crate::stack::{Name, Stack};
use crate::words;

/// The default of the template.
const STALE_AFTER_HOURS: u64 = 36;

/// Since when the index of a region is complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RegionCoverage {
    pub region: String,
    /// When the last complete full reconcile of the region started. Null if there was none, so the
    /// index of the region may lack associations.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub complete_as_of: Option<Timestamp>,
    /// When the last complete list-only reconcile started. Lists show which associations exist, and
    /// not their roles.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub listed_as_of: Option<Timestamp>,
    /// It is older than the stack allows.
    pub is_stale: bool,
    /// Clusters that the stack leaves out.
    pub excluded_clusters: Vec<String>,
}

/// The index as of now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Coverage {
    pub regions: Vec<RegionCoverage>,
}

impl Coverage {
    /// Reads since when the index of each region of the stack is complete.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub async fn read(stack: &Stack) -> Result<Self, CallError> {
        let known = stack.aws.ledger.region_indexes().read().await?;
        let hours = stack.outputs.get(Name::IndexStaleAfterHours);
        let hours = hours
            .and_then(|text| text.parse().ok())
            .unwrap_or(STALE_AFTER_HOURS);
        let stale_after = Duration::from_hours(hours);
        Ok(Self::new(
            &stack.index_regions(),
            &known,
            stale_after,
            stack.aws.now(),
        ))
    }

    fn new(
        regions: &[String],
        known: &BTreeMap<String, RegionIndex>,
        stale_after: Duration,
        now: Timestamp,
    ) -> Self {
        let region = |region: &String| {
            let index = known.get(region).cloned().unwrap_or_default();
            RegionCoverage {
                region: region.clone(),
                complete_as_of: index.described_at,
                listed_as_of: index.listed_at,
                is_stale: index.is_stale(now, stale_after),
                excluded_clusters: index.excluded,
            }
        };
        Self {
            regions: regions.iter().map(region).collect(),
        }
    }

    /// Whether the index of each region is complete, and not older than the stack allows.
    pub fn is_fresh(&self) -> bool {
        self.regions.iter().all(|region| !region.is_stale)
    }

    /// The regions whose index was never complete.
    pub fn incomplete(&self) -> Vec<String> {
        let regions = self.regions.iter().filter(|it| it.complete_as_of.is_none());
        regions.map(|it| it.region.clone()).collect()
    }

    /// Says it in a sentence for each point.
    pub fn text(&self, now: Timestamp) -> String {
        let region = |it: &RegionCoverage| {
            let age = match it.complete_as_of {
                None => "never complete, so associations may be missing".to_owned(),
                Some(at) if it.is_stale => {
                    format!("stale: complete {}", words::time(at).seen_at(now))
                }
                Some(at) => format!("complete as of {}", words::time(at).seen_at(now)),
            };
            format!("  {}: {age}", it.region)
        };
        let regions: Vec<_> = self.regions.iter().map(region).collect();
        let excluded: Vec<_> = self
            .regions
            .iter()
            .flat_map(|it| {
                it.excluded_clusters
                    .iter()
                    .map(|name| format!("{}/{name}", it.region))
            })
            .collect();
        let mut text = format!("From the index:\n{}", regions.join("\n"));
        text.push_str("\n  not covered: other regions and accounts, IRSA, nodes");
        if !excluded.is_empty() {
            text.push_str(", and the excluded clusters ");
            text.push_str(&words::list(&excluded, 5));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_is_complete_since_when_and_what_is_not_covered() {
        let now: Timestamp = "2026-11-23T21:17:00.000Z".parse().unwrap();
        let hours = Duration::from_hours;
        let index = |age: u64, excluded: &[&str]| RegionIndex {
            described_at: Some(now - hours(age)),
            listed_at: None,
            excluded: excluded.iter().map(|name| (*name).to_owned()).collect(),
        };
        let known = [
            ("a".to_owned(), index(2, &["outpost"])),
            ("b".to_owned(), index(40, &[])),
        ];
        let regions = ["a", "b", "c"].map(str::to_owned);
        let coverage = Coverage::new(&regions, &known.into(), hours(36), now);
        assert!(!coverage.is_fresh());
        assert_eq!(coverage.incomplete(), ["c"]);
        let text = "\
From the index:
  a: complete as of 2026-11-23 19:17:00 (2 h ago)
  b: stale: complete 2026-11-22 05:17:00 (1 d ago)
  c: never complete, so associations may be missing
  not covered: other regions and accounts, IRSA, nodes, and the excluded clusters a/outpost";
        assert_eq!(coverage.text(now), text);
    }
}
