//! The reconciler: repairs the index by a walk through all that EKS has. A run takes as long as it
//! needs. One invocation does a slice of it before its deadline, under the run's lease, and saves
//! how far it is after each step.
//!
//! The walk itself is in `walker`. Which run is next, and whether a slice made progress, is decided
//! in `rerole_core::indexing`.

use std::time::Duration;

use rerole_core::indexing::{Claim, Mode, ReconcileRequest, Run};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::aws::Aws;
use crate::aws::dynamodb::DYNAMODB_OPERATION_TIMEOUT;
use crate::aws::eks::EKS_CALL_TIMEOUT;
use crate::aws::ledger::LeaseError;
use crate::aws::state_machine::HAND_OVER_TIMEOUT;
use crate::indexer::index_writer::IndexWriter;
use crate::indexer::walker::{Halt, Purpose, WalkContext, Walker};

/// A slice starts no further step if less time than this is left: the longest that its last step
/// and its end can take. The step is one Describe. The operations on DynamoDB are: read the role's
/// rotations and the row, record a reversion (a transaction, which takes twice as long), store the
/// item, save the learned rates, save the run, queue the next run, and read how old the index is.
/// Then the run is handed over.
///
/// A check for reversions can take longer, if it follows a chain of rotations while DynamoDB is
/// slow. Lambda then ends the invocation before it saves the step, and the next slice repeats it.
pub const RECONCILE_RESERVE: Duration = EKS_CALL_TIMEOUT
    .saturating_add(DYNAMODB_OPERATION_TIMEOUT.saturating_mul(9))
    .saturating_add(HAND_OVER_TIMEOUT);

/// Does slices of index runs.
pub struct Reconciler<'a> {
    context: WalkContext<'a>,
    /// Is called with the run after it was claimed and after each save.
    on_save: Box<dyn Fn(&Run) + Send + Sync + 'a>,
}

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

/// How a slice ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SliceEnd {
    Finished,
    OutOfTime,
    /// A rotation is active.
    Yielded,
}

impl Reconciled {
    /// Returns whether a run of this mode is finished.
    #[must_use]
    pub fn has_finished(&self, mode: Mode) -> bool {
        match self {
            Self::Slice { run, end, .. } => *end == SliceEnd::Finished && run.request.mode == mode,
            Self::AlreadyRunning(_) | Self::NothingToResume => false,
        }
    }
}

impl<'a> Reconciler<'a> {
    /// A reconciler whose invocation ends at `deadline`, with at most `concurrency` associations in
    /// flight.
    #[must_use]
    pub fn new(
        aws: &'a Aws,
        writer: &'a IndexWriter<'a>,
        concurrency: usize,
        deadline: Instant,
    ) -> Self {
        let ends_at = deadline
            .checked_sub(RECONCILE_RESERVE)
            .unwrap_or_else(Instant::now);
        Self {
            context: WalkContext {
                aws,
                purpose: Purpose::Repair(writer),
                concurrency,
                ends_at,
            },
            on_save: Box::new(|_| {}),
        }
    }

    /// Calls `on_save` with the run after it was claimed and after each save.
    #[must_use]
    pub fn on_save(self, on_save: impl Fn(&Run) + Send + Sync + 'a) -> Self {
        Self {
            on_save: Box::new(on_save),
            ..self
        }
    }

    /// Resumes the unfinished run, if there is one, and then does the requested run, as far as time
    /// allows.
    ///
    /// # Errors
    /// If the ledger or the index cannot be read or written. An error of EKS is in the run's
    /// `errors` instead.
    pub async fn reconcile(
        &mut self,
        request: &ReconcileRequest,
    ) -> Result<Reconciled, LeaseError> {
        let aws = self.context.aws;
        // Calls from before the run do not count.
        aws.eks.take_calls();
        let mut has_advanced = false;
        loop {
            let claim = aws.ledger.index_runs().claim(request, aws.now()).await?;
            let mut run = match claim {
                Claim::Claimed(run) => run,
                Claim::Running(run) => {
                    self.queue(request, &run).await?;
                    return Ok(Reconciled::AlreadyRunning(run));
                }
                Claim::Nothing => return Ok(Reconciled::NothingToResume),
            };
            (self.on_save)(&run);
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
                invalid = run.counts.invalid,
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
    async fn queue(&self, request: &ReconcileRequest, run: &Run) -> Result<(), LeaseError> {
        match request.waiting_run() {
            Some(request) if *request != run.request => {
                Ok(self.context.aws.ledger.index_runs().queue(request).await?)
            }
            _ => Ok(()),
        }
    }

    /// Walks as far as time allows. However the slice ends, the run's lease is released.
    async fn run_slice(&mut self, run: &mut Run) -> Result<SliceEnd, LeaseError> {
        let aws = self.context.aws;
        // An earlier event of this sandbox may have learned its rates hours ago. The ledger's rates
        // have their age.
        aws.eks.reset_rates();
        let walked = Walker::new(self.context, &*self.on_save).walk(run).await;
        aws.save_rates().await;
        run.lease_until = None;
        run.counts.calls += aws.eks.take_calls();
        let end = match walked {
            Ok(()) => SliceEnd::Finished,
            Err(Halt::OutOfTime) => SliceEnd::OutOfTime,
            Err(Halt::Yielded) => SliceEnd::Yielded,
            Err(Halt::Error(error)) => {
                // Without a release, the retry of this invocation would find the run leased, and
                // would succeed with `AlreadyRunning`.
                if let Err(problem) = aws.ledger.index_runs().save(run).await {
                    warn!(%problem, "lease of the index run not released, it expires by itself");
                }
                return Err(error);
            }
        };
        if end == SliceEnd::Finished {
            run.finished_at = Some(aws.now());
        }
        aws.ledger.index_runs().save(run).await?;
        Ok(end)
    }
}
