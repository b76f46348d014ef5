//! What the indexer tells the rotations: reversions, which are associations on a role again after a
//! rotation replaced it, and arrivals on the old role of an open rotation. What counts as either is
//! decided in `rerole_core::rotation::reversion`.

use rerole_core::call::{CallError, Operation};
use rerole_core::keys::{Entry, RotationKey};
use rerole_core::rotation::RotationRecord;
use rerole_core::rotation::reversion::{Recording, ReversionRow, recording};

use crate::aws::dynamodb::{Change, Condition, Table, Transacted, Write, text, to_item};
use crate::aws::ledger::rotations::Rotations;
use crate::aws::ledger::{is_absent, rotation_key};

/// A rotation closes once, and has one first reversion after that. So its item changes between read
/// and write at most twice. More often means that something is wrong.
const RECORD_ATTEMPTS: u32 = 4;

/// The reversions and arrivals of all rotations.
#[derive(Debug, Clone, Copy)]
pub struct Reversions<'a> {
    pub(super) table: &'a Table,
}

impl Reversions<'_> {
    /// Records that the index has learned of an association on the old role of an open rotation.
    /// The rotation cannot close before another sweep has counted this arrival. Returns whether the
    /// rotation is open.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn record_arrival(&self, key: &RotationKey) -> Result<bool, CallError> {
        let update = Write::update(
            rotation_key(key, &Entry::Rotation),
            Change::default().increment("arrivals"),
        );
        let operation = Operation::on("record arrival", key);
        let written = self
            .table
            .write(operation, update.only_if(is_open()))
            .await?;
        Ok(written.is_done())
    }

    /// Records a reversion: its row, and on the rotation that the old role is in use again. Returns
    /// whether it is new.
    ///
    /// # Errors
    /// If DynamoDB cannot be read or written, or if the rotation changed at every attempt.
    pub async fn record(&self, key: &RotationKey, row: &ReversionRow) -> Result<bool, CallError> {
        let operation = Operation::on("record reversion", key);
        let entry = Entry::Reversion(row.reverted_arn.clone(), row.modified_at);
        let mut item = to_item(row);
        item.extend(rotation_key(key, &entry));
        for _ in 0..RECORD_ATTEMPTS {
            let rotations = Rotations { table: self.table };
            let Some(rotation) = rotations.read(key).await? else {
                return Ok(false);
            };
            let put = Write::put(item.clone()).only_if(is_absent());
            let parts = vec![put.into(), note(&rotation, row).into()];
            let transacted = self.table.transact(operation, parts).await?;
            match &transacted {
                Transacted::Done => return Ok(true),
                Transacted::Refused(_) if transacted.is_refused(0) => return Ok(false),
                // The rotation has changed since the read, so another update applies.
                Transacted::Refused(_) => {}
            }
        }
        let problem = format!("the rotation changed during each of {RECORD_ATTEMPTS} attempts");
        Err(CallError::contention(operation, problem))
    }
}

/// Notes a reversion in the rotation's item. A finished rotation loses the time until which its old
/// role is in use.
fn note(rotation: &RotationRecord, row: &ReversionRow) -> Write {
    let again = || {
        Change::default()
            .increment("reversionCount")
            .increment_count("reverted")
            .remove("oldRoleInUseUntil")
    };
    let (change, condition) = match recording(rotation, row) {
        Recording::Count => (Change::default().increment("reversionCount"), is_open()),
        Recording::InUseAgain { reason } => (
            again()
                .set("reason", text(reason))
                .set("firstRevertedAfterEnd", text(&row.reverted_arn)),
            Condition::new("attribute_exists(finishedAt)").and(Condition::new(
                "attribute_not_exists(firstRevertedAfterEnd)",
            )),
        ),
        Recording::CountAgain => (again(), Condition::new("attribute_exists(finishedAt)")),
    };
    let key = rotation_key(&rotation.key, &Entry::Rotation);
    Write::update(key, change).only_if(condition)
}

fn is_open() -> Condition {
    Condition::new("attribute_exists(rotationId) AND attribute_not_exists(finishedAt)")
}
