//! The `AssociationIndex` table: which associations are on a role, and how the index is corrected.
//! The known clusters of each region are in `clusters.rs`, the search for items that cannot be is
//! in `invalid.rs`. How an item is parsed is in `entry.rs`. Which items to correct is decided by
//! the callers.
//!
//! An item only moves forward to later versions. A deleted association leaves a tombstone. It has
//! no role, so no secondary index shows it, and no `modifiedAt`, so no condition on a version can
//! overwrite it.

mod clusters;
mod entry;
mod invalid;

pub use clusters::KnownClusters;
pub use invalid::{InvalidItems, KEY_PAGES};

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use rerole_core::call::{CallError, Operation};
use rerole_core::indexing::{IndexEntry, IndexItem, InvalidItem, ItemRules};
use rerole_core::keys::IndexPartition;
use rerole_core::resource::{Association, AssociationArn, RoleArn, RoleField};
use rerole_core::rotation::{InUse, KnownRoles};
use rerole_core::timestamp::Timestamp;
use serde::Serialize;

use crate::aws::dynamodb::{
    Change, Condition, Item, Query, Table, Write, Written, number, text, to_item,
};
use crate::aws::index_table::entry::{key_of, parse};
use crate::aws::index_table::invalid::is_still;
use crate::aws::page::{Page, PageLimit, PageStart};

/// Global secondary index: `roleArn`, `associationArn`.
const BY_ROLE: &str = "ByRole";
/// Global secondary index: `targetRoleArn`, `associationArn`.
const BY_TARGET_ROLE: &str = "ByTargetRole";
/// With 250 items on a page, a hundred times the largest fleet that rerole was measured with.
pub const ROLE_PAGES: PageLimit = PageLimit {
    list: "the associations of a role",
    pages_max: 100_000,
};
/// With 250 entries on a page, far more than EKS's 5,000 associations in a cluster and the
/// tombstones of 14 days.
pub const ENTRY_PAGES: PageLimit = PageLimit {
    list: "the index's entries of a cluster",
    pages_max: 10_000,
};
/// With 250 clusters on a page, far more than the 100 that EKS allows in a region by default.
pub const KNOWN_CLUSTER_PAGES: PageLimit = PageLimit {
    list: "the known clusters of a region",
    pages_max: 1_000,
};
/// EKS becomes consistent within seconds, so a Describe in the first minutes after a delete may
/// still show the association. Later than this, an association that EKS shows does exist: the
/// tombstone was written too early, and is overwritten.
const TOMBSTONE_FIRM: Duration = Duration::from_mins(10);
/// SQS keeps a message for at most 14 days, so no event of the association arrives later.
const TOMBSTONE_RETENTION: Duration = Duration::from_hours(14 * 24);

/// The index table.
#[derive(Debug, Clone)]
pub struct IndexTable {
    table: Table,
}

/// The result of [`IndexTable::store`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// There was no item, or a tombstone old enough to be overwritten.
    Added,
    Changed,
    /// Nothing was written, because the index has a later version.
    Older,
    /// Nothing was written, because a recent tombstone says that the association was deleted. One
    /// of the two Describes is out of date.
    Tombstone,
}

/// What a tombstone may replace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaces {
    /// Any item, or none. An earlier tombstone stays.
    Any,
    /// An item of this version or an earlier one.
    UpTo(Timestamp),
}

