//! The steps of a slice in their order: plan or resume, execute, sweep, close. However the slice
//! ends, no call is left in flight, and the lease is released, or left to expire. The steps
//! themselves are in `scan`, `execute` and `conclude`.

use rerole_core::rotation::{
    ARRIVALS_SHOWN_AFTER, Checkpoint, Counts, RotationRecord, Status, Unconfirmed,
};
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::aws::Aws;
use crate::aws::ledger::{Close, SliceSummary};
use crate::rotate::slice::cancel::cancel_rows;
use crate::rotate::slice::conclude::{BeforeSweep, conclude};
use crate::rotate::slice::context::{Context, SliceSettings, TimeSpan};
use crate::rotate::slice::error::{Incomplete, SWEEPS_MAX, SliceError};
use crate::rotate::slice::execute::execute;
use crate::rotate::slice::plan_rollback::plan_rollback;
use crate::rotate::slice::renewal::renew_until;
use crate::rotate::slice::reopen::reopen_rows;
use crate::rotate::slice::scan::Scan;
use crate::rotate::slice::tally::recount_rows;

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
        settings: SliceSettings<'a>,
    ) -> Self {
        Self {
            context: Context::new(aws, record, time, settings),
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
        let (end, ()) = tokio::join!(work, renew_until(&done, context));
        // No renewal is in flight any more, so closing conflicts with none. If another invocation
        // has acquired the lease by now, the fence check refuses the close.
        let end = match end {
            Ok(close) => self.close(close).await,
            Err(error) => Err(error),
        };
        match end {
            Ok(record) => Ok(record),
            Err(reason) => Err(self.incomplete(reason).await),
        }
    }

    async fn incomplete(&self, reason: SliceError) -> Incomplete {
        let released = self.release().await;
        let reason = match &released {
            Some(released) if self.was_interrupted(released, &reason) => SliceError::Interrupted,
            _ => reason,
        };
        let role_not_ready_ms = self.context.role_not_ready_ms();
        let state = self.context.state();
        let after = Checkpoint::after(&state, role_not_ready_ms);
        let status = match &released {
            Some(released) => released.status(),
            None if self.context.is_cancelling() => Status::Cancelling,
            None if state.is_planned => Status::InProgress,
            None => Status::Planning,
        };
        Incomplete {
            reason,
            status,
            counts: state.counts,
            released,
            has_advanced: after.has_advanced_since(&Checkpoint::of(&self.context.record)),
        }
    }

    /// Returns whether a command is why the slice ended, or why the next one continues differently.
    /// `released` is the rotation as it was at the release.
    fn was_interrupted(&self, released: &RotationRecord, reason: &SliceError) -> bool {
        let has_other_entries = released.timeline_seq > self.context.state().timeline_seq;
        // A write was refused during a pause that was over before the release.
        let was_paused = matches!(reason, SliceError::LeaseLost) && has_other_entries;
        was_paused || self.context.is_interrupted_by(released.status())
    }

    async fn advance(&self) -> Result<Close, SliceError> {
        let context = &self.context;
        if context.is_cancelling() {
            return self.cancel().await;
        }
        self.prepare().await?;
        let mut arrivals = context.record.arrivals;
        for _ in 0..SWEEPS_MAX {
            self.put_new_role_to_use().await?;
            execute(context).await?;
            context.state().executed_at = Some(context.aws.now());
            self.wait_for_indexer().await?;
            let before = BeforeSweep::read(context).await?;
            let sweep = Scan::run(context).await?;
            if sweep.created == 0 && before.record.arrivals == arrivals {
                return conclude(context, before, Some(&sweep)).await;
            }
            info!(
                created = sweep.created,
                arrivals = before.record.arrivals - arrivals,
                "new associations on the old role"
            );
            if before.record.arrivals == arrivals {
                let counts = &mut context.state().counts;
                counts.total += sweep.created;
                counts.pending += sweep.created;
            } else {
                // The indexer has planned rows, which the counts of this slice do not have.
                arrivals = before.record.arrivals;
                recount_rows(context).await?;
            }
        }
        Err(SliceError::StillArriving)
    }

    /// Settles the rest of a cancelled rotation.
    async fn cancel(&self) -> Result<Close, SliceError> {
        for _ in 0..SWEEPS_MAX {
            let before = BeforeSweep::read(&self.context).await?;
            cancel_rows(&self.context).await?;
            match conclude(&self.context, before, None).await {
                // The indexer has planned a row meanwhile.
                Err(SliceError::StillPending { .. }) => {}
                end => return end,
            }
        }
        Err(SliceError::StillArriving)
    }

    /// Records once that associations are moved to the new role, before the first update.
    async fn put_new_role_to_use(&self) -> Result<(), SliceError> {
        let context = &self.context;
        let is_needed = !context.request().dry_run && {
            let state = context.state();
            state.counts.pending > 0 && !state.new_role_in_use
        };
        if is_needed {
            context.owned().put_new_role_to_use().await?;
            context.state().new_role_in_use = true;
        }
        Ok(())
    }

    /// Waits until the last sweep may start. An invocation of the indexer that read just before the
    /// opening that no rotation replaces the role tells no rotation of an association that it
    /// stores. By then, the index shows that association to the sweep.
    async fn wait_for_indexer(&self) -> Result<(), SliceError> {
        let context = &self.context;
        if context.request().dry_run {
            return Ok(());
        }
        let open_for = context.aws.now().since(context.opened_at());
        let until = Instant::now() + ARRIVALS_SHOWN_AFTER.saturating_sub(open_for);
        tokio::time::sleep_until(until.min(context.ends_at)).await;
        context.check()
    }

    /// Plans, or resumes where an earlier slice ended.
    async fn prepare(&self) -> Result<(), SliceError> {
        let context = &self.context;
        if context.record.is_planned() {
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
            context.state().must_stop()
        };
        match must_stop {
            Some(reason) => Ok(context.stop(&reason).await?),
            None => Ok(()),
        }
    }

    async fn plan(&self) -> Result<(), SliceError> {
        let context = &self.context;
        if context.record.attempt > 1 {
            reopen_rows(context).await?;
        }
        let created = match context.request().rollback {
            None => Scan::run(context).await?.created,
            Some(_) => plan_rollback(context).await?,
        };
        // An earlier slice, or the indexer.
        let others_planned = context.record.fence > 1 || context.record.arrivals > 0;
        let counts = if others_planned {
            recount_rows(context).await?
        } else {
            Counts {
                total: created,
                pending: created,
                ..Counts::default()
            }
        };
        let now = context.aws.now();
        let started = context
            .owned()
            .start(&counts, &context.author(), now)
            .await?;
        let mut state = context.state();
        state.timeline_seq = state.timeline_seq.max(started);
        state.counts = counts;
        state.is_planned = true;
        drop(state);
        info!(associations = counts.total, "rotation planned");
        Ok(())
    }

    /// Records the end, and releases both roles and the lease in the same transaction.
    async fn close(&self, close: Close) -> Result<RotationRecord, SliceError> {
        self.context.check()?;
        let owned = self.context.owned();
        owned.close(&close, &self.context.author()).await?;
        Ok(close.record)
    }

    /// Saves the summary of an unfinished rotation, and releases its lease. Returns the rotation as
    /// the ledger had it then, or `None` if nothing was saved.
    ///
    /// If the record of an ending or of a stop may still be on its way, the lease is left to
    /// expire: the record arrives before the next slice starts.
    async fn release(&self) -> Option<Box<RotationRecord>> {
        let context = &self.context;
        if !context.lease.is_held() {
            return None;
        }
        let progress = context.progress();
        let role_not_ready_ms = context.role_not_ready_ms();
        let (summary, may_record_late) = {
            let state = context.state();
            let summary = SliceSummary {
                counts: progress.counts,
                idle_since: progress.at,
                progress,
                role_not_ready_ms,
                failing_since: state.circuit_breaker.failing_since().clone(),
                has_unconfirmed_updates: state.unconfirmed != Unconfirmed::Nothing,
            };
            (summary, state.may_record_late())
        };
        let owned = context.owned();
        let saved = if may_record_late {
            owned.save(&summary).await
        } else {
            owned.release(&summary).await
        };
        if let Err(error) = &saved {
            warn!(%error, "lease not released, it expires by itself");
        }
        saved.ok()
    }
}
