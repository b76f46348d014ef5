//! Items and attribute values, and the structs that they are made from.
//!
//! An item is converted to and from its struct by way of a JSON value. So `serde_dynamo` converts
//! only one type, and events are JSON values too: the compiler makes fewer copies of this code, and
//! the zips of the functions are 20 kB and more smaller.

use std::collections::HashMap;
use std::fmt::Display;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

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
    serde_json::to_value(attributes)
        .ok()
        .and_then(|value| serde_dynamo::to_item(value).ok())
        .expect("the crate's structs have only texts, numbers, booleans and maps")
}

/// Converts an item to a struct.
///
/// # Errors
/// If the item does not have the struct's form: the text says where not.
pub(crate) fn from_item<T: DeserializeOwned>(item: Item) -> Result<T, String> {
    let value: Value = serde_dynamo::from_item(item).map_err(text_of)?;
    T::deserialize(&value).map_err(text_of)
}

fn text_of(error: impl Display) -> String {
    error.to_string()
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
