//! Records events that were rejected. Which events are rejected is decided in
//! `rerole_core::request`.

use rerole_core::call::{CallError, Operation};
use rerole_core::keys::{Entry, LedgerKey};
use rerole_core::request::{EventRecord, Rejection};
use rerole_core::rotation::Status;
use rerole_core::timestamp::Timestamp;
use serde::Deserialize;

use crate::aws::dynamodb::{Table, Write, text, to_item};
use crate::aws::ledger::rotations::latest;
use crate::aws::ledger::{is_absent, item_key};
use crate::aws::page::{Page, PageStart};

/// The rejected events.
#[derive(Debug, Clone, Copy)]
pub struct Rejections<'a> {
    pub(super) table: &'a Table,
}

/// A rejected event, as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RejectedEvent {
    /// `rejected/<event id>`
    #[serde(rename = "rotationId")]
    pub key: String,
    #[serde(flatten)]
    pub rejection: Rejection,
    #[serde(rename = "startedAt")]
    pub at: Timestamp,
    /// The event as JSON, truncated if it is long.
    pub event: String,
    #[serde(default)]
    pub request_id: Option<String>,
}

impl Rejections<'_> {
    /// Reads the rejection of the event with this ID. The read is consistent.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or if the item does not have the form of the contract.
    pub async fn read(&self, event_id: &str) -> Result<Option<RejectedEvent>, CallError> {
        let key = LedgerKey::Rejected(event_id.to_owned());
        let operation = Operation::on("read rejection", &key);
        let item_key = item_key(&key, &Entry::Rotation);
        self.table.get_as(operation, item_key).await
    }

    /// Returns one page of the events that were rejected at `since` or later, latest first. The
    /// secondary index is eventually consistent.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn latest(
        &self,
        since: Timestamp,
        start: Option<PageStart>,
    ) -> Result<Page<RejectedEvent>, CallError> {
        let operation = Operation::on("query rejections since", &since);
        let query = latest(Status::Rejected, since).start(start);
        let page = self.table.query(operation, query).await?;
        page.try_map(|item| self.table.parse(operation, item))
    }

    /// Records an event that the invocation with this request ID rejected. Returns whether it is
    /// new. A second delivery changes nothing.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn record(
        &self,
        event: &EventRecord,
        rejection: &Rejection,
        request_id: &str,
        now: Timestamp,
    ) -> Result<bool, CallError> {
        let key = LedgerKey::Rejected(event.id.clone());
        let mut item = to_item(rejection);
        item.extend(item_key(&key, &Entry::Rotation));
        item.extend([
            ("status".to_owned(), text("Rejected")),
            ("reason".to_owned(), text(rejection)),
            // The same name as for rotations, because it is the sort key of `ByStatus`.
            ("startedAt".to_owned(), text(now)),
            ("event".to_owned(), text(&event.body)),
            ("requestId".to_owned(), text(request_id)),
        ]);
        let operation = Operation::on("record rejection", &key);
        let put = Write::put(item).only_if(is_absent());
        Ok(self.table.write(operation, put).await?.is_done())
    }
}
