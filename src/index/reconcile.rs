//! The reconciler: region by region and cluster by cluster the index is held against EKS and brought to it. A run is as long
//! as it takes; a slice of it is what one invocation does before its deadline, under the run's lease.
//!
//! Nothing is removed on the strength of a list alone: what a complete list does not show is described before it is buried,
//! and a cluster that a complete list does not show is described before its associations are.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use super::cluster::{ClusterWalk, Purpose, WalkError, bury_cluster, list_clusters, tried};
use super::returns::ReturnWatch;
use super::run::{RUN_LEASE, Run, Turn, Wanted};
use crate::aws::eks::EKS_CALL_TIMEOUT;
use crate::aws::error::CallError;
use crate::aws::ledger::LeaseError;
use crate::aws::machine::HAND_OVER_TIMEOUT;
use crate::aws::{Aws, DYNAMODB_OPERATION_TIMEOUT};
use crate::cluster::Cluster;
use crate::status::Status;

/// Nothing is begun when less than this is left: one look, the role's rotations and the row, recording a return, storing what
/// was shown, keeping the paces, saving the run, asking for another one, measuring how old the index is, and handing over, each
/// for as long as it may take. A look that follows a
/// chain of rotations through a slow DynamoDB can take longer; what is lost then is a step, which the next slice does again.
pub const RECONCILE_RESERVE: Duration =
    EKS_CALL_TIMEOUT.saturating_add(DYNAMODB_OPERATION_TIMEOUT.saturating_mul(9)).saturating_add(HAND_OVER_TIMEOUT);
/// How often to ask whether a rotation is at work, to which EKS's calls belong then.
const LOOK_FOR_ROTATIONS_EVERY: Duration = Duration::from_secs(30);

/// Why a slice failed. The next slice goes on where it was saved.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    #[error("another invocation has taken the run over")]
    Lost,
    #[error(transparent)]
    Call(#[from] Box<CallError>),
}

impl From<CallError> for ReconcileError {
    fn from(error: CallError) -> Self {
        Self::Call(Box::new(error))
    }
}

impl From<LeaseError> for ReconcileError {
    fn from(error: LeaseError) -> Self {
        match error {
            LeaseError::Lost => Self::Lost,
            LeaseError::Call(error) => error.into(),
        }
    }
}

/// How a slice ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SliceEnd {
    Finished,
    OutOfTime,
    /// A rotation is at work.
    GaveWay,
}

/// What came of being asked to reconcile.
#[derive(Debug)]
pub enum Reconciled {
    Slice {
        run: Box<Run>,
        end: SliceEnd,
        /// Whether this run, or one that was left before it, has been brought on.
        has_advanced: bool,
    },
    /// Another invocation is at work on this run.
    AlreadyRunning(Box<Run>),
    /// There was no run to go on with.
    Nothing,
}

/// Does slices of runs.
pub struct Reconciler<'a> {
    aws: &'a Aws,
    returns: &'a ReturnWatch<'a>,
    /// Associations in work at once.
    width: usize,
    ends_at: Instant,
    looked_for_rotations_at: Option<Instant>,
    /// Is told of the run whenever it is saved.
    told: Box<dyn Fn(&Run) + Send + Sync + 'a>,
}

/// Why a slice stops where it is.
enum Halt {
    End(SliceEnd),
    Error(ReconcileError),
}

impl<E: Into<ReconcileError>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

impl<'a> Reconciler<'a> {
    /// A reconciler that has to be done by `deadline`.
    #[must_use]
    pub fn new(aws: &'a Aws, returns: &'a ReturnWatch<'a>, width: usize, deadline: Instant) -> Self {
        let ends_at = deadline.checked_sub(RECONCILE_RESERVE).unwrap_or_else(Instant::now);
        Self { aws, returns, width, ends_at, looked_for_rotations_at: None, told: Box::new(|_| {}) }
    }

    /// Tells `told` of the run whenever it is saved.
    #[must_use]
    pub fn telling(self, told: impl Fn(&Run) + Send + Sync + 'a) -> Self {
        Self { told: Box::new(told), ..self }
    }

