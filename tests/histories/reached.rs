//! The situations that the end of a history shows.

use rerole_sim::CallRecord;
use serde_json::Value;

use crate::common::guarantees::{Evidence, text};
use crate::situations::Situations;

/// Notes what happened in a history.
pub fn note(evidence: &Evidence, situations: &Situations) {
    for rotation in &evidence.rotations {
        situations.note(&format!("status {}", rotation.status()));
        for row in &rotation.rows {
            let outcome = text(&row["outcome"]);
            let inferred = if row["inferred"] == true {
                ", inferred"
            } else {
                ""
            };
            situations.note(&format!("outcome {outcome}{inferred}"));
        }
        for _ in &rotation.reversions {
            situations.note("reversion");
        }
        if rotation.item["arrivals"].as_u64().unwrap_or(0) > 0 {
            situations.note("arrival");
        }
    }
    for record in &evidence.calls {
        if record.replayed {
            situations.note("update replayed");
        }
        if let Some(name) = takeover(record) {
            situations.note(name);
        }
    }
    let is_tombstone = |item: &Value| item.get("deletedAt").is_some();
    if evidence.index.iter().any(is_tombstone) {
        situations.note("tombstone");
    }
}

/// How a slice got the lease of a rotation that an earlier one had started.
fn takeover(record: &CallRecord) -> Option<&'static str> {
    let is_transaction = record.call.operation == "TransactWriteItems";
    if !is_transaction || record.applied_at.is_none() {
        return None;
    }
    let update = &record.call.body["TransactItems"][0]["Update"];
    let condition = update["ConditionExpression"].as_str()?;
    if condition.contains(":seenLease") {
        Some("lease taken over after it expired")
    } else if condition.contains("attribute_not_exists(leaseUntil)") {
        Some("lease taken up after its release")
    } else {
        None
    }
}
