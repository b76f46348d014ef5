//! Records how an association ended: its row in the ledger, and its item in the index. How the
//! ending is found is in `associate` and `update`.

use rerole_core::call::CallError;
use rerole_core::rotation::{Ending, Outcome, Row, Settled, Stop, UNEXPECTED_RESPONSE};
use tracing::{debug, warn};

use crate::aws::dynamodb::DYNAMODB_OPERATION_TIMEOUT;
use crate::rotate::slice::context::Slice;

impl Slice<'_> {
    /// Records the ending in the ledger and brings the index up to date. Neither write waits for
    /// the other. If one of them is missing, the next slice or the sweep repairs it.
    pub(super) async fn settle(&self, row: &Row, settled: Settled) -> Result<(), CallError> {
        if !self.may_record(&settled.ending) {
            return Ok(());
        }
        let (recorded, repaired) = tokio::join!(
            self.aws.ledger.settle(row, &settled),
            self.repair_index(row, &settled)
        );
        if let Err(error) = repaired {
            warn!(association = %row.association_arn, %error, "index item left to the sweep");
        }
        let contradiction = contradiction(row, &settled.ending);
        if contradiction.is_some() && recorded.is_err() {
            self.state().stop = Stop::Unrecorded;
        }
        log(row, &settled.ending, recorded?);
        let must_stop = self.count(settled.ending.outcome());
        match contradiction.or(must_stop) {
            Some(reason) => self.stop(&reason).await,
            None => Ok(()),
        }
    }

    /// Returns whether the ending may be recorded now. An update that EKS has confirmed may be
    /// recorded at any time. Anything else may be the view from before a successor's update, so it
    /// is recorded only if the record arrives while the lease is held.
    fn may_record(&self, ending: &Ending) -> bool {
        let is_confirmed = matches!(ending, Ending::Updated { .. });
        is_confirmed || self.lease.outlives(DYNAMODB_OPERATION_TIMEOUT)
    }

    /// Counts the outcome. Returns why the rotation has to stop, if it does.
    fn count(&self, outcome: Outcome) -> Option<String> {
        let mut state = self.state();
        if self.request().dry_run {
            state.counts.settle(outcome);
            None
        } else {
            state.settle(outcome, self.request().max_errors)
        }
    }

    /// Repairs the index item, if EKS showed that it lags. A dry run leaves the index alone.
    async fn repair_index(&self, row: &Row, settled: &Settled) -> Result<(), CallError> {
        if self.request().dry_run {
            return Ok(());
        }
        let index = &self.aws.index;
        match (settled.ending.outcome(), settled.last_observed()) {
            (Outcome::Updated | Outcome::AlreadyCurrent | Outcome::Drifted, Some(seen)) => {
                index.repair(seen, settled.at).await.map(drop)
            }
            (Outcome::Deleted, _) => index
                .write_tombstone_for_version(
                    &row.association_arn,
                    row.planned_modified_at,
                    settled.at,
                )
                .await
                .map(drop),
            _ => Ok(()),
        }
    }
}

/// Why the rotation stops, if EKS's response contradicted the request.
fn contradiction(row: &Row, ending: &Ending) -> Option<String> {
    match ending {
        Ending::Failed { error, .. } if error.code == UNEXPECTED_RESPONSE => {
            Some(format!("{}: {}", row.association_arn, error.message))
        }
        _ => None,
    }
}

fn log(row: &Row, ending: &Ending, was_pending: bool) {
    let (association, outcome) = (&row.association_arn, ending.outcome());
    match (ending, was_pending) {
        (Ending::Failed { error, .. }, _) => {
            warn!(
                %association,
                code = error.code,
                message = error.message,
                "association failed"
            );
        }
        (_, true) => debug!(%association, ?outcome, "association settled"),
        // Most likely this slice settled it, the response was lost, and the SDK sent it again.
        (_, false) => debug!(%association, ?outcome, "association already settled"),
    }
}
