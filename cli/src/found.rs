//! Rotations by their status, or by a role. Those by status come from a secondary index, which lags
//! behind by some seconds at most. What the ledger has of a role is up to date.

use rerole::aws::ledger::{FoundRotation, OPEN_ROTATION_PAGES};
use rerole::aws::page::{Page, PageLimit, PageStart, paginate};
use rerole_core::call::CallError;
use rerole_core::keys::RotationKey;
use rerole_core::resource::RoleArn;
use rerole_core::rotation::{RotationRecord, Status};
use rerole_core::timestamp::Timestamp;

use crate::stack::Stack;

/// The time from which on everything is found.
pub const BEGINNING: Timestamp = Timestamp::from_millis(0);
/// With 250 rotations on a page, more than a stack has in years.
const FINISHED_PAGES: PageLimit = PageLimit {
    list: "finished rotations",
    pages_max: 10_000,
};

/// The rotations that were found.
#[derive(Debug, Default)]
pub struct Found {
    /// Latest start first.
    pub records: Vec<RotationRecord>,
    /// The keys of items that cannot be parsed.
    pub malformed: Vec<String>,
}

impl Found {
    /// Finds the open rotations with these statuses.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub async fn open(stack: &Stack, statuses: &[Status]) -> Result<Self, CallError> {
        let rotations = stack.aws.ledger.rotations();
        let mut found = Self::default();
        for status in statuses {
            let read = async |start| rotations.by_status(*status, start).await;
            found.add(OPEN_ROTATION_PAGES, read).await?;
        }
        found.sort();
        Ok(found)
    }

    /// Finds the rotations that finished with one of these statuses at `since` or later.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub async fn finished(
        stack: &Stack,
        statuses: &[Status],
        since: Timestamp,
    ) -> Result<Self, CallError> {
        let rotations = stack.aws.ledger.rotations();
        let mut found = Self::default();
        for status in statuses {
            let read = async |start| rotations.finished(*status, since, start).await;
            found.add(FINISHED_PAGES, read).await?;
        }
        found.sort();
        Ok(found)
    }

    /// Finds the rotations from or onto a role, and those that wait for it. A dry run is none of
    /// them.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub async fn of_role(stack: &Stack, role: &RoleArn) -> Result<Self, CallError> {
        let items = stack.aws.ledger.roles().history(role).await?;
        let mut keys: Vec<RotationKey> = items.rotations.into_iter().map(|it| it.key).collect();
        keys.extend(items.record.into_iter().flat_map(|role| role.waiting));
        keys.sort_unstable();
        keys.dedup();
        let mut found = Self::default();
        for key in keys {
            let record = stack.aws.ledger.rotations().read(&key).await?;
            found.records.extend(record);
        }
        found.sort();
        Ok(found)
    }

    /// Adds those of another search. A rotation whose status changes meanwhile may be in both.
    pub fn with(mut self, other: Self) -> Self {
        self.records.extend(other.records);
        self.malformed.extend(other.malformed);
        self.sort();
        self
    }

    async fn add(
        &mut self,
        limit: PageLimit,
        read: impl AsyncFnMut(Option<PageStart>) -> Result<Page<FoundRotation>, CallError>,
    ) -> Result<(), CallError> {
        let mut pages = paginate(limit, read);
        while let Some(page) = pages.next::<_, CallError>().await? {
            for found in page {
                match found {
                    FoundRotation::Record(record) => self.records.push(*record),
                    FoundRotation::Malformed { ledger_key } => self.malformed.push(ledger_key),
                }
            }
        }
        Ok(())
    }

    /// Sorts them, latest start first, and keeps the latest version of each.
    fn sort(&mut self) {
        let version = |record: &RotationRecord| (record.timeline_seq, record.fence);
        self.records
            .sort_by(|one, other| (&one.key, version(other)).cmp(&(&other.key, version(one))));
        self.records.dedup_by(|later, first| later.key == first.key);
        self.records
            .sort_by_key(|record| std::cmp::Reverse(record.last_started_at()));
        self.malformed.sort_unstable();
        self.malformed.dedup();
    }
}
