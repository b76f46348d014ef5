//! The learned rates of a region: item `(rates/<region>, rates)`. How rates are learned is in
//! `rerole_core::pacer`.

use rerole_core::call::{CallError, Operation};
use rerole_core::keys::{Entry, LedgerKey};
use rerole_core::pacer::LearnedRates;

use crate::aws::dynamodb::{Change, Item, Table, Write};
use crate::aws::ledger::item_key;

/// The learned rates of all regions.
#[derive(Debug, Clone, Copy)]
pub struct Rates<'a> {
    pub(super) table: &'a Table,
}

impl Rates<'_> {
    /// Reads the learned rates of a region. All are absent if nothing has been learned.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or the item cannot be parsed.
    pub async fn read(&self, region: &str) -> Result<LearnedRates, CallError> {
        let operation = Operation::on("read learned rates", &region);
        let rates = self.table.get_as(operation, key(region)).await?;
        Ok(rates.unwrap_or_default())
    }

    /// Saves the rates that are present. A class of calls whose rate is absent keeps its saved one.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn save(&self, region: &str, rates: &LearnedRates) -> Result<(), CallError> {
        let operation = Operation::on("save learned rates", &region);
        let update = Write::update(key(region), Change::default().set_all(rates));
        self.table.write(operation, update).await?;
        Ok(())
    }
}

fn key(region: &str) -> Item {
    item_key(&LedgerKey::Rates(region.to_owned()), &Entry::Rates)
}
