//! Compares the index with EKS and changes neither, for the CLI. It is the same walk as the
//! reconciler's, for another purpose.

use std::collections::BTreeSet;

use rerole_core::indexing::{Entry, RunError, RunRequest};
use rerole_core::resource::Cluster;
use tokio::time::Instant;

use crate::aws::Aws;
use crate::indexer::cluster_walk::{ClusterWalk, Difference, Purpose};
use crate::indexer::clusters::list_clusters;
use crate::indexer::retry::{RetryError, retry};

/// What a comparison has found so far.
#[derive(Debug, Default)]
pub struct Comparison {
    pub clusters: u64,
    /// Associations that EKS lists.
    pub seen: u64,
    pub differences: Vec<Difference>,
    /// What could not be compared.
    pub errors: Vec<RunError>,
}

/// Compares the index with EKS.
#[derive(Debug)]
pub struct Comparer<'a> {
    pub aws: &'a Aws,
    /// Associations in flight at once.
    pub concurrency: usize,
    pub ends_at: Instant,
}

impl Comparer<'_> {
    /// Compares the regions and clusters of the request. Calls `on_step` after each step.
    ///
    /// # Errors
    /// If time is up. An error of EKS or of the index is in [`Comparison::errors`] instead.
    pub async fn compare(
        &self,
        request: &RunRequest,
        mut on_step: impl FnMut(&Comparison),
    ) -> Result<Comparison, RetryError> {
        let mut comparison = Comparison::default();
        for region in &request.regions {
            let listed = match list_clusters(self.aws, region, self.ends_at).await {
                Ok(listed) => listed,
                Err(error) => {
                    comparison.note_error(region, None, error)?;
                    continue;
                }
            };
            for name in listed.iter().filter(|name| request.covers(name)) {
                if let Err(error) = self
                    .compare_cluster(request, region, name, &mut comparison, &mut on_step)
                    .await
                {
                    comparison.note_error(region, Some(name), error)?;
                }
                comparison.clusters += 1;
                on_step(&comparison);
            }
            if let Err(error) = self
                .compare_missing(request, region, &listed, &mut comparison)
                .await
            {
                comparison.note_error(region, None, error)?;
            }
        }
        Ok(comparison)
    }

    async fn compare_cluster(
        &self,
        request: &RunRequest,
        region: &str,
        name: &str,
        comparison: &mut Comparison,
        on_step: &mut impl FnMut(&Comparison),
    ) -> Result<(), RetryError> {
        let described = retry(self.ends_at, |until| {
            self.aws.eks.describe_cluster(region, name, until)
        })
        .await?;
        let Some(cluster) = described.map(|described| described.cluster) else {
            return Ok(());
        };
        let walk = ClusterWalk::open(
            self.aws,
            Purpose::Compare,
            cluster,
            request.mode,
            None,
            self.concurrency,
            self.ends_at,
        );
        let Some(mut walk) = walk.await? else {
            return Ok(());
        };
        comparison.seen += walk.listed_len() as u64;
        loop {
            let step = walk.step().await?;
            comparison.differences.extend(walk.take_differences());
            for problem in walk.take_errors() {
                comparison
                    .errors
                    .push(run_error(region, Some(name), problem));
            }
            if step.is_none() {
                return Ok(());
            }
            on_step(comparison);
        }
    }

    /// Finds the clusters that the index knows, and that neither the list nor EKS itself shows.
    async fn compare_missing(
        &self,
        request: &RunRequest,
        region: &str,
        listed: &BTreeSet<String>,
        comparison: &mut Comparison,
    ) -> Result<(), RetryError> {
        let mut start = None;
        loop {
            let (known, next) = self.aws.index.known_clusters(region, start).await?;
            for cluster in known.iter().filter_map(|arn| Cluster::parse(arn).ok()) {
                let name = &cluster.cluster_name;
                if listed.contains(name) || !request.covers(name) {
                    continue;
                }
                let described = retry(self.ends_at, |until| {
                    self.aws.eks.describe_cluster(region, name, until)
                })
                .await?;
                if described.is_none() {
                    self.add_deleted(&cluster, comparison).await?;
                }
            }
            start = next;
            if start.is_none() {
                return Ok(());
            }
        }
    }

    /// Adds a difference for each association that the index holds of a deleted cluster.
    async fn add_deleted(
        &self,
        cluster: &Cluster,
        comparison: &mut Comparison,
    ) -> Result<(), RetryError> {
        let mut start = None;
        loop {
            let page = self
                .aws
                .index
                .entries_of_cluster(&cluster.cluster_arn, None, start)
                .await?;
            for (_, entry) in page.entries {
                if let Entry::Live(held) = entry {
                    let association_arn = held.association_arn.clone();
                    comparison.differences.push(Difference {
                        association_arn,
                        held: Some(held),
                        shown: None,
                    });
                }
            }
            start = page.next;
            if start.is_none() {
                return Ok(());
            }
        }
    }
}

impl Comparison {
    fn note_error(
        &mut self,
        region: &str,
        cluster_name: Option<&str>,
        error: RetryError,
    ) -> Result<(), RetryError> {
        match error {
            RetryError::OutOfTime => Err(error),
            RetryError::Call(error) => {
                self.errors
                    .push(run_error(region, cluster_name, error.to_string()));
                Ok(())
            }
        }
    }
}

fn run_error(region: &str, cluster_name: Option<&str>, problem: String) -> RunError {
    RunError {
        region: region.to_owned(),
        cluster_name: cluster_name.map(str::to_owned),
        problem,
    }
}
