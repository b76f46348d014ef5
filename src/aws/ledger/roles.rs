//! What is known of a role, and the rotations from and onto it: the items of the partition
//! `role/<arn>`. What follows from them is decided in `rerole_core::rotation`.
//!
//! A transaction that opens or closes a rotation includes the items of both roles. Nothing here is
//! ever deleted. Each write increments `version`, so a writer that has read the item can require
//! that it has not changed since.

use rerole_core::call::{CallError, Operation};
use rerole_core::keys::{Entry, LedgerKey, RoleRotation, RotationKey, Side};
use rerole_core::request::RotationRequest;
use rerole_core::resource::RoleArn;
use rerole_core::rotation::{InUse, RolePair, RoleRecord, RotationRecord};
use rerole_core::timestamp::Timestamp;
use serde::Serialize;

use crate::aws::dynamodb::{Change, Condition, Item, Query, Table, Write, number, text, to_item};
use crate::aws::ledger::{is_absent, item_key};
use crate::aws::page::{PageLimit, paginate};

/// With 250 rotations on a page, more than a role can have in years.
const ROLE_ROTATION_PAGES: PageLimit = PageLimit {
    list: "the rotations of a role",
    pages_max: 40,
};

/// What is known of the roles.
#[derive(Debug, Clone, Copy)]
pub struct Roles<'a> {
    pub(super) table: &'a Table,
}

/// What is known of a role, with its rotations, latest first.
#[derive(Debug, Clone, Default)]
pub struct RoleItems {
    pub record: Option<RoleRecord>,
    pub rotations: Vec<RoleRotation>,
}

impl RoleItems {
    /// Returns the rotations from the role that started after this finished one did, or, if it
    /// never started, after it ended. The latest is first.
    pub fn replacing_since(&self, finished: &RotationRecord) -> impl Iterator<Item = &RotationKey> {
        let has_started = finished.fence > 0;
        let ended_at = finished.finished_at();
        // They are sorted, latest first.
        let later = self.rotations.iter().take_while(move |step| {
            if has_started {
                step.key != finished.key
            } else {
                Some(step.started_at) > ended_at
            }
        });
        let later = later.filter(|step| step.side == Side::From);
        later.map(|step| &step.key)
    }

    /// Returns whether this is a rotation from the role, and not one onto it.
    #[must_use]
    pub fn is_from(&self, key: &RotationKey) -> bool {
        let mut rotations = self.rotations.iter();
        rotations.any(|rotation| rotation.side == Side::From && rotation.key == *key)
    }
}

impl Roles<'_> {
    /// Reads what is known of a role. The read is consistent.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or if the item does not have the form of the contract.
    pub async fn read(&self, role: &RoleArn) -> Result<Option<RoleRecord>, CallError> {
        let operation = Operation::on("read role", role);
        self.table.get_as(operation, key(role)).await
    }

    /// Reads the items of both roles of a rotation. The reads are consistent.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn pair(&self, request: &RotationRequest) -> Result<RolePair, CallError> {
        let (old, new) = tokio::try_join!(
            self.read(&request.old_role_arn),
            self.read(&request.new_role_arn)
        )?;
        Ok(RolePair {
            old: old.unwrap_or_default(),
            new: new.unwrap_or_default(),
        })
    }

    /// Reads what is known of a role, and the rotations from and onto it. The reads are consistent.
    ///
    /// # Errors
    /// As [`Self::read`], or if the role has more than 10,000 rotations.
    pub async fn history(&self, role: &RoleArn) -> Result<RoleItems, CallError> {
        let operation = Operation::on("query rotations of role", role);
        let partition = LedgerKey::Role(role.clone());
        let query = Query::table(Condition::new("rotationId = :key").value("key", text(partition)));
        let mut pages = paginate(ROLE_ROTATION_PAGES, async |start| {
            self.table
                .query(operation, query.clone().start(start))
                .await
        });
        let mut items = RoleItems::default();
        while let Some(page) = pages.next::<_, CallError>().await? {
            for item in page {
                let entry = item.get("entry").and_then(|entry| entry.as_s().ok());
                match entry.and_then(|entry| RoleRotation::parse(entry)) {
                    Some(rotation) => items.rotations.push(rotation),
                    None => items.record = Some(self.table.parse(operation, item)?),
                }
            }
        }
        items
            .rotations
            .sort_by_key(|rotation| std::cmp::Reverse(rotation.started_at));
        Ok(items)
    }

    /// Records that the role is in use. An earlier reason stays.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn put_to_use(&self, role: &RoleArn, in_use: &InUse) -> Result<(), CallError> {
        let operation = Operation::on("record use of role", role);
        self.table
            .write(operation, put_to_use(role, in_use))
            .await?;
        Ok(())
    }

    /// Records that an association has left the role, and that pods may have its credentials until
    /// this time. A later time stays, and so does a role that no rotation has named.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn note_departure(&self, role: &RoleArn, until: Timestamp) -> Result<(), CallError> {
        let operation = Operation::on("record departure from role", role);
        let change = Change::default()
            .set("leftUntil", text(until))
            .increment("version");
        let is_later = Condition::new(
            "attribute_exists(rotationId) \
             AND (attribute_not_exists(leftUntil) OR leftUntil < :leftUntil)",
        );
        let update = Write::update(key(role), change).only_if(is_later);
        self.table.write(operation, update).await?;
        Ok(())
    }

    /// Records that no association uses the role, if the item still has this version. Returns
    /// whether it had.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn free(&self, role: &RoleArn, version: u64) -> Result<bool, CallError> {
        let operation = Operation::on("record end of use of role", role);
        let change = Change::default().remove("inUse").increment("version");
        let update = Write::update(key(role), change).only_if(has_version(version));
        Ok(self.table.write(operation, update).await?.is_done())
    }
}

