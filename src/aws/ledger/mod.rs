//! The `RotationLedger` table: rotations with their leases, the rows of their associations, the
//! roles, commands and timelines, the stack, the index run, and learned rates. Nothing is ever
//! deleted from it. How a rotation or an index run proceeds is decided elsewhere.
//!
//! The rotation's own item has six files: `rotations` reads it, `opening` opens it, `lease` and
//! `status` write it for a slice, and `command_writes` and `rollbacks` for a command. The rows have
//! two: `rows` and `row_batches`. Each other file has one kind of item, and the type that reads and
//! writes it. A write that would be wrong after its invocation lost the lease has a condition on
//! the fence (`lease.rs`), so DynamoDB rejects it. The keys are in `rerole_core::keys`.

mod command_writes;
mod commands;
mod index_runs;
mod lease;
mod opening;
mod rates;
mod region_indexes;
mod rejections;
mod reversions;
mod roles;
mod rollbacks;
mod rotations;
mod rounds;
mod row_batches;
mod rows;
mod stack;
mod status;
mod timeline;

pub use commands::{CarriedOut, Commands};
pub use index_runs::IndexRuns;
pub use lease::{LeaseError, OwnedRotation, Renewed, SliceSummary};
pub use opening::{NotAcquired, Opened};
pub use rates::Rates;
pub use region_indexes::RegionIndexes;
pub use rejections::{RejectedEvent, Rejections};
pub use reversions::Reversions;
pub use roles::{RoleItems, Roles};
pub use rotations::{FoundRotation, Rotations};
pub(crate) use rounds::ROUNDS_TIMEOUT;
pub use row_batches::{PLAN_BATCH_LEN, Planned, SETTLE_BATCH_LEN};
pub use rows::{Rows, Select};
pub use stack::Stack;
pub use status::Close;
pub use timeline::Timelines;

use aws_sdk_dynamodb::Client;
use rerole_core::keys::{Entry, EntryPrefix, LedgerKey, RotationKey};
use rerole_core::rotation::RotationRecord;

use crate::aws::dynamodb::{Condition, Item, Query, Table, number, text};
use crate::aws::page::PageLimit;

/// With 250 rows on a page, a hundred times the largest fleet that rerole was measured with.
pub const ROW_PAGES: PageLimit = PageLimit {
    list: "the rotation's rows",
    pages_max: 100_000,
};
/// With 250 rotations on a page, far more than a stack has open at a time.
pub const OPEN_ROTATION_PAGES: PageLimit = PageLimit {
    list: "open rotations",
    pages_max: 1_000,
};

/// The ledger table.
#[derive(Debug, Clone)]
pub struct Ledger {
    table: Table,
}

impl Ledger {
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self {
            table: Table::new(client, table, ["rotationId", "entry"]),
        }
    }

    /// The rotations' own items.
    #[must_use]
    pub fn rotations(&self) -> Rotations<'_> {
        Rotations { table: &self.table }
    }

    /// A rotation's own item, as the owner of its lease writes it.
    #[must_use]
    pub fn owned<'a>(&'a self, record: &'a RotationRecord) -> OwnedRotation<'a> {
        OwnedRotation {
            table: &self.table,
            record,
            timeline_seq: record.timeline_seq,
        }
    }

    /// The rows of a rotation.
    #[must_use]
    pub fn rows<'a>(&'a self, key: &'a RotationKey) -> Rows<'a> {
        Rows {
            table: &self.table,
            key,
        }
    }

    /// The timelines of all rotations and of the stack.
    #[must_use]
    pub fn timelines(&self) -> Timelines<'_> {
        Timelines { table: &self.table }
    }

    /// What the indexer tells the rotations.
    #[must_use]
    pub fn reversions(&self) -> Reversions<'_> {
        Reversions { table: &self.table }
    }

    /// The roles' own items.
    #[must_use]
    pub fn roles(&self) -> Roles<'_> {
        Roles { table: &self.table }
    }

    /// The commands of all rotations and of the stack.
    #[must_use]
    pub fn commands(&self) -> Commands<'_> {
        Commands {
            table: &self.table,
            rules: None,
        }
    }

    /// The stack's own item.
    #[must_use]
    pub fn stack(&self) -> Stack<'_> {
        Stack { table: &self.table }
    }

    #[must_use]
    pub fn rejections(&self) -> Rejections<'_> {
        Rejections { table: &self.table }
    }

    #[must_use]
    pub fn index_runs(&self) -> IndexRuns<'_> {
        IndexRuns { table: &self.table }
    }

    #[must_use]
    pub fn region_indexes(&self) -> RegionIndexes<'_> {
        RegionIndexes { table: &self.table }
    }

    #[must_use]
    pub fn rates(&self) -> Rates<'_> {
        Rates { table: &self.table }
    }
}

/// Returns the key attributes of an item.
fn item_key(key: &LedgerKey, entry: &Entry) -> Item {
    Item::from([
        ("rotationId".to_owned(), text(key)),
        ("entry".to_owned(), text(entry)),
    ])
}

/// Returns the key attributes of an item of a rotation.
fn rotation_key(key: &RotationKey, entry: &Entry) -> Item {
    item_key(&key.clone().into(), entry)
}

/// The query of the entries of a partition that start with the same text.
fn with_prefix(key: &LedgerKey, prefix: &EntryPrefix) -> Query {
    Query::table(
        Condition::new("rotationId = :key AND begins_with(entry, :prefix)")
            .value("key", text(key))
            .value("prefix", text(prefix)),
    )
}

/// The condition that the lease has not changed hands.
fn has_fence(fence: u64) -> Condition {
    Condition::new("fence = :seenFence").value("seenFence", number(fence))
}

/// The condition that there is no such item.
fn is_absent() -> Condition {
    Condition::new("attribute_not_exists(rotationId)")
}
