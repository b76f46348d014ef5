//! The rotations' own items: opened for a slice, and found by key, status or role. How a slice
//! renews, releases or closes its rotation is in `lease.rs`.

use aws_sdk_dynamodb::types::AttributeValue;
use rerole_core::call::{CallError, Operation};
use rerole_core::keys::{Entry, RotationKey};
use rerole_core::request::{Requested, RotationRequest};
use rerole_core::resource::RoleArn;
use rerole_core::rotation::{self, Opening, RotationRecord, Status};
use rerole_core::timestamp::Timestamp;
use tracing::error;

use crate::aws::dynamodb::{
    Change, Condition, Item, Query, Refusal, Table, Transacted, Write, number, text, to_item,
};
use crate::aws::ledger::locks::lock;
use crate::aws::ledger::{has_fence, is_absent, rotation_key};
use crate::aws::page::{Page, PageStart};

/// Global secondary index: `status`, `startedAt`.
const BY_STATUS: &str = "ByStatus";
/// Global secondary index: `oldRoleArn`, `startedAt`.
const BY_OLD_ROLE: &str = "ByOldRole";
/// Few deliveries of one event compete. If others open the rotation first this often, something is
/// wrong, and Lambda delivers the event again.
const OPEN_ATTEMPTS: u32 = 4;

/// The rotations' own items.
#[derive(Debug, Clone, Copy)]
pub struct Rotations<'a> {
    pub(super) table: &'a Table,
}

/// The result of [`Rotations::open`].
#[derive(Debug)]
pub enum Opened {
    /// This invocation holds the lease, under the fence of the record.
    Acquired(Box<RotationRecord>),
    /// Another rotation, if known this one, holds the lock of a role.
    RoleLocked {
        role: RoleArn,
        owner: Option<RotationKey>,
    },
    /// Another invocation holds the lease.
    AlreadyRunning,
    /// The rotation is finished.
    Finished(Box<RotationRecord>),
    /// A rotation with this ID has another request.
    OtherRequest(Box<RotationRecord>),
}

/// A rotation that a secondary index shows.
#[derive(Debug)]
pub enum FoundRotation {
    Record(Box<RotationRecord>),
    /// The item cannot be parsed. Another version of rerole may have written it.
    Malformed {
        ledger_key: String,
    },
}