/// Returns the writes that let a rotation, or the next attempt of it, hold both of its roles from
/// this time on. They are refused if a role has changed since it was read.
pub(super) fn hold(record: &RotationRecord, roles: &RolePair, at: Timestamp) -> [Write; 4] {
    let key = &record.key;
    let (old, new) = (&record.old_role_arn, &record.new_role_arn);
    let step = |side, role: &RoleArn| {
        let rotation = RoleRotation {
            side,
            started_at: at,
            key: key.clone(),
        };
        let partition = LedgerKey::Role(role.clone());
        Write::put(item_key(&partition, &Entry::RoleRotation(rotation)))
    };
    [
        replace(old, &roles.old.clone().opened_from(key, at)),
        replace(new, &roles.new.clone().opened_onto(key, at)),
        step(Side::From, old),
        step(Side::Onto, new),
    ]
}

/// Returns the writes that let a rotation wait for both of its roles.
pub(super) fn queue(record: &RotationRecord, roles: &RolePair) -> [Write; 2] {
    let key = &record.key;
    [
        replace(&record.old_role_arn, &roles.old.clone().queued(key)),
        replace(&record.new_role_arn, &roles.new.clone().queued(key)),
    ]
}

/// Returns the writes after which a rotation no longer waits for its roles.
pub(super) fn leave(record: &RotationRecord, roles: &RolePair) -> [Write; 2] {
    let key = &record.key;
    [
        replace(&record.old_role_arn, &roles.old.clone().left_by(key)),
        replace(&record.new_role_arn, &roles.new.clone().left_by(key)),
    ]
}

/// Replaces what is known of a role, if the item still has the version from before.
pub(super) fn replace(role: &RoleArn, record: &RoleRecord) -> Write {
    let mut item = to_item(record);
    item.extend(key(role));
    let seen = record.version.saturating_sub(1);
    Write::put(item).only_if(has_version(seen))
}

/// Puts a role to use.
pub(super) fn put_to_use(role: &RoleArn, in_use: &InUse) -> Write {
    Write::update(key(role), used(in_use))
}

/// Sets why the role is in use, unless the item has a reason. The version changes in any case, so a
/// writer that has read the item before does not end this use.
fn used(in_use: &InUse) -> Change {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Attributes<'a> {
        in_use: &'a InUse,
    }
    Change::default()
        .set_all_if_absent(&Attributes { in_use })
        .increment("version")
}

/// The condition that the item has this version. An absent item has version zero.
fn has_version(version: u64) -> Condition {
    let condition = Condition::new("#version = :seen").name("version");
    let condition = condition.value("seen", number(version));
    if version == 0 { is_absent() } else { condition }
}

fn key(role: &RoleArn) -> Item {
    item_key(&LedgerKey::Role(role.clone()), &Entry::Role)
}
