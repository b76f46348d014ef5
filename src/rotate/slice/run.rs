//! The steps of a slice in their order: plan or resume, execute, sweep, close. However the slice
//! ends, no call is left in flight, and the lease is released. The steps themselves are in `scan`
//! and `execute`.

use rerole_core::rotation::{Checkpoint, Counts, RotationRecord, Stop, close};
use tokio::sync::Notify;
use tracing::{info, warn};

use crate::aws::Aws;
use crate::aws::ledger::SliceSummary;
use crate::rotate::slice::context::{Context, TimeSpan};
use crate::rotate::slice::error::{Incomplete, SWEEPS_MAX, SliceError};
use crate::rotate::slice::execute::execute;
use crate::rotate::slice::scan::{Scan, ScanResult};
use crate::rotate::slice::tally::{recount_rows, tally};

/// A slice of a rotation.
#[derive(Debug)]
pub struct Slice<'a> {
    context: Context<'a>,
}

impl<'a> Slice<'a> {
    /// A slice of the rotation that `record` describes, whose lease this invocation has acquired.
    #[must_use]
    pub fn new(
        aws: &'a Aws,
        record: RotationRecord,
        time: TimeSpan,
        max_concurrency: usize,
    ) -> Self {
        Self {
            context: Context::new(aws, record, time, max_concurrency),
        }
    }

    /// Works until the rotation is finished, and returns its record.
    ///
    /// # Errors
    /// If the rotation is not finished: why, and how far it is.
    pub async fn run(self) -> Result<RotationRecord, Incomplete> {
        // An earlier event of this sandbox may have learned its rates hours ago. The ledger's rates
        // have their age.
        let context = &self.context;
        context.aws.eks.reset_rates();
        let done = Notify::new();
        let work = async {
            let end = self.advance().await;
            context.aws.save_rates().await;
            done.notify_one();
            end
        };
        let (end, ()) = tokio::join!(
            work,
            context
                .lease
                .renew_until(&done, context.owned(), || context.progress())
        );
        // No renewal is in flight any more, so closing conflicts with none. If another invocation
        // has acquired the lease by now, the fence check refuses the close.
        let end = match end {
            Ok(record) => self.close(record).await,
            Err(error) => Err(error),
        };
        match end {
            Ok(record) => Ok(record),
            Err(reason) => Err(self.incomplete(reason).await),
        }
    }

    async fn incomplete(&self, reason: SliceError) -> Incomplete {
        let is_recorded = self.release().await;
        let role_not_ready_ms = self.context.role_not_ready_ms();
        let state = self.context.state();
        let after = Checkpoint::after(&state, role_not_ready_ms);
        Incomplete {
            reason,
            counts: state.counts,
            is_recorded,
            has_advanced: after.has_advanced_since(&Checkpoint::of(&self.context.record)),
        }
    }

    async fn advance(&self) -> Result<RotationRecord, SliceError> {
        let context = &self.context;
        self.prepare().await?;
        for _ in 0..SWEEPS_MAX {
            execute(context).await?;
            // Read before the sweep. If the indexer records a reversion or an arrival after this
            // read, the rotation cannot close.
            let before = context.aws.ledger.rotations().read(context.key()).await?;
            let before = before.ok_or(SliceError::LeaseLost)?;
            let sweep = Scan::run(context).await?;
            if sweep.created == 0 {
                return self.conclude(&before, &sweep).await;
            }
            info!(
                created = sweep.created,
                "sweep found new associations on the old role"
            );
            let counts = &mut context.state().counts;
            counts.total += sweep.created;
            counts.pending += sweep.created;
        }
        Err(SliceError::StillArriving)
    }

    /// Plans, or resumes where an earlier slice ended.
    async fn prepare(&self) -> Result<(), SliceError> {
        let context = &self.context;
        if context.is_resumed() {
            let counts = recount_rows(context).await?;
            info!(
                pending = counts.pending,
                associations = counts.total,
                "rotation resumed"
            );
        } else {
            self.plan().await?;
        }
        context.sample_rate();
        let request = context.request();
        let must_stop = if request.dry_run {
            None
        } else {
            context.state().must_stop(request.max_errors)
        };
        match must_stop {
            Some(reason) => Ok(context.stop(&reason).await?),
            None => Ok(()),
        }
    }

    async fn plan(&self) -> Result<(), SliceError> {
        let context = &self.context;
        let plan = Scan::run(context).await?;
        let had_earlier_slice = context.record.fence > 1;
        let counts = if had_earlier_slice {
            recount_rows(context).await?
        } else {
            Counts {
                total: plan.created,
                pending: plan.created,
                ..Counts::default()
            }
        };
        context.owned().start(&counts).await?;
        context.state().recount(counts);
        context.state().is_planned = true;
        info!(
            associations = counts.total,
            outOfScope = plan.out_of_scope,
            "rotation planned"
        );
        Ok(())
    }

    /// Returns the record of the finished rotation. Its counts come from its rows, which are read
    /// again. `before` is its item from before the sweep.
    async fn conclude(
        &self,
        before: &RotationRecord,
        sweep: &ScanResult,
    ) -> Result<RotationRecord, SliceError> {
        let context = &self.context;
        let mut tally = tally(context).await?;
        if tally.counts.pending > 0 {
            return Err(SliceError::StillPending {
                pending: tally.counts.pending,
            });
        }
        tally.counts.out_of_scope = sweep.out_of_scope;
        // The indexer also counts reversions while the rotation is open.
        tally.counts.reverted = sweep.reverted.max(before.reversion_count);
        let stopped = match &context.state().stop {
            Stop::Recorded(reason) => Some(reason.clone()),
            Stop::No | Stop::Deciding | Stop::Unrecorded => None,
        };
        let indexes = context.aws.ledger.region_indexes().read().await?;
        let index_as_of = indexes
            .into_iter()
            .filter_map(|(region, index)| Some((region, index.described_at?)))
            .collect();
        let closing = close(&tally, context.request(), stopped.as_deref());
        Ok(RotationRecord {
            status: closing.status,
            reason: closing.reason,
            counts: tally.counts,
            finished_at: Some(context.aws.now()),
            old_role_in_use_until: closing.old_role_in_use_until,
            index_as_of,
            lease_until: None,
            progress: None,
            reversion_count: before.reversion_count,
            arrivals: before.arrivals,
            stopped,
            ..context.record.clone()
        })
    }

    /// Records the end, and releases locks and lease in the same transaction.
    async fn close(&self, record: RotationRecord) -> Result<RotationRecord, SliceError> {
        self.context.check()?;
        self.context.owned().close(&record).await?;
        Ok(record)
    }

    /// Releases the lease of an unfinished rotation. Returns whether the ledger has its counts.
    async fn release(&self) -> bool {
        let context = &self.context;
        if !context.lease.is_held() {
            return false;
        }
        let progress = context.progress();
        let summary = SliceSummary {
            counts: progress.counts,
            progress,
            role_not_ready_ms: context.role_not_ready_ms(),
            idle_since: progress.at,
        };
        let released = context.owned().release(&summary).await;
        if let Err(error) = &released {
            warn!(%error, "lease not released, it expires by itself");
        }
        released.is_ok()
    }
}
