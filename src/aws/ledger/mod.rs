//! The `RotationLedger` table: rotations with their leases and locks, the rows of their
//! associations, the index run, and learned rates. How a rotation or an index run proceeds is
//! decided elsewhere.
//!
//! Each file has the writes of one kind of item. A write that would be wrong after its invocation
//! lost the lease has a condition on the fence (`lease.rs`), so DynamoDB rejects it.

mod by_status;
mod index_runs;
mod lease;
mod locks;
mod opening;
mod rates;
mod rejections;
mod reversions;
mod rows;

pub use by_status::RotationPage;
pub use lease::{LeaseError, SliceSummary};
pub use opening::Opened;
pub use rows::{PLAN_BATCH_LEN, Planned, RowPage, RowRegion, Select};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::builders::{PutBuilder, UpdateBuilder};
use aws_sdk_dynamodb::types::{Put, Update};
use rerole_core::call::CallError;
use rerole_core::rotation::{ROTATION_ENTRY, RotationRecord};

use crate::aws::call_error::call_error;
use crate::aws::dynamodb::{Expression, Item, text};

/// The ledger table.
#[derive(Debug, Clone)]
pub struct Ledger {
    client: Client,
    table: String,
}

impl Ledger {
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Reads a rotation's item. The read is consistent.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or if the item does not have the form of the contract.
    pub async fn read(&self, key: &str) -> Result<Option<RotationRecord>, CallError> {
        const OPERATION: &str = "read rotation";
        let get = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(item_key(key, ROTATION_ENTRY)));
        let output = get
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| call_error(OPERATION, key, &error))?;
        let Some(item) = output.item else {
            return Ok(None);
        };
        serde_dynamo::from_item(item)
            .map(Some)
            .map_err(|error| CallError::malformed_response(OPERATION, key, error.to_string()))
    }

    /// Returns a put for a transaction.
    fn put_item(&self, item: Item) -> PutBuilder {
        Put::builder().table_name(&self.table).set_item(Some(item))
    }

    /// Returns an update for a transaction.
    fn update(&self, key: &str, entry: &str, change: &Expression) -> UpdateBuilder {
        Update::builder()
            .table_name(&self.table)
            .set_key(Some(item_key(key, entry)))
            .update_expression(change.update())
            .set_condition_expression(change.condition())
            .set_expression_attribute_names(Some(change.names()))
            .set_expression_attribute_values(change.values())
    }
}

fn item_key(key: &str, entry: &str) -> Item {
    Item::from([
        ("rotationId".to_owned(), text(key)),
        ("entry".to_owned(), text(entry)),
    ])
}
