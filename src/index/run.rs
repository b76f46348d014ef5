//! A run of the reconciler as the ledger keeps it: what was asked for, how far it is, and what it has done. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::arn::is_region;
use crate::request::Rejection;
use crate::scope::Glob;
use crate::time::Timestamp;

/// Partition key of everything that the ledger keeps about the index.
pub const INDEX_KEY: &str = "index";
/// Sort key of the one run.
pub const RUN_ENTRY: &str = "run";
/// Sort key of what is to run next.
pub const NEXT_ENTRY: &str = "next";
/// How long a slice may go without saving. A run is taken up every 15 minutes, so that a dead slice costs one of these.
pub const RUN_LEASE: Duration = Duration::from_mins(10);
/// Clusters whose trouble is told by name. The rest is counted.
const TROUBLES_MAX: usize = 100;
/// EKS's error messages are short; a proxy's may be a page, and all troubles together have to fit into an item.
const PROBLEM_LEN_MAX: usize = 500;
/// EKS allows 100 characters in a cluster name.
const CLUSTER_NAME_LEN_MAX: usize = 100;
/// As in a rotation's `clusterNames`.
const LIST_LEN_MAX: usize = 100;

/// How closely a run looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// At which associations there are. EKS lists no roles.
    Shallow,
    /// At each association.
    Deep,
}

/// What a run covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunRequest {
    pub mode: Mode,
    pub regions: Vec<String>,
    /// Only these clusters. Such a run does not make an index complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_names: Option<Vec<Glob>>,
}

/// What a payload `{"reconcile": …}` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    Run(RunRequest),
    /// Only to go on with a run that was left.
    Resume,
}

/// How far a run is: everything before this is done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cursor {
    /// Number of the region in the request.
    pub region: usize,
    /// The last cluster of this region that was looked at, at least in part; in the order of names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The last association of it that was looked at; absent once the cluster is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// A cluster of this region could not be looked at, so that the region's index is not complete.
    #[serde(default)]
    pub has_gaps: bool,
    /// When this region's turn began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_at: Option<Timestamp>,
}

/// What a run has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunCounts {
    pub clusters: u64,
    pub clusters_removed: u64,
    /// Associations that EKS listed.
    pub seen: u64,
    pub added: u64,
    pub changed: u64,
    pub removed: u64,
    /// EKS calls that were answered.
    pub calls: u64,
}

impl RunRequest {
    /// Whether this cluster is asked for.
    #[must_use]
    pub fn covers(&self, cluster_name: &str) -> bool {
        self.cluster_names.as_ref().is_none_or(|globs| globs.iter().any(|glob| glob.matches(cluster_name)))
    }
}

impl Wanted {
    /// Whether this run is what is wanted.
    #[must_use]
    pub fn is(&self, run: &Run) -> bool {
        match self {
            Self::Resume => true,
            Self::Run(request) => *request == run.request,
        }
    }

    /// What has to wait for its turn rather than be left out. A shallow look comes again within the hour, a deep one in a
    /// day.
    #[must_use]
    pub fn can_wait(&self) -> Option<&RunRequest> {
        match self {
            Self::Run(request) if request.mode == Mode::Deep => Some(request),
            Self::Run(_) | Self::Resume => None,
        }
    }
}

impl RunCounts {
    /// Differences between index and EKS that were healed: each is an event that did not arrive.
    #[must_use]
    pub fn healed(&self) -> u64 {
        self.added + self.changed + self.removed
    }
}

/// A cluster, or a region, that could not be looked at to the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trouble {
    pub region: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_name: Option<String>,
    pub problem: String,
}

/// The item `("index", "run")`: the run that is under way, or was the last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// [`INDEX_KEY`], under the ledger's name for its partition key.
    pub rotation_id: String,
    pub entry: String,
    pub request: RunRequest,
    pub cursor: Cursor,
    pub counts: RunCounts,
    pub troubles: Vec<Trouble>,
    /// How many troubles there were in all.
    pub trouble_count: u64,
    pub began_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<Timestamp>,
    pub fence: u64,
}

impl Run {
    /// A run that begins at `now`, under this fence.
    #[must_use]
    pub fn beginning(request: RunRequest, fence: u64, now: Timestamp) -> Self {
        Self {
            rotation_id: INDEX_KEY.to_owned(),
            entry: RUN_ENTRY.to_owned(),
            request,
            cursor: Cursor::default(),
            counts: RunCounts::default(),
            troubles: Vec::new(),
            trouble_count: 0,
            began_at: now,
            finished_at: None,
            lease_until: Some(now + RUN_LEASE),
            fence,
        }
    }

