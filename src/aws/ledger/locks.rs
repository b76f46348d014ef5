//! The lock of a role, which one rotation at a time holds. A transaction that opens or closes a
//! rotation includes these items.

use aws_sdk_dynamodb::types::{Delete, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use rerole_core::call::CallError;
use rerole_core::resource::RoleArn;
use rerole_core::rotation::{LOCK_ENTRY, lock_key};
use rerole_core::timestamp::Timestamp;

use crate::aws::dynamodb::{Item, build, text};
use crate::aws::ledger::{Ledger, item_key};

impl Ledger {
    /// Locks a role for the rotation `owner`, or keeps the lock if `owner` holds it.
    pub(super) fn lock(
        &self,
        role: &RoleArn,
        owner: &str,
        now: Timestamp,
    ) -> Result<TransactWriteItem, CallError> {
        let item = Item::from([
            ("rotationId".to_owned(), text(lock_key(role))),
            ("entry".to_owned(), text(LOCK_ENTRY)),
            ("lockedBy".to_owned(), text(owner)),
            ("lockedAt".to_owned(), text(now)),
        ]);
        let put = self
            .put_item(item)
            .condition_expression("attribute_not_exists(rotationId) OR lockedBy = :owner")
            .expression_attribute_values(":owner", text(owner))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        build(
            "lock role",
            role.as_str(),
            put.build()
                .map(|put| TransactWriteItem::builder().put(put).build()),
        )
    }

    /// Releases a role's lock, if there is one. If another rotation holds it, the transaction is
    /// cancelled.
    pub(super) fn unlock(
        &self,
        role: &RoleArn,
        owner: &str,
    ) -> Result<TransactWriteItem, CallError> {
        let delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(item_key(&lock_key(role), LOCK_ENTRY)))
            .condition_expression("attribute_not_exists(rotationId) OR lockedBy = :owner")
            .expression_attribute_values(":owner", text(owner));
        let delete = delete
            .build()
            .map(|delete| TransactWriteItem::builder().delete(delete).build());
        build("unlock role", role.as_str(), delete)
    }
}
