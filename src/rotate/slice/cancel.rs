//! Settles the rows of a cancelled rotation: those that are pending become `NotAttempted`.
//!
//! Those that cannot have been updated are settled in large transactions, without a call to EKS. If
//! a slice has died, or an update got no response, in this attempt for any row or in an earlier one
//! for this row, then it is described first, as in a rotation that stops early (`execute.rs`).

use rerole_core::rotation::{Outcome, Row};

use crate::aws::ledger::{ROW_PAGES, SETTLE_BATCH_LEN, Select};
use crate::aws::page::paginate;
use crate::rotate::slice::context::Context;
use crate::rotate::slice::error::SliceError;
use crate::rotate::slice::execute::execute;
use crate::rotate::slice::tally::recount_rows;

/// Settles each pending row.
pub(super) async fn cancel_rows(slice: &Context<'_>) -> Result<(), SliceError> {
    if slice.record.has_unconfirmed_updates {
        recount_rows(slice).await?;
        return execute(slice).await;
    }
    let rows = slice.aws.ledger.rows(slice.key());
    let mut pages = paginate(ROW_PAGES, async |start| {
        slice.check()?;
        Ok::<_, SliceError>(rows.page(Select::Pending, start).await?)
    });
    let mut may_be_updated = false;
    while let Some(page) = pages.next().await? {
        let (updated, not_updated): (Vec<Row>, Vec<Row>) =
            page.into_iter().partition(Row::has_earlier_update);
        may_be_updated |= !updated.is_empty();
        for batch in not_updated.chunks(SETTLE_BATCH_LEN) {
            settle_batch(slice, batch).await?;
        }
    }
    if may_be_updated {
        recount_rows(slice).await?;
        execute(slice).await?;
    }
    Ok(())
}

async fn settle_batch(slice: &Context<'_>, batch: &[Row]) -> Result<(), SliceError> {
    slice.check()?;
    let rows = slice.aws.ledger.rows(slice.key());
    let now = slice.aws.now();
    rows.settle_not_attempted(&slice.record, batch, now).await?;
    let mut state = slice.state();
    for row in batch {
        state.settle(row.association_arn.region(), Outcome::NotAttempted);
    }
    Ok(())
}
