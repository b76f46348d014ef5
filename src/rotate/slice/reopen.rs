//! Opens rows again for the next attempt of a rotation. Which ones is decided in
//! `rerole_core::rotation::Row`.

use rerole_core::rotation::Row;

use crate::aws::ledger::{ROW_PAGES, SETTLE_BATCH_LEN, Select};
use crate::aws::page::paginate;
use crate::rotate::slice::context::Context;
use crate::rotate::slice::error::SliceError;

/// Opens each row that is to be tried again.
pub(super) async fn reopen_rows(slice: &Context<'_>) -> Result<(), SliceError> {
    let rows = slice.aws.ledger.rows(slice.key());
    let mut pages = paginate(ROW_PAGES, async |start| {
        slice.check()?;
        Ok::<_, SliceError>(rows.page(Select::All, start).await?)
    });
    while let Some(page) = pages.next().await? {
        let reopened = |row: &Row| row.reopened(slice.request(), slice.record.attempt);
        let reopened: Vec<Row> = page.iter().filter_map(reopened).collect();
        for batch in reopened.chunks(SETTLE_BATCH_LEN) {
            slice.check()?;
            rows.reopen(&slice.record, batch).await?;
            slice.state().rows_added += batch.len() as u64;
        }
    }
    Ok(())
}