impl IndexTable {
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self {
            table: Table::new(client, table, ["clusterArn", "associationId"]),
        }
    }

    /// The known clusters of each region.
    #[must_use]
    pub fn known_clusters(&self) -> KnownClusters<'_> {
        KnownClusters { table: &self.table }
    }

    /// The items that cannot be.
    #[must_use]
    pub fn invalid_items(&self) -> InvalidItems<'_> {
        InvalidItems { table: &self.table }
    }

    /// Returns one page of the associations that have `role` in this field, according to the index.
    /// An item that breaks `rules` is [`IndexEntry::Invalid`]. The secondary index is eventually
    /// consistent.
    ///
    /// # Errors
    /// If DynamoDB cannot be read.
    pub async fn by_role(
        &self,
        field: RoleField,
        role: &RoleArn,
        rules: &ItemRules<'_>,
        start: Option<PageStart>,
    ) -> Result<Page<IndexEntry>, CallError> {
        let operation = Operation::on("query associations by role", role);
        let query = on_role(field, role).start(start);
        let page = self.table.query(operation, query).await?;
        Ok(page.map(|item| parse(&self.table, operation, item, rules)))
    }

    /// Returns the use of `role` in one of its fields that the index shows, if there is one. The
    /// secondary indexes are eventually consistent.
    ///
    /// # Errors
    /// If DynamoDB cannot be read.
    pub async fn any_on(
        &self,
        role: &RoleArn,
        rules: &ItemRules<'_>,
    ) -> Result<Option<InUse>, CallError> {
        let operation = Operation::on("query associations by role", role);
        for field in RoleField::ALL {
            let page = self.table.query(operation, on_role(field, role).first());
            let Some(item) = page.await?.items.pop() else {
                continue;
            };
            match parse(&self.table, operation, item, rules) {
                IndexEntry::Live(item) => {
                    let since = item.modified_at;
                    return Ok(Some(InUse::by_association(&item.association_arn, since)));
                }
                IndexEntry::Invalid(item) => {
                    let key = item.key.to_string();
                    return Ok(Some(InUse::by_invalid_item(key, rules.now)));
                }
                // It has no role, so no secondary index shows it.
                IndexEntry::Tombstone => {}
            }
        }
        Ok(None)
    }

    /// Updates the item to what EKS showed, if there is an item and it is not newer. Returns
    /// whether it was written. An item that the indexer has removed or advanced meanwhile stays as
    /// it is.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn repair(&self, seen: &Association, now: Timestamp) -> Result<bool, CallError> {
        let attributes = RepairAttributes {
            role_arn: &seen.role_arn,
            modified_at: seen.modified_at,
            seen_at: now,
        };
        let change = Change::default()
            .set_all(&attributes)
            .set_or_remove("targetRoleArn", seen.target_role_arn.as_ref().map(text))
            .set_or_remove("ownerArn", seen.owner_arn.as_ref().map(text));
        let condition = is_no_newer_than(seen.modified_at);
        self.update(&seen.association_arn, change, condition).await
    }

    /// Updates an item that still names `old_role` to the roles and the version in the ledger.
    /// Returns whether it was written. It is not if only the secondary index lagged behind the
    /// item.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn repair_roles(
        &self,
        arn: &AssociationArn,
        old_role: &RoleArn,
        known: &KnownRoles,
        now: Timestamp,
    ) -> Result<bool, CallError> {
        let KnownRoles {
            role_arn,
            target_role_arn,
            modified_at,
        } = known;
        let attributes = RepairAttributes {
            role_arn,
            modified_at: *modified_at,
            seen_at: now,
        };
        let change = Change::default()
            .set_all(&attributes)
            .set_or_remove("targetRoleArn", target_role_arn.as_ref().map(text));
        let names_old_role = Condition::new("roleArn = :oldRoleArn OR targetRoleArn = :oldRoleArn")
            .value("oldRoleArn", text(old_role));
        let condition = names_old_role.and(is_no_newer_than(*modified_at));
        self.update(arn, change, condition).await
    }

    /// Stores an association as EKS showed it, unless the index has a later version. If the index
    /// still has the item `invalid`, it is replaced whatever its version.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn store(
        &self,
        seen: &Association,
        invalid: Option<&InvalidItem>,
        now: Timestamp,
    ) -> Result<Stored, CallError> {
        let arn = &seen.association_arn;
        let item = to_item(&ItemAttributes {
            item: &IndexItem::of(seen),
            account_id: arn.account(),
            region: arn.region(),
            seen_at: now,
        });
        let condition = Condition::new(
            "attribute_not_exists(clusterArn) OR modifiedAt <= :modifiedAt OR deletedAt < :firm",
        )
        .value("modifiedAt", text(seen.modified_at))
        .value("firm", text(now - TOMBSTONE_FIRM));
        let condition = match invalid {
            None => condition,
            Some(invalid) => condition.or(is_still(invalid)),
        };
        let operation = Operation::on("store index item", arn);
        let put = Write::put(item).only_if(condition).returning_old();
        let has = |item: &Option<Item>, name| item.as_ref().is_some_and(|i| i.contains_key(name));
        Ok(match self.table.write(operation, put).await? {
            Written::Done { old } if has(&old, "roleArn") => Stored::Changed,
            Written::Done { .. } => Stored::Added,
            Written::Refused { found } if has(&found, "deletedAt") => Stored::Tombstone,
            Written::Refused { .. } => Stored::Older,
        })
    }

    /// Writes the tombstone of a deleted association. Returns whether it was written.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn write_tombstone(
        &self,
        arn: &AssociationArn,
        replaces: Replaces,
        now: Timestamp,
    ) -> Result<bool, CallError> {
        let expires_at = (now + TOMBSTONE_RETENTION).as_millis() / 1_000;
        let mut item = key(arn);
        item.extend([
            ("associationArn".to_owned(), text(arn)),
            ("deletedAt".to_owned(), text(now)),
            (
                "expiresAt".to_owned(),
                number(u64::try_from(expires_at).unwrap_or(0)),
            ),
        ]);
        let condition = match replaces {
            Replaces::Any => Condition::new("attribute_not_exists(deletedAt)"),
            Replaces::UpTo(version) => is_no_newer_than(version),
        };
        let operation = Operation::on("write tombstone", arn);
        let put = Write::put(item).only_if(condition);
        Ok(self.table.write(operation, put).await?.is_done())
    }

    /// Reads the entry of one association. The read is consistent.
    ///
    /// # Errors
    /// If DynamoDB cannot be read.
    pub async fn entry(
        &self,
        arn: &AssociationArn,
        rules: &ItemRules<'_>,
    ) -> Result<Option<IndexEntry>, CallError> {
        let operation = Operation::on("read index item", arn);
        let item = self.table.get(operation, key(arn)).await?;
        Ok(item.map(|item| parse(&self.table, operation, item, rules)))
    }

    /// Returns one page of the entries of a cluster, after the association ID `after`, with their
    /// IDs and in their order. The read is consistent.
    ///
    /// # Errors
    /// If DynamoDB cannot be read.
    pub async fn entries_of_cluster(
        &self,
        part: EntriesAfter<'_>,
        rules: &ItemRules<'_>,
        start: Option<PageStart>,
    ) -> Result<Page<(String, IndexEntry)>, CallError> {
        let EntriesAfter { cluster_arn, after } = part;
        let operation = Operation::on("read index items", &cluster_arn);
        let condition = match after {
            None => Condition::new("clusterArn = :cluster"),
            Some(after) => Condition::new("clusterArn = :cluster AND associationId > :after")
                .value("after", text(after)),
        };
        let query = Query::table(condition.value("cluster", text(cluster_arn)));
        let page = self.table.query(operation, query.start(start)).await?;
        Ok(page.map(|item| {
            let id = key_of(&item).sort;
            (id, parse(&self.table, operation, item, rules))
        }))
    }

    /// Updates the item if the condition holds. Every condition compares `modifiedAt`, which fails
    /// if there is no item, so this never creates one.
    async fn update(
        &self,
        arn: &AssociationArn,
        change: Change,
        condition: Condition,
    ) -> Result<bool, CallError> {
        let operation = Operation::on("update index item", arn);
        let update = Write::update(key(arn), change).only_if(condition);
        Ok(self.table.write(operation, update).await?.is_done())
    }
}

