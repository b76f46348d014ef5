//! Changes of a rotation's status, and their entries in its timeline. Both are written in one
//! transaction. Which change is allowed is decided in `rerole_core::rotation::State`.

use rerole_core::keys::{Entry, LedgerKey};
use rerole_core::rotation::{Author, RotationRecord, State, TimelineChange, TimelineEntry};
use rerole_core::timestamp::Timestamp;

use crate::aws::dynamodb::{Change, Condition, Write, number, text, to_item};
use crate::aws::ledger::{is_absent, item_key};

/// A change of a rotation's status.
#[derive(Debug, Clone, Copy)]
pub struct StatusChange<'a> {
    /// The rotation as it was read.
    pub seen: &'a RotationRecord,
    pub to: &'a State,
    pub by: &'a Author,
    pub reason: Option<&'a str>,
    pub at: Timestamp,
}

impl StatusChange<'_> {
    /// Returns the change of the rotation's item.
    pub(super) fn change(&self) -> Change {
        set_state(self.to).set("timelineSeq", number(self.seen.timeline_seq + 1))
    }

    /// The condition that the status is the one that was read, and that nothing was added to the
    /// timeline since.
    pub(super) fn condition(&self) -> Condition {
        has_seq(self.seen.timeline_seq).and(has_status(self.seen))
    }

    /// Returns the write of the timeline's entry.
    pub(super) fn entry(&self) -> Write {
        let entry = TimelineEntry {
            at: self.at,
            change: TimelineChange::StatusChanged {
                from: Some(self.seen.status()),
                to: self.to.status(),
            },
            // Only the next attempt opens a finished rotation.
            attempt: Some(self.seen.attempt + u32::from(self.seen.status().is_final())),
            by: self.by.clone(),
            reason: self.reason.map(str::to_owned),
        };
        let key = self.seen.key.clone().into();
        put_entry(&key, self.seen.timeline_seq + 1, &entry)
    }
}

/// Returns the write of the first entry of a new rotation's timeline.
pub(super) fn first_entry(record: &RotationRecord) -> Write {
    let entry = TimelineEntry {
        at: record.started_at,
        change: TimelineChange::StatusChanged {
            from: None,
            to: record.status(),
        },
        attempt: Some(record.attempt),
        by: Author::sender(&record.envelope),
        reason: record.envelope.claims.reason_text(),
    };
    put_entry(&record.key.clone().into(), record.timeline_seq, &entry)
}

/// The condition that this entry is the last one of the timeline.
pub(super) fn has_seq(seq: u64) -> Condition {
    Condition::new("timelineSeq = :seenSeq").value("seenSeq", number(seq))
}

/// Sets the attributes of a state, and removes those that it does not have.
fn set_state(state: &State) -> Change {
    let item = to_item(state);
    State::ATTRIBUTES
        .iter()
        .fold(Change::default(), |change, name| {
            change.set_or_remove(name, item.get(*name).cloned())
        })
}

/// The condition that the status is still the one that was read.
pub(super) fn has_status(seen: &RotationRecord) -> Condition {
    let status = format!("{:?}", seen.status());
    Condition::new("#status = :seenStatus")
        .name("status")
        .value("seenStatus", text(status))
}

/// Returns the write of an entry.
pub(super) fn put_entry(key: &LedgerKey, seq: u64, entry: &TimelineEntry) -> Write {
    let mut item = to_item(entry);
    item.extend(item_key(key, &Entry::Timeline(seq)));
    Write::put(item).only_if(is_absent())
}