    /// Goes on with the run that was left, if there is one, and then does what is wanted, as far as time allows.
    ///
    /// # Errors
    /// Where the ledger or the index cannot be read or written. What EKS refuses is in the run's troubles instead.
    pub async fn reconcile(&mut self, wanted: &Wanted) -> Result<Reconciled, ReconcileError> {
        // What was called before is not this run's.
        self.aws.eks.take_calls();
        let mut has_advanced = false;
        loop {
            let mut run = match self.aws.ledger.take_run(wanted, self.aws.now()).await? {
                Turn::Ours(run) => run,
                Turn::Running(run) => {
                    self.let_wait(wanted, &run).await?;
                    return Ok(Reconciled::AlreadyRunning(run));
                }
                Turn::Nobody => return Ok(Reconciled::Nothing),
            };
            info!(mode = ?run.request.mode, regions = ?run.request.regions, began_at = %run.began_at, "reconciling the index");
            let before = run.clone();
            let end = self.slice(&mut run).await?;
            has_advanced |= run.has_advanced_since(&before);
            info!(?end, counts = ?run.counts, troubles = run.trouble_count, "slice of the index's run done");
            if end != SliceEnd::Finished {
                self.let_wait(wanted, &run).await?;
            }
            if end != SliceEnd::Finished || wanted.is(&run) {
                return Ok(Reconciled::Slice { run, end, has_advanced });
            }
        }
    }

    async fn let_wait(&self, wanted: &Wanted, run: &Run) -> Result<(), ReconcileError> {
        match wanted.can_wait() {
            Some(request) if *request != run.request => Ok(self.aws.ledger.run_next(request).await?),
            _ => Ok(()),
        }
    }

    async fn slice(&mut self, run: &mut Run) -> Result<SliceEnd, ReconcileError> {
        // What the last event of this sandbox has learnt may be hours old: the ledger says how old.
        self.aws.eks.forget_paces();
        let end = self.regions(run).await;
        self.aws.keep_paces().await;
        let end = match end {
            Ok(()) => SliceEnd::Finished,
            Err(Halt::End(end)) => end,
            Err(Halt::Error(error)) => {
                // Lambda's retry must find the run free, or the error would end in "already running".
                run.lease_until = None;
                if let Err(problem) = self.aws.ledger.save_run(run).await {
                    warn!(%problem, "the run's lease could not be given back; it runs out by itself");
                }
                return Err(error);
            }
        };
        if end == SliceEnd::Finished {
            run.finished_at = Some(self.aws.now());
        }
        run.lease_until = None;
        run.counts.calls += self.aws.eks.take_calls();
        self.aws.ledger.save_run(run).await?;
        Ok(end)
    }

    async fn regions(&mut self, run: &mut Run) -> Result<(), Halt> {
        while let Some(region) = run.region().map(str::to_owned) {
            self.check().await?;
            run.cursor.began_at.get_or_insert(self.aws.now());
            self.aws.begin_paces([region.as_str()]).await;
            match list_clusters(self.aws, &region, self.ends_at).await {
                Ok(listed) => {
                    if run.cursor.cluster.is_none() {
                        self.remove_missing(run, &region, &listed).await?;
                    }
                    for cluster in run.clusters_left(&listed) {
                        self.check().await?;
                        self.cluster(run, &region, &cluster).await?;
                    }
                }
                Err(WalkError::OutOfTime) => return Err(Halt::End(SliceEnd::OutOfTime)),
                Err(WalkError::Call(error)) => {
                    warn!(region, %error, "the region's clusters could not be listed");
                    run.note_trouble(None, error.to_string());
                }
            }
            if let Some(since) = run.end_region() {
                self.aws.ledger.mark_region(&region, run.request.mode, since).await?;
            }
            self.save(run).await?;
        }
        Ok(())
    }

    /// Removes the clusters that the region is known to have had, and that neither the list nor EKS itself knows any more.
    async fn remove_missing(&self, run: &mut Run, region: &str, listed: &BTreeSet<String>) -> Result<(), Halt> {
        let mut start = None;
        loop {
            let (known, next) = self.aws.index.known_clusters(region, start).await?;
            for cluster_arn in known {
                let Ok(cluster) = Cluster::parse(&cluster_arn) else { continue };
                if !listed.contains(&cluster.cluster_name) && run.covers(&cluster.cluster_name) {
                    self.remove_where_gone(run, &cluster).await?;
                }
            }
            start = next;
            if start.is_none() {
                return Ok(());
            }
        }
    }

    async fn remove_where_gone(&self, run: &mut Run, cluster: &Cluster) -> Result<(), Halt> {
        let name = &cluster.cluster_name;
        match tried(self.ends_at, |until| self.aws.eks.describe_cluster(&cluster.region, name, until)).await {
            // The list lags behind a create.
            Ok(Some(_)) => Ok(()),
            Ok(None) => self.remove(run, cluster).await,
            Err(error) => cluster_trouble(run, name, error),
        }
    }

