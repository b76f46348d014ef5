//! An index run as the ledger stores it: its request, cursor, counts and errors. What
//! the run does in a cluster is in `diff.rs`.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::indexing::{Mode, RunRequest};
use crate::timestamp::Timestamp;

/// How long a slice may work without saving its progress. A killed slice delays its run by at most
/// this time and the 15 minutes of the schedule that resumes runs.
pub const RUN_LEASE: Duration = Duration::from_mins(10);
/// The number of errors that a run stores. Further errors are only counted.
const ERRORS_MAX: usize = 100;
/// EKS's error messages are short, but a proxy's may be a page, and all errors together must fit
/// into an item.
const PROBLEM_LEN_MAX: usize = 500;

/// The position of a run: everything before it is done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cursor {
    /// The index of the region in the request.
    pub region: usize,
    /// The last cluster of this region, in the order of names, that was walked at least in part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The last association of this cluster that was compared. Absent if the cluster is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// A cluster of this region could not be walked, so the region's index is not complete.
    #[serde(default)]
    pub has_gaps: bool,
    /// When the run started with this region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
}

/// What a run has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunCounts {
    pub clusters: u64,
    pub clusters_removed: u64,
    /// Clusters for which EKS does not support associations, such as local clusters on Outposts.
    #[serde(default)]
    pub clusters_unsupported: u64,
    /// Associations that EKS listed.
    pub seen: u64,
    pub added: u64,
    pub changed: u64,
    pub removed: u64,
    /// Items of the index that cannot be. They were removed.
    #[serde(default)]
    pub invalid: u64,
    /// Calls to EKS that got a response.
    pub calls: u64,
}

impl RunCounts {
    /// Returns the number of repaired differences between the index and EKS. Each of them is an
    /// event that did not arrive.
    #[must_use]
    pub fn repaired(&self) -> u64 {
        self.added + self.changed + self.removed
    }
}

/// A cluster, or a region if `cluster_name` is absent, that could not be reconciled completely.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunError {
    pub region: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_name: Option<String>,
    pub problem: String,
}

/// The item `("index", "run")`: the run that is active, or was the last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    pub request: RunRequest,
    pub cursor: Cursor,
    pub counts: RunCounts,
    /// The first errors, up to a maximum.
    pub errors: Vec<RunError>,
    /// The clusters that the stack leaves out of its index, as `region/cluster`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<String>,
    /// The number of all errors.
    pub error_count: u64,
    pub started_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<Timestamp>,
    pub fence: u64,
}

impl Run {
    /// Creates a run that starts at `now` under this fence.
    #[must_use]
    pub fn start(request: RunRequest, fence: u64, now: Timestamp) -> Self {
        Self {
            request,
            cursor: Cursor::default(),
            counts: RunCounts::default(),
            errors: Vec::new(),
            excluded: Vec::new(),
            error_count: 0,
            started_at: now,
            finished_at: None,
            lease_until: Some(now + RUN_LEASE),
            fence,
        }
    }

    /// Returns the current region, or `None` if all regions are done.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.request
            .regions
            .get(self.cursor.region)
            .map(String::as_str)
    }

    /// Returns whether the run still has to search the whole index for items that cannot be: it is
    /// a full run of all clusters that has not started with its first region.
    #[must_use]
    pub fn searches_whole_index(&self) -> bool {
        let is_whole = self.request.mode == Mode::Full && self.request.cluster_names.is_none();
        is_whole && self.cursor == Cursor::default()
    }

    /// Returns whether the run covers this cluster.
    #[must_use]
    pub fn covers(&self, cluster_name: &str) -> bool {
        self.request.covers(cluster_name)
    }

    /// Returns whether the run has made progress since `before`. A slice without progress is an
    /// error, because the state machine would otherwise repeat it forever.
    #[must_use]
    pub fn has_advanced_since(&self, before: &Self) -> bool {
        let position = |run: &Self| {
            (
                run.cursor.region,
                run.cursor.cluster.clone(),
                run.cursor.after.clone(),
            )
        };
        // Calls alone are not progress.
        let done = |run: &Self| RunCounts {
            calls: 0,
            ..run.counts
        };
        self.finished_at.is_some()
            || position(self) != position(before)
            || done(self) != done(before)
    }

    /// Returns those of a region's clusters that are still to be walked, in order.
    #[must_use]
    pub fn remaining_clusters(&self, listed: &BTreeSet<String>) -> Vec<String> {
        let is_remaining = |name: &&String| match (&self.cursor.cluster, &self.cursor.after) {
            (None, _) => true,
            // A slice ended within this cluster.
            (Some(last), Some(_)) => name.as_str() >= last.as_str(),
            (Some(last), None) => name.as_str() > last.as_str(),
        };
        listed
            .iter()
            .filter(is_remaining)
            .filter(|name| self.covers(name))
            .cloned()
            .collect()
    }

    /// Records those of the current region's clusters that the stack leaves out of its index.
    pub fn note_excluded<'a>(&mut self, names: impl IntoIterator<Item = &'a String>) {
        let region = self.region().unwrap_or_default().to_owned();
        for name in names {
            let cluster = format!("{region}/{name}");
            let is_full = self.excluded.len() >= ERRORS_MAX;
            if self.request.excludes(name) && !self.excluded.contains(&cluster) && !is_full {
                self.excluded.push(cluster);
            }
        }
    }

    /// Returns the names of a region's clusters that the stack leaves out of its index.
    #[must_use]
    pub fn excluded_in(&self, region: &str) -> Vec<String> {
        let name = |cluster: &String| {
            let (of, name) = cluster.split_once('/')?;
            (of == region).then(|| name.to_owned())
        };
        self.excluded.iter().filter_map(name).collect()
    }

    /// Records that a cluster, or the whole region, could not be reconciled completely.
    pub fn note_error(&mut self, cluster_name: Option<&str>, problem: String) {
        self.cursor.has_gaps = true;
        self.error_count += 1;
        if self.errors.len() < ERRORS_MAX {
            let problem = problem.chars().take(PROBLEM_LEN_MAX).collect();
            let region = self.region().unwrap_or_default().to_owned();
            self.errors.push(RunError {
                region,
                cluster_name: cluster_name.map(str::to_owned),
                problem,
            });
        }
    }

    /// Moves the cursor to the next region. Returns since when the finished region's index is
    /// complete, if it is.
    pub fn finish_region(&mut self) -> Option<Timestamp> {
        let region = self.cursor.region + 1;
        let finished = std::mem::replace(
            &mut self.cursor,
            Cursor {
                region,
                ..Cursor::default()
            },
        );
        if finished.has_gaps || self.request.cluster_names.is_some() {
            None
        } else {
            finished.started_at
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
