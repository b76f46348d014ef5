//! How a delivery opens a rotation: it creates or takes over the item, under the next fence, or
//! finds out why it may not. What it may do is decided in `rerole_core::rotation`.

use aws_sdk_dynamodb::types::AttributeValue;
use rerole_core::call::{CallError, Operation};
use rerole_core::keys::{Entry, RotationKey};
use rerole_core::request::Requested;
use rerole_core::resource::RoleArn;
use rerole_core::rotation::{self, Admission, Author, Opening, RotationRecord, StackRecord};
use rerole_core::timestamp::Timestamp;

use crate::aws::dynamodb::{
    Change, Condition, Transacted, TransactionPart, Write, number, text, to_item,
};
use crate::aws::ledger::roles::{Roles, hold, queue};
use crate::aws::ledger::rotations::Rotations;
use crate::aws::ledger::stack::Stack;
use crate::aws::ledger::timeline::{first_entry, has_status};
use crate::aws::ledger::{has_fence, is_absent, rotation_key};

/// Few deliveries of one event compete, and few rotations of one role. If others come first this
/// often, something is wrong, and Lambda delivers the event again.
const OPEN_ATTEMPTS: u32 = 6;

/// The result of [`Rotations::open`].
#[derive(Debug)]
pub enum Opened {
    /// This invocation holds the lease, under the fence of the record.
    Acquired(Box<RotationRecord>),
    NotAcquired(NotAcquired),
}

/// Why a delivery may not work on a rotation.
#[derive(Debug)]
pub enum NotAcquired {
    /// Too many rotations wait for this role.
    QueueFull(RoleArn),
    /// Another invocation holds the lease.
    AlreadyRunning,
    /// It is queued or paused. No slice may work on it.
    Waiting(Box<RotationRecord>),
    /// The rotation is finished.
    Finished(Box<RotationRecord>),
    /// A rotation with this ID has another request.
    OtherRequest(Box<RotationRecord>),
}

