//! What the ledger knows of a role that was replaced, and of associations that have come back to it.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem, Update};

use super::PAGE_LEN;
use super::error::CallError;
use super::expression::{number, text, to_item};
use super::ledger::{Ledger, item_key};
use super::transaction::{Transacted, built, is_condition};
use crate::arn::AssociationArn;
use crate::outcome::{ROW_PREFIX, Row};
use crate::record::{ROTATION_ENTRY, RotationRecord};
use crate::returned::ReturnedRow;

const BY_OLD_ROLE: &str = "ByOldRole";
/// The rotation came to its end between look and write this often: something is wrong.
const NOTE_TRIES: u32 = 4;

impl Ledger {
    /// The rotations that replaced `role`, latest first; as many as fit on a page, which is more than anybody rotates a role.
    /// What cannot be read is left out.
    ///
    /// # Errors
    /// Where DynamoDB cannot be read.
    pub async fn by_old_role(&self, role: &str) -> Result<Vec<RotationRecord>, CallError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(BY_OLD_ROLE)
            .limit(PAGE_LEN)
            .scan_index_forward(false)
            .key_condition_expression("oldRoleArn = :role")
            .expression_attribute_values(":role", text(role));
        let output = query.send().await.map_err(|error| CallError::new("query rotations by old role", role, &error))?;
        let items = output.items.unwrap_or_default().into_iter();
        Ok(items.filter_map(|item| serde_dynamo::from_item(item).ok()).collect())
    }

    /// The row that a rotation has of an association.
    ///
    /// # Errors
    /// Where DynamoDB cannot be read, or the row is not of the contract's form.
    pub async fn row(&self, key: &str, arn: &AssociationArn) -> Result<Option<Row>, CallError> {
        const OPERATION: &str = "read association";
        let entry = format!("{ROW_PREFIX}{arn}");
        let get = self.client.get_item().table_name(&self.table).set_key(Some(item_key(key, &entry)));
        let output =
            get.consistent_read(true).send().await.map_err(|error| CallError::new(OPERATION, arn.as_str(), &error))?;
        let Some(item) = output.item else { return Ok(None) };
        serde_dynamo::from_item(item)
            .map(Some)
            .map_err(|error| CallError::malformed_answer(OPERATION, arn.as_str(), error.to_string()))
    }

    /// An open rotation's sweep has to look again: the index has learnt of an association on the old role. Returns whether the
    /// rotation is open.
    ///
    /// # Errors
    /// Where DynamoDB cannot be written.
    pub async fn note_arrival(&self, key: &str) -> Result<bool, CallError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(item_key(key, ROTATION_ENTRY)))
            .update_expression("ADD arrivals :one")
            .condition_expression("attribute_exists(rotationId) AND attribute_not_exists(finishedAt)")
            .expression_attribute_values(":one", number(1));
        match update.send().await {
            Ok(_) => Ok(true),
            Err(error)
                if matches!(error.as_service_error(), Some(UpdateItemError::ConditionalCheckFailedException(_))) =>
            {
                Ok(false)
            }
            Err(error) => Err(CallError::new("tell a rotation of an association", key, &error)),
        }
    }

    /// Records that an association has returned: its row, and on the rotation that its old role is in use. Returns whether it
    /// was new.
    ///
    /// # Errors
    /// Where DynamoDB cannot be read or written.
    pub async fn note_return(&self, row: &ReturnedRow) -> Result<bool, CallError> {
        const OPERATION: &str = "record a return";
        let key = &row.rotation_id;
        for _ in 0..NOTE_TRIES {
            let Some(rotation) = self.read(key).await? else { return Ok(false) };
            let put = Put::builder()
                .table_name(&self.table)
                .set_item(Some(to_item(row)))
                .condition_expression("attribute_not_exists(rotationId)");
            let put = put.build().map(|put| TransactWriteItem::builder().put(put).build());
            let update = self.count_return(&rotation, row).build();
            let update = update.map(|update| TransactWriteItem::builder().update(update).build());
            let items = vec![built(OPERATION, key, put)?, built(OPERATION, key, update)?];
            match self.transact(OPERATION, key, items).await? {
                Transacted::Done => return Ok(true),
                Transacted::Cancelled(reasons) if reasons.first().is_some_and(is_condition) => return Ok(false),
                // The rotation came to its end meanwhile: look again.
                Transacted::Cancelled(_) => {}
            }
        }
        Err(CallError::outrun(OPERATION, key, format!("the rotation changed under {NOTE_TRIES} looks")))
    }

    /// An open rotation counts its returns, and closes with them; a finished one is corrected.
    fn count_return(
        &self,
        rotation: &RotationRecord,
        row: &ReturnedRow,
    ) -> aws_sdk_dynamodb::types::builders::UpdateBuilder {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(item_key(&rotation.rotation_id, ROTATION_ENTRY)))
            .expression_attribute_values(":one", number(1));
        if rotation.finished_at.is_none() {
            return update
                .update_expression("ADD returnedCount :one")
                .condition_expression("attribute_exists(rotationId) AND attribute_not_exists(finishedAt)");
        }
        let came_back =
            format!("the old role is in use again: {} came back to it at {}", row.returned_arn, row.modified_at);
        // What was said before stays said.
        let reason = match &rotation.reason {
            Some(reason) if reason.contains("is in use again") => reason.clone(),
            Some(reason) => format!("{reason}; {came_back}"),
            None => came_back,
        };
        update
            .update_expression(
                "SET #counts.#returned = #counts.#returned + :one, #reason = :reason \
                 ADD returnedCount :one REMOVE oldRoleInUseUntil",
            )
            .condition_expression("attribute_exists(finishedAt)")
            .expression_attribute_names("#counts", "counts")
            .expression_attribute_names("#returned", "returned")
            .expression_attribute_names("#reason", "reason")
            .expression_attribute_values(":reason", text(reason))
    }
}
