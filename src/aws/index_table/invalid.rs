//! Searches the whole index for items that cannot be, and removes them. A walk through a cluster
//! only sees the items of that cluster, so it does not find those of a cluster of another account,
//! or under a key that names no cluster.

use rerole_core::call::{CallError, Operation};

use crate::aws::dynamodb::{Item, Write, text};
use crate::aws::index_table::{IndexTable, text_of};
use crate::aws::page::{Page, PageLimit, PageStart};

/// A page is a megabyte of items, so this is far more than the largest index.
pub const KEY_PAGES: PageLimit = PageLimit {
    list: "the keys of the index",
    pages_max: 100_000,
};

/// The key of an item of the index, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ItemKey {
    /// The attribute `clusterArn`.
    pub partition: String,
    /// The attribute `associationId`.
    pub sort: String,
}

impl IndexTable {
    /// Returns one page of the keys of all items that are no tombstones. A tombstone says that there
    /// is no association, which is true under any key.
    ///
    /// # Errors
    /// If DynamoDB cannot be read.
    pub async fn keys(&self, start: Option<PageStart>) -> Result<Page<ItemKey>, CallError> {
        let operation = Operation::on("scan the keys of", &"the index");
        let page = self.table.scan_keys(operation, "deletedAt", start).await?;
        Ok(page.map(|item| ItemKey {
            partition: text_of(&item, "clusterArn"),
            sort: text_of(&item, "associationId"),
        }))
    }

    /// Removes an item that cannot be. It leaves no tombstone, because it says nothing about an
    /// association. If an association exists under its key, the caller describes it next.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn remove_invalid(&self, key: &ItemKey) -> Result<(), CallError> {
        let operation = Operation::on("remove the invalid index item", &key.sort);
        let key = Item::from([
            ("clusterArn".to_owned(), text(&key.partition)),
            ("associationId".to_owned(), text(&key.sort)),
        ]);
        self.table.write(operation, Write::delete(key)).await?;
        Ok(())
    }
}
