//! What the ledger knows of the stack itself: whether it is frozen. How commands change that is in
//! `commands.rs`.

use rerole_core::call::{CallError, Operation};
use rerole_core::keys::{Entry, LedgerKey};
use rerole_core::rotation::StackRecord;

use crate::aws::dynamodb::{Item, Table};
use crate::aws::ledger::item_key;

/// The stack's own item.
#[derive(Debug, Clone, Copy)]
pub struct Stack<'a> {
    pub(super) table: &'a Table,
}

impl Stack<'_> {
    /// Reads what is known of the stack. The read is consistent.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or if the item does not have the form of the contract.
    pub async fn read(&self) -> Result<StackRecord, CallError> {
        let operation = Operation::on("read stack", &LedgerKey::Stack);
        let found: Option<StackRecord> = self.table.get_as(operation, key()).await?;
        Ok(found.unwrap_or_default())
    }
}

pub(super) fn key() -> Item {
    item_key(&LedgerKey::Stack, &Entry::Stack)
}
