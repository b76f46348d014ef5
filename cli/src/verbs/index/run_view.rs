//! An index run as screens and JSON show it.

use rerole_core::indexing::{Mode, Run, RunCounts, RunError};
use rerole_core::timestamp::Timestamp;
use serde::Serialize;

use crate::words;

/// Errors that are listed as text. JSON has all that the run keeps.
const SHOWN_MAX: usize = 50;

/// An index run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunView {
    /// `full` or `listOnly`.
    #[cfg_attr(test, schemars(with = "String"))]
    pub mode: Mode,
    pub regions: Vec<String>,
    /// Only these clusters. Null if it covers all.
    pub cluster_names: Option<Vec<String>>,
    /// Clusters that the stack leaves out, as `region/cluster`.
    pub excluded: Vec<String>,
    #[cfg_attr(test, schemars(with = "String"))]
    pub started_at: Timestamp,
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub finished_at: Option<Timestamp>,
    /// Until when an invocation holds it. Null if none does.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub lease_until: Option<Timestamp>,
    #[cfg_attr(test, schemars(with = "std::collections::BTreeMap<String, u64>"))]
    pub counts: RunCounts,
    /// The first errors.
    #[cfg_attr(
        test,
        schemars(with = "Vec<std::collections::BTreeMap<String, String>>")
    )]
    pub errors: Vec<RunError>,
    /// The number of all errors.
    pub error_count: u64,
}

impl From<&Run> for RunView {
    fn from(run: &Run) -> Self {
        let Run { request, .. } = run;
        let names = request.cluster_names.as_ref();
        Self {
            mode: request.mode,
            regions: request.regions.clone(),
            cluster_names: names.map(|globs| globs.iter().map(ToString::to_string).collect()),
            excluded: run.excluded.clone(),
            started_at: run.started_at,
            finished_at: run.finished_at,
            lease_until: run.lease_until,
            counts: run.counts,
            errors: run.errors.clone(),
            error_count: run.error_count,
        }
    }
}

impl RunView {
    /// What it is: its mode and what it covers.
    pub fn title(&self) -> String {
        let mode = match self.mode {
            Mode::Full => "full",
            Mode::ListOnly => "list-only",
        };
        let regions = words::list(&self.regions, 12);
        match &self.cluster_names {
            None => format!("{mode} run of {regions}"),
            Some(names) => {
                let names = words::list(names, 5);
                format!("{mode} run of the clusters {names} in {regions}")
            }
        }
    }

    /// What it has read.
    pub fn extent(&self) -> String {
        let RunCounts { seen, clusters, .. } = self.counts;
        format!(
            "{} in {}",
            words::count(seen, "association"),
            words::count(clusters, "cluster")
        )
    }

    /// What it has changed.
    pub fn changes(&self) -> String {
        let RunCounts {
            added,
            changed,
            removed,
            calls,
            ..
        } = self.counts;
        let invalid = self.invalid();
        format!("{added} added, {changed} changed, {removed} removed{invalid}; {calls} EKS calls")
    }

    /// How many items it found that cannot be, as the end of a list.
    pub fn invalid(&self) -> String {
        match self.counts.invalid {
            0 => String::new(),
            number => format!(", {}", words::count(number, "invalid item")),
        }
    }

    /// What could not be read, as a paragraph. Empty if there is nothing.
    pub fn errors(&self) -> String {
        if self.error_count == 0 {
            return String::new();
        }
        let line = |error: &RunError| {
            let place = error.cluster_name.as_deref();
            let place = place.unwrap_or("the list of clusters");
            format!("\n  {place} in {}: {}", error.region, error.problem)
        };
        let lines: String = self.errors.iter().take(SHOWN_MAX).map(line).collect();
        format!("{} could not be read:{lines}", self.error_count)
    }
}
