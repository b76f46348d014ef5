//! Queries the rotations that have one status, through the secondary index `ByStatus`.

use rerole_core::call::CallError;
use rerole_core::rotation::{RotationRecord, Status};
use tracing::error;

use crate::aws::call_error::call_error;
use crate::aws::dynamodb::{Item, PAGE_LEN, text};
use crate::aws::ledger::Ledger;

/// Global secondary index: `status`, `startedAt`.
const BY_STATUS: &str = "ByStatus";

/// One page of [`Ledger::by_status`].
#[derive(Debug)]
pub struct RotationPage {
    pub rotations: Vec<RotationRecord>,
    /// The ledger keys of items that cannot be parsed. Another version of rerole may have written
    /// them.
    pub malformed: Vec<String>,
    /// Where the next page starts; `None` after the last page.
    pub next: Option<Item>,
}

impl Ledger {
    /// Returns one page of the rotations with this status, oldest first. The secondary index is
    /// eventually consistent.
    ///
    /// # Errors
    /// If DynamoDB cannot be read.
    pub async fn by_status(
        &self,
        status: Status,
        start: Option<Item>,
    ) -> Result<RotationPage, CallError> {
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
        let output = query
            .send()
            .await
            .map_err(|error| call_error(OPERATION, &subject, &error))?;
        let mut page = RotationPage {
            rotations: Vec::new(),
            malformed: Vec::new(),
            next: output.last_evaluated_key,
        };
        for item in output.items.unwrap_or_default() {
            let key = item
                .get("rotationId")
                .and_then(|key| key.as_s().ok())
                .cloned()
                .unwrap_or_default();
            match serde_dynamo::from_item(item) {
                Ok(rotation) => page.rotations.push(rotation),
                Err(error) => {
                    error!(rotationId = key, %error, "rotation could not be parsed");
                    page.malformed.push(key);
                }
            }
        }
        Ok(page)
    }
}
