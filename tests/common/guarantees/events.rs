//! What was published: the entries of the timelines and the rows of moved associations, no more and
//! no less.

use std::collections::{BTreeMap, BTreeSet};

use rerole_sim::{BusEvent, SimulatedAws, rfc3339_millis};
use serde_json::{Value, json};

use crate::common::environment::BUS;
use crate::common::guarantees::{Evidence, text};

const STATUS: &str = "Role Rotation Status Changed";
const ASSOCIATION: &str = "Association Role Changed";

/// Checks that each entry of each timeline was published as it is, that nothing else was, and that
/// the first events about each timeline came in its order.
pub fn are_the_timelines(aws: &SimulatedAws) {
    let events = events_of(aws, STATUS);
    let evidence = Evidence::of(aws);
    let mut entries: BTreeMap<(String, u64), Value> = BTreeMap::new();
    for item in &evidence.ledger {
        if let Some(seq) = text(&item["entry"]).strip_prefix("timeline#") {
            let seq: u64 = seq.parse().expect("a number");
            let mut detail = item.clone();
            detail.as_object_mut().expect("an item").remove("entry");
            detail["seq"] = json!(seq);
            detail["schemaVersion"] = json!("1");
            entries.insert((text(&item["rotationId"]).to_owned(), seq), detail);
        }
    }
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    for event in &events {
        let (key, seq) = (
            text(&event.detail["rotationId"]),
            event.detail["seq"].as_u64(),
        );
        let seq = seq.expect("a number");
        let entry = entries.get(&(key.to_owned(), seq));
        let entry = entry.unwrap_or_else(|| panic!("{key} has no entry {seq}, but an event"));
        // An event that was published before the entry was marked does not show the mark.
        let mut entry = entry.clone();
        if event.detail.get("republishedAt").is_none() {
            entry
                .as_object_mut()
                .expect("a detail")
                .remove("republishedAt");
        }
        assert_eq!(event.detail, entry, "the event is not the entry");
        assert_eq!(rfc3339_millis(event.time), text(&entry["at"]));
        let last = seen.entry(key).or_default();
        assert!(
            seq <= *last + 1,
            "event {seq} of {key} came after event {last}"
        );
        *last = seq.max(*last);
    }
    for (key, seq) in entries.keys() {
        let published = seen.get(key.as_str()).copied().unwrap_or_default();
        assert!(*seq <= published, "entry {seq} of {key} was not published");
    }
}

/// Checks that each row of a moved association was published, and nothing else was.
pub fn are_the_moved_associations(aws: &SimulatedAws) {
    let mut rows = BTreeMap::new();
    for item in &Evidence::of(aws).ledger {
        let is_row = text(&item["entry"]).starts_with("association#");
        if is_row && item["outcome"] == "Updated" {
            let key = (
                text(&item["rotationId"]).to_owned(),
                text(&item["associationArn"]).to_owned(),
            );
            rows.insert(key, item.clone());
        }
    }
    let mut published = BTreeSet::new();
    for event in events_of(aws, ASSOCIATION) {
        let detail = &event.detail;
        let key = (
            text(&detail["rotationId"]).to_owned(),
            text(&detail["associationArn"]).to_owned(),
        );
        let row = rows
            .get(&key)
            .unwrap_or_else(|| panic!("{key:?} was not moved"));
        for name in [
            "clusterName",
            "namespace",
            "serviceAccount",
            "fields",
            "attempt",
        ] {
            assert_eq!(detail[name], row[name], "{name} of {key:?}");
        }
        assert_eq!(detail["to"]["roleArn"], row["roleArn"], "{key:?}");
        assert_eq!(detail["at"], row["settledAt"], "{key:?}");
        published.insert(key);
    }
    let missing: Vec<_> = rows.keys().filter(|key| !published.contains(key)).collect();
    assert!(missing.is_empty(), "not published: {missing:?}");
}

/// The events of this type, which only rerole sends.
fn events_of(aws: &SimulatedAws, detail_type: &str) -> Vec<BusEvent> {
    let events = aws.bus_events().into_iter();
    let events: Vec<_> = events
        .filter(|event| event.detail_type == detail_type)
        .collect();
    for event in &events {
        assert_eq!((event.source.as_str(), event.bus.as_str()), ("rerole", BUS));
    }
    events
}