    /// The region whose turn it is; `None` once all have had theirs.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.request.regions.get(self.cursor.region).map(String::as_str)
    }

    /// Whether the run covers this cluster.
    #[must_use]
    pub fn covers(&self, cluster_name: &str) -> bool {
        self.request.covers(cluster_name)
    }

    /// Whether a slice that found the run at `before` has brought it on. One that has not would be repeated for ever.
    #[must_use]
    pub fn has_advanced_since(&self, before: &Self) -> bool {
        let place = |run: &Self| (run.cursor.region, run.cursor.cluster.clone(), run.cursor.after.clone());
        // Calls alone are no progress.
        let done = |run: &Self| RunCounts { calls: 0, ..run.counts };
        self.finished_at.is_some() || place(self) != place(before) || done(self) != done(before)
    }

    /// Of a region's clusters, those that are still to be looked at, in order.
    #[must_use]
    pub fn clusters_left(&self, listed: &BTreeSet<String>) -> Vec<String> {
        let is_left = |name: &&String| match (&self.cursor.cluster, &self.cursor.after) {
            (None, _) => true,
            // It was left in the middle.
            (Some(last), Some(_)) => name.as_str() >= last.as_str(),
            (Some(last), None) => name.as_str() > last.as_str(),
        };
        listed.iter().filter(is_left).filter(|name| self.covers(name)).cloned().collect()
    }

    /// Keeps that a cluster, or the region, could not be looked at to the end.
    pub fn note_trouble(&mut self, cluster_name: Option<&str>, problem: String) {
        self.cursor.has_gaps = true;
        self.trouble_count += 1;
        if self.troubles.len() < TROUBLES_MAX {
            let problem = problem.chars().take(PROBLEM_LEN_MAX).collect();
            let region = self.region().unwrap_or_default().to_owned();
            self.troubles.push(Trouble { region, cluster_name: cluster_name.map(str::to_owned), problem });
        }
    }

    /// The region's turn is over. Returns since when its index is complete, where it is.
    pub fn end_region(&mut self) -> Option<Timestamp> {
        let region = self.cursor.region + 1;
        let ended = std::mem::replace(&mut self.cursor, Cursor { region, ..Cursor::default() });
        if ended.has_gaps || self.request.cluster_names.is_some() { None } else { ended.began_at }
    }
}

/// Whose turn it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// This run's, and it is ours.
    Ours(Box<Run>),
    /// This run's, and another invocation works on it.
    Running(Box<Run>),
    /// There is nothing to go on with.
    Nobody,
}

/// One run at a time: the one that was left before its end, else the one that has been waiting, else the one that is wanted.
#[must_use]
pub fn turn(found: Option<Run>, waiting: Option<RunRequest>, wanted: &Wanted, now: Timestamp) -> Turn {
    let fence = found.as_ref().map_or(0, |run| run.fence) + 1;
    match found {
        Some(run) if run.finished_at.is_none() => {
            if run.lease_until.is_some_and(|until| now < until) {
                return Turn::Running(Box::new(run));
            }
            Turn::Ours(Box::new(Run { fence, lease_until: Some(now + RUN_LEASE), ..run }))
        }
        _ => match (waiting, wanted) {
            (Some(request), _) => Turn::Ours(Box::new(Run::beginning(request, fence, now))),
            (None, Wanted::Run(request)) => Turn::Ours(Box::new(Run::beginning(request.clone(), fence, now))),
            (None, Wanted::Resume) => Turn::Nobody,
        },
    }
}

/// Reads what stands under `reconcile`. `own_regions` are the regions where it names none.
///
/// # Errors
/// The first member that is wrong.
pub fn wanted(reconcile: &Value, own_regions: &[String]) -> Result<Wanted, Rejection> {
    const MODES: &str = "\"shallow\", \"deep\" or \"resume\"";
    let Some(members) = reconcile.as_object() else {
        return Err(Rejection::new("reconcile", reconcile, "a JSON object with a mode"));
    };
    if let Some(unknown) = members.keys().find(|name| !["mode", "regions", "clusterNames"].contains(&name.as_str())) {
        let allowed = "only mode, regions and clusterNames";
        return Err(Rejection::new(format!("reconcile.{unknown}"), &members[unknown], allowed));
    }
    let mode = match members.get("mode").and_then(Value::as_str) {
        Some("shallow") => Mode::Shallow,
        Some("deep") => Mode::Deep,
        Some("resume") if members.len() == 1 => return Ok(Wanted::Resume),
        Some("resume") => return Err(Rejection::new("reconcile", reconcile, "\"resume\" alone")),
        _ => return Err(Rejection::new("reconcile.mode", &reconcile["mode"], MODES)),
    };
    let regions = match list(reconcile, "regions")? {
        None => own_regions.to_vec(),
        Some(texts) => {
            if let Some(wrong) = texts.iter().find(|text| !is_region(text)) {
                return Err(Rejection::new("reconcile.regions", &Value::from(wrong.as_str()), "names of regions"));
            }
            texts.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
        }
    };
    let glob = |text: String| {
        let allowed = "names of clusters, in which * stands for any run of characters";
        Glob::new(&text, CLUSTER_NAME_LEN_MAX)
            .ok_or_else(|| Rejection::new("reconcile.clusterNames", &Value::from(text), allowed))
    };
    let cluster_names = list(reconcile, "clusterNames")?;
    let cluster_names = cluster_names.map(|texts| texts.into_iter().map(glob).collect()).transpose()?;
    Ok(Wanted::Run(RunRequest { mode, regions, cluster_names }))
}

