//! Counts the rows of a rotation in the ledger. What they add up to is decided in
//! `rerole_core::rotation`.

use rerole_core::rotation::{Counts, Tally};

use crate::aws::ledger::{ROW_PAGES, Select};
use crate::aws::page::paginate;
use crate::rotate::slice::context::Context;
use crate::rotate::slice::error::SliceError;

/// Counts the rows in the ledger, and stops the rotation if one of them is a contradiction.
pub(super) async fn recount_rows(slice: &Context<'_>) -> Result<Counts, SliceError> {
    let tally = tally(slice).await?;
    slice.state().recount(&tally);
    if let Some(arn) = tally.contradiction() {
        let is_first = slice.state().decide_to_stop();
        if is_first {
            let reason = format!("{arn}: EKS's response to an update contradicts the request");
            slice.stop(&reason).await?;
        }
    }
    Ok(tally.counts)
}

/// Adds up all rows in the ledger.
pub(super) async fn tally(slice: &Context<'_>) -> Result<Tally, SliceError> {
    let rows = slice.aws.ledger.rows(slice.key());
    let mut pages = paginate(ROW_PAGES, async |start| {
        slice.check()?;
        Ok::<_, SliceError>(rows.page(Select::All, start).await?)
    });
    let mut tally = Tally::default();
    while let Some(page) = pages.next().await? {
        for row in &page {
            tally.add(row);
        }
    }
    Ok(tally)
}