impl Rotations<'_> {
    /// Opens the rotation as `rerole_core::rotation::open` decides. A rotation that starts is one
    /// transaction: its item with lease and fence, the first entry of its timeline, and the items
    /// of both roles, which it holds until it closes. If it has to wait, the items of the roles
    /// have its place in their queues. A dry run holds no roles, because it writes nothing that
    /// another rotation reads.
    ///
    /// Each attempt reads the items and then writes under a condition on what it has read. So of
    /// two deliveries that read the same item one gets the rotation, and the other reads again and
    /// finds it running.
    ///
    /// An attempt that is refused may have had its effect: if its response was lost, it was sent
    /// again. Then the lease that the next attempt finds is the one that this invocation wanted. A
    /// later delivery takes the rotation over.
    ///
    /// # Errors
    /// If DynamoDB cannot be read or written, if other deliveries or rotations come first at every
    /// attempt, or if an attempt may have had its effect although it was refused.
    pub async fn open(
        &self,
        requested: &Requested,
        by: &Author,
        now: impl Fn() -> Timestamp,
    ) -> Result<Opened, CallError> {
        let key = RotationKey::of(&requested.request);
        let operation = Operation::on("open rotation", &key);
        let stack = Stack { table: self.table };
        let mut wanted = None;
        for _ in 0..OPEN_ATTEMPTS {
            let (found, stack) = tokio::try_join!(self.read(&key), stack.read())?;
            let seen = found.as_ref().map(lease_of);
            let not_acquired = |why| (Opened::NotAcquired(why), Vec::new());
            let (opened, writes) = match rotation::open(found, requested, &stack, now()) {
                Opening::New => self.admit(requested, &stack, (by, now())).await?,
                Opening::Resume {
                    mut record,
                    seen_lease,
                } => {
                    record.lease_owner.clone_from(&by.request_id);
                    let writes = vec![resume(&record, seen_lease)];
                    (Opened::Acquired(record), writes)
                }
                Opening::Change(record, cause) => {
                    let (by, reason) = (stack.author(by), stack.reason.as_deref());
                    self.apply(cause, &record, (&by, reason), now()).await?;
                    continue;
                }
                Opening::AlreadyRunning if seen == wanted => {
                    let problem = "the rotation has the lease of an attempt that was refused";
                    return Err(CallError::contention(operation, problem.to_owned()));
                }
                Opening::AlreadyRunning => not_acquired(NotAcquired::AlreadyRunning),
                Opening::Waiting(record) => not_acquired(NotAcquired::Waiting(record)),
                Opening::Finished(record) => not_acquired(NotAcquired::Finished(record)),
                Opening::OtherRequest(record) => not_acquired(NotAcquired::OtherRequest(record)),
            };
            if writes.is_empty() {
                return Ok(opened);
            }
            let parts = writes.into_iter().map(TransactionPart::from).collect();
            match self.table.transact(operation, parts).await? {
                Transacted::Done => return Ok(opened),
                // Another delivery has opened this rotation since the read, another rotation of one
                // of its roles has come or gone, or a command has come.
                Transacted::Refused(_) => {
                    if let Opened::Acquired(record) = &opened {
                        wanted = Some(lease_of(record));
                    }
                }
            }
        }
        let problem = format!("others came first in each of {OPEN_ATTEMPTS} attempts");
        Err(CallError::contention(operation, problem))
    }

    /// Decides what becomes of a new rotation, and returns it with its writes.
    async fn admit(
        &self,
        requested: &Requested,
        stack: &StackRecord,
        (by, now): (&Author, Timestamp),
    ) -> Result<(Opened, Vec<Write>), CallError> {
        let request = &requested.request;
        let roles = Roles { table: self.table };
        let roles = if request.dry_run {
            None
        } else {
            Some(roles.pair(request).await?)
        };
        Ok(match rotation::admit(request, roles.as_ref(), stack, now) {
            Admission::Start(started_at) => {
                let record = RotationRecord {
                    lease_owner: by.request_id.clone(),
                    ..RotationRecord::start(requested, started_at)
                };
                let mut writes = create(&record);
                let roles = roles.iter();
                writes.extend(roles.flat_map(|roles| hold(&record, roles, started_at)));
                (Opened::Acquired(Box::new(record)), writes)
            }
            Admission::Queue => {
                let record = RotationRecord::queue(requested, now);
                let mut writes = create(&record);
                writes.extend(roles.iter().flat_map(|roles| queue(&record, roles)));
                let waiting = NotAcquired::Waiting(Box::new(record));
                (Opened::NotAcquired(waiting), writes)
            }
            Admission::Full(role) => {
                let full = NotAcquired::QueueFull(role);
                (Opened::NotAcquired(full), Vec::new())
            }
        })
    }
}

/// The lease of a rotation. Each slice has another fence, each renewal another time, and each
/// invocation another request ID.
fn lease_of(record: &RotationRecord) -> (u64, Option<Timestamp>, Option<String>) {
    (record.fence, record.lease_until, record.lease_owner.clone())
}

/// Creates the item of a new rotation, with the first entry of its timeline.
pub(super) fn create(record: &RotationRecord) -> Vec<Write> {
    let mut item = to_item(record);
    item.extend(rotation_key(&record.key, &Entry::Rotation));
    vec![Write::put(item).only_if(is_absent()), first_entry(record)]
}

/// Gives the lease of an open rotation to the next slice, under the fence of `record`. The lease
/// and the status must be those that were read: the owner of the lease may have renewed it since,
/// or closed the rotation, and a command may have paused it. None of these changes the fence.
fn resume(record: &RotationRecord, seen_lease: Option<Timestamp>) -> Write {
    let has_seen_lease = match seen_lease {
        None => Condition::new("attribute_not_exists(leaseUntil)"),
        Some(until) => Condition::new("leaseUntil = :seenLease").value("seenLease", text(until)),
    };
    let change = Change::default()
        .set("fence", number(record.fence))
        .set_or_remove("leaseOwner", record.lease_owner.as_ref().map(text))
        .set_or_remove("leaseUntil", record.lease_until.map(text));
    let change = if record.failing_since.is_empty() {
        change.remove("failingSince")
    } else {
        change
    };
    let key = rotation_key(&record.key, &Entry::Rotation);
    let change = if record.has_unconfirmed_updates {
        change.set("hasUnconfirmedUpdates", AttributeValue::Bool(true))
    } else {
        change
    };
    let condition = has_fence(record.fence - 1)
        .and(has_status(record))
        .and(has_seen_lease);
    Write::update(key, change).only_if(condition)
}
