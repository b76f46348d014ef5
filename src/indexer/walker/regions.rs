//! The walk through the regions and clusters of a run, from where the run's cursor is. One cluster
//! is walked in `cluster`.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use rerole_core::indexing::Run;
use rerole_core::resource::{Cluster, ClusterName};
use tokio::time::Instant;
use tracing::warn;

use crate::aws::index_table::KNOWN_CLUSTER_PAGES;
use crate::aws::page::paginate;
use crate::indexer::invalid_items::remove_items_with_invalid_keys;
use crate::indexer::retry::RetryError;
use crate::indexer::walker::cluster::{ClusterPart, ClusterWalk};
use crate::indexer::walker::halt::Halt;
use crate::indexer::walker::lists::list_clusters;
use crate::indexer::walker::purpose::{Difference, Findings, Purpose, WalkContext};

/// How often a walk checks whether a rotation is active.
const CHECK_ROTATIONS_INTERVAL: Duration = Duration::from_secs(30);

/// Walks through the regions and clusters of a run.
pub struct Walker<'a> {
    context: WalkContext<'a>,
    checked_rotations_at: Option<Instant>,
    differences: Vec<Difference>,
    /// Is called with the run after each save.
    on_save: &'a (dyn Fn(&Run) + Send + Sync),
}

impl<'a> Walker<'a> {
    /// A walker that calls `on_save` with the run after each save.
    #[must_use]
    pub fn new(context: WalkContext<'a>, on_save: &'a (dyn Fn(&Run) + Send + Sync)) -> Self {
        Self {
            context,
            checked_rotations_at: None,
            differences: Vec::new(),
            on_save,
        }
    }

    /// Walks until the run is finished. An error of EKS is in the run's `errors`.
    ///
    /// # Errors
    /// Why the run is not finished. If it was saved, a later walk resumes it.
    pub async fn walk(&mut self, run: &mut Run) -> Result<(), Halt> {
        let context = self.context;
        self.check().await?;
        self.remove_invalid_items(run).await?;
        while let Some(region) = run.region().map(str::to_owned) {
            self.check().await?;
            if let Some(problem) = context.item_rules().is_not_indexed(&region) {
                run.note_error(None, problem);
                run.finish_region();
                self.save(run).await?;
                continue;
            }
            run.cursor.started_at.get_or_insert(context.aws.now());
            context.aws.seed_rates([region.as_str()]).await;
            match list_clusters(context.aws, &region, context.ends_at).await {
                Ok(listed) => self.region(run, &region, &listed).await?,
                Err(error) => note_error(run, None, error)?,
            }
            if let Some(since) = run.finish_region() {
                let mode = run.request.mode;
                let excluded = run.excluded_in(&region);
                context
                    .note_complete_region(&region, mode, (since, excluded))
                    .await?;
            }
            self.save(run).await?;
        }
        Ok(())
    }

    /// Searches the whole index for items that cannot be, once, when a full run starts.
    async fn remove_invalid_items(&self, run: &mut Run) -> Result<(), Halt> {
        if let Purpose::Repair(writer) = self.context.purpose {
            writer.forget_dropped_regions().await?;
        }
        if run.searches_whole_index() {
            remove_items_with_invalid_keys(self.context, run).await?;
            // A slice that resumes the run does not search again.
            run.cursor.started_at = Some(self.context.aws.now());
            self.save(run).await?;
        }
        Ok(())
    }

    /// Returns all differences that the walk has found, if it compares.
    #[must_use]
    pub fn into_differences(self) -> Vec<Difference> {
        self.differences
    }

    async fn region(
        &mut self,
        run: &mut Run,
        region: &str,
        listed: &BTreeSet<String>,
    ) -> Result<(), Halt> {
        let mut names = listed.clone();
        match self.unlisted_clusters(run, region, listed).await {
            Ok(unlisted) => names.extend(unlisted),
            Err(error) if self.context.halts_at(&error) => return Err(error.into()),
            Err(error) => note_error(run, None, error)?,
        }
        run.note_excluded(&names);
        for name in run.remaining_clusters(&names) {
            self.check().await?;
            let name = ClusterName {
                region,
                name: &name,
            };
            self.cluster(run, name).await?;
        }
        Ok(())
    }

    /// Looks for the region's known clusters that are not in the list. Returns those that EKS has
    /// nevertheless, and removes the others from the index.
    async fn unlisted_clusters(
        &mut self,
        run: &mut Run,
        region: &str,
        listed: &BTreeSet<String>,
    ) -> Result<Vec<String>, RetryError> {
        let mut unlisted = Vec::new();
        let known_clusters = self.context.aws.index.known_clusters();
        let mut pages = paginate(KNOWN_CLUSTER_PAGES, async |start| {
            known_clusters.page(region, start).await
        });
        while let Some(mut known) = pages.next().await? {
            known.retain(|cluster| {
                let name = &cluster.cluster_name;
                !listed.contains(name) && run.covers(name)
            });
            for (cluster, described) in self.describe_all(known).await {
                let name = &cluster.cluster_name;
                match described {
                    // The list lags behind a create.
                    Ok(Some(_)) => unlisted.push(name.clone()),
                    Ok(None) => {
                        let findings = self.context.remove_cluster(&cluster).await?;
                        self.note(run, name, findings);
                    }
                    Err(error) => note_error(run, Some(name), error)?,
                }
            }
        }
        Ok(unlisted)
    }

