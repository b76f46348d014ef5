//! Opens a rotation for one slice. How the slice renews, releases or closes it is in `lease.rs`.

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{AttributeValue, CancellationReason, TransactWriteItem};
use rerole_core::call::CallError;
use rerole_core::request::RotationRequest;
use rerole_core::resource::RoleArn;
use rerole_core::rotation::{ROTATION_ENTRY, RotationRecord};
use rerole_core::timestamp::Timestamp;

use crate::aws::dynamodb::{
    Expression, Transacted, build, is_failed_condition, number, text, to_item, transact,
};
use crate::aws::ledger::Ledger;

/// Few deliveries of one event compete. If others open the rotation first this often, something is
/// wrong, and Lambda delivers the event again.
const OPEN_ATTEMPTS: u32 = 4;

/// The result of [`Ledger::open`].
#[derive(Debug)]
pub enum Opened {
    /// This invocation holds the lease, under the fence of the record.
    Acquired(Box<RotationRecord>),
    /// Another invocation holds the lease.
    AlreadyRunning,
    /// The rotation is finished.
    Finished(Box<RotationRecord>),
    /// A rotation with this ID has another request.
    OtherRequest(Box<RotationRecord>),
    /// Another rotation holds the lock of a role.
    RoleLocked { role: RoleArn, owner: String },
}

impl Ledger {
    /// Opens the rotation, or takes over an open one whose lease has ended, in one transaction: its
    /// item with lease and fence, and the locks of both roles. A dry run takes no locks, because it
    /// writes nothing that another rotation reads.
    ///
    /// Each attempt reads the item and then writes under a condition on what it has read. So of two
    /// deliveries that read the same item one gets the rotation, and the other reads again and
    /// finds it leased.
    ///
    /// # Errors
    /// If DynamoDB cannot be read or written, or if other deliveries opened the rotation first at
    /// every attempt.
    pub async fn open(
        &self,
        request: &RotationRequest,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Opened, CallError> {
        const OPERATION: &str = "open rotation";
        let key = request.ledger_key();
        for _ in 0..OPEN_ATTEMPTS {
            let (record, item) = match self.read(&key).await? {
                None => self.new_rotation(request, now, until),
                Some(found) if found.request != *request => {
                    return Ok(Opened::OtherRequest(Box::new(found)));
                }
                Some(found) if found.status.is_final() => {
                    return Ok(Opened::Finished(Box::new(found)));
                }
                Some(found) if found.is_leased_at(now) => return Ok(Opened::AlreadyRunning),
                Some(found) => self.next_lease(found, until),
            };
            let mut items = vec![build(OPERATION, &key, item)?];
            if !request.dry_run {
                for role in [&request.old_role_arn, &request.new_role_arn] {
                    items.push(self.lock(role, &key, now)?);
                }
            }
            match transact(&self.client, OPERATION, &key, items).await? {
                Transacted::Done => return Ok(Opened::Acquired(Box::new(record))),
                Transacted::Cancelled(reasons) => {
                    if let Some(locked) = locked_role(request, &reasons) {
                        return Ok(locked);
                    }
                    // Another delivery opened the rotation between the read and the transaction.
                }
            }
        }
        let problem = format!("other deliveries opened it first {OPEN_ATTEMPTS} times");
        Err(CallError::contention(OPERATION, key, problem))
    }

    /// Returns the first lease of a new rotation, and the item that writes it.
    fn new_rotation(
        &self,
        request: &RotationRequest,
        now: Timestamp,
        until: Timestamp,
    ) -> (RotationRecord, Result<TransactWriteItem, BuildError>) {
        let record = RotationRecord::open(request, now, until);
        let put = self
            .put_item(to_item(&record))
            .condition_expression("attribute_not_exists(rotationId)")
            .build();
        let item = put.map(|put| TransactWriteItem::builder().put(put).build());
        (record, item)
    }

    /// Returns the next lease of an open rotation, under the next fence, and the item that writes
    /// it.
    fn next_lease(
        &self,
        found: RotationRecord,
        until: Timestamp,
    ) -> (RotationRecord, Result<TransactWriteItem, BuildError>) {
        let seen_fence = found.fence;
        let record = RotationRecord {
            fence: seen_fence + 1,
            lease_until: Some(until),
            ..found
        };
        let change = Expression::default()
            .set("fence", number(record.fence))
            .set("leaseUntil", text(until))
            .only_if(
                "#fence = :seenFence",
                &[],
                &[("seenFence", number(seen_fence))],
            );
        let update = self
            .update(&record.rotation_id, ROTATION_ENTRY, &change)
            .build();
        let item = update.map(|update| TransactWriteItem::builder().update(update).build());
        (record, item)
    }
}

/// Returns the lock that cancelled the transaction, if one did. The reasons are in the order of the
/// items, of which the first is the rotation.
fn locked_role(request: &RotationRequest, reasons: &[CancellationReason]) -> Option<Opened> {
    let roles = [&request.old_role_arn, &request.new_role_arn];
    let (role, reason) = roles
        .into_iter()
        .zip(reasons.iter().skip(1))
        .find(|(_, reason)| is_failed_condition(reason))?;
    let owner = match reason.item().and_then(|item| item.get("lockedBy")) {
        Some(AttributeValue::S(owner)) => owner.clone(),
        _ => "another rotation".to_owned(),
    };
    Some(Opened::RoleLocked {
        role: role.clone(),
        owner,
    })
}
