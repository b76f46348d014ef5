//! Items and attribute values, made from plain structs.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;

/// A DynamoDB item: attribute values by name.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// Converts a struct to an item.
///
/// # Panics
/// If a field has a type that no item can hold. The structs of this crate have only texts, numbers,
/// booleans and maps.
#[must_use]
#[expect(
    clippy::expect_used,
    reason = "the crate's structs of texts, numbers, booleans and maps"
)]
pub(crate) fn to_item(attributes: &impl Serialize) -> Item {
    serde_dynamo::to_item(attributes)
        .expect("the crate's structs have only texts, numbers, booleans and maps")
}

/// Creates a text attribute.
#[must_use]
pub(crate) fn text(value: impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

/// Creates a number attribute.
#[must_use]
pub(crate) fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}
