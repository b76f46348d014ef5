//! The open rotations, by the secondary index of statuses. The index is eventually consistent, so
//! each rotation is changed under a condition on what the ledger has.

use rerole_core::call::CallError;
use rerole_core::rotation::{RotationRecord, Status};

use crate::aws::Aws;
use crate::aws::ledger::{FoundRotation, OPEN_ROTATION_PAGES};
use crate::aws::page::paginate;

/// Returns the rotations with this status, oldest first.
///
/// # Errors
/// If the ledger cannot be read.
pub(super) async fn find(aws: &Aws, status: Status) -> Result<Vec<FoundRotation>, CallError> {
    let rotations = aws.ledger.rotations();
    let mut pages = paginate(OPEN_ROTATION_PAGES, async |start| {
        rotations.by_status(status, start).await
    });
    let mut all = Vec::new();
    while let Some(page) = pages.next::<_, CallError>().await? {
        all.extend(page);
    }
    Ok(all)
}

/// As [`find`], without those that cannot be parsed. The check for stalled rotations reports them.
///
/// # Errors
/// As [`find`].
pub(super) async fn find_valid(
    aws: &Aws,
    status: Status,
) -> Result<Vec<RotationRecord>, CallError> {
    let found = find(aws, status).await?.into_iter();
    let valid = found.filter_map(|found| match found {
        FoundRotation::Record(record) => Some(*record),
        FoundRotation::Malformed { .. } => None,
    });
    Ok(valid.collect())
}
