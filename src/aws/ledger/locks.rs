//! The lock of a role, which one rotation at a time holds. A transaction that opens or closes a
//! rotation includes these writes.

use rerole_core::keys::{Entry, LedgerKey, RotationKey};
use rerole_core::resource::RoleArn;
use rerole_core::timestamp::Timestamp;

use crate::aws::dynamodb::{Condition, Item, Write, text};
use crate::aws::ledger::item_key;

/// Locks a role for the rotation `owner`, or keeps the lock if `owner` holds it.
pub(super) fn lock(role: &RoleArn, owner: &RotationKey, now: Timestamp) -> Write {
    let mut item = key(role);
    item.extend([
        ("lockedBy".to_owned(), text(owner)),
        ("lockedAt".to_owned(), text(now)),
    ]);
    Write::put(item).only_if(is_free_for(owner)).returning_old()
}

/// Releases a role's lock, if there is one. Refused if another rotation holds it.
pub(super) fn unlock(role: &RoleArn, owner: &RotationKey) -> Write {
    Write::delete(key(role)).only_if(is_free_for(owner))
}

fn key(role: &RoleArn) -> Item {
    item_key(&LedgerKey::Role(role.clone()), &Entry::Lock)
}

fn is_free_for(owner: &RotationKey) -> Condition {
    Condition::new("attribute_not_exists(rotationId) OR lockedBy = :owner")
        .value("owner", text(owner))
}
