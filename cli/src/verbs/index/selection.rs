//! The part of EKS that a command covers: which clusters there are, which of them the flags choose,
//! and which the stack leaves out. An empty choice is an error that names what exists.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use rerole::aws::Aws;
use rerole::aws::index_table::KNOWN_CLUSTER_PAGES;
use rerole::aws::page::paginate;
use rerole::indexer::walker::list_clusters;
use rerole_core::call::CallError;
use rerole_core::indexing::{Coverage, Mode, RunRequest};
use rerole_core::request::{ClusterGlob, RegionGlob};
use serde::Serialize;
use tokio::time::Instant;

use crate::failure::Failure;
use crate::verbs::index::flags::PartFlags;
use crate::words;

/// How long the lists of clusters may take.
const LIST_TIMEOUT: Duration = Duration::from_mins(5);
/// Names in an error.
const NAMES_MAX: usize = 12;

/// A cluster and its region.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ClusterPlace {
    pub region: String,
    pub cluster: String,
}

/// What a command covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    pub request: RunRequest,
    /// Clusters that EKS lists, or that only the index has.
    pub clusters: Vec<ClusterPlace>,
    /// Clusters that the stack leaves out of its index.
    pub excluded: Vec<ClusterPlace>,
    /// Regions whose clusters could not be listed. The walk reports why.
    pub unlisted: Vec<String>,
}

impl Selection {
    /// Finds what the flags choose of what the stack indexes.
    ///
    /// # Errors
    /// If that is nothing, a glob is invalid, or the index cannot be read.
    pub async fn find(aws: &Aws, flags: &PartFlags, coverage: &Coverage) -> Result<Self, Failure> {
        let regions = regions(flags.region_globs()?.as_deref(), &coverage.regions)?;
        let request = RunRequest {
            mode: Mode::Full,
            regions,
            cluster_names: flags.cluster_globs()?,
            exclude_clusters: coverage.exclude_clusters.clone(),
        };
        let listed = request.regions.iter().map(|region| existing(aws, region));
        let mut existing = BTreeSet::new();
        let mut unlisted = Vec::new();
        for (region, clusters) in request.regions.iter().zip(join_all(listed).await) {
            let Clusters { names, is_listed } = clusters?;
            existing.extend(names.into_iter().map(|cluster| ClusterPlace {
                region: region.clone(),
                cluster,
            }));
            if !is_listed {
                unlisted.push(region.clone());
            }
        }
        Self::choose(request, existing, unlisted)
    }

    fn choose(
        request: RunRequest,
        existing: BTreeSet<ClusterPlace>,
        unlisted: Vec<String>,
    ) -> Result<Self, Failure> {
        let globs = request.cluster_names.as_deref();
        let chosen = |place: &&ClusterPlace| ClusterGlob::cover(globs, &place.cluster);
        let excluded = |place: &ClusterPlace| request.excludes(&place.cluster);
        let (left_out, clusters): (Vec<_>, Vec<_>) = existing
            .iter()
            .filter(chosen)
            .cloned()
            .partition(|place| excluded(place));
        if clusters.is_empty() && globs.is_some() && unlisted.is_empty() {
            return Err(nothing_chosen(&request, &existing, &left_out));
        }
        Ok(Self {
            clusters,
            excluded: left_out,
            unlisted,
            request,
        })
    }

    /// Says in a line or two what is covered.
    pub fn text(&self) -> String {
        let regions = words::list(&self.request.regions, NAMES_MAX);
        let clusters = match self.clusters.len() {
            0 => "no cluster".to_owned(),
            count => {
                let count = words::count(count as u64, "cluster");
                format!(
                    "{count} ({})",
                    words::list(&names(&self.clusters), NAMES_MAX)
                )
            }
        };
        let mut text = format!("Covers {clusters} in {regions}");
        if !self.excluded.is_empty() {
            let names = words::list(&names(&self.excluded), NAMES_MAX);
            text = format!("{text}\nLeft out by the stack (IndexExclude): {names}");
        }
        text
    }
}

/// The clusters of a region.
struct Clusters {
    names: BTreeSet<String>,
    /// Whether EKS has listed them. If not, they are those that the index knows.
    is_listed: bool,
}

