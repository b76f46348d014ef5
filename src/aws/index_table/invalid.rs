//! Finds items that cannot be, wherever they are in the index, and removes them. A walk through a
//! cluster only sees the items of that cluster, so it does not find those of a cluster of another
//! account, or under a key that names no cluster.

use rerole_core::call::{CallError, Operation};
use rerole_core::indexing::{InvalidItem, ItemKey};

use crate::aws::dynamodb::{Condition, Item, Table, Write, text};
use crate::aws::index_table::entry::key_of;
use crate::aws::page::{Page, PageLimit, PageStart};

/// A page is a megabyte of items, so this is far more than the largest index.
pub const KEY_PAGES: PageLimit = PageLimit {
    list: "the keys of the index",
    pages_max: 100_000,
};
/// A tombstone says that there is no association, which is true under any key.
const IS_NO_TOMBSTONE: &str = "attribute_not_exists(deletedAt) OR attribute_exists(roleArn) \
     OR attribute_exists(targetRoleArn)";

/// The items of the index that cannot be.
#[derive(Debug, Clone, Copy)]
pub struct InvalidItems<'a> {
    pub(super) table: &'a Table,
}

impl InvalidItems<'_> {
    /// Returns one page of the keys of all items that are no tombstones.
    ///
    /// # Errors
    /// If DynamoDB cannot be read.
    pub async fn keys(&self, start: Option<PageStart>) -> Result<Page<ItemKey>, CallError> {
        let operation = Operation::on("scan the keys of", &"the index");
        let filter = Condition::new(IS_NO_TOMBSTONE);
        let page = self.table.scan_keys(operation, filter, start).await?;
        Ok(page.map(|item| key_of(&item)))
    }

    /// Removes an item under a key that none can have.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn remove_key(&self, key: &ItemKey) -> Result<(), CallError> {
        let operation = Operation::on("remove an invalid index item", &"with an invalid key");
        self.table
            .write(operation, Write::delete(item_key(key)))
            .await?;
        Ok(())
    }

    /// Removes an item that cannot be, unless it has changed since it was read. It leaves no
    /// tombstone, because it says nothing about an association: EKS was asked before. Returns
    /// whether it was removed.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn remove(&self, item: &InvalidItem) -> Result<bool, CallError> {
        let operation = Operation::on("remove the invalid index item", &item.problem);
        let delete = Write::delete(item_key(&item.key)).only_if(is_still(item));
        Ok(self.table.write(operation, delete).await?.is_done())
    }
}

/// The condition that the item has not changed since it was read.
pub(super) fn is_still(item: &InvalidItem) -> Condition {
    let still = |name: &str, seen: Option<&str>| {
        let placeholder = format!("invalid_{name}");
        match seen {
            Some(seen) => {
                Condition::new(&format!("{name} = :{placeholder}")).value(&placeholder, text(seen))
            }
            // It is absent, or no text.
            None => Condition::new(&format!("NOT attribute_type({name}, :{placeholder})"))
                .value(&placeholder, text("S")),
        }
    };
    still("modifiedAt", item.modified_at.as_deref())
        .and(still("deletedAt", item.deleted_at.as_deref()))
}

fn item_key(key: &ItemKey) -> Item {
    Item::from([
        ("clusterArn".to_owned(), text(&key.partition)),
        ("associationId".to_owned(), text(&key.sort)),
    ])
}
