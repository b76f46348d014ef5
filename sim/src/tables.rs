//! The two tables of the product's contract: the requests that create them, and the item of an
//! association in the index.
//!
//! Nothing else in this crate depends on the names of their attributes.

use std::collections::BTreeSet;
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::clock::rfc3339_millis;
use crate::eks::Association;

/// The item of the association index for this association, seen at `seen_at`.
pub fn index_item(association: &Association, seen_at: SystemTime) -> Value {
    let mut item = json!({
        "clusterArn": association.cluster_arn(),
        "associationId": association.association_id,
        "associationArn": association.association_arn,
        "accountId": association.account,
        "region": association.region,
        "clusterName": association.cluster_name,
        "namespace": association.namespace,
        "serviceAccount": association.service_account,
        "roleArn": association.role_arn,
        "modifiedAt": rfc3339_millis(association.modified_at),
        "seenAt": rfc3339_millis(seen_at),
    });
    let optional = [
        ("targetRoleArn", &association.target_role_arn),
        ("ownerArn", &association.owner_arn),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            item[name] = json!(value);
        }
    }
    item
}

/// The `CreateTable` request of the association index.
pub(crate) fn create_index(table: &str) -> Value {
    let by_role = ("ByRole", ["roleArn", "associationArn"]);
    let by_target_role = ("ByTargetRole", ["targetRoleArn", "associationArn"]);
    create_table(
        table,
        ["clusterArn", "associationId"],
        [by_role, by_target_role],
    )
}

/// The `CreateTable` request of the rotation ledger.
pub(crate) fn create_ledger(table: &str) -> Value {
    let by_old_role = ("ByOldRole", ["oldRoleArn", "startedAt"]);
    let by_status = ("ByStatus", ["status", "startedAt"]);
    create_table(table, ["rotationId", "entry"], [by_old_role, by_status])
}

/// The same, with a stream.
pub(crate) fn create_ledger_with_stream(table: &str) -> Value {
    let mut request = create_ledger(table);
    request["StreamSpecification"] =
        json!({ "StreamEnabled": true, "StreamViewType": "NEW_IMAGE" });
    request
}

/// The ledger's item that says since when the index of a region is complete.
pub(crate) fn region_index_item(region: &str, since: SystemTime) -> Value {
    let since = rfc3339_millis(since);
    json!({
        "rotationId": "index", "entry": format!("region#{region}"),
        "listedAt": since, "describedAt": since,
    })
}

/// An on-demand table. All keys are strings, and the global secondary indexes project all
/// attributes.
fn create_table(table: &str, key: [&str; 2], indexes: [(&str, [&str; 2]); 2]) -> Value {
    let schema = |[hash, range]: [&str; 2]| {
        json!([
            { "AttributeName": hash, "KeyType": "HASH" },
            { "AttributeName": range, "KeyType": "RANGE" },
        ])
    };
    // A set, since two indexes may have an attribute in common.
    let names: BTreeSet<&str> = key
        .into_iter()
        .chain(indexes.into_iter().flat_map(|(_, key)| key))
        .collect();
    let attributes: Vec<Value> = names
        .into_iter()
        .map(|name| json!({ "AttributeName": name, "AttributeType": "S" }))
        .collect();
    let indexes = indexes.map(|(name, key)| {
        json!({
            "IndexName": name,
            "KeySchema": schema(key),
            "Projection": { "ProjectionType": "ALL" },
        })
    });
    json!({
        "TableName": table,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": attributes,
        "KeySchema": schema(key),
        "GlobalSecondaryIndexes": indexes,
    })
}