/// The entries of a cluster after an association ID, or all of them.
#[derive(Debug, Clone, Copy)]
pub struct EntriesAfter<'a> {
    pub cluster_arn: &'a str,
    pub after: Option<&'a str>,
}

/// The attributes of an item.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ItemAttributes<'a> {
    #[serde(flatten)]
    item: &'a IndexItem,
    account_id: &'a str,
    region: &'a str,
    seen_at: Timestamp,
}

/// The attributes that a repair sets.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RepairAttributes<'a> {
    role_arn: &'a str,
    modified_at: Timestamp,
    seen_at: Timestamp,
}

/// Returns the query of the associations that have `role` in this field.
fn on_role(field: RoleField, role: &RoleArn) -> Query {
    let index = match field {
        RoleField::RoleArn => BY_ROLE,
        RoleField::TargetRoleArn => BY_TARGET_ROLE,
    };
    let condition = Condition::new(&format!("{} = :role", field.name()));
    Query::index(index, condition.value("role", text(role)))
}

fn key(arn: &AssociationArn) -> Item {
    Item::from([
        (
            "clusterArn".to_owned(),
            text(IndexPartition::Cluster(arn.cluster_arn())),
        ),
        ("associationId".to_owned(), text(arn.association_id())),
    ])
}

/// The condition that there is an item, and that its version is not later than this one.
fn is_no_newer_than(version: Timestamp) -> Condition {
    Condition::new("modifiedAt <= :modifiedAt").value("modifiedAt", text(version))
}
