//! Reversions: associations that are on a role again after a rotation replaced it. Which
//! associations these are is decided in `rerole_core::rotation::reversion`.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use rerole_core::call::CallError;
use rerole_core::resource::AssociationArn;
use rerole_core::rotation::reversion::ReversionRow;
use rerole_core::rotation::{ROTATION_ENTRY, ROW_PREFIX, RotationRecord, Row};

use crate::aws::call_error::call_error;
use crate::aws::dynamodb::{
    PAGE_LEN, Transacted, build, is_failed_condition, number, text, to_item, transact,
};
use crate::aws::ledger::{Ledger, item_key};

const BY_OLD_ROLE: &str = "ByOldRole";
/// A rotation closes once, so its item changes between read and write at most once. More often
/// means that something is wrong.
const RECORD_ATTEMPTS: u32 = 4;

impl Ledger {
    /// Returns the rotations that replaced `role`, latest first. One page is read, because a role
    /// is never rotated more often than that. A rotation that cannot be parsed is left out.
    ///
    /// # Errors
    /// If DynamoDB cannot be read.
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
        let output = query
            .send()
            .await
            .map_err(|error| call_error("query rotations by old role", role, &error))?;
        let items = output.items.unwrap_or_default().into_iter();
        Ok(items
            .filter_map(|item| serde_dynamo::from_item(item).ok())
            .collect())
    }

    /// Reads a rotation's row of an association. The read is consistent.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or if the row does not have the form of the contract.
    pub async fn row(&self, key: &str, arn: &AssociationArn) -> Result<Option<Row>, CallError> {
        const OPERATION: &str = "read association";
        let entry = format!("{ROW_PREFIX}{arn}");
        let get = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(item_key(key, &entry)));
        let output = get
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| call_error(OPERATION, arn.as_str(), &error))?;
        let Some(item) = output.item else {
            return Ok(None);
        };
        serde_dynamo::from_item(item).map(Some).map_err(|error| {
            CallError::malformed_response(OPERATION, arn.as_str(), error.to_string())
        })
    }

    /// Records that the index has learned of an association on the old role of an open rotation.
    /// The rotation cannot close before another sweep has counted this arrival. Returns whether the
    /// rotation is open.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn record_arrival(&self, key: &str) -> Result<bool, CallError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(item_key(key, ROTATION_ENTRY)))
            .update_expression("ADD arrivals :one")
            .condition_expression(
                "attribute_exists(rotationId) AND attribute_not_exists(finishedAt)",
            )
            .expression_attribute_values(":one", number(1));
        match update.send().await {
            Ok(_) => Ok(true),
            Err(error)
                if matches!(
                    error.as_service_error(),
                    Some(UpdateItemError::ConditionalCheckFailedException(_))
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(call_error("record arrival", key, &error)),
        }
    }

    /// Records a reversion: its row, and on the rotation that the old role is in use again. Returns
    /// whether it is new.
    ///
    /// # Errors
    /// If DynamoDB cannot be read or written, or if the rotation changed at every attempt.
    pub async fn record_reversion(&self, row: &ReversionRow) -> Result<bool, CallError> {
        const OPERATION: &str = "record reversion";
        let key = &row.rotation_id;
        for _ in 0..RECORD_ATTEMPTS {
            let Some(rotation) = self.read(key).await? else {
                return Ok(false);
            };
            let put = self
                .put_item(to_item(row))
                .condition_expression("attribute_not_exists(rotationId)");
            let put = put
                .build()
                .map(|put| TransactWriteItem::builder().put(put).build());
            let update = self.count_reversion(&rotation, row).build();
            let update = update.map(|update| TransactWriteItem::builder().update(update).build());
            let items = vec![build(OPERATION, key, put)?, build(OPERATION, key, update)?];
            match transact(&self.client, OPERATION, key, items).await? {
                Transacted::Done => return Ok(true),
                Transacted::Cancelled(reasons)
                    if reasons.first().is_some_and(is_failed_condition) =>
                {
                    return Ok(false);
                }
                // The rotation was closed after the read, so another update applies.
                Transacted::Cancelled(_) => {}
            }
        }
        Err(CallError::contention(
            OPERATION,
            key,
            format!("the rotation changed during each of {RECORD_ATTEMPTS} attempts"),
        ))
    }

    /// Returns the update of the rotation. An open rotation only counts the reversion, and takes
    /// the count into account when it closes. A finished one gets new counts and a reason, and
    /// loses the time until which its old role is in use.
    fn count_reversion(&self, rotation: &RotationRecord, row: &ReversionRow) -> UpdateBuilder {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(item_key(&rotation.rotation_id, ROTATION_ENTRY)))
            .expression_attribute_values(":one", number(1));
        if rotation.finished_at.is_none() {
            return update
                .update_expression("ADD reversionCount :one")
                .condition_expression(
                    "attribute_exists(rotationId) AND attribute_not_exists(finishedAt)",
                );
        }
        let reverted = format!(
            "the old role is in use again: {} has used it since {}",
            row.reverted_arn, row.modified_at
        );
        // A later reversion keeps the reason that names the first one.
        let reason = match &rotation.reason {
            Some(reason) if reason.contains("is in use again") => reason.clone(),
            Some(reason) => format!("{reason}; {reverted}"),
            None => reverted,
        };
        update
            .update_expression(
                "SET #counts.#reverted = #counts.#reverted + :one, #reason = :reason \
                 ADD reversionCount :one REMOVE oldRoleInUseUntil",
            )
            .condition_expression("attribute_exists(finishedAt)")
            .expression_attribute_names("#counts", "counts")
            .expression_attribute_names("#reverted", "reverted")
            .expression_attribute_names("#reason", "reason")
            .expression_attribute_values(":reason", text(reason))
    }
}
