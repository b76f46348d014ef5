//! Removes deleted clusters from the index: those that the index knows, and that neither a complete
//! list nor a describe shows.

use std::collections::BTreeSet;

use rerole_core::indexing::Run;
use rerole_core::resource::Cluster;
use tracing::info;

use crate::indexer::clusters::remove_cluster;
use crate::indexer::reconciler::context::{Reconciler, note_cluster_error};
use crate::indexer::reconciler::error::{Halt, SliceEnd};
use crate::indexer::retry::{RetryError, retry};

impl Reconciler<'_> {
    /// Removes the region's known clusters that are neither in the list nor known to EKS.
    pub(super) async fn remove_missing(
        &self,
        run: &mut Run,
        region: &str,
        listed: &BTreeSet<String>,
    ) -> Result<(), Halt> {
        let mut start = None;
        loop {
            let (known, next) = self.aws.index.known_clusters(region, start).await?;
            for cluster_arn in known {
                let Ok(cluster) = Cluster::parse(&cluster_arn) else {
                    continue;
                };
                if !listed.contains(&cluster.cluster_name) && run.covers(&cluster.cluster_name) {
                    self.remove_if_deleted(run, &cluster).await?;
                }
            }
            start = next;
            if start.is_none() {
                return Ok(());
            }
        }
    }

    async fn remove_if_deleted(&self, run: &mut Run, cluster: &Cluster) -> Result<(), Halt> {
        let name = &cluster.cluster_name;
        match retry(self.ends_at, |until| {
            self.aws.eks.describe_cluster(&cluster.region, name, until)
        })
        .await
        {
            // The list lags behind a create.
            Ok(Some(_)) => Ok(()),
            Ok(None) => self.remove(run, cluster).await,
            Err(error) => note_cluster_error(run, name, error),
        }
    }

    async fn remove(&self, run: &mut Run, cluster: &Cluster) -> Result<(), Halt> {
        match remove_cluster(self.aws, cluster, self.ends_at).await {
            Ok(removed) => {
                info!(
                    cluster = cluster.cluster_arn,
                    removed, "deleted cluster removed from the index"
                );
                run.counts.clusters_removed += 1;
                run.counts.removed += removed;
                Ok(())
            }
            Err(RetryError::OutOfTime) => Err(Halt::End(SliceEnd::OutOfTime)),
            Err(RetryError::Call(error)) => Err(Halt::Error(error.into())),
        }
    }
}
