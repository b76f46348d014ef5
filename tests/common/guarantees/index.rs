//! The index against EKS.

use std::time::SystemTime;

use rerole_sim::index_item;
use serde_json::Value;

use crate::common::guarantees::Evidence;

/// The index holds exactly the associations of EKS, apart from `seenAt`.
pub fn agrees_with_eks(evidence: &Evidence) {
    let without_seen_at = |mut item: Value| {
        if let Some(members) = item.as_object_mut() {
            members.remove("seenAt");
        }
        item
    };
    let live = evidence.index.iter();
    let live = live.filter(|item| item.get("roleArn").is_some()).cloned();
    let mut indexed: Vec<_> = live.map(without_seen_at).collect();
    let items = evidence.associations.iter();
    let items = items.map(|association| index_item(association, SystemTime::UNIX_EPOCH));
    let mut expected: Vec<_> = items.map(without_seen_at).collect();
    let by_arn = |item: &Value| item["associationArn"].to_string();
    indexed.sort_by_key(by_arn);
    expected.sort_by_key(by_arn);
    assert_eq!(indexed, expected, "the index differs from EKS");
}
