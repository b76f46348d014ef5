//! The timelines of rotations and of the stack: they are complete, and nothing is sent while a
//! command has stopped it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::common::environment::ROTATE_ACCESS_KEY;
use crate::common::guarantees::periods::periods;
use crate::common::guarantees::{Evidence, Rotation, text};

/// 11. No update is sent later than this after a command has stopped its rotation.
const STOPS_WITHIN: Duration = Duration::from_secs(10);

pub fn check(evidence: &Evidence) {
    for rotation in &evidence.rotations {
        timeline_is_complete(rotation);
    }
    commands_are_in_the_timeline(evidence);
    nothing_is_sent_while_stopped(evidence);
}

/// 12. Every status that a rotation ever had is in its timeline, in order, with who requested it.
fn timeline_is_complete(rotation: &Rotation) {
    let (key, entries) = (&rotation.key, &rotation.timeline);
    if entries.is_empty() {
        return;
    }
    let mut status: Option<&Value> = None;
    for (number, (_, entry)) in entries.iter().enumerate() {
        assert_eq!(
            text(&entry["entry"]),
            format!("timeline#{:08}", number + 1),
            "guarantee 12: {key} has a gap in its timeline"
        );
        let author = &entry["by"];
        assert!(
            author["requestId"].is_string(),
            "guarantee 12: the author is missing in {entry:#}"
        );
        if entry["type"] == "StatusChanged" {
            assert_eq!(
                entry.get("from"),
                status,
                "guarantee 12: {key} had another status before {entry:#}"
            );
            status = Some(&entry["to"]);
        }
    }
    assert_eq!(
        status,
        Some(&rotation.item["status"]),
        "guarantee 12: {key}"
    );
    assert_eq!(
        rotation.item["timelineSeq"],
        entries.len(),
        "guarantee 12: {key}"
    );
}

/// 12. Who requested it: the sender of each accepted command is the author of an entry, with the
///     reason.
fn commands_are_in_the_timeline(evidence: &Evidence) {
    let entries: BTreeMap<_, _> = evidence
        .ledger
        .iter()
        .map(|item| ((text(&item["rotationId"]), text(&item["entry"])), item))
        .collect();
    for (&(key, entry), command) in &entries {
        let Some(event_id) = entry.strip_prefix("command#") else {
            continue;
        };
        if command["verdict"] != "Accepted" {
            continue;
        }
        let seq = command["seq"].as_u64().expect("a number");
        let entry = format!("timeline#{seq:08}");
        let of_command = if command["command"] == "Rollback" {
            // A rotation that is finished stays as it is when it is taken back.
            of_rollback(&entries, key, event_id)
        } else {
            entries.get(&(key, entry.as_str())).copied()
        };
        let by = of_command.map(|entry| &entry["by"]);
        let sender = json!({
            "eventId": event_id,
            "requestId": command["requestId"],
            "requestedBy": command["requestedBy"],
        });
        for name in ["eventId", "requestId", "requestedBy"] {
            let found = by.map_or(&Value::Null, |by| &by[name]);
            assert_eq!(
                found, &sender[name],
                "guarantee 12: {name} of entry {seq} of {key}, after {event_id}"
            );
        }
        let reason = of_command.and_then(|entry| entry["reason"].as_str());
        let claimed = command["reason"].as_str();
        // One that was cancelled in its queue has ended, for a reason that says so.
        let of_end = claimed.map_or("cancelled".to_owned(), |text| format!("cancelled: {text}"));
        assert!(
            reason == claimed || reason == Some(of_end.as_str()),
            "guarantee 12: {key} was changed by {event_id} because of {reason:?}, not {claimed:?}"
        );
    }
}

/// The entry in the timeline of the rollback of a rotation that this command has written.
fn of_rollback<'a>(
    entries: &BTreeMap<(&str, &str), &'a Value>,
    key: &str,
    event_id: &str,
) -> Option<&'a Value> {
    let keys = [format!("rollback/{key}"), format!("dry-run/rollback/{key}")];
    let mut entries = entries.iter();
    let entry = entries.find(|((key, entry), item)| {
        keys.iter().any(|rollback| rollback == key)
            && entry.starts_with("timeline#")
            && item["by"]["eventId"] == event_id
    });
    entry.map(|(_, item)| *item)
}

/// 11. An update is sent only for a rotation that was in progress at most 10 s before, while the
///     stack was not frozen.
fn nothing_is_sent_while_stopped(evidence: &Evidence) {
    let rotations: Vec<_> = evidence
        .real_rotations()
        .map(|rotation| (rotation, periods(&rotation.timeline, evidence.at)))
        .filter(|(_, periods)| !periods.is_empty())
        .collect();
    let frozen = frozen(evidence);
    for update in evidence.calls_of("UpdatePodIdentityAssociation") {
        if !update.call.access_key.starts_with(ROTATE_ACCESS_KEY) {
            continue;
        }
        let (from, to) = (update.sent_at - STOPS_WITHIN, update.sent_at);
        let sets = |role: &str| {
            let body = &update.call.body;
            body["roleArn"] == role || body["targetRoleArn"] == role
        };
        let mut onto = rotations
            .iter()
            .filter(|(rotation, _)| sets(rotation.new_role()))
            .peekable();
        let is_known = onto.peek().is_some();
        let was_active = onto.any(|(_, periods)| {
            let mut periods = periods.iter();
            periods.any(|period| period.is_active() && period.overlaps(from, to))
        });
        let subject = &update.call.subject;
        assert!(
            was_active || !is_known,
            "guarantee 11: {subject} was updated more than 10 s after its rotation was stopped"
        );
        let mut frozen = frozen.iter();
        let was_frozen = frozen.any(|(since, until)| *since <= from && to <= *until);
        assert!(
            !was_frozen,
            "guarantee 11: {subject} was updated more than 10 s after the stack was frozen"
        );
    }
}

/// From when to when the stack was frozen.
fn frozen(evidence: &Evidence) -> Vec<(SystemTime, SystemTime)> {
    let mut spans = Vec::new();
    let mut since = None;
    for (at, entry) in &evidence.stack {
        match text(&entry["type"]) {
            "Frozen" => since = Some(*at),
            _ => spans.extend(since.take().map(|since| (since, *at))),
        }
    }
    spans.extend(since.map(|since| (since, evidence.at)));
    spans
}
