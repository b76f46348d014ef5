//! The payload `{"reconcile": …}`, and what an index run covers.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::indexing::Coverage;
use crate::request::{ClusterGlob, LIST_LEN_MAX, Rejection};

/// How thoroughly a run reconciles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// Lists the associations and describes only differences. EKS's lists do not show roles, so a
    /// changed role is not noticed.
    ListOnly,
    /// Describes every association.
    Full,
}

/// What a run covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunRequest {
    pub mode: Mode,
    pub regions: Vec<String>,
    /// Only these clusters. Such a run does not make a region's index complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_names: Option<Vec<ClusterGlob>>,
    /// Clusters that the stack leaves out of its index, for example because they can never be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude_clusters: Vec<ClusterGlob>,
}

/// The request in a payload `{"reconcile": …}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReconcileRequest {
    Run(RunRequest),
    /// Resume an unfinished or waiting run, but start no other.
    Resume,
}

impl RunRequest {
    /// Returns whether the request covers this cluster.
    #[must_use]
    pub fn covers(&self, cluster_name: &str) -> bool {
        ClusterGlob::cover(self.cluster_names.as_deref(), cluster_name)
            && !self.excludes(cluster_name)
    }

    /// Returns whether the stack leaves this cluster out of its index.
    #[must_use]
    pub fn excludes(&self, cluster_name: &str) -> bool {
        let globs = &self.exclude_clusters;
        globs.iter().any(|glob| glob.matches(cluster_name))
    }
}

impl ReconcileRequest {
    /// Parses the value of the member `reconcile`. `coverage` has the regions of a request that
    /// names none, and the clusters that the stack leaves out.
    ///
    /// # Errors
    /// If a member is not allowed: the first such member.
    pub fn parse(reconcile: &Value, coverage: &Coverage) -> Result<Self, Rejection> {
        let Some(members) = reconcile.as_object() else {
            return Err(Rejection::new(
                "reconcile",
                reconcile,
                "a JSON object with a mode",
            ));
        };
        if let Some((unknown, value)) = members
            .iter()
            .find(|(name, _)| !["mode", "regions", "clusterNames"].contains(&name.as_str()))
        {
            let allowed = "only mode, regions and clusterNames";
            return Err(Rejection::new(
                format!("reconcile.{unknown}"),
                value,
                allowed,
            ));
        }
        let mode = match members.get("mode").and_then(Value::as_str) {
            Some("listOnly") => Mode::ListOnly,
            Some("full") => Mode::Full,
            Some("resume") if members.len() == 1 => return Ok(Self::Resume),
            Some("resume") => {
                let allowed = "\"resume\" without other members";
                return Err(Rejection::new("reconcile", reconcile, allowed));
            }
            _ => {
                let allowed = "\"listOnly\", \"full\" or \"resume\"";
                return Err(Rejection::new(
                    "reconcile.mode",
                    &reconcile["mode"],
                    allowed,
                ));
            }
        };
        Ok(Self::Run(RunRequest {
            mode,
            regions: regions(reconcile, coverage)?.unwrap_or_else(|| coverage.regions.clone()),
            cluster_names: cluster_names(reconcile)?,
            exclude_clusters: coverage.exclude_clusters.clone(),
        }))
    }

    /// Returns whether a run with the request `other` does what this request asks for.
    #[must_use]
    pub fn is_done_by(&self, other: &RunRequest) -> bool {
        match self {
            Self::Resume => true,
            Self::Run(request) => request == other,
        }
    }

    /// Returns the run that must wait if another run is active. A list-only run can be skipped,
    /// because its schedule requests the next one within an hour. The next full run comes after a
    /// day.
    #[must_use]
    pub fn waiting_run(&self) -> Option<&RunRequest> {
        match self {
            Self::Run(request) if request.mode == Mode::Full => Some(request),
            Self::Run(_) | Self::Resume => None,
        }
    }
}

/// Returns the regions of the request, sorted and without duplicates. The stack must index each of
/// them: what it stored of others, it would remove again.
fn regions(reconcile: &Value, coverage: &Coverage) -> Result<Option<Vec<String>>, Rejection> {
    let Some(texts) = list(reconcile, "regions")? else {
        return Ok(None);
    };
    if let Some(other) = texts.iter().find(|text| !coverage.regions.contains(text)) {
        return Err(Rejection::new(
            "reconcile.regions",
            &Value::from(other.as_str()),
            format!(
                "regions out of {} (INDEX_REGIONS)",
                coverage.regions.join(", ")
            ),
        ));
    }
    let sorted: BTreeSet<_> = texts.into_iter().collect();
    Ok(Some(sorted.into_iter().collect()))
}

