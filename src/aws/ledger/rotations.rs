//! The rotations' own items: opened for a slice, and found by key, status or role. How a slice
//! renews, releases or closes its rotation is in `lease.rs`.

use aws_sdk_dynamodb::types::AttributeValue;
use rerole_core::call::{CallError, Operation};
use rerole_core::keys::{Entry, RotationKey};
use rerole_core::request::Requested;
use rerole_core::resource::RoleArn;
use rerole_core::rotation::{self, Opening, RotationRecord, Status};
use rerole_core::timestamp::Timestamp;
use tracing::error;

use crate::aws::dynamodb::{
    Change, Condition, Item, Query, Refusal, Table, Transacted, TransactionPart, Write, number,
    text, to_item,
};
use crate::aws::ledger::roles::{hold, holder};
use crate::aws::ledger::{has_fence, is_absent, rotation_key};
use crate::aws::page::{Page, PageStart};

/// Global secondary index: `status`, `startedAt`.
const BY_STATUS: &str = "ByStatus";
/// Few deliveries of one event compete, and few rotations of one role. If others come first this
/// often, something is wrong, and Lambda delivers the event again.
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
    /// Another rotation holds a role.
    RoleLocked { role: RoleArn, owner: RotationKey },
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
    /// If DynamoDB cannot be read, or if the item does not have the form of the contract or
    /// contradicts its key.
    pub async fn read(&self, key: &RotationKey) -> Result<Option<RotationRecord>, CallError> {
        let operation = Operation::on("read rotation", key);
        let found: Option<RotationRecord> = self
            .table
            .get_as(operation, rotation_key(key, &Entry::Rotation))
            .await?;
        match found.as_ref().and_then(|record| record.contradiction(key)) {
            None => Ok(found),
            Some(problem) => Err(CallError::malformed_item(operation, problem)),
        }
    }

    /// Opens the rotation as `rerole_core::rotation::open` decides. A rotation that starts is one
    /// transaction: its item with lease and fence, and the items of both roles, which it holds
    /// until it closes. A dry run holds no roles, because it writes nothing that another rotation
    /// reads.
    ///
    /// Each attempt reads the item and then writes under a condition on what it has read. So of two
    /// deliveries that read the same item one gets the rotation, and the other reads again and
    /// finds it running.
    ///
    /// The rotations of a role are opened in the order of their `startedAt`, which tells which of
    /// them was the last. If another one was opened after this attempt has read the time from
    /// `now`, the attempt is refused, and the next one reads a later time.
    ///
    /// An attempt that is refused may have had its effect: if its response was lost, it was sent
    /// again. Then the lease that the next attempt finds is the one that this invocation wanted. It
    /// may also be that of another delivery, which chose the same millisecond, so nobody goes on
    /// here. A later delivery takes the rotation over.
    ///
    /// # Errors
    /// If DynamoDB cannot be read or written, if other deliveries or rotations come first at every
    /// attempt, or if an attempt may have had its effect although it was refused.
    pub async fn open(
        &self,
        requested: &Requested,
        now: impl Fn() -> Timestamp,
    ) -> Result<Opened, CallError> {
        let request = &requested.request;
        let key = RotationKey::of(request);
        let operation = Operation::on("open rotation", &key);
        let mut wanted = None;
        for _ in 0..OPEN_ATTEMPTS {
            let found = self.read(&key).await?;
            let seen = found.as_ref().map(lease_of);
            let (record, writes) = match rotation::open(found, requested, now()) {
                Opening::Start(record) => {
                    let writes = start(&record);
                    (record, writes)
                }
                Opening::Resume { record, seen_lease } => {
                    let writes = vec![resume(&record, seen_lease)];
                    (record, writes)
                }
                Opening::AlreadyRunning if seen == wanted => {
                    let problem = "the rotation has the lease of an attempt that was refused";
                    return Err(CallError::contention(operation, problem.to_owned()));
                }
                Opening::AlreadyRunning => return Ok(Opened::AlreadyRunning),
                Opening::Finished(record) => return Ok(Opened::Finished(record)),
                Opening::OtherRequest(record) => return Ok(Opened::OtherRequest(record)),
            };
            wanted = Some(lease_of(&record));
            let parts = writes.into_iter().map(TransactionPart::from).collect();
            match self.table.transact(operation, parts).await? {
                Transacted::Done => return Ok(Opened::Acquired(record)),
                Transacted::Refused(refusals) => {
                    if let Some(locked) = locked_role(&record, &refusals) {
                        return Ok(locked);
                    }
                    // Another delivery has opened this rotation since the read, or another rotation
                    // of one of its roles has come and gone.
                }
            }
        }
        let problem = format!("others came first in each of {OPEN_ATTEMPTS} attempts");
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
        let page = self.table.query(operation, query).await?;
        Ok(page.map(|item| self.found(operation, item)))
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

/// The lease of a rotation. Each slice has another fence, and each renewal another time.
fn lease_of(record: &RotationRecord) -> (u64, Option<Timestamp>) {
    (record.fence, record.lease_until)
}

/// Creates the item of a new rotation, and lets it hold its roles.
fn start(record: &RotationRecord) -> Vec<Write> {
    let mut item = to_item(record);
    item.extend(rotation_key(&record.key, &Entry::Rotation));
    let mut writes = vec![Write::put(item).only_if(is_absent())];
    if !record.request.dry_run {
        writes.extend(hold(record));
    }
    writes
}

/// Gives the lease of an open rotation to the next slice, under the fence of `record`. The lease
/// must be the one that was read: its owner may have renewed it since, or closed the rotation, and
/// neither changes the fence.
fn resume(record: &RotationRecord, seen_lease: Option<Timestamp>) -> Write {
    let is_open = Condition::new("attribute_not_exists(finishedAt)");
    let has_seen_lease = match seen_lease {
        None => Condition::new("attribute_not_exists(leaseUntil)"),
        Some(until) => Condition::new("leaseUntil = :seenLease").value("seenLease", text(until)),
    };
    let change = Change::default()
        .set("fence", number(record.fence))
        .set_or_remove("leaseUntil", record.lease_until.map(text));
    let change = if record.failing_since.is_empty() {
        change.remove("failingSince")
    } else {
        change
    };
    let key = rotation_key(&record.key, &Entry::Rotation);
    let condition = has_fence(record.fence - 1).and(is_open).and(has_seen_lease);
    Write::update(key, change).only_if(condition)
}

/// Returns the role that another rotation holds, if that cancelled the transaction. The first part
/// is the rotation, and the next two are the roles.
fn locked_role(record: &RotationRecord, refusals: &[Refusal]) -> Option<Opened> {
    let roles = [&record.old_role_arn, &record.new_role_arn];
    roles
        .into_iter()
        .zip(refusals.iter().skip(1))
        .find_map(|(role, refusal)| {
            let Refusal::Condition { found: Some(item) } = refusal else {
                return None;
            };
            let owner = holder(item).filter(|owner| *owner != record.key)?;
            Some(Opened::RoleLocked {
                role: role.clone(),
                owner,
            })
        })
}
