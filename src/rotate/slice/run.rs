//! The steps of a slice in their order: plan or resume, execute, sweep, close. However the slice
//! ends, no call is left in flight, and the lease is released. The steps themselves are in `scan`
//! and `execute`.

use std::collections::BTreeMap;

use rerole_core::indexing::RegionIndex;
use rerole_core::request::RotationRequest;
use rerole_core::rotation::{
    ARRIVALS_SHOWN_AFTER, Checkpoint, Counts, Departure, Facts, InUse, RotationRecord, Stop, close,
};
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::aws::Aws;
use crate::aws::ledger::{Close, SliceSummary};
use crate::rotate::slice::context::{Context, SliceSettings, TimeSpan};
use crate::rotate::slice::error::{Incomplete, SWEEPS_MAX, SliceError};
use crate::rotate::slice::execute::execute;
use crate::rotate::slice::scan::{Scan, ScanResult};
use crate::rotate::slice::tally::{recount_rows, tally};

/// What is read before a sweep, and must not change until the rotation is closed: the indexer
/// records reversions, arrivals and the use of a role without the lease.
#[derive(Debug)]
struct BeforeSweep {
    record: RotationRecord,
    old_role_use: Option<InUse>,
}

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
        let (end, ()) = tokio::join!(
            work,
            context
                .lease
                .renew_until(&done, context.owned(), || context.progress())
        );
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

    async fn advance(&self) -> Result<Close, SliceError> {
        let context = &self.context;
        self.prepare().await?;
        let mut arrivals = context.record.arrivals;
        for _ in 0..SWEEPS_MAX {
            self.put_new_role_to_use().await?;
            execute(context).await?;
            context.state().executed_at = Some(context.aws.now());
            self.wait_for_indexer().await?;
            let before = self.read_before_sweep().await?;
            let sweep = Scan::run(context).await?;
            if sweep.created == 0 && before.record.arrivals == arrivals {
                return self.conclude(before, &sweep).await;
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

    /// Records once that associations are moved to the new role, before the first update.
    async fn put_new_role_to_use(&self) -> Result<(), SliceError> {
        let context = &self.context;
        let is_needed = !context.request().dry_run && {
            let state = context.state();
            state.counts.pending > 0 && !state.new_role_in_use
        };
        if is_needed {
            context.owned().put_new_role_to_use(&context.record).await?;
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

    /// Reads what must not change between the last sweep and the close.
    async fn read_before_sweep(&self) -> Result<BeforeSweep, SliceError> {
        let context = &self.context;
        let ledger = &context.aws.ledger;
        let record = ledger.rotations().read(context.key()).await?;
        let record = record.ok_or(SliceError::LeaseLost)?;
        let old_role_use = if record.request.dry_run {
            None
        } else {
            let role = ledger.roles().read(&record.old_role_arn).await?;
            role.and_then(|role| role.in_use)
        };
        Ok(BeforeSweep {
            record,
            old_role_use,
        })
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
        context.state().counts = counts;
        context.state().is_planned = true;
        info!(
            associations = counts.total,
            outOfScope = plan.out_of_scope,
            "rotation planned"
        );
        Ok(())
    }

    /// Returns how the rotation closes. Its counts come from its rows, which are read again.
    async fn conclude(&self, before: BeforeSweep, sweep: &ScanResult) -> Result<Close, SliceError> {
        let BeforeSweep {
            record: before,
            old_role_use,
        } = before;
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
        let now = context.aws.now();
        let closing = close(&Facts {
            request: context.request(),
            tally: &tally,
            stopped: stopped.as_deref(),
            incomplete_regions: &context.settings.coverage.incomplete(&indexes, now),
            invalid_items: sweep.invalid.len() as u64,
            excluded_clusters: &excluded_clusters(context.request(), &indexes),
        });
        let since = old_role_use.as_ref().map_or(now, |in_use| in_use.since);
        let still_used = closing.still_used.map(|why| InUse {
            since,
            by: context.key().to_string(),
            why,
        });
        let index_as_of = indexes
            .into_iter()
            .filter_map(|(region, index)| Some((region, index.described_at?)))
            .collect();
        let record = RotationRecord {
            status: closing.status,
            reason: closing.reason,
            counts: tally.counts,
            finished_at: Some(now),
            drained_at: closing.drained_at,
            index_as_of,
            lease_until: None,
            progress: None,
            reversion_count: before.reversion_count,
            arrivals: before.arrivals,
            stopped,
            ..context.record.clone()
        };
        Ok(Close {
            departure: Departure {
                drained_at: record.drained_at,
                still_used,
            },
            record,
            may_have_moved: tally.may_have_moved,
            seen_use: old_role_use,
        })
    }

    /// Records the end, and releases both roles and the lease in the same transaction.
    async fn close(&self, close: Close) -> Result<RotationRecord, SliceError> {
        self.context.check()?;
        self.context.owned().close(&close).await?;
        Ok(close.record)
    }

    /// Saves the summary of an unfinished rotation, and releases its lease. Returns whether the
    /// ledger has the counts. If the record of an ending or of a stop may still be on its way, the
    /// lease is left to expire: the record arrives before the next slice starts.
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
            failing_since: context.state().circuit_breaker.failing_since().clone(),
            idle_since: progress.at,
        };
        let owned = context.owned();
        let saved = if context.state().may_record_late() {
            owned.save(&summary).await
        } else {
            owned.release(&summary).await
        };
        if let Err(error) = &saved {
            warn!(%error, "lease not released, it expires by itself");
        }
        saved.is_ok()
    }
}

/// Returns the clusters in the request's scope that the stack leaves out of its index, as
/// `region/cluster`.
fn excluded_clusters(
    request: &RotationRequest,
    indexes: &BTreeMap<String, RegionIndex>,
) -> Vec<String> {
    let in_scope = indexes
        .iter()
        .filter(|(region, _)| request.scope.covers_region(region));
    let names = in_scope.flat_map(|(region, index)| {
        let excluded = index.excluded.iter();
        excluded.map(move |name| format!("{region}/{name}"))
    });
    names.collect()
}
