//! What differs between the index and EKS: the reconciler's own walk through the clusters, which changes neither here.

use std::collections::BTreeSet;

use tokio::time::Instant;

use super::cluster::{ClusterWalk, Difference, Purpose, WalkError, list_clusters, tried};
use super::run::{RunRequest, Trouble};
use crate::association::Entry;
use crate::aws::Aws;
use crate::cluster::Cluster;

/// What a comparison has come to so far.
#[derive(Debug, Default)]
pub struct Comparison {
    pub clusters: u64,
    /// Associations that EKS lists.
    pub seen: u64,
    pub differences: Vec<Difference>,
    /// What could not be compared.
    pub troubles: Vec<Trouble>,
}

/// Compares the index with EKS.
#[derive(Debug)]
pub struct Comparer<'a> {
    pub aws: &'a Aws,
    /// Associations in work at once.
    pub width: usize,
    pub ends_at: Instant,
}

impl Comparer<'_> {
    /// Compares what the request names, and tells after each step how far it is.
    ///
    /// # Errors
    /// Where time is up. What EKS refuses is in the troubles instead.
    pub async fn compare(
        &self,
        request: &RunRequest,
        mut tell: impl FnMut(&Comparison),
    ) -> Result<Comparison, WalkError> {
        let mut comparison = Comparison::default();
        for region in &request.regions {
            let listed = match list_clusters(self.aws, region, self.ends_at).await {
                Ok(listed) => listed,
                Err(error) => {
                    comparison.note(region, None, error)?;
                    continue;
                }
            };
            for name in listed.iter().filter(|name| request.covers(name)) {
                if let Err(error) = self.cluster(request, region, name, &mut comparison, &mut tell).await {
                    comparison.note(region, Some(name), error)?;
                }
                comparison.clusters += 1;
                tell(&comparison);
            }
            if let Err(error) = self.gone(request, region, &listed, &mut comparison).await {
                comparison.note(region, None, error)?;
            }
        }
        Ok(comparison)
    }

    async fn cluster(
        &self,
        request: &RunRequest,
        region: &str,
        name: &str,
        comparison: &mut Comparison,
        tell: &mut impl FnMut(&Comparison),
    ) -> Result<(), WalkError> {
        let described = tried(self.ends_at, |until| self.aws.eks.describe_cluster(region, name, until)).await?;
        let Some(cluster) = described.map(|described| described.cluster) else { return Ok(()) };
        let walk = ClusterWalk::open(self.aws, Purpose::Compare, cluster, request.mode, None, self.width, self.ends_at);
        let Some(mut walk) = walk.await? else { return Ok(()) };
        comparison.seen += walk.listed_len() as u64;
        loop {
            let step = walk.step().await?;
            comparison.differences.extend(walk.take_differences());
            for problem in walk.take_troubles() {
                comparison.troubles.push(trouble(region, Some(name), problem));
            }
            if step.is_none() {
                return Ok(());
            }
            tell(comparison);
        }
    }

    /// What the index holds of clusters that are gone.
    async fn gone(
        &self,
        request: &RunRequest,
        region: &str,
        listed: &BTreeSet<String>,
        comparison: &mut Comparison,
    ) -> Result<(), WalkError> {
        let mut start = None;
        loop {
            let (known, next) = self.aws.index.known_clusters(region, start).await?;
            for cluster in known.iter().filter_map(|arn| Cluster::parse(arn).ok()) {
                let name = &cluster.cluster_name;
                if listed.contains(name) || !request.covers(name) {
                    continue;
                }
                if tried(self.ends_at, |until| self.aws.eks.describe_cluster(region, name, until)).await?.is_none() {
                    self.held(&cluster, comparison).await?;
                }
            }
            start = next;
            if start.is_none() {
                return Ok(());
            }
        }
    }

    async fn held(&self, cluster: &Cluster, comparison: &mut Comparison) -> Result<(), WalkError> {
        let mut start = None;
        loop {
            let page = self.aws.index.of_cluster(&cluster.cluster_arn, None, start).await?;
            for (_, entry) in page.entries {
                if let Entry::Live(held) = entry {
                    let association_arn = held.association_arn.clone();
                    comparison.differences.push(Difference { association_arn, held: Some(held), shown: None });
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
    fn note(&mut self, region: &str, cluster_name: Option<&str>, error: WalkError) -> Result<(), WalkError> {
        match error {
            WalkError::OutOfTime => Err(error),
            WalkError::Call(error) => {
                self.troubles.push(trouble(region, cluster_name, error.to_string()));
                Ok(())
            }
        }
    }
}

fn trouble(region: &str, cluster_name: Option<&str>, problem: String) -> Trouble {
    Trouble { region: region.to_owned(), cluster_name: cluster_name.map(str::to_owned), problem }
}