impl Rotations<'_> {
    /// Reads a rotation's item. The read is consistent.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or if the item does not have the form of the contract.
    pub async fn read(&self, key: &RotationKey) -> Result<Option<RotationRecord>, CallError> {
        let operation = Operation::on("read rotation", key);
        self.table
            .get_as(operation, rotation_key(key, &Entry::Rotation))
            .await
    }

    /// Opens the rotation as `rerole_core::rotation::open` decides, in one transaction: its item
    /// with lease and fence, and the locks of both roles. A dry run takes no locks, because it
    /// writes nothing that another rotation reads.
    ///
    /// Each attempt reads the item and then writes under a condition on what it has read. So of two
    /// deliveries that read the same item one gets the rotation, and the other reads again and
    /// finds it running.
    ///
    /// # Errors
    /// If DynamoDB cannot be read or written, or if other deliveries open the rotation first at
    /// every attempt.
    pub async fn open(&self, requested: &Requested, now: Timestamp) -> Result<Opened, CallError> {
        let request = &requested.request;
        let key = RotationKey::of(request);
        let operation = Operation::on("open rotation", &key);
        for _ in 0..OPEN_ATTEMPTS {
            let found = self.read(&key).await?;
            let (record, item) = match rotation::open(found, requested, now) {
                Opening::Start(record) => {
                    let item = start(&record);
                    (record, item)
                }
                Opening::Resume(record) => {
                    let item = resume(&record);
                    (record, item)
                }
                Opening::AlreadyRunning => return Ok(Opened::AlreadyRunning),
                Opening::Finished(record) => return Ok(Opened::Finished(record)),
                Opening::OtherRequest(record) => return Ok(Opened::OtherRequest(record)),
            };
            let mut parts = vec![item.into()];
            if !request.dry_run {
                for role in [&request.old_role_arn, &request.new_role_arn] {
                    parts.push(lock(role, &key, now).into());
                }
            }
            match self.table.transact(operation, parts).await? {
                Transacted::Done => return Ok(Opened::Acquired(record)),
                Transacted::Refused(refusals) => {
                    if let Some(locked) = locked_role(request, &refusals) {
                        return Ok(locked);
                    }
                    // Another delivery opened the rotation between the read and the transaction.
                }
            }
        }
        let problem = format!("other deliveries opened it first {OPEN_ATTEMPTS} times");
        Err(CallError::contention(operation, problem))
    }

    /// Returns one page of the rotations with this status, oldest first. The secondary index is
    /// eventually consistent.
    ///
    /// # Errors
    /// If DynamoDB cannot be read.
    pub async fn by_status(
        &self,
        status: Status,
        start: Option<PageStart>,
    ) -> Result<Page<FoundRotation>, CallError> {
        let subject = format!("{status:?}");
        let operation = Operation::on("query rotations by status", &subject);
        let condition = Condition::new("#status = :status")
            .name("status")
            .value("status", text(&subject));
        let query = Query::index(BY_STATUS, condition).start(start);
        self.table
            .query(operation, query)
            .await?
            .try_map(|item| Ok(self.found(operation, item)))
    }

    /// Returns the rotations that replaced `role`, latest first. One page is read, because a role
    /// is never rotated more often than that. A rotation that cannot be parsed is left out.
    ///
    /// # Errors
    /// If DynamoDB cannot be read.
    pub async fn by_old_role(&self, role: &str) -> Result<Vec<RotationRecord>, CallError> {
        let operation = Operation::on("query rotations by old role", &role);
        let condition = Condition::new("oldRoleArn = :role").value("role", text(role));
        let query = Query::index(BY_OLD_ROLE, condition).descending();
        let page = self.table.query(operation, query).await?;
        let parsed = page.items.into_iter();
        Ok(parsed
            .filter_map(|item| self.table.parse(operation, item).ok())
            .collect())
    }

    fn found(self, operation: Operation<'_>, item: Item) -> FoundRotation {
        let ledger_key = match item.get("rotationId") {
            Some(AttributeValue::S(key)) => key.clone(),
            _ => String::new(),
        };
        match self.table.parse(operation, item) {
            Ok(record) => FoundRotation::Record(Box::new(record)),
            Err(error) => {
                error!(rotationId = ledger_key, %error, "rotation could not be parsed");
                FoundRotation::Malformed { ledger_key }
            }
        }
    }
}

/// Creates the item of a new rotation.
fn start(record: &RotationRecord) -> Write {
    let mut item = to_item(record);
    item.extend(rotation_key(&record.key, &Entry::Rotation));
    Write::put(item).only_if(is_absent())
}

/// Gives the lease of an open rotation to the next slice, under the fence of `record`.
fn resume(record: &RotationRecord) -> Write {
    let change = Change::default()
        .set("fence", number(record.fence))
        .set_or_remove("leaseUntil", record.lease_until.map(text));
    let key = rotation_key(&record.key, &Entry::Rotation);
    Write::update(key, change).only_if(has_fence(record.fence - 1))
}

/// Returns the lock that cancelled the transaction, if one did. The first part is the rotation.
fn locked_role(request: &RotationRequest, refusals: &[Refusal]) -> Option<Opened> {
    let roles = [&request.old_role_arn, &request.new_role_arn];
    roles
        .into_iter()
        .zip(refusals.iter().skip(1))
        .find_map(|(role, refusal)| {
            let Refusal::Condition { found } = refusal else {
                return None;
            };
            let owner = match found.as_ref().and_then(|lock| lock.get("lockedBy")) {
                Some(AttributeValue::S(owner)) => owner.parse().ok(),
                _ => None,
            };
            Some(Opened::RoleLocked {
                role: role.clone(),
                owner,
            })
        })
}
