//! The plan of a rollback: the rows of the rotation that it takes back. That rotation is finished,
//! so its rows do not change any more. A dry run can also look at one that is open.

use rerole_core::keys::RotationKey;
use rerole_core::rotation::Row;

use crate::aws::ledger::{PLAN_BATCH_LEN, ROW_PAGES};
use crate::aws::page::paginate;
use crate::rotate::slice::context::Context;
use crate::rotate::slice::error::SliceError;

/// Plans a row for each association that the rotation has moved. Returns how many are new.
pub(super) async fn plan_rollback(slice: &Context<'_>) -> Result<u64, SliceError> {
    let rotation = RotationKey::Rotation(slice.request().rotation_id.clone());
    let ledger = &slice.aws.ledger;
    let (moved, rows) = (ledger.rows(&rotation), ledger.rows(slice.key()));
    let mut pages = paginate(ROW_PAGES, async |start| {
        slice.check()?;
        Ok::<_, SliceError>(moved.moved(start).await?)
    });
    let attempt = slice.record.attempt;
    let mut created = 0;
    while let Some(page) = pages.next().await? {
        let pending = page
            .into_iter()
            .filter_map(|(row, written)| Row::taken_back(&row, written, attempt));
        let pending: Vec<Row> = pending.collect();
        for batch in pending.chunks(PLAN_BATCH_LEN) {
            slice.check()?;
            let planned = rows.plan(&slice.record, batch.to_vec()).await?;
            created += slice.note_planned(&planned);
        }
    }
    Ok(created)
}
