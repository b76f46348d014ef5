//! Since when each region's index is complete: items `(index, region#<region>)`.

use std::collections::BTreeMap;

use rerole_core::call::{CallError, Operation};
use rerole_core::indexing::{Mode, RegionIndex};
use rerole_core::keys::{Entry, EntryPrefix, LedgerKey};
use rerole_core::timestamp::Timestamp;
use serde::Deserialize;

use crate::aws::dynamodb::{Change, Condition, Query, Table, Write, text};
use crate::aws::ledger::item_key;

/// The age of the index, by region.
#[derive(Debug, Clone, Copy)]
pub struct RegionIndexes<'a> {
    pub(super) table: &'a Table,
}

impl RegionIndexes<'_> {
    /// Records that the region's index is complete since `since`, when a run of this mode started
    /// to read the region.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn record(
        &self,
        region: &str,
        mode: Mode,
        since: Timestamp,
    ) -> Result<(), CallError> {
        let complete = RegionIndex {
            listed_at: Some(since),
            described_at: match mode {
                Mode::ListOnly => None,
                Mode::Full => Some(since),
            },
        };
        let key = item_key(&LedgerKey::Index, &Entry::Region(region.to_owned()));
        let operation = Operation::on("record region index", &region);
        let update = Write::update(key, Change::default().set_all(&complete));
        self.table.write(operation, update).await?;
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
