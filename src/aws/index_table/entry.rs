//! Parses an item of the index: a live item, a tombstone, or an item that cannot be.

use aws_sdk_dynamodb::types::AttributeValue;
use rerole_core::call::Operation;
use rerole_core::indexing::{HasRole, IndexEntry, IndexItem, InvalidItem, ItemKey, ItemRules};

use crate::aws::dynamodb::{Item, Table};

/// Parses an item of this table, and holds it against the rules.
pub(super) fn parse(
    table: &Table,
    operation: Operation<'_>,
    item: Item,
    rules: &ItemRules<'_>,
) -> IndexEntry {
    let key = key_of(&item);
    let (modified_at, deleted_at) = (text_of(&item, "modifiedAt"), text_of(&item, "deletedAt"));
    let problem = if item.contains_key("deletedAt") {
        let at = deleted_at.as_deref().and_then(|text| text.parse().ok());
        match rules.rejects_tombstone(at, has_role(&item)) {
            None => return IndexEntry::Tombstone,
            Some(problem) => problem,
        }
    } else {
        match table.parse::<IndexItem>(operation, item) {
            Ok(item) => match item.contradiction(rules) {
                None => return IndexEntry::Live(Box::new(item)),
                Some(problem) => problem,
            },
            Err(error) => error.message.clone(),
        }
    };
    IndexEntry::Invalid(InvalidItem {
        problem: key.problem(&problem),
        key,
        modified_at,
        deleted_at,
    })
}

/// Returns the key of an item.
pub(super) fn key_of(item: &Item) -> ItemKey {
    ItemKey {
        partition: text_of(item, "clusterArn").unwrap_or_default(),
        sort: text_of(item, "associationId").unwrap_or_default(),
    }
}

fn has_role(item: &Item) -> HasRole {
    let names = ["roleArn", "targetRoleArn"];
    if names.iter().any(|name| item.contains_key(*name)) {
        HasRole::Yes
    } else {
        HasRole::No
    }
}

/// Returns an attribute, if it is a text.
fn text_of(item: &Item, name: &str) -> Option<String> {
    match item.get(name) {
        Some(AttributeValue::S(text)) => Some(text.clone()),
        _ => None,
    }
}
