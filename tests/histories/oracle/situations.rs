//! The situations that the end of a history shows.

use serde_json::Value;

use crate::oracle::evidence::{Evidence, text};
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
        let fence = rotation.item["fence"].as_u64().unwrap_or(0);
        if fence > 1 {
            situations.note("rotation resumed");
        }
        if rotation.item["arrivals"].as_u64().unwrap_or(0) > 0 {
            situations.note("arrival");
        }
    }
    for record in &evidence.calls {
        if record.replayed {
            situations.note("update replayed");
        }
    }
    let is_tombstone = |item: &&Value| item.get("deletedAt").is_some();
    if evidence.index.iter().any(|item| is_tombstone(&item)) {
        situations.note("tombstone");
    }
}