fn cluster_names(reconcile: &Value) -> Result<Option<Vec<ClusterGlob>>, Rejection> {
    let glob = |text: String| {
        ClusterGlob::new(&text).ok_or_else(|| {
            let field = "reconcile.clusterNames";
            Rejection::new(field, &Value::from(text), ClusterGlob::form())
        })
    };
    list(reconcile, "clusterNames")?
        .map(|texts| texts.into_iter().map(glob).collect())
        .transpose()
}

/// Returns the list of strings under `name`, if there is one.
fn list(reconcile: &Value, name: &str) -> Result<Option<Vec<String>>, Rejection> {
    let Some(value) = reconcile.get(name) else {
        return Ok(None);
    };
    let texts: Option<Vec<String>> = value.as_array().and_then(|texts| {
        texts
            .iter()
            .map(|text| text.as_str().map(str::to_owned))
            .collect()
    });
    match texts {
        Some(texts) if (1..=LIST_LEN_MAX).contains(&texts.len()) => Ok(Some(texts)),
        _ => Err(Rejection::new(
            format!("reconcile.{name}"),
            value,
            format!("a list of 1 to {LIST_LEN_MAX} strings"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_covers_the_clusters_that_it_names_or_all() {
        for (cluster_names, covered) in [
            (None, ["dev", "prod-1", "prod-2"].as_slice()),
            (Some(json!(["prod-*"])), &["prod-1", "prod-2"]),
            (Some(json!(["dev", "prod-2"])), &["dev", "prod-2"]),
        ] {
            let mut reconcile = json!({ "mode": "full", "regions": ["eu-west-1"] });
            if let Some(names) = cluster_names {
                reconcile["clusterNames"] = names;
            }
            let indexed = Coverage::of(&["eu-west-1".to_owned()]);
            let Ok(ReconcileRequest::Run(request)) = ReconcileRequest::parse(&reconcile, &indexed)
            else {
                panic!("{reconcile}");
            };
            let names = ["dev", "prod-1", "prod-2"].into_iter();
            let found: Vec<_> = names.filter(|name| request.covers(name)).collect();
            assert_eq!(found, covered, "{reconcile}");
        }
    }

    fn run(mode: &str) -> ReconcileRequest {
        let indexed = Coverage::of(&["eu-west-1".to_owned()]);
        ReconcileRequest::parse(&json!({ "mode": mode }), &indexed).unwrap()
    }

    #[test]
    fn another_run_does_a_request_only_if_it_is_for_the_same() {
        let ReconcileRequest::Run(full) = run("full") else {
            panic!("a run");
        };
        for (request, is_done) in [
            (run("full"), true),
            (run("listOnly"), false),
            (ReconcileRequest::Resume, true),
        ] {
            assert_eq!(request.is_done_by(&full), is_done, "{request:?}");
        }
    }

    #[test]
    fn only_a_full_run_waits_for_another_run() {
        for (request, waits) in [
            (run("full"), true),
            (run("listOnly"), false),
            (ReconcileRequest::Resume, false),
        ] {
            assert_eq!(request.waiting_run().is_some(), waits, "{request:?}");
        }
    }

    #[test]
    fn a_request_to_resume_has_no_other_member() {
        assert_eq!(run("resume"), ReconcileRequest::Resume);
        let indexed = Coverage::of(&["eu-west-1".to_owned()]);
        let reconcile = json!({ "mode": "resume", "regions": ["eu-west-1"] });
        let rejection = ReconcileRequest::parse(&reconcile, &indexed).unwrap_err();
        assert_eq!(rejection.field, "reconcile");
        assert_eq!(rejection.allowed, "\"resume\" without other members");
    }

    #[test]
    fn a_request_names_only_regions_that_the_stack_indexes() {
        let indexed = Coverage::of(&["eu-west-1".to_owned(), "us-east-1".to_owned()]);
        let reconcile = json!({ "mode": "full", "regions": ["us-east-1", "ap-south-1"] });
        let rejection = ReconcileRequest::parse(&reconcile, &indexed).unwrap_err();
        assert_eq!(
            rejection.to_string(),
            "reconcile.regions \"ap-south-1\" is not allowed; \
             allowed: regions out of eu-west-1, us-east-1 (INDEX_REGIONS)"
        );
    }

    #[test]
    fn a_pattern_that_cannot_match_names_its_field() {
        for (names, rejection) in [
            (
                json!(["prod/1"]),
                "reconcile.clusterNames \"prod/1\" is not allowed; \
                 allowed: 1 to 100 letters, digits, \"-\", \"_\" or \"*\", \
                 and \"!\" in front to exclude",
            ),
            (
                json!([]),
                "reconcile.clusterNames [] is not allowed; allowed: a list of 1 to 100 strings",
            ),
        ] {
            let reconcile = json!({ "mode": "full", "clusterNames": names });
            let rejected = ReconcileRequest::parse(&reconcile, &Coverage::of(&[])).unwrap_err();
            assert_eq!(rejected.to_string(), rejection);
        }
    }
}
