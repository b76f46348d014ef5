//! Reads a rotation again and again: its record each time, and what else is shown of it only if it
//! may have changed.

use std::time::Duration;

use rerole::aws::ledger::{ROW_PAGES, Select};
use rerole::aws::page::paginate;
use rerole_core::call::{CallError, Operation};
use rerole_core::keys::RotationKey;
use rerole_core::rotation::{Outcome, RotationRecord};
use tokio::time::Instant;

use crate::failure::Failure;
use crate::live::Snapshot;
use crate::rotation::RotationView;
use crate::rotation::causes::{Cause, causes};
use crate::rotation::history::History;
use crate::rotation::report_rows::ReportRow;
use crate::stack::Stack;

/// What rotations before this one or the index change is at most so old.
const RELATED_AGE_MAX: Duration = Duration::from_secs(15);
/// Why associations failed is in the rows, which are many. They are read again after so many times
/// the time that reading them took.
const CAUSES_PAUSE_FACTOR: u32 = 10;

/// Reads one rotation.
#[derive(Debug)]
pub struct Watcher<'a> {
    stack: &'a Stack,
    key: &'a RotationKey,
    last: Option<Snapshot>,
    /// When what is related to the rotation was read.
    related_at: Instant,
    /// For how many failures the causes are known.
    failed: u64,
    /// Not before this time are the causes read again.
    causes_due_at: Instant,
}

impl<'a> Watcher<'a> {
    pub fn new(stack: &'a Stack, key: &'a RotationKey) -> Self {
        let now = Instant::now();
        Self {
            stack,
            key,
            last: None,
            related_at: now,
            failed: 0,
            causes_due_at: now,
        }
    }

    /// Reads the rotation's record.
    ///
    /// # Errors
    /// If the ledger cannot be read, or does not have the rotation.
    pub async fn record(&self) -> Result<RotationRecord, CallError> {
        let record = self.stack.aws.ledger.rotations().read(self.key).await?;
        record.ok_or_else(|| {
            let operation = Operation::on("read rotation", self.key);
            CallError::malformed_item(operation, "it is no longer in the ledger".to_owned())
        })
    }

    /// Reads what else is shown of the rotation, as far as it may have changed.
    ///
    /// # Errors
    /// If the ledger or the index cannot be read.
    pub async fn read(&mut self, record: &RotationRecord) -> Result<&Snapshot, Failure> {
        let at = self.stack.aws.now();
        let is_due = self.related_at.elapsed() >= RELATED_AGE_MAX;
        let has_entries =
            |snapshot: &Snapshot| snapshot.rotation.timeline_seq != record.timeline_seq;
        let snapshot = match self.last.take() {
            Some(mut snapshot) if !has_entries(&snapshot) && !is_due => {
                snapshot.at = at;
                snapshot.outage = None;
                snapshot.rotation.note_progress(record, at);
                snapshot
            }
            last => {
                let causes = last.as_ref().map(|snapshot| snapshot.causes.clone());
                let causes = causes.unwrap_or_default();
                // It stays if the reads fail.
                self.last = last;
                let key = record.key.clone().into();
                let (rotation, history) = tokio::try_join!(
                    RotationView::of(self.stack, record),
                    History::read(self.stack, &key)
                )?;
                self.related_at = Instant::now();
                Snapshot {
                    at,
                    rotation,
                    history,
                    causes,
                    outage: None,
                }
            }
        };
        Ok(self.last.insert(snapshot))
    }

    /// Notes why nothing could be read. Returns what was read last, if anything was.
    pub fn note_outage(&mut self, why: String) -> Option<&Snapshot> {
        if let Some(snapshot) = &mut self.last {
            snapshot.outage = Some(why);
        }
        self.last.as_ref()
    }

    /// Whether it should be read again why associations failed. At the end, all failures are known.
    pub fn are_causes_due(&self, record: &RotationRecord) -> bool {
        let failed = self
            .last
            .as_ref()
            .map(|snapshot| snapshot.rotation.counts.failed);
        let is_due = record.finished_at().is_some() || Instant::now() >= self.causes_due_at;
        failed.is_some_and(|failed| failed != self.failed) && is_due
    }

    /// Reads why associations failed. Returns nothing before the first snapshot.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub async fn read_causes(&mut self) -> Result<Option<&Snapshot>, CallError> {
        let started_at = Instant::now();
        let causes = self.causes().await?;
        self.causes_due_at = Instant::now() + started_at.elapsed() * CAUSES_PAUSE_FACTOR;
        if let Some(snapshot) = &mut self.last {
            self.failed = snapshot.rotation.counts.failed;
            snapshot.causes = causes;
        }
        Ok(self.last.as_ref())
    }

    /// Reads why associations failed.
    async fn causes(&self) -> Result<Vec<Cause>, CallError> {
        let rows = self.stack.aws.ledger.rows(self.key);
        let mut pages = paginate(ROW_PAGES, async |start| rows.page(Select::All, start).await);
        let mut failed = Vec::new();
        while let Some(page) = pages.next::<_, CallError>().await? {
            let of_page = page.iter().filter(|row| row.outcome == Outcome::Failed);
            failed.extend(of_page.map(ReportRow::from));
        }
        Ok(causes(&failed))
    }
}
