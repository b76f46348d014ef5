//! Changes of a rotation's status, and their entries in its timeline. Both are written in one
//! transaction. Which change is allowed is decided in `rerole_core::rotation::State`. The stream of
//! the table shows each entry to the publisher, and shows it again when an entry is marked here.

use rerole_core::call::{CallError, Operation};
use rerole_core::keys::{Entry, EntryPrefix, LedgerKey};
use rerole_core::publishing::Republish;
use rerole_core::rotation::{
    Author, RoleUse, RotationRecord, State, TimelineChange, TimelineEntry,
};
use rerole_core::timestamp::Timestamp;

use crate::aws::dynamodb::{Change, Condition, Table, Write, number, text, to_item};
use crate::aws::ledger::{is_absent, item_key, with_prefix};
use crate::aws::page::{Page, PageStart};

/// The timelines of all rotations and of the stack.
#[derive(Debug, Clone, Copy)]
pub struct Timelines<'a> {
    pub(super) table: &'a Table,
}

impl Timelines<'_> {
    /// Returns one page of a timeline, oldest entry first, each with its number. The read is
    /// consistent.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or if an entry does not have the form of the contract.
    pub async fn page(
        &self,
        key: &LedgerKey,
        start: Option<PageStart>,
    ) -> Result<Page<(u64, TimelineEntry)>, CallError> {
        let operation = Operation::on("read timeline of", key);
        let query = with_prefix(key, &EntryPrefix::Timeline).start(start);
        let page = self.table.query(operation, query).await?;
        page.try_map(|item| {
            let entry = item.get("entry").and_then(|entry| entry.as_s().ok());
            let seq = entry.and_then(|entry| Entry::timeline_seq(entry));
            Ok((seq.unwrap_or_default(), self.table.parse(operation, item)?))
        })
    }

    /// Marks these entries, so that the stream of the table shows them to the publisher again.
    /// Returns how many there are: the timeline may end before the last one.
    ///
    /// # Errors
    /// If DynamoDB cannot be written. The first entries may have been marked.
    pub async fn republish(&self, republish: &Republish, now: Timestamp) -> Result<u64, CallError> {
        let operation = Operation::on("publish again the timeline of", &republish.key);
        let mut marked = 0;
        for seq in republish.from_seq..=republish.to_seq {
            let key = item_key(&republish.key, &Entry::Timeline(seq));
            let change = Change::default().set("republishedAt", text(now));
            let exists = Condition::new("attribute_exists(rotationId)");
            let update = Write::update(key, change).only_if(exists);
            if !self.table.write(operation, update).await?.is_done() {
                break;
            }
            marked += 1;
        }
        Ok(marked)
    }
}

/// A change of a rotation's status.
#[derive(Debug, Clone)]
pub(super) struct StatusChange<'a> {
    /// The rotation as it was read.
    pub(super) seen: &'a RotationRecord,
    /// The rotation after the change.
    pub(super) after: &'a RotationRecord,
    pub(super) by: &'a Author,
    pub(super) reason: Option<&'a str>,
    pub(super) at: Timestamp,
    /// What may be said about the old role after the change. Nothing, unless the change closes a
    /// rotation that has held it.
    pub(super) old_role: RoleUse,
}

impl StatusChange<'_> {
    /// Returns the change of the rotation's item.
    pub(super) fn change(&self) -> Change {
        set_state(&self.after.state).set("timelineSeq", number(self.seen.timeline_seq + 1))
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
                to: self.after.status(),
            },
            attempt: Some(self.after.attempt),
            by: self.by.clone(),
            reason: self.reason.map(str::to_owned),
            summary: Some(Box::new(self.after.summary(self.old_role.clone()))),
            republished_at: None,
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
        summary: Some(Box::new(record.summary(RoleUse::default()))),
        republished_at: None,
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
