//! What the indexer tells the rotations: reversions, which are associations on a role again after a
//! rotation replaced it, and arrivals on the old role of an open rotation. What counts as either is
//! decided in `rerole_core::rotation::reversion`.

use rerole_core::call::{CallError, Operation};
use rerole_core::keys::{Entry, EntryPrefix, RotationKey};
use rerole_core::resource::RoleArn;
use rerole_core::rotation::reversion::ReversionRow;
use rerole_core::rotation::{InUse, RotationRecord, Row};

use crate::aws::dynamodb::{Change, Condition, Table, Transacted, Write, text, to_item};
use crate::aws::ledger::roles::put_to_use;
use crate::aws::ledger::rotations::Rotations;
use crate::aws::ledger::{is_absent, rotation_key, with_prefix};
use crate::aws::page::{Page, PageLimit, PageStart, paginate};

/// A rotation closes once in each attempt, so its item changes between read and write at most once.
/// More often means that something is wrong.
const RECORD_ATTEMPTS: u32 = 4;
/// As the rows of a rotation: few of its associations are moved back, and few of those often.
const REVERSION_PAGES: PageLimit = PageLimit {
    list: "the rotation's reversions",
    pages_max: 100_000,
};

/// The reversions and arrivals of all rotations.
#[derive(Debug, Clone, Copy)]
pub struct Reversions<'a> {
    pub(super) table: &'a Table,
}

impl Reversions<'_> {
    /// Plans a row for an association on the old role of an open rotation, which does not have it.
    /// The rotation cannot close before it has counted this arrival. It need not find the
    /// association by a secondary index, which may lag behind. Returns whether the rotation is
    /// open.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn record_arrival(&self, key: &RotationKey, row: &Row) -> Result<bool, CallError> {
        let mut item = to_item(row);
        let entry = Entry::Association(row.association_arn.clone());
        item.extend(rotation_key(key, &entry));
        let count = Write::update(
            rotation_key(key, &Entry::Rotation),
            Change::default().increment("arrivals"),
        );
        let parts = vec![
            count.only_if(is_open()).into(),
            Write::put(item).only_if(is_absent()).into(),
        ];
        let operation = Operation::on("record arrival", key);
        // A row that exists is one that the rotation has planned meanwhile.
        Ok(!self.table.transact(operation, parts).await?.is_refused(0))
    }

    /// Counts an association on the old role of an open rotation, which is not to move it. The
    /// rotation cannot close before it has counted again what stays on the role. Returns whether
    /// the rotation is open, and from this role.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn count_arrival(
        &self,
        key: &RotationKey,
        role: &RoleArn,
    ) -> Result<bool, CallError> {
        let operation = Operation::on("count arrival", key);
        let is_from = Condition::new("oldRoleArn = :role").value("role", text(role));
        let count = Write::update(
            rotation_key(key, &Entry::Rotation),
            Change::default().increment("arrivals"),
        );
        let count = count.only_if(is_open().and(is_from));
        Ok(self.table.write(operation, count).await?.is_done())
    }

    /// Returns one page of the reversions of a rotation, in the order of association ARNs. The read
    /// is consistent.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or if a row does not have the form of the contract.
    pub async fn page(
        &self,
        key: &RotationKey,
        start: Option<PageStart>,
    ) -> Result<Page<ReversionRow>, CallError> {
        let operation = Operation::on("read reversions of", key);
        let query = with_prefix(&key.clone().into(), &EntryPrefix::Reversions);
        let page = self.table.query(operation, query.start(start)).await?;
        page.try_map(|item| self.table.parse(operation, item))
    }

    /// Returns how many reversions of a rotation are recorded.
    ///
    /// # Errors
    /// If DynamoDB cannot be read.
    pub async fn count_of(&self, key: &RotationKey) -> Result<u64, CallError> {
        let operation = Operation::on("count reversions of", key);
        let mut pages = paginate(REVERSION_PAGES, async |start| {
            let query = with_prefix(&key.clone().into(), &EntryPrefix::Reversions);
            self.table.query(operation, query.start(start)).await
        });
        let mut count = 0;
        while let Some(page) = pages.next().await? {
            count += page.len() as u64;
        }
        Ok(count)
    }

    /// Records a reversion: its row, and on the rotation and on its old role that the role is in
    /// use again. Returns whether it is new.
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
            let in_use = InUse::by_association(&row.reverted_arn, row.modified_at);
            let parts = vec![
                Write::put(item.clone()).only_if(is_absent()).into(),
                count(&rotation).into(),
                put_to_use(&rotation.old_role_arn, &in_use).into(),
            ];
            let transacted = self.table.transact(operation, parts).await?;
            match &transacted {
                Transacted::Done => return Ok(true),
                Transacted::Refused(_) if transacted.is_refused(0) => return Ok(false),
                // The rotation has closed since the read, so another update applies.
                Transacted::Refused(_) => {}
            }
        }
        let problem = format!("the rotation changed during each of {RECORD_ATTEMPTS} attempts");
        Err(CallError::contention(operation, problem))
    }
}

/// Counts a reversion in the rotation's item. A rotation that is open takes the number into its
/// counts when it closes.
fn count(rotation: &RotationRecord) -> Write {
    let change = Change::default().increment("reversionCount");
    let (change, condition) = if rotation.finished_at().is_some() {
        let is_finished = Condition::new("attribute_exists(finishedAt)");
        (change.increment_count("reverted"), is_finished)
    } else {
        (change, is_open())
    };
    let key = rotation_key(&rotation.key, &Entry::Rotation);
    Write::update(key, change).only_if(condition)
}

fn is_open() -> Condition {
    Condition::new("attribute_exists(rotationId) AND attribute_not_exists(finishedAt)")
}