    async fn cluster(&mut self, run: &mut Run, name: ClusterName<'_>) -> Result<(), Halt> {
        match self.open(run, name).await {
            Ok(Some(mut walk)) => self.steps(run, name.name, &mut walk).await?,
            // Deleted since it was listed. The next run finds it among the known clusters.
            Ok(None) => {}
            Err(error) => note_error(run, Some(name.name), error)?,
        }
        (run.cursor.cluster, run.cursor.after) = (Some(name.name.to_owned()), None);
        self.save(run).await
    }

    /// Starts a walk through a cluster, from the cursor if it is in this cluster. `None` if EKS
    /// does not know the cluster.
    async fn open(
        &self,
        run: &Run,
        name: ClusterName<'_>,
    ) -> Result<Option<ClusterWalk<'a>>, RetryError> {
        let Some(cluster) = self.describe(name).await? else {
            return Ok(None);
        };
        self.context.note_cluster(&cluster).await?;
        let is_at_cursor = run.cursor.cluster.as_deref() == Some(name.name);
        let part = ClusterPart {
            mode: run.request.mode,
            after: run.cursor.after.clone().filter(|_| is_at_cursor),
        };
        ClusterWalk::open(self.context, cluster, part).await
    }

    /// Walks through the whole cluster, unless an error ends the walk or the slice.
    async fn steps(
        &mut self,
        run: &mut Run,
        name: &str,
        walk: &mut ClusterWalk<'_>,
    ) -> Result<(), Halt> {
        loop {
            let step = walk.step().await;
            self.note(run, name, walk.take_findings());
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
                Err(error) => return Ok(note_error(run, Some(name), error)?),
            }
        }
    }

    /// Adds what was found in a cluster to the run.
    fn note(&mut self, run: &mut Run, cluster: &str, findings: Findings) {
        run.counts.clusters_removed += findings.counts.clusters_removed;
        run.counts.clusters_unsupported += findings.counts.clusters_unsupported;
        run.counts.added += findings.counts.added;
        run.counts.changed += findings.counts.changed;
        run.counts.removed += findings.counts.removed;
        run.counts.invalid += findings.counts.invalid;
        self.differences.extend(findings.differences);
        for problem in findings.errors {
            warn!(cluster, problem, "association not described");
            run.note_error(Some(cluster), problem);
        }
    }

    /// Describes these clusters side by side: it takes seconds until one counts as deleted.
    async fn describe_all(
        &self,
        clusters: Vec<Cluster>,
    ) -> Vec<(Cluster, Result<Option<Cluster>, RetryError>)> {
        let describe = async |cluster: Cluster| {
            let described = self.describe(cluster.name()).await;
            (cluster, described)
        };
        let mut described: Vec<_> = stream::iter(clusters)
            .map(describe)
            .buffer_unordered(self.context.concurrency)
            .collect()
            .await;
        described.sort_by(|(a, _), (b, _)| a.cluster_name.cmp(&b.cluster_name));
        described
    }

    async fn describe(&self, name: ClusterName<'_>) -> Result<Option<Cluster>, RetryError> {
        let described = self.context.describe_cluster(name).await?;
        Ok(described.map(|described| described.cluster))
    }

    /// Checks that the walk may start another step: there is time, and no rotation is active.
    async fn check(&mut self) -> Result<(), Halt> {
        if Instant::now() >= self.context.ends_at {
            return Err(Halt::OutOfTime);
        }
        let is_recent = |at: Instant| at.elapsed() < CHECK_ROTATIONS_INTERVAL;
        if self.checked_rotations_at.is_some_and(is_recent) {
            return Ok(());
        }
        self.checked_rotations_at = Some(Instant::now());
        if self.context.has_to_yield().await? {
            return Err(Halt::Yielded);
        }
        Ok(())
    }

    async fn save(&self, run: &mut Run) -> Result<(), Halt> {
        self.context.save(run).await?;
        (self.on_save)(run);
        Ok(())
    }
}

/// Notes in the run that a cluster, or the list of clusters, could not be read. The run continues
/// with the others.
fn note_error(run: &mut Run, cluster: Option<&str>, error: RetryError) -> Result<(), RetryError> {
    let RetryError::Call(error) = error else {
        return Err(error);
    };
    if let Some(cluster) = cluster {
        warn!(cluster, %error, "cluster not reconciled");
    } else {
        warn!(region = run.region(), %error, "clusters of the region not listed");
    }
    run.note_error(cluster, error.to_string());
    Ok(())
}
