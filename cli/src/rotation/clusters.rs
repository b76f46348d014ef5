//! The associations of a rotation counted by cluster, for the preview of a command.

use std::collections::BTreeMap;

use rerole::aws::ledger::{ROW_PAGES, Select};
use rerole::aws::page::paginate;
use rerole_core::call::CallError;
use rerole_core::keys::RotationKey;
use rerole_core::rotation::{Outcome, RotationRecord, Row};

use crate::stack::Stack;
use crate::terminal::Layout;

/// Counts by cluster, in columns. A column that has nothing is not shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterCounts {
    clusters: BTreeMap<Place, BTreeMap<Column, u64>>,
}

/// A cluster: its name and its region.
type Place = (String, String);

/// What is counted, in the order of the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    Pending,
    Failed,
    NotAttempted,
    OwnedByAddon,
    ChangedSince,
    /// Any other outcome that is tried again.
    Again,
    Moved,
    /// Moved, and moved back by another actor since.
    MovedBack,
}

impl Column {
    fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Failed => "failed",
            Self::NotAttempted => "not attempted",
            Self::OwnedByAddon => "add-on's",
            Self::ChangedSince => "changed since",
            Self::Again => "again",
            Self::Moved => "moved",
            Self::MovedBack => "moved back",
        }
    }
}

impl ClusterCounts {
    /// Counts what is pending.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub async fn pending(stack: &Stack, key: &RotationKey) -> Result<Self, CallError> {
        let count = |_: &Row| Some(Column::Pending);
        Self::read(stack, key, Select::Pending, count).await
    }

    /// Counts what the next attempt of a finished rotation tries again.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub async fn tried_again(stack: &Stack, record: &RotationRecord) -> Result<Self, CallError> {
        let count = |row: &Row| {
            let reopened = row.reopened(&record.request, record.attempt + 1);
            reopened.map(|_| match row.outcome {
                Outcome::Failed => Column::Failed,
                Outcome::NotAttempted => Column::NotAttempted,
                Outcome::OwnedByAddon => Column::OwnedByAddon,
                Outcome::ChangedSince => Column::ChangedSince,
                _ => Column::Again,
            })
        };
        Self::read(stack, &record.key, Select::All, count).await
    }

    /// Counts what the rotation has moved, and what other actors have moved back since.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub async fn moved(stack: &Stack, key: &RotationKey) -> Result<Self, CallError> {
        let reversions = stack.aws.ledger.reversions();
        let mut moved_back = Vec::new();
        let mut pages = paginate(ROW_PAGES, async |start| reversions.page(key, start).await);
        while let Some(page) = pages.next::<_, CallError>().await? {
            moved_back.extend(
                page.into_iter()
                    .map(|row| (row.reverted_arn, row.modified_at)),
            );
        }
        let rows = stack.aws.ledger.rows(key);
        let mut counts = Self::default();
        let mut pages = paginate(ROW_PAGES, async |start| rows.moved(start).await);
        while let Some(page) = pages.next::<_, CallError>().await? {
            for (row, _) in page {
                let is_later = moved_back
                    .iter()
                    .any(|(arn, at)| *arn == row.association_arn && Some(*at) > row.modified_at);
                let column = if is_later {
                    Column::MovedBack
                } else {
                    Column::Moved
                };
                counts.add(&row, column);
            }
        }
        Ok(counts)
    }

    async fn read(
        stack: &Stack,
        key: &RotationKey,
        select: Select<'_>,
        count: impl Fn(&Row) -> Option<Column>,
    ) -> Result<Self, CallError> {
        let rows = stack.aws.ledger.rows(key);
        let mut counts = Self::default();
        let mut pages = paginate(ROW_PAGES, async |start| rows.page(select, start).await);
        while let Some(page) = pages.next::<_, CallError>().await? {
            for row in &page {
                if let Some(column) = count(row) {
                    counts.add(row, column);
                }
            }
        }
        Ok(counts)
    }

    fn add(&mut self, row: &Row, column: Column) {
        let region = row.association_arn.region().to_owned();
        self.add_in((row.cluster_name.clone(), region), column);
    }

    fn add_in(&mut self, place: Place, column: Column) {
        let cluster = self.clusters.entry(place).or_default();
        *cluster.entry(column).or_default() += 1;
    }

    /// The number in a column.
    pub fn count(&self, column: Column) -> u64 {
        let clusters = self.clusters.values();
        clusters.filter_map(|cluster| cluster.get(&column)).sum()
    }

    /// The number in all columns.
    pub fn total(&self) -> u64 {
        self.clusters.values().flat_map(BTreeMap::values).sum()
    }

    /// The number of each region.
    pub fn by_region(&self) -> BTreeMap<&str, u64> {
        let mut regions = BTreeMap::new();
        for ((_, region), cluster) in &self.clusters {
            let count: u64 = cluster.values().sum();
            *regions.entry(region.as_str()).or_default() += count;
        }
        regions
    }

    /// The counts as a table, or nothing if there are none.
    pub fn table(&self, layout: &Layout) -> Option<String> {
        if self.clusters.is_empty() {
            return None;
        }
        let mut columns: Vec<Column> = self
            .clusters
            .values()
            .flat_map(|cluster| cluster.keys().copied())
            .collect();
        columns.sort_unstable();
        columns.dedup();
        let rows = self.clusters.iter().map(|((name, region), cluster)| {
            let number = |column: &Column| cluster.get(column).copied().unwrap_or_default();
            let numbers = columns.iter().map(|column| number(column).to_string());
            [name.clone(), region.clone()]
                .into_iter()
                .chain(numbers)
                .collect()
        });
        let names = columns.iter().map(|column| column.name());
        let header: Vec<_> = ["cluster", "region"].into_iter().chain(names).collect();
        let rows: Vec<Vec<String>> = rows.collect();
        Some(layout.table(&header, rows))
    }

    /// Counts for the tests of texts: cluster, region, column and number.
    #[cfg(test)]
    pub fn of(counts: &[(&str, &str, Column, u64)]) -> Self {
        let mut all = Self::default();
        for (name, region, column, number) in counts {
            for _ in 0..*number {
                all.add_in(((*name).to_owned(), (*region).to_owned()), *column);
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::flags::Form;

    #[test]
    fn only_what_occurs_has_a_column() {
        let counts = ClusterCounts::of(&[
            ("prod-1", "eu-west-1", Column::NotAttempted, 2),
            ("prod-1", "us-east-1", Column::Failed, 1),
            ("prod-2", "us-east-1", Column::Failed, 3),
        ]);
        let text = "\
CLUSTER  REGION     FAILED  NOT ATTEMPTED
prod-1   eu-west-1  0       2
prod-1   us-east-1  1       0
prod-2   us-east-1  3       0";
        assert_eq!(counts.table(&Layout::plain(Form::Table)).unwrap(), text);
        assert_eq!(
            counts.by_region(),
            [("eu-west-1", 2), ("us-east-1", 4)].into()
        );
        assert_eq!((counts.count(Column::Failed), counts.total()), (4, 6));
        assert_eq!(
            ClusterCounts::default().table(&Layout::plain(Form::Wide)),
            None
        );
    }
}
