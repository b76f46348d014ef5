//! The ledger's rotations of one status, by the secondary index `ByStatus`.

use super::PAGE_LEN;
use super::error::CallError;
use super::expression::{Item, text};
use super::ledger::Ledger;
use crate::record::RotationRecord;
use crate::status::Status;

const BY_STATUS: &str = "ByStatus";

/// A page of rotations.
#[derive(Debug)]
pub struct RotationPage {
    pub rotations: Vec<RotationRecord>,
    /// Where the next page starts, if there is one.
    pub next: Option<Item>,
}

impl Ledger {
    /// One page of the rotations of this status, oldest first. The secondary index is eventually consistent.
    ///
    /// # Errors
    /// Where DynamoDB cannot be read, or an item is not of the contract's form.
    pub async fn by_status(&self, status: Status, start: Option<Item>) -> Result<RotationPage, CallError> {
        const OPERATION: &str = "query rotations by status";
        let subject = format!("{status:?}");
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(BY_STATUS)
            .limit(PAGE_LEN)
            .key_condition_expression("#status = :status")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":status", text(&subject))
            .set_exclusive_start_key(start);
        let output = query.send().await.map_err(|error| CallError::new(OPERATION, &subject, &error))?;
        let rotations = output.items.unwrap_or_default().into_iter().map(serde_dynamo::from_item);
        let rotations = rotations.collect::<Result<_, _>>();
        Ok(RotationPage {
            rotations: rotations
                .map_err(|error| CallError::malformed_answer(OPERATION, &subject, error.to_string()))?,
            next: output.last_evaluated_key,
        })
    }
}
