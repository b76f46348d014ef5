//! Records events that were rejected. Which events are rejected is decided in
//! `rerole_core::request`.

use rerole_core::call::{CallError, Operation};
use rerole_core::keys::{Entry, LedgerKey};
use rerole_core::request::{EventRecord, Rejection};
use rerole_core::timestamp::Timestamp;

use crate::aws::dynamodb::{Table, Write, text, to_item};
use crate::aws::ledger::{is_absent, item_key};

/// The rejected events.
#[derive(Debug, Clone, Copy)]
pub struct Rejections<'a> {
    pub(super) table: &'a Table,
}

impl Rejections<'_> {
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
