//! Which statuses rotations had, from when to when, as their timelines say.

use std::collections::BTreeMap;
use std::time::SystemTime;

use rerole_sim::CallRecord;
use serde_json::Value;

/// A status of a rotation, and from when to when it had it.
#[derive(Debug, Clone)]
pub struct Period {
    pub status: String,
    pub from: SystemTime,
    pub to: SystemTime,
}

impl Period {
    /// Whether a slice may send updates meanwhile.
    pub fn is_active(&self) -> bool {
        self.status == "InProgress"
    }

    pub fn overlaps(&self, from: SystemTime, to: SystemTime) -> bool {
        self.from <= to && from <= self.to
    }
}

/// The entries of one timeline, each with the time at which its transaction took effect.
pub type Timeline = Vec<(SystemTime, Value)>;

/// The timelines of all rotations and of the stack, by ledger key. A test may have put a rotation
/// into the ledger: then its entries are in no call.
pub fn timelines(ledger: &[Value], calls: &[CallRecord]) -> BTreeMap<String, Timeline> {
    let mut written: BTreeMap<(&str, &str), SystemTime> = BTreeMap::new();
    for record in calls {
        let parts = record.call.body["TransactItems"].as_array();
        for part in parts.into_iter().flatten() {
            let put = &part["Put"]["Item"];
            let key = (put["rotationId"]["S"].as_str(), put["entry"]["S"].as_str());
            if let (Some(at), (Some(key), Some(entry))) = (record.applied_at, key)
                && entry.starts_with("timeline#")
            {
                let first = written.entry((key, entry)).or_insert(at);
                *first = at.min(*first);
            }
        }
    }
    let mut timelines: BTreeMap<String, Timeline> = BTreeMap::new();
    for item in ledger {
        let (key, entry) = (text(&item["rotationId"]), text(&item["entry"]));
        if let Some(at) = written.get(&(key, entry)) {
            let timeline = timelines.entry(key.to_owned()).or_default();
            timeline.push((*at, item.clone()));
        }
    }
    for timeline in timelines.values_mut() {
        timeline.sort_by_key(|(_, item)| text(&item["entry"]).to_owned());
    }
    timelines
}

/// The statuses of a rotation, in order. The last one lasts until now, unless it is final.
pub fn periods(timeline: &Timeline, now: SystemTime) -> Vec<Period> {
    let changes: Vec<_> = timeline
        .iter()
        .filter(|(_, entry)| entry["type"] == "StatusChanged")
        .map(|(at, entry)| (*at, text(&entry["to"]).to_owned()))
        .collect();
    let ends = changes.iter().skip(1).map(|(at, _)| *at);
    let ends: Vec<_> = ends.chain([now]).collect();
    let periods = changes.into_iter().zip(ends);
    periods
        .map(|((from, status), to)| Period { status, from, to })
        .collect()
}

/// From when to when a rotation held its roles, once for each attempt that started.
pub fn held(timeline: &Timeline, now: SystemTime) -> Vec<(SystemTime, SystemTime)> {
    let mut spans: Vec<(SystemTime, SystemTime)> = Vec::new();
    let mut is_held = false;
    for Period { status, from, to } in periods(timeline, now) {
        let was_held = is_held;
        is_held = match status.as_str() {
            "Planning" | "InProgress" | "Cancelling" => true,
            // It keeps what it has.
            "Paused" => was_held,
            _ => false,
        };
        match spans.last_mut() {
            Some(span) if was_held && is_held => span.1 = to,
            _ if is_held => spans.push((from, to)),
            _ => {}
        }
    }
    spans
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}
