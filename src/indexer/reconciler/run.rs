//! The steps of a slice in their order: claim a run, then reconcile region by region until the run
//! is finished or the slice has to end. However the slice ends, the run's lease is released.

use rerole_core::indexing::{Claim, ReconcileRequest, Run};
use tracing::{info, warn};

use crate::indexer::clusters::list_clusters;
use crate::indexer::reconciler::context::Reconciler;
use crate::indexer::reconciler::error::{Halt, ReconcileError, SliceEnd};
use crate::indexer::retry::RetryError;

/// What came of a request to reconcile.
#[derive(Debug)]
pub enum Reconciled {
    Slice {
        run: Box<Run>,
        end: SliceEnd,
        /// Whether the slice made progress, in this run or in an unfinished one before it.
        has_advanced: bool,
    },
    /// Another invocation works on this run.
    AlreadyRunning(Box<Run>),
    /// There was no run to resume.
    NothingToResume,
}

impl Reconciler<'_> {
    /// Resumes the unfinished run, if there is one, and then does the requested run, as far as time
    /// allows.
    ///
    /// # Errors
    /// If the ledger or the index cannot be read or written. An error of EKS is in the run's
    /// `errors` instead.
    pub async fn reconcile(
        &mut self,
        request: &ReconcileRequest,
    ) -> Result<Reconciled, ReconcileError> {
        // Calls from before the run do not count.
        self.aws.eks.take_calls();
        let mut has_advanced = false;
        loop {
            let claim = self.aws.ledger.claim_run(request, self.aws.now()).await?;
            let mut run = match claim {
                Claim::Claimed(run) => run,
                Claim::Running(run) => {
                    self.queue(request, &run).await?;
                    return Ok(Reconciled::AlreadyRunning(run));
                }
                Claim::Nothing => return Ok(Reconciled::NothingToResume),
            };
            info!(
                mode = ?run.request.mode,
                regions = ?run.request.regions,
                startedAt = %run.started_at,
                "slice of the index run started"
            );
            let before = run.clone();
            let end = self.run_slice(&mut run).await?;
            has_advanced |= run.has_advanced_since(&before);
            info!(
                ?end,
                clusters = run.counts.clusters,
                added = run.counts.added,
                changed = run.counts.changed,
                removed = run.counts.removed,
                errors = run.error_count,
                "slice of the index run ended"
            );
            if end != SliceEnd::Finished {
                self.queue(request, &run).await?;
            }
            if end != SliceEnd::Finished || request.is_done_by(&run.request) {
                return Ok(Reconciled::Slice {
                    run,
                    end,
                    has_advanced,
                });
            }
        }
    }

    /// Queues the request to run after `run`, unless it is the same or cannot wait.
    async fn queue(&self, request: &ReconcileRequest, run: &Run) -> Result<(), ReconcileError> {
        match request.waiting_run() {
            Some(request) if *request != run.request => {
                Ok(self.aws.ledger.queue_run(request).await?)
            }
            _ => Ok(()),
        }
    }

    async fn run_slice(&mut self, run: &mut Run) -> Result<SliceEnd, ReconcileError> {
        // An earlier event of this sandbox may have learned its rates hours ago. The ledger's rates
        // have their age.
        self.aws.eks.reset_rates();
        let end = self.reconcile_regions(run).await;
        self.aws.save_rates().await;
        let end = match end {
            Ok(()) => SliceEnd::Finished,
            Err(Halt::End(end)) => end,
            Err(Halt::Error(error)) => {
                // Without a release, the retry of this invocation would find the run leased, and
                // would succeed with `AlreadyRunning`.
                run.lease_until = None;
                if let Err(problem) = self.aws.ledger.save_run(run).await {
                    warn!(%problem, "lease of the index run not released, it expires by itself");
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

    async fn reconcile_regions(&mut self, run: &mut Run) -> Result<(), Halt> {
        while let Some(region) = run.region().map(str::to_owned) {
            self.check().await?;
            run.cursor.started_at.get_or_insert(self.aws.now());
            self.aws.seed_rates([region.as_str()]).await;
            match list_clusters(self.aws, &region, self.ends_at).await {
                Ok(listed) => {
                    if run.cursor.cluster.is_none() {
                        self.remove_missing(run, &region, &listed).await?;
                    }
                    for cluster in run.remaining_clusters(&listed) {
                        self.check().await?;
                        self.reconcile_cluster(run, &region, &cluster).await?;
                    }
                }
                Err(RetryError::OutOfTime) => return Err(Halt::End(SliceEnd::OutOfTime)),
                Err(RetryError::Call(error)) => {
                    warn!(region, %error, "clusters of the region not listed");
                    run.note_error(None, error.to_string());
                }
            }
            if let Some(since) = run.finish_region() {
                self.aws
                    .ledger
                    .record_region_index(&region, run.request.mode, since)
                    .await?;
            }
            self.save(run).await?;
        }
        Ok(())
    }
}
