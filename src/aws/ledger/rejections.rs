//! Records events that were rejected. Which events are rejected is decided in
//! `rerole_core::request`.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use rerole_core::call::CallError;
use rerole_core::request::{EventRecord, Rejection};
use rerole_core::rotation::ROTATION_ENTRY;
use rerole_core::timestamp::Timestamp;

use crate::aws::call_error::call_error;
use crate::aws::dynamodb::{text, to_item};
use crate::aws::ledger::Ledger;

impl Ledger {
    /// Records a rejected event. Returns whether it is new. A second delivery changes nothing.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn reject(
        &self,
        event: &EventRecord,
        rejection: &Rejection,
        now: Timestamp,
    ) -> Result<bool, CallError> {
        let key = format!("rejected/{}", event.id);
        let mut item = to_item(rejection);
        item.extend([
            ("rotationId".to_owned(), text(&key)),
            ("entry".to_owned(), text(ROTATION_ENTRY)),
            ("status".to_owned(), text("Rejected")),
            ("reason".to_owned(), text(rejection)),
            // The same name as for rotations, because it is the sort key of `ByStatus`.
            ("startedAt".to_owned(), text(now)),
            ("event".to_owned(), text(&event.body)),
        ]);
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item));
        match put
            .condition_expression("attribute_not_exists(rotationId)")
            .send()
            .await
        {
            Ok(_) => Ok(true),
            Err(error)
                if matches!(
                    error.as_service_error(),
                    Some(PutItemError::ConditionalCheckFailedException(_))
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(call_error("record rejection", key, &error)),
        }
    }
}
