//! Reconciles one cluster of a run, from where the run's cursor is. The comparison itself is in
//! `crate::indexer::cluster_walk`.

use rerole_core::indexing::Run;
use tracing::warn;

use crate::indexer::cluster_walk::{ClusterWalk, Purpose};
use crate::indexer::reconciler::context::{Reconciler, note_cluster_error};
use crate::indexer::reconciler::error::Halt;
use crate::indexer::retry::{RetryError, retry};

impl<'a> Reconciler<'a> {
    pub(super) async fn reconcile_cluster(
        &mut self,
        run: &mut Run,
        region: &str,
        name: &str,
    ) -> Result<(), Halt> {
        let is_at_cursor = run.cursor.cluster.as_deref() == Some(name);
        let after = run.cursor.after.clone().filter(|_| is_at_cursor);
        match self.open_walk(run, region, name, after).await {
            Ok(Some(mut walk)) => self.walk(run, name, &mut walk).await?,
            // Deleted since it was listed. The next run finds it among the known clusters.
            Ok(None) => {}
            Err(error) => note_cluster_error(run, name, error)?,
        }
        (run.cursor.cluster, run.cursor.after) = (Some(name.to_owned()), None);
        self.save(run).await.map_err(Halt::from)
    }

    /// Starts a walk through a cluster. `None` if EKS does not know the cluster.
    async fn open_walk(
        &self,
        run: &Run,
        region: &str,
        name: &str,
        after: Option<String>,
    ) -> Result<Option<ClusterWalk<'a>>, RetryError> {
        let described = retry(self.ends_at, |until| {
            self.aws.eks.describe_cluster(region, name, until)
        })
        .await?;
        let Some(cluster) = described.map(|described| described.cluster) else {
            return Ok(None);
        };
        self.aws
            .index
            .record_cluster(region, &cluster.cluster_arn)
            .await?;
        ClusterWalk::open(
            self.aws,
            Purpose::Repair(self.reversions),
            cluster,
            run.request.mode,
            after,
            self.concurrency,
            self.ends_at,
        )
        .await
    }

    /// Walks through the whole cluster, unless an error ends the walk or the slice.
    async fn walk(
        &mut self,
        run: &mut Run,
        name: &str,
        walk: &mut ClusterWalk<'_>,
    ) -> Result<(), Halt> {
        loop {
            let step = walk.step().await;
            // A step that failed may also have changed the index.
            let changed = walk.take_counts();
            run.counts.added += changed.added;
            run.counts.changed += changed.changed;
            run.counts.removed += changed.removed;
            for problem in walk.take_errors() {
                warn!(cluster = name, problem, "association not described");
                run.note_error(Some(name), problem);
            }
            match step {
                Ok(None) => {
                    run.counts.clusters += 1;
                    run.counts.seen += walk.listed_len() as u64;
                    return Ok(());
                }
                Ok(Some(after)) => {
                    (run.cursor.cluster, run.cursor.after) = (Some(name.to_owned()), Some(after));
                    self.save(run).await?;
                    self.check().await?;
                }
                Err(error) => return note_cluster_error(run, name, error),
            }
        }
    }
}
