//! One write of one item, with the condition under which DynamoDB carries it out. The same write is
//! a call of its own or a part of a transaction.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::RequestId;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::error::ConditionalCheckFailedException;
use aws_sdk_dynamodb::types::{
    Delete, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use rerole_core::call::{CallError, Operation};

use crate::aws::call_error::call_error;
use crate::aws::dynamodb::expression::Placeholders;
use crate::aws::dynamodb::{Change, Condition, Item};

/// A write of one item.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    action: Action,
    condition: Option<Condition>,
    returns_old: bool,
}

/// The result of a write.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Written {
    /// The write took effect. `old` is the item from before, if the write asks for it.
    Done { old: Option<Item> },
    /// The condition did not hold. `found` is the item, if the write asks for it.
    Refused { found: Option<Item> },
}

#[derive(Debug, Clone)]
enum Action {
    /// Replaces the whole item.
    Put(Item),
    /// Changes the item under this key, or creates it.
    Update(Item, Change),
    /// Deletes the item under this key.
    Delete(Item),
}

/// Sets what the builders of all writes have in common. The SDK has no trait for it.
macro_rules! with_condition {
    ($builder:expr, $parts:ident) => {
        $builder
            .set_condition_expression($parts.condition)
            .set_expression_attribute_names($parts.names)
            .set_expression_attribute_values($parts.values)
            .set_return_values_on_condition_check_failure($parts.on_refusal)
    };
}

/// Sends a call that writes one item.
macro_rules! send {
    ($operation:ident, $call:expr, $parts:ident) => {{
        let sent = $call.set_return_values($parts.on_success).send().await;
        written($operation, sent.map(|output| output.attributes))
    }};
}

impl Write {
    /// Creates the item, or replaces all of it.
    #[must_use]
    pub(crate) fn put(item: Item) -> Self {
        Self::from(Action::Put(item))
    }

    /// Changes the item under `key`. Creates it if it is missing and no condition prevents that.
    #[must_use]
    pub(crate) fn update(key: Item, change: Change) -> Self {
        Self::from(Action::Update(key, change))
    }

    /// Deletes the item under `key`, if there is one.
    #[must_use]
    pub(crate) fn delete(key: Item) -> Self {
        Self::from(Action::Delete(key))
    }

    /// Writes only if the condition holds.
    #[must_use]
    pub(crate) fn only_if(self, condition: Condition) -> Self {
        Self {
            condition: Some(condition),
            ..self
        }
    }

    /// Asks for the item as it was before the write, or as it is if the write is refused. In a
    /// transaction, DynamoDB returns only the latter.
    #[must_use]
    pub(crate) fn returning_old(self) -> Self {
        Self {
            returns_old: true,
            ..self
        }
    }

    /// Sends the write.
    pub(super) async fn send(
        self,
        client: &Client,
        table: &str,
        operation: Operation<'_>,
    ) -> Result<Written, CallError> {
        let parts = self.into_parts();
        match parts.action {
            SentAction::Put(item) => {
                let call = client.put_item().table_name(table).set_item(Some(item));
                send!(operation, with_condition!(call, parts), parts)
            }
            SentAction::Update(key, change) => {
                let call = client.update_item().table_name(table).set_key(Some(key));
                let call = call.update_expression(change);
                send!(operation, with_condition!(call, parts), parts)
            }
            SentAction::Delete(key) => {
                let call = client.delete_item().table_name(table).set_key(Some(key));
                send!(operation, with_condition!(call, parts), parts)
            }
        }
    }

    /// Returns the write as a part of a transaction.
    #[expect(
        clippy::expect_used,
        reason = "all fields that the SDK requires are set"
    )]
    pub(super) fn into_transact_item(self, table: &str) -> TransactWriteItem {
        const COMPLETE: &str = "table, key and expression are set";
        let parts = self.into_parts();
        let item = TransactWriteItem::builder();
        let item = match parts.action {
            SentAction::Put(put) => {
                let put = Put::builder().table_name(table).set_item(Some(put));
                item.put(with_condition!(put, parts).build().expect(COMPLETE))
            }
            SentAction::Update(key, change) => {
                let update = Update::builder().table_name(table).set_key(Some(key));
                let update = update.update_expression(change);
                item.update(with_condition!(update, parts).build().expect(COMPLETE))
            }
            SentAction::Delete(key) => {
                let delete = Delete::builder().table_name(table).set_key(Some(key));
                item.delete(with_condition!(delete, parts).build().expect(COMPLETE))
            }
        };
        item.build()
    }

    fn into_parts(self) -> Parts {
        let (action, placeholders) = match self.action {
            Action::Put(item) => (SentAction::Put(item), Placeholders::default()),
            Action::Delete(key) => (SentAction::Delete(key), Placeholders::default()),
            Action::Update(key, change) => {
                let (text, placeholders) = change.into_parts();
                (SentAction::Update(key, text), placeholders)
            }
        };
        let (condition, of_condition) = self.condition.map(Condition::into_parts).unzip();
        let placeholders = placeholders.merged(of_condition.unwrap_or_default());
        let (names, values) = placeholders.into_parts();
        Parts {
            action,
            condition,
            names,
            values,
            on_success: self.returns_old.then_some(ReturnValue::AllOld),
            on_refusal: self
                .returns_old
                .then_some(ReturnValuesOnConditionCheckFailure::AllOld),
        }
    }
}

impl Written {
    #[must_use]
    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Self::Done { .. })
    }
}

impl From<Action> for Write {
    fn from(action: Action) -> Self {
        Self {
            action,
            condition: None,
            returns_old: false,
        }
    }
}

/// A write as the SDK's builders take it.
struct Parts {
    action: SentAction,
    condition: Option<String>,
    names: Option<std::collections::HashMap<String, String>>,
    values: Option<Item>,
    on_success: Option<ReturnValue>,
    on_refusal: Option<ReturnValuesOnConditionCheckFailure>,
}

enum SentAction {
    Put(Item),
    Update(Item, String),
    Delete(Item),
}

/// The errors of the three calls, which all can be a failed condition.
trait WriteError: ProvideErrorMetadata + std::error::Error + 'static {
    fn failed_condition(&self) -> Option<&ConditionalCheckFailedException>;
}

macro_rules! impl_write_error {
    ($($error:ident),+) => {$(
        impl WriteError for $error {
            fn failed_condition(&self) -> Option<&ConditionalCheckFailedException> {
                match self {
                    Self::ConditionalCheckFailedException(failed) => Some(failed),
                    _ => None,
                }
            }
        }
    )+};
}

impl_write_error!(PutItemError, UpdateItemError, DeleteItemError);

fn written<E: WriteError>(
    operation: Operation<'_>,
    result: Result<Option<Item>, SdkError<E, HttpResponse>>,
) -> Result<Written, CallError>
where
    SdkError<E, HttpResponse>: RequestId,
{
    let error = match result {
        Ok(old) => return Ok(Written::Done { old }),
        Err(error) => error,
    };
    match error.as_service_error().and_then(E::failed_condition) {
        Some(failed) => Ok(Written::Refused {
            found: failed.item().cloned(),
        }),
        None => Err(call_error(operation, &error)),
    }
}
