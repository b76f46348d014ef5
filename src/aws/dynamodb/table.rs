//! One table: reads, queries, writes and transactions. What the items mean is decided by the
//! callers.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use rerole_core::call::{CallError, Operation};
use serde::de::DeserializeOwned;

use crate::aws::call_error::call_error;
use crate::aws::dynamodb::transaction::transact;
use crate::aws::dynamodb::{
    Condition, Item, Query, Transacted, TransactionPart, Write, Written, from_item,
};
use crate::aws::page::{Page, PageStart};

/// A table.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    client: Client,
    name: String,
    /// The names of the key attributes.
    key_names: [&'static str; 2],
}

impl Table {
    /// `key_names` are the names of the partition key and the sort key.
    #[must_use]
    pub(crate) fn new(client: Client, name: String, key_names: [&'static str; 2]) -> Self {
        Self {
            client,
            name,
            key_names,
        }
    }

    /// Reads the item under this key. The read is consistent.
    ///
    /// # Errors
    /// If DynamoDB cannot be read.
    pub(crate) async fn get(
        &self,
        operation: Operation<'_>,
        key: Item,
    ) -> Result<Option<Item>, CallError> {
        let get = self.client.get_item().table_name(&self.name);
        let output = get.set_key(Some(key)).consistent_read(true).send().await;
        let output = output.map_err(|error| call_error(operation, &error))?;
        Ok(output.item)
    }

    /// Reads the item under this key, and parses it. The read is consistent.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or if the item does not have the form of the contract.
    pub(crate) async fn get_as<T: DeserializeOwned>(
        &self,
        operation: Operation<'_>,
        key: Item,
    ) -> Result<Option<T>, CallError> {
        let item = self.get(operation, key).await?;
        item.map(|item| self.parse(operation, item)).transpose()
    }

    /// Reads one page of a query.
    ///
    /// # Errors
    /// If DynamoDB cannot be read.
    pub(crate) async fn query(
        &self,
        operation: Operation<'_>,
        query: Query,
    ) -> Result<Page<Item>, CallError> {
        let (key_condition, placeholders) = query.key_condition.into_parts();
        let (filter, of_filter) = query.filter.map(super::Condition::into_parts).unzip();
        let (names, values) = placeholders
            .merged(of_filter.unwrap_or_default())
            .into_parts();
        let call = self
            .client
            .query()
            .table_name(&self.name)
            .set_index_name(query.index.map(str::to_owned))
            // A secondary index has no consistent reads.
            .set_consistent_read(query.index.is_none().then_some(true))
            .limit(query.limit)
            .set_scan_index_forward(query.is_descending.then_some(false))
            .key_condition_expression(key_condition)
            .set_filter_expression(filter)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .set_exclusive_start_key(query.start.map(|PageStart(key)| key));
        let output = call
            .send()
            .await
            .map_err(|error| call_error(operation, &error))?;
        Ok(Page {
            items: output.items.unwrap_or_default(),
            next: output.last_evaluated_key.map(PageStart),
        })
    }

    /// Reads one page of the keys of all items for which the filter holds. The read is eventually
    /// consistent, which costs half as much.
    ///
    /// # Errors
    /// If DynamoDB cannot be read.
    pub(crate) async fn scan_keys(
        &self,
        operation: Operation<'_>,
        filter: Condition,
        start: Option<PageStart>,
    ) -> Result<Page<Item>, CallError> {
        let (filter, placeholders) = filter.into_parts();
        let (names, values) = placeholders.into_parts();
        let call = self
            .client
            .scan()
            .table_name(&self.name)
            .filter_expression(filter)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .projection_expression(self.key_names.join(", "))
            .set_exclusive_start_key(start.map(|PageStart(key)| key));
        let output = Box::pin(call.send()).await;
        let output = output.map_err(|error| call_error(operation, &error))?;
        Ok(Page {
            items: output.items.unwrap_or_default(),
            next: output.last_evaluated_key.map(PageStart),
        })
    }

    /// Writes one item, if its condition holds.
    ///
    /// # Errors
    /// If DynamoDB cannot be written. A condition that does not hold is no error.
    pub(crate) async fn write(
        &self,
        operation: Operation<'_>,
        write: Write,
    ) -> Result<Written, CallError> {
        // The future of an SDK call takes kilobytes, which would be in every future around it.
        Box::pin(write.send(&self.client, &self.name, operation)).await
    }

    /// Carries out all parts or none. Retries while only other transactions or throttles are in the
    /// way.
    ///
    /// # Errors
    /// If DynamoDB cannot be written, or if the retries are used up. A condition that does not hold
    /// is no error.
    pub(crate) async fn transact(
        &self,
        operation: Operation<'_>,
        parts: Vec<TransactionPart>,
    ) -> Result<Transacted, CallError> {
        let items = parts
            .into_iter()
            .map(|part| part.into_transact_item(&self.name));
        transact(&self.client, operation, items.collect()).await
    }

    /// Parses an item.
    ///
    /// # Errors
    /// If the item does not have the form of the contract. The error names the item's key.
    pub(crate) fn parse<T: DeserializeOwned>(
        &self,
        operation: Operation<'_>,
        item: Item,
    ) -> Result<T, CallError> {
        let shown = self.shown_key(&item);
        from_item(item)
            .map_err(|error| CallError::malformed_item(operation, format!("{shown}: {error}")))
    }

    /// Returns the key of an item, for error messages. The item may be malformed.
    fn shown_key(&self, item: &Item) -> String {
        let shown = self.key_names.map(|name| match item.get(name) {
            Some(AttributeValue::S(text)) => text.as_str(),
            _ => "(no text)",
        });
        format!("item {}", shown.join(" / "))
    }
}
