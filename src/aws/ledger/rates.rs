//! The learned rate of a region: item `(rates/<region>, rates)`. How a rate is learned is in
//! `rerole_core::pacer`.

use rerole_core::call::{CallError, Operation};
use rerole_core::keys::{Entry, LedgerKey};
use rerole_core::pacer::LearnedRate;
use serde::{Deserialize, Serialize};

use crate::aws::dynamodb::{Change, Item, Table, Write};
use crate::aws::ledger::item_key;

/// The learned rates of all regions.
#[derive(Debug, Clone, Copy)]
pub struct Rates<'a> {
    pub(super) table: &'a Table,
}

#[derive(Debug, Serialize, Deserialize)]
struct Attributes {
    rate: Option<LearnedRate>,
}

impl Rates<'_> {
    /// Reads the learned rate of a region. Returns `None` if nothing has been learned.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or the item cannot be parsed.
    pub async fn read(&self, region: &str) -> Result<Option<LearnedRate>, CallError> {
        let operation = Operation::on("read the learned rate of", &region);
        let item: Option<Attributes> = self.table.get_as(operation, key(region)).await?;
        Ok(item.and_then(|attributes| attributes.rate))
    }

    /// Saves the learned rate of a region.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn save(&self, region: &str, rate: LearnedRate) -> Result<(), CallError> {
        let operation = Operation::on("save the learned rate of", &region);
        let attributes = Attributes { rate: Some(rate) };
        let update = Write::update(key(region), Change::default().set_all(&attributes));
        self.table.write(operation, update).await?;
        Ok(())
    }
}

fn key(region: &str) -> Item {
    item_key(&LedgerKey::Rates(region.to_owned()), &Entry::Rates)
}
