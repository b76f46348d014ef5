//! Since when each region's index is complete: items `(index, region#<region>)`.

use std::collections::BTreeMap;

use rerole_core::call::{CallError, Operation};
use rerole_core::indexing::RegionIndex;
use rerole_core::keys::{Entry, EntryPrefix, LedgerKey};
use serde::Deserialize;

use crate::aws::dynamodb::{Change, Condition, Query, Table, Write, text};
use crate::aws::ledger::item_key;

/// The age of the index, by region.
#[derive(Debug, Clone, Copy)]
pub struct RegionIndexes<'a> {
    pub(super) table: &'a Table,
}

impl RegionIndexes<'_> {
    /// Records since when the region's index is complete. A time that `index` does not have stays.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn record(&self, region: &str, index: &RegionIndex) -> Result<(), CallError> {
        let key = item_key(&LedgerKey::Index, &Entry::Region(region.to_owned()));
        let operation = Operation::on("record region index", &region);
        let mut change = Change::default().set_all(index);
        if index.excluded.is_empty() {
            change = change.remove("excluded");
        }
        self.table
            .write(operation, Write::update(key, change))
            .await?;
        Ok(())
    }

    /// Forgets since when the region's index is complete: from now on, it is not.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn forget(&self, region: &str) -> Result<(), CallError> {
        let key = item_key(&LedgerKey::Index, &Entry::Region(region.to_owned()));
        let operation = Operation::on("forget region index", &region);
        let change = Change::default().remove("describedAt").remove("listedAt");
        self.table
            .write(operation, Write::update(key, change))
            .await?;
        Ok(())
    }

    /// Reads since when each region's index is complete. The read is consistent.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or if an item does not have the form of the contract.
    pub async fn read(&self) -> Result<BTreeMap<String, RegionIndex>, CallError> {
        let operation = Operation::on("read region indexes", &LedgerKey::Index);
        // AWS has fewer regions than fit on a page.
        let query = Query::table(
            Condition::new("rotationId = :key AND begins_with(entry, :prefix)")
                .value("key", text(LedgerKey::Index))
                .value("prefix", text(EntryPrefix::Regions)),
        );
        let page = self.table.query(operation, query).await?;
        let regions = page.items.into_iter().map(|item| {
            let RegionItem { entry, index } = self.table.parse(operation, item)?;
            let region = Entry::region(&entry).unwrap_or_default().to_owned();
            Ok((region, index))
        });
        regions.collect()
    }
}

#[derive(Debug, Deserialize)]
struct RegionItem {
    entry: String,
    #[serde(flatten)]
    index: RegionIndex,
}