/// A list of texts, where there is one.
fn list(reconcile: &Value, name: &str) -> Result<Option<Vec<String>>, Rejection> {
    let Some(value) = reconcile.get(name) else { return Ok(None) };
    let texts: Option<Vec<String>> =
        value.as_array().and_then(|texts| texts.iter().map(|text| text.as_str().map(str::to_owned)).collect());
    match texts {
        Some(texts) if (1..=LIST_LEN_MAX).contains(&texts.len()) => Ok(Some(texts)),
        _ => Err(Rejection::new(format!("reconcile.{name}"), value, format!("a list of 1 to {LIST_LEN_MAX} texts"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis(secs * 1_000)
    }

    fn request(mode: Mode) -> RunRequest {
        RunRequest { mode, regions: vec!["eu-west-1".to_owned(), "us-east-1".to_owned()], cluster_names: None }
    }

    fn run(finished_at: Option<i64>, lease_until: Option<i64>) -> Run {
        let run = Run::beginning(request(Mode::Shallow), 3, at(0));
        Run { finished_at: finished_at.map(at), lease_until: lease_until.map(at), ..run }
    }

    #[test]
    fn what_was_left_goes_before_what_waits_and_that_before_what_is_wanted() {
        let deep = Wanted::Run(request(Mode::Deep));
        let waiting = Some(RunRequest { regions: vec!["eu-west-1".to_owned()], ..request(Mode::Deep) });
        let shown = |found, waiting, wanted: &Wanted| match turn(found, waiting, wanted, at(100)) {
            Turn::Ours(run) => format!("{:?} of {} as {}", run.request.mode, run.request.regions.len(), run.fence),
            Turn::Running(_) => "running".to_owned(),
            Turn::Nobody => "nobody".to_owned(),
        };
        for (found, waiting, wanted, expected) in [
            (None, None, &deep, "Deep of 2 as 1"),
            (None, None, &Wanted::Resume, "nobody"),
            (Some(run(None, Some(101))), waiting.clone(), &deep, "running"),
            (Some(run(None, Some(100))), waiting.clone(), &deep, "Shallow of 2 as 4"),
            (Some(run(None, None)), None, &Wanted::Resume, "Shallow of 2 as 4"),
            (Some(run(Some(50), None)), waiting.clone(), &deep, "Deep of 1 as 4"),
            (Some(run(Some(50), None)), waiting, &Wanted::Resume, "Deep of 1 as 4"),
            (Some(run(Some(50), None)), None, &deep, "Deep of 2 as 4"),
            (Some(run(Some(50), None)), None, &Wanted::Resume, "nobody"),
        ] {
            assert_eq!(shown(found, waiting, wanted), expected);
        }
    }

    #[test]
    fn a_cursor_says_which_clusters_are_left() {
        let listed: BTreeSet<_> = ["a", "b", "c"].map(str::to_owned).into();
        let left = |cluster: Option<&str>, after: Option<&str>| {
            let (cluster, after) = (cluster.map(str::to_owned), after.map(str::to_owned));
            let cursor = Cursor { cluster, after, ..Cursor::default() };
            Run { cursor, ..run(None, None) }.clusters_left(&listed).join("")
        };
        assert_eq!(left(None, None), "abc");
        assert_eq!(left(Some("b"), Some("a-7")), "bc", "it was left in the middle");
        assert_eq!(left(Some("b"), None), "c");
        assert_eq!(left(Some("bb"), Some("a-7")), "c", "what was left in the middle is gone");
        assert_eq!(left(Some("c"), None), "");
    }

    #[test]
    fn places_and_counts_tell_whether_a_slice_has_brought_a_run_on() {
        let before = run(None, None);
        let cursor = |after: &str| Cursor { after: Some(after.to_owned()), ..before.cursor.clone() };
        for (after, expected) in [
            (before.clone(), false),
            (Run { fence: 4, counts: RunCounts { calls: 7, ..before.counts }, ..before.clone() }, false),
            (Run { cursor: Cursor { began_at: Some(at(1)), ..before.cursor.clone() }, ..before.clone() }, false),
            (Run { cursor: cursor("a-1"), ..before.clone() }, true),
            (Run { cursor: Cursor { region: 1, ..before.cursor.clone() }, ..before.clone() }, true),
            (Run { counts: RunCounts { removed: 1, ..before.counts }, ..before.clone() }, true),
            (run(Some(1), None), true),
        ] {
            assert_eq!(after.has_advanced_since(&before), expected, "{after:?}");
        }
    }

    #[test]
    fn a_region_with_gaps_or_of_some_clusters_is_not_complete() {
        let ended = |has_gaps, globs: Option<Vec<Glob>>| {
            let mut run = run(None, None);
            run.request.cluster_names = globs;
            run.cursor = Cursor { began_at: Some(at(7)), has_gaps, cluster: Some("z".to_owned()), ..Cursor::default() };
            let since = run.end_region();
            assert_eq!(run.cursor, Cursor { region: 1, ..Cursor::default() });
            since
        };
        assert_eq!(ended(false, None), Some(at(7)));
        assert_eq!(ended(true, None), None);
        assert_eq!(ended(false, Glob::new("*", 9).map(|glob| vec![glob])), None);
    }
}