/// The clusters that EKS lists, and those that the index still has.
async fn existing(aws: &Aws, region: &str) -> Result<Clusters, CallError> {
    let listed = list_clusters(aws, region, Instant::now() + LIST_TIMEOUT).await;
    let is_listed = listed.is_ok();
    let mut names = listed.unwrap_or_default();
    let known_clusters = aws.index.known_clusters();
    let mut pages = paginate(KNOWN_CLUSTER_PAGES, async |start| {
        known_clusters.page(region, start).await
    });
    while let Some(page) = pages.next().await? {
        names.extend(page.into_iter().map(|cluster| cluster.cluster_name));
    }
    Ok(Clusters { names, is_listed })
}

/// Those of the stack's regions that the globs choose.
fn regions(globs: Option<&[RegionGlob]>, of_stack: &[String]) -> Result<Vec<String>, Failure> {
    let covered = |region: &&String| RegionGlob::cover(globs, region);
    let regions: Vec<String> = of_stack.iter().filter(covered).cloned().collect();
    if regions.is_empty() {
        return Err(Failure::Refused(format!(
            "--region chooses no region; the stack indexes {} (IndexRegions)",
            words::list(of_stack, NAMES_MAX)
        )));
    }
    Ok(regions)
}

fn nothing_chosen(
    request: &RunRequest,
    existing: &BTreeSet<ClusterPlace>,
    left_out: &[ClusterPlace],
) -> Failure {
    let regions = words::list(&request.regions, NAMES_MAX);
    let existing: Vec<_> = existing.iter().cloned().collect();
    let there_are = match (left_out.len(), existing.len()) {
        (0, 0) => "there is no cluster".to_owned(),
        (0, _) => format!("there are {}", words::list(&names(&existing), NAMES_MAX)),
        _ => format!(
            "the stack leaves {} out of its index (IndexExclude)",
            words::list(&names(left_out), NAMES_MAX)
        ),
    };
    Failure::Refused(format!(
        "--cluster chooses no cluster in {regions}; {there_are}"
    ))
}

fn names(places: &[ClusterPlace]) -> Vec<String> {
    let name = |place: &ClusterPlace| format!("{}/{}", place.region, place.cluster);
    places.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(globs: &[&str], unlisted: &[&str]) -> Result<Selection, String> {
        let globs: Vec<_> = globs
            .iter()
            .map(|it| ClusterGlob::new(it).unwrap())
            .collect();
        let existing = ["legacy", "prod-1", "prod-2"].map(|cluster| ClusterPlace {
            region: "eu-west-1".to_owned(),
            cluster: cluster.to_owned(),
        });
        let request = RunRequest {
            mode: Mode::Full,
            regions: vec!["eu-west-1".to_owned()],
            cluster_names: (!globs.is_empty()).then_some(globs),
            exclude_clusters: vec![ClusterGlob::new("legacy").unwrap()],
        };
        let unlisted = unlisted.iter().map(|it| (*it).to_owned()).collect();
        let selection = Selection::choose(request, existing.into(), unlisted);
        selection.map_err(|failure| failure.to_string())
    }

    #[test]
    fn what_the_stack_leaves_out_is_named_and_not_covered() {
        let text = "\
Covers 2 clusters (eu-west-1/prod-1, eu-west-1/prod-2) in eu-west-1
Left out by the stack (IndexExclude): eu-west-1/legacy";
        assert_eq!(choose(&[], &[]).unwrap().text(), text);
        let text = "Covers 1 cluster (eu-west-1/prod-1) in eu-west-1";
        assert_eq!(choose(&["prod-*", "!*-2"], &[]).unwrap().text(), text);
    }

    #[test]
    fn an_empty_choice_is_an_error_that_names_what_exists() {
        for (glob, error) in [
            (
                "nope*",
                "--cluster chooses no cluster in eu-west-1; there are eu-west-1/legacy, \
                 eu-west-1/prod-1, eu-west-1/prod-2",
            ),
            (
                "leg*",
                "--cluster chooses no cluster in eu-west-1; the stack leaves eu-west-1/legacy out \
                 of its index (IndexExclude)",
            ),
        ] {
            assert_eq!(choose(&[glob], &[]).unwrap_err(), error);
        }
        // A cluster of this name may be in a region that cannot be listed.
        assert_eq!(choose(&["nope*"], &["us-east-1"]).unwrap().clusters, []);
        let globs = [RegionGlob::new("us-*").unwrap()];
        let error = regions(Some(&globs), &["eu-west-1".to_owned()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "--region chooses no region; the stack indexes eu-west-1 (IndexRegions)"
        );
    }
}
