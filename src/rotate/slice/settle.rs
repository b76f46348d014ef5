//! Records how an association ended: its row in the ledger, and its item in the index. How the
//! ending is found is in `mover`.

use rerole_core::call::CallError;
use rerole_core::indexing::IndexItem;
use rerole_core::rotation::{Ending, Outcome, Row, Settled, Stop, Unconfirmed, left_roles};
use tracing::{debug, warn};

use crate::aws::dynamodb::DYNAMODB_OPERATION_TIMEOUT;
use crate::aws::index_table::Replaces;
use crate::rotate::slice::context::Context;

/// Records the ending in the ledger and brings the index up to date. Neither write waits for the
/// other. If one of them is missing, the next slice or the sweep repairs it.
///
/// If the lease may be lost, that the association has left its old role is recorded before: the
/// index must not show it earlier.
///
/// After a contradiction the row is settled first and the stop recorded after it, so the next slice
/// finds at least the row.
pub(super) async fn settle(
    slice: &Context<'_>,
    row: &Row,
    settled: Settled,
) -> Result<(), CallError> {
    let region = row.association_arn.region();
    let must_stop = slice.state().note_ending(region, &settled.ending);
    if !may_record(slice, &settled.ending) {
        let mut state = slice.state();
        if must_stop {
            state.stop = Stop::NotRecorded;
        }
        state.note_unconfirmed(Unconfirmed::Updates);
        return Ok(());
    }
    if !slice.lease.outlives(DYNAMODB_OPERATION_TIMEOUT)
        && let Err(error) = note_departures(slice, &settled).await
    {
        slice.state().note_unconfirmed(Unconfirmed::Updates);
        return Err(error);
    }
    let rows = slice.aws.ledger.rows(slice.key());
    let (recorded, repaired) = tokio::join!(
        rows.settle(row, &settled),
        repair_index(slice, row, &settled)
    );
    if let Err(error) = repaired {
        warn!(association = %row.association_arn, %error, "index item left to the sweep");
    }
    let contradiction = contradiction(row, &settled.ending).filter(|_| must_stop);
    if recorded.is_err() {
        let mut state = slice.state();
        if must_stop {
            state.stop = Stop::NotRecorded;
        }
        let is_update = is_confirmed(&settled.ending);
        state.note_unconfirmed(if is_update || slice.request().dry_run {
            Unconfirmed::Updates
        } else {
            Unconfirmed::Record
        });
    }
    if recorded? {
        log(row, &settled.ending);
    } else {
        // Most likely this slice settled it, the response was lost, and the SDK sent it again.
        debug!(association = %row.association_arn, "association already settled");
    }
    let must_stop = count(slice, row, settled.ending.outcome());
    match contradiction.or(must_stop) {
        Some(reason) => slice.stop(&reason).await,
        None => Ok(()),
    }
}

/// Returns whether the ending may be recorded now. An update that EKS has confirmed may be recorded
/// at any time. Anything else may be the view from before a successor's update, so it is recorded
/// only if the record arrives while the lease is held.
fn may_record(slice: &Context<'_>, ending: &Ending) -> bool {
    is_confirmed(ending) || slice.lease.outlives(DYNAMODB_OPERATION_TIMEOUT)
}

/// Returns whether EKS's response to an update shows the ending.
fn is_confirmed(ending: &Ending) -> bool {
    matches!(ending, Ending::Updated { .. })
}

/// Records that a confirmed update has taken the association away from its old role, if a successor
/// may have settled the row as failed. Then the close of the rotation does not count this
/// departure, and once the index is repaired, the indexer does not find it either.
async fn note_departures(slice: &Context<'_>, settled: &Settled) -> Result<(), CallError> {
    let (Ending::Updated { response, .. }, Some(before)) = (&settled.ending, &settled.observed)
    else {
        return Ok(());
    };
    let [before, after] = [before, response].map(IndexItem::of);
    for left in left_roles(&before, Some(&after), settled.at) {
        if let Ok(role) = left.role.parse() {
            let roles = slice.aws.ledger.roles();
            roles.note_departure(&role, left.until).await?;
        }
    }
    Ok(())
}

/// Counts the outcome. Returns why the rotation has to stop, if it does.
fn count(slice: &Context<'_>, row: &Row, outcome: Outcome) -> Option<String> {
    let mut state = slice.state();
    state.settle(row.association_arn.region(), outcome);
    if slice.request().dry_run {
        None
    } else {
        state.must_stop()
    }
}

/// Repairs the index item, if EKS showed that it lags. A dry run leaves the index alone.
async fn repair_index(slice: &Context<'_>, row: &Row, settled: &Settled) -> Result<(), CallError> {
    if slice.request().dry_run {
        return Ok(());
    }
    let index = &slice.aws.index;
    match (settled.ending.outcome(), settled.last_observed()) {
        (
            Outcome::Updated | Outcome::AlreadyCurrent | Outcome::Drifted | Outcome::ChangedSince,
            Some(seen),
        ) => {
            index.repair(seen, settled.at).await?;
        }
        (Outcome::Deleted, _) => {
            let planned = Replaces::UpTo(row.planned_modified_at);
            index
                .write_tombstone(&row.association_arn, planned, settled.at)
                .await?;
        }
        _ => {}
    }
    Ok(())
}

/// Why the rotation stops, if EKS's response contradicted the request.
fn contradiction(row: &Row, ending: &Ending) -> Option<String> {
    match ending {
        Ending::Failed { error, .. } if ending.is_contradiction() => {
            Some(format!("{}: {}", row.association_arn, error.message))
        }
        _ => None,
    }
}

fn log(row: &Row, ending: &Ending) {
    let (association, outcome) = (&row.association_arn, ending.outcome());
    if let Ending::Failed { error, .. } = ending {
        let (code, error) = (&error.code, &error.message);
        warn!(%association, code, error, "association failed");
    } else {
        debug!(%association, ?outcome, "association settled");
    }
}
