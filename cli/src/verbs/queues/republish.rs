//! Which entries of timelines were written in a time, to publish them again. A batch that the
//! publisher gave up only has that time: the stream drops its records after a day, and the ledger
//! keeps them.

use std::time::Duration;

use rerole::aws::ledger::{FoundRotation, OPEN_ROTATION_PAGES};
use rerole::aws::page::paginate;
use rerole_core::call::{CallError, Operation};
use rerole_core::keys::LedgerKey;
use rerole_core::rotation::Status;
use rerole_core::timestamp::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::stack::Stack;
use crate::verbs::queues::message::Window;

/// The stream's times are approximate.
const MARGIN: Duration = Duration::from_mins(1);

/// Entries of a timeline, from one number to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Entries {
    pub rotation_id: String,
    pub from_seq: u64,
    pub to_seq: u64,
}

impl Entries {
    /// The payload that publishes them again.
    pub fn payload(&self) -> Value {
        json!({ "republish": self })
    }
}

impl Window {
    fn includes(self, at: Timestamp) -> bool {
        at >= self.from - MARGIN && at <= self.to + MARGIN
    }
}

/// Finds the entries of all timelines that were written in one of these times.
///
/// # Errors
/// If the ledger cannot be read, or has a rotation that cannot be parsed: its timeline may have
/// such entries.
pub async fn entries(stack: &Stack, windows: &[Window]) -> Result<Vec<Entries>, CallError> {
    let mut keys = vec![LedgerKey::Stack];
    let (Some(from), Some(to)) = (
        windows.iter().map(|it| it.from).min(),
        windows.iter().map(|it| it.to).max(),
    ) else {
        return Ok(Vec::new());
    };
    for status in Status::of_rotations() {
        let rotations = stack.aws.ledger.rotations();
        let mut pages = paginate(OPEN_ROTATION_PAGES, async |start| {
            rotations.by_status(status, start).await
        });
        while let Some(page) = pages.next().await? {
            for found in page {
                let record = match found {
                    FoundRotation::Record(record) => record,
                    FoundRotation::Malformed { ledger_key } => {
                        let operation = Operation::on("read rotation", &ledger_key);
                        let problem = "it cannot be parsed".to_owned();
                        return Err(CallError::malformed_item(operation, problem));
                    }
                };
                let began = record
                    .queued_at
                    .unwrap_or(record.started_at)
                    .min(record.started_at);
                let ended = record.finished_at();
                if began <= to + MARGIN && ended.is_none_or(|at| at >= from - MARGIN) {
                    keys.push(LedgerKey::Rotation(record.key.clone()));
                }
            }
        }
    }
    let mut all = Vec::new();
    for key in keys {
        all.extend(written(stack, &key, windows).await?);
    }
    Ok(all)
}

/// The entries of a timeline that were written in one of these times.
async fn written(
    stack: &Stack,
    key: &LedgerKey,
    windows: &[Window],
) -> Result<Option<Entries>, CallError> {
    let timelines = stack.aws.ledger.timelines();
    let mut pages = paginate(OPEN_ROTATION_PAGES, async |start| {
        timelines.page(key, start).await
    });
    let mut written: Option<(u64, u64)> = None;
    while let Some(page) = pages.next().await? {
        for (seq, entry) in page {
            if windows.iter().any(|window| window.includes(entry.at)) {
                let (from, to) = written.unwrap_or((seq, seq));
                written = Some((from.min(seq), to.max(seq)));
            }
        }
    }
    Ok(written.map(|(from_seq, to_seq)| Entries {
        rotation_id: key.to_string(),
        from_seq,
        to_seq,
    }))
}
