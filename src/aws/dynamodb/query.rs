//! Queries: the items of one partition, in the order of their sort keys, page by page.

use crate::aws::dynamodb::Condition;
use crate::aws::page::PageStart;

/// Items per page. DynamoDB's own limit, a megabyte, would be a thousand rows, which take several
/// megabytes in memory. This limit keeps memory flat, and costs 0.004 calls per association and
/// pass.
pub(crate) const PAGE_LEN: i32 = 250;

/// A query of one page.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(super) index: Option<&'static str>,
    pub(super) key_condition: Condition,
    pub(super) filter: Option<Condition>,
    pub(super) limit: i32,
    pub(super) is_descending: bool,
    pub(super) start: Option<PageStart>,
}

impl Query {
    /// Queries the table itself. The read is consistent.
    #[must_use]
    pub(crate) fn table(key_condition: Condition) -> Self {
        Self {
            index: None,
            key_condition,
            filter: None,
            limit: PAGE_LEN,
            is_descending: false,
            start: None,
        }
    }

    /// Queries a secondary index, which is eventually consistent.
    #[must_use]
    pub(crate) fn index(name: &'static str, key_condition: Condition) -> Self {
        Self {
            index: Some(name),
            ..Self::table(key_condition)
        }
    }

    /// Leaves out items for which the condition does not hold. DynamoDB reads them nevertheless.
    #[must_use]
    pub(crate) fn filter(self, filter: Condition) -> Self {
        Self {
            filter: Some(filter),
            ..self
        }
    }

    /// Returns the first item only.
    #[must_use]
    pub(crate) fn first(self) -> Self {
        Self { limit: 1, ..self }
    }

    /// Returns the last items first.
    #[must_use]
    pub(crate) fn descending(self) -> Self {
        Self {
            is_descending: true,
            ..self
        }
    }

    /// Starts after the page that returned this.
    #[must_use]
    pub(crate) fn start(self, start: Option<PageStart>) -> Self {
        Self { start, ..self }
    }
}
