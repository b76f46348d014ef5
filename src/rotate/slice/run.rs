//! The steps of a slice in their order: plan or resume, execute, sweep, close. However the slice
//! ends, no call is left in flight, and the lease is released. The steps themselves are in `scan`
//! and `execute`.

use rerole_core::rotation::{
    Checkpoint, Counts, RotationRecord, Status, Stop, Tally, close, has_advanced,
};
use tokio::sync::Notify;
use tracing::{info, warn};

use crate::aws::ledger::{Select, SliceSummary};
use crate::rotate::slice::context::Slice;
use crate::rotate::slice::error::{Incomplete, SWEEPS_MAX, SliceError};
use crate::rotate::slice::scan::Scan;

impl Slice<'_> {
    /// Works until the rotation is finished, and returns its record.
    ///
    /// # Errors
    /// If the rotation is not finished: why, and how far it is.
    pub async fn run(self) -> Result<RotationRecord, Incomplete> {
        // An earlier event of this sandbox may have learned its rates hours ago. The ledger's rates
        // have their age.
        self.aws.eks.reset_rates();
        let done = Notify::new();
        let work = async {
            let end = self.advance().await;
            self.aws.save_rates().await;
            done.notify_one();
            end
        };
        let (end, ()) = tokio::join!(
            work,
            self.lease.renew_until(&done, self.aws, || self.progress())
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
        let role_not_ready_ms = self.role_not_ready_ms();
        let state = self.state();
        let after = Checkpoint::after(&state, role_not_ready_ms);
        let has_advanced = has_advanced(&Checkpoint::of(&self.record), &after);
        Incomplete {
            reason,
            counts: state.counts,
            is_recorded,
            has_advanced,
        }
    }

    async fn advance(&self) -> Result<RotationRecord, SliceError> {
        self.prepare().await?;
        for _ in 0..SWEEPS_MAX {
            self.execute().await?;
            // Read before the sweep. If the indexer records a reversion or an arrival after this
            // read, the rotation cannot close.
            let before = self
                .aws
                .ledger
                .read(self.key())
                .await?
                .ok_or(SliceError::LeaseLost)?;
            let sweep = self.scan().await?;
            if sweep.created == 0 {
                return self.conclude(&before, &sweep).await;
            }
            info!(
                created = sweep.created,
                "sweep found new associations on the old role"
            );
            let counts = &mut self.state().counts;
            counts.total += sweep.created;
            counts.pending += sweep.created;
        }
        Err(SliceError::StillArriving)
    }

    /// Plans, or resumes where an earlier slice ended.
    async fn prepare(&self) -> Result<(), SliceError> {
        let had_earlier_slice = self.record.fence > 1;
        if self.record.status == Status::Planning {
            let plan = self.scan().await?;
            let planned = Counts {
                total: plan.created,
                pending: plan.created,
                ..Counts::default()
            };
            let counts = if had_earlier_slice {
                self.recount_rows().await?
            } else {
                planned
            };
            self.aws
                .ledger
                .start(self.key(), self.lease.fence(), &counts)
                .await?;
            self.state().recount(counts);
            self.state().is_planned = true;
            info!(
                associations = counts.total,
                outOfScope = plan.out_of_scope,
                "rotation planned"
            );
        } else {
            let counts = self.recount_rows().await?;
            info!(
                pending = counts.pending,
                associations = counts.total,
                "rotation resumed"
            );
        }
        self.sample_rate();
        let must_stop = if self.request().dry_run {
            None
        } else {
            self.state().must_stop(self.request().max_errors)
        };
        match must_stop {
            Some(reason) => Ok(self.stop(&reason).await?),
            None => Ok(()),
        }
    }

    /// Counts the rows in the ledger, and stops the rotation if one of them is a contradiction.
    pub(super) async fn recount_rows(&self) -> Result<Counts, SliceError> {
        let tally = self.tally().await?;
        self.state().recount(tally.counts);
        if let Some(arn) = tally.contradicted {
            let is_first = self.state().decide_to_stop();
            if is_first {
                self.stop(&format!(
                    "{arn}: EKS's response to an update contradicts the request"
                ))
                .await?;
            }
        }
        Ok(tally.counts)
    }

    async fn tally(&self) -> Result<Tally, SliceError> {
        let mut tally = Tally::default();
        let mut start = None;
        loop {
            self.check()?;
            let page = self.aws.ledger.rows(self.key(), Select::All, start).await?;
            page.rows.iter().for_each(|row| tally.add(row));
            start = page.next;
            if start.is_none() {
                return Ok(tally);
            }
        }
    }

    /// Returns the record of the finished rotation. Its counts come from its rows, which are read
    /// again. `before` is its item from before the sweep.
    async fn conclude(
        &self,
        before: &RotationRecord,
        sweep: &Scan,
    ) -> Result<RotationRecord, SliceError> {
        let mut tally = self.tally().await?;
        if tally.counts.pending > 0 {
            return Err(SliceError::StillPending {
                pending: tally.counts.pending,
            });
        }
        tally.counts.out_of_scope = sweep.out_of_scope;
        // The indexer also counts reversions while the rotation is open.
        tally.counts.reverted = sweep.reverted.max(before.reversion_count);
        let stopped = match &self.state().stop {
            Stop::Recorded(reason) => Some(reason.clone()),
            Stop::No | Stop::Deciding | Stop::Unrecorded => None,
        };
        let indexes = self.aws.ledger.region_indexes().await?;
        let index_as_of = indexes
            .into_iter()
            .filter_map(|(region, index)| Some((region, index.described_at?)))
            .collect();
        let request = self.request();
        let closing = close(
            &tally,
            &request.old_role_arn,
            stopped.as_deref(),
            request.dry_run,
        );
        Ok(RotationRecord {
            status: closing.status,
            reason: closing.reason,
            counts: tally.counts,
            finished_at: Some(self.aws.now()),
            old_role_in_use_until: closing.old_role_in_use_until,
            index_as_of,
            lease_until: None,
            progress: None,
            reversion_count: before.reversion_count,
            arrivals: before.arrivals,
            stopped,
            ..self.record.clone()
        })
    }

    /// Records the end, and releases locks and lease in the same transaction.
    async fn close(&self, record: RotationRecord) -> Result<RotationRecord, SliceError> {
        self.check()?;
        self.aws.ledger.close(&record).await?;
        Ok(record)
    }

    /// Releases the lease of an unfinished rotation. Returns whether the ledger has its counts.
    async fn release(&self) -> bool {
        if !self.lease.is_held() {
            return false;
        }
        let role_not_ready_ms = self.role_not_ready_ms();
        let progress = self.progress();
        let summary = SliceSummary {
            counts: progress.counts,
            progress,
            role_not_ready_ms,
            idle_since: progress.at,
        };
        let released = self
            .aws
            .ledger
            .release(self.key(), self.lease.fence(), &summary)
            .await;
        if let Err(error) = &released {
            warn!(%error, "lease not released, it expires by itself");
        }
        released.is_ok()
    }
}
