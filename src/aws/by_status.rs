//! The ledger's rotations of one status, by the secondary index `ByStatus`.

use tracing::error;

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
    /// The ledger keys of items that are not of the contract's form: another version of this program may have written them.
    pub unreadable: Vec<String>,
    /// Where the next page starts, if there is one.
    pub next: Option<Item>,
}

impl Ledger {
    /// One page of the rotations of this status, oldest first. The secondary index is eventually consistent.
    ///
    /// # Errors
    /// Where DynamoDB cannot be read.
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
        let mut page = RotationPage { rotations: Vec::new(), unreadable: Vec::new(), next: output.last_evaluated_key };
        for item in output.items.unwrap_or_default() {
            let key = item.get("rotationId").and_then(|key| key.as_s().ok()).cloned().unwrap_or_default();
            match serde_dynamo::from_item(item) {
                Ok(rotation) => page.rotations.push(rotation),
                Err(error) => {
                    error!(rotationId = key, %error, "a rotation that cannot be read");
                    page.unreadable.push(key);
                }
            }
        }
        Ok(page)
    }
}
