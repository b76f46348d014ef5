//! How a rotation closes: what must not change from the last sweep to the close, and the end that
//! follows from the rows and the sweep. The end itself is decided in `rerole_core::rotation`.

use std::collections::BTreeMap;

use rerole_core::indexing::RegionIndex;
use rerole_core::keys::Side;
use rerole_core::request::RotationRequest;
use rerole_core::rotation::{Departure, End, Facts, InUse, RotationRecord, State, Stop, close};

use crate::aws::ledger::Close;
use crate::rotate::slice::context::Context;
use crate::rotate::slice::error::SliceError;
use crate::rotate::slice::scan::ScanResult;
use crate::rotate::slice::tally::tally;

/// Earlier rotations of a role that are read to find the one that has moved its associations.
const EARLIER_ROTATIONS_MAX: usize = 10;

/// What is read before a sweep, and must not change until the rotation is closed: the indexer
/// records reversions, arrivals and the use of a role without the lease.
#[derive(Debug)]
pub(super) struct BeforeSweep {
    pub(super) record: RotationRecord,
    old_role_use: Option<InUse>,
}

impl BeforeSweep {
    /// Reads what must not change between the last sweep and the close.
    pub(super) async fn read(context: &Context<'_>) -> Result<Self, SliceError> {
        let ledger = &context.aws.ledger;
        let record = ledger.rotations().read(context.key()).await?;
        let record = record.ok_or(SliceError::LeaseLost)?;
        let old_role_use = if record.request.dry_run {
            None
        } else {
            let role = ledger.roles().read(&record.old_role_arn).await?;
            role.and_then(|role| role.in_use)
        };
        Ok(Self {
            record,
            old_role_use,
        })
    }
}

/// Returns how the rotation closes. Its counts come from its rows, which are read again. A
/// rotation that was cancelled has no sweep.
pub(super) async fn conclude(
    context: &Context<'_>,
    before: BeforeSweep,
    sweep: Option<&ScanResult>,
) -> Result<Close, SliceError> {
    let BeforeSweep {
        record: before,
        old_role_use,
    } = before;
    let mut tally = tally(context).await?;
    if tally.counts.pending > 0 {
        return Err(SliceError::StillPending {
            pending: tally.counts.pending,
        });
    }
    tally.counts.out_of_scope = sweep.map_or(0, |sweep| sweep.out_of_scope);
    tally.counts.reverted = match sweep {
        // The indexer also counts reversions while the rotation is open.
        Some(sweep) => sweep.reverted.max(before.reversion_count),
        // What earlier attempts have left on the old role is not looked for.
        None => {
            context
                .aws
                .ledger
                .reversions()
                .count_of(context.key())
                .await?
        }
    };
    let stopped = match &context.state().stop {
        Stop::Recorded(reason) => Some(reason.clone()),
        Stop::No | Stop::Deciding | Stop::NotRecorded | Stop::Unconfirmed => None,
    };
    let moved_before = match tally.counts.total {
        0 if context.request().rollback.is_none() => moved_before(context).await?,
        _ => None,
    };
    let indexes = context.aws.ledger.region_indexes().read().await?;
    let now = context.aws.now();
    let closing = close(&Facts {
        request: context.request(),
        tally: &tally,
        stopped: stopped.as_deref(),
        is_cancelled: context.is_cancelling(),
        incomplete_regions: &context.settings.coverage.incomplete(&indexes, now),
        invalid_items: sweep.map_or(0, |sweep| sweep.invalid.len() as u64),
        excluded_clusters: &excluded_clusters(context.request(), &indexes),
        moved_before: moved_before.as_ref(),
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
    let end = End {
        status: closing.status,
        reason: closing.reason,
        finished_at: now,
        index_as_of,
    };
    let record = RotationRecord {
        state: State::Finished(Box::new(end)),
        counts: tally.counts,
        drained_at: closing.drained_at,
        lease_until: None,
        progress: None,
        reversion_count: before.reversion_count,
        arrivals: before.arrivals,
        stopped,
        ..context.record.clone()
    };
    Ok(Close {
        departure: Departure {
            drained_at: closing.drained_at,
            still_used,
        },
        record,
        may_have_moved: tally.may_have_moved,
        seen_use: old_role_use,
    })
}

/// Returns the last rotation before this one that has moved associations from the old role.
async fn moved_before(context: &Context<'_>) -> Result<Option<RotationRecord>, SliceError> {
    let ledger = &context.aws.ledger;
    let old_role = &context.request().old_role_arn;
    let role = ledger.roles().history(old_role).await?;
    let earlier = role.rotations.iter();
    let earlier = earlier.filter(|step| step.side == Side::From && step.key != *context.key());
    for step in earlier.take(EARLIER_ROTATIONS_MAX) {
        let record = ledger.rotations().read(&step.key).await?;
        if let Some(record) = record.filter(|record| record.counts.updated > 0) {
            return Ok(Some(record));
        }
    }
    Ok(None)
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