    async fn remove(&self, run: &mut Run, cluster: &Cluster) -> Result<(), Halt> {
        match bury_cluster(self.aws, cluster, self.ends_at).await {
            Ok(removed) => {
                info!(cluster = cluster.cluster_arn, removed, "a cluster is gone");
                run.counts.clusters_removed += 1;
                run.counts.removed += removed;
                Ok(())
            }
            Err(WalkError::OutOfTime) => Err(Halt::End(SliceEnd::OutOfTime)),
            Err(WalkError::Call(error)) => Err(Halt::Error(error.into())),
        }
    }

    /// One cluster, from where the run left it.
    async fn cluster(&mut self, run: &mut Run, region: &str, name: &str) -> Result<(), Halt> {
        let is_left = run.cursor.cluster.as_deref() == Some(name);
        let after = run.cursor.after.clone().filter(|_| is_left);
        let walked = match self.open(run, region, name, after).await {
            Ok(Some(mut walk)) => self.walk(run, name, &mut walk).await?,
            // It has gone since it was listed. The next run finds it among the known ones.
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = walked {
            cluster_trouble(run, name, error)?;
        }
        (run.cursor.cluster, run.cursor.after) = (Some(name.to_owned()), None);
        self.save(run).await.map_err(Halt::from)
    }

    /// A walk through a cluster; `None` where EKS does not know it.
    async fn open(
        &self,
        run: &Run,
        region: &str,
        name: &str,
        after: Option<String>,
    ) -> Result<Option<ClusterWalk<'a>>, WalkError> {
        let described = tried(self.ends_at, |until| self.aws.eks.describe_cluster(region, name, until)).await?;
        let Some(cluster) = described.map(|described| described.cluster) else { return Ok(None) };
        self.aws.index.note_cluster(region, &cluster.cluster_arn).await?;
        ClusterWalk::open(
            self.aws,
            Purpose::Heal(self.returns),
            cluster,
            run.request.mode,
            after,
            self.width,
            self.ends_at,
        )
        .await
    }

    /// Walks to the cluster's end. The inner error is the cluster's own.
    async fn walk(
        &mut self,
        run: &mut Run,
        name: &str,
        walk: &mut ClusterWalk<'_>,
    ) -> Result<Result<(), WalkError>, Halt> {
        loop {
            let step = walk.step().await;
            // Also of a step that was not done to its end: what it changed is changed.
            let changed = walk.take_counts();
            run.counts.added += changed.added;
            run.counts.changed += changed.changed;
            run.counts.removed += changed.removed;
            for problem in walk.take_troubles() {
                warn!(cluster = name, problem, "an association could not be looked at");
                run.note_trouble(Some(name), problem);
            }
            match step {
                Ok(None) => {
                    run.counts.clusters += 1;
                    run.counts.seen += walk.listed_len() as u64;
                    return Ok(Ok(()));
                }
                Ok(Some(after)) => {
                    (run.cursor.cluster, run.cursor.after) = (Some(name.to_owned()), Some(after));
                    self.save(run).await?;
                    self.check().await?;
                }
                Err(WalkError::OutOfTime) => return Err(Halt::End(SliceEnd::OutOfTime)),
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    /// Whether to go on: there is time, and no rotation that needs EKS's calls.
    async fn check(&mut self) -> Result<(), Halt> {
        if Instant::now() >= self.ends_at {
            return Err(Halt::End(SliceEnd::OutOfTime));
        }
        if self.looked_for_rotations_at.is_some_and(|at| at.elapsed() < LOOK_FOR_ROTATIONS_EVERY) {
            return Ok(());
        }
        self.looked_for_rotations_at = Some(Instant::now());
        for status in [Status::Planning, Status::InProgress] {
            let page = self.aws.ledger.by_status(status, None).await?;
            let now = self.aws.now();
            if page.rotations.iter().any(|rotation| rotation.is_leased_at(now)) {
                return Err(Halt::End(SliceEnd::GaveWay));
            }
        }
        Ok(())
    }

    async fn save(&self, run: &mut Run) -> Result<(), ReconcileError> {
        run.lease_until = Some(self.aws.now() + RUN_LEASE);
        run.counts.calls += self.aws.eks.take_calls();
        self.aws.ledger.save_run(run).await?;
        (self.told)(run);
        Ok(())
    }
}

/// A cluster that cannot be looked at is reported, and the others go on.
fn cluster_trouble(run: &mut Run, name: &str, error: WalkError) -> Result<(), Halt> {
    match error {
        WalkError::OutOfTime => Err(Halt::End(SliceEnd::OutOfTime)),
        WalkError::Call(error) => {
            warn!(cluster = name, %error, "the cluster could not be looked at to its end");
            run.note_trouble(Some(name), error.to_string());
            Ok(())
        }
    }
}
