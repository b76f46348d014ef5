//! Notices associations that come back to a role which a rotation replaced, whenever the index learns of a role. Nothing is
//! moved: the rotation's record says so, a metric counts it, and a person decides.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tracing::warn;

use crate::association::Association;
use crate::aws::Aws;
use crate::aws::error::CallError;
use crate::record::RotationRecord;
use crate::returned::{MadeBy, ReturnedRow, has_returned, latest_real};
use crate::role_field::RoleField;
use crate::time::Timestamp;

/// Roles whose rotations are remembered, so that building an index asks once for each role. Beyond that it is asked again.
const ROLES_MAX: usize = 1_000;
/// A role can come back round a chain of rotations, A to B to C to A. Nobody's chain is longer.
const HOPS_MAX: u32 = 8;

/// What one invocation knows of roles that were replaced.
#[derive(Debug)]
pub struct ReturnWatch<'a> {
    aws: &'a Aws,
    by_role: Mutex<HashMap<String, Option<Box<RotationRecord>>>>,
    noted: AtomicU64,
}

impl<'a> ReturnWatch<'a> {
    #[must_use]
    pub fn new(aws: &'a Aws) -> Self {
        Self { aws, by_role: Mutex::default(), noted: AtomicU64::new(0) }
    }

    /// How many returns were new.
    pub fn noted(&self) -> u64 {
        self.noted.load(Ordering::Relaxed)
    }

    /// The index has learnt what EKS shows of an association. `made_by` is who made this version, where that is known.
    ///
    /// # Errors
    /// Where the ledger cannot be read or written.
    pub async fn look_at(&self, seen: &Association, made_by: &MadeBy) -> Result<(), CallError> {
        for role in RoleField::ALL.into_iter().filter_map(|field| seen.role_in(field)) {
            let Some(rotation) = self.replaced_by(role).await? else { continue };
            let row = self.aws.ledger.row(&rotation.rotation_id, &seen.association_arn).await?;
            if !has_returned(&rotation, row.as_ref(), seen) {
                continue;
            }
            let returned = ReturnedRow::new(&rotation, seen, made_by.clone(), self.aws.now());
            if self.aws.ledger.note_return(&returned).await? {
                self.noted.fetch_add(1, Ordering::Relaxed);
                warn!(
                    rotationId = rotation.rotation_id,
                    association = %seen.association_arn,
                    role,
                    modified_at = %seen.modified_at,
                    caller = made_by.caller_arn,
                    "an association is on a role again that was replaced"
                );
            }
            // Both fields with the same role are one return.
            break;
        }
        Ok(())
    }

    /// The rotation that replaced a role, unless the role has taken another's place since.
    async fn replaced_by(&self, role: &str) -> Result<Option<Box<RotationRecord>>, CallError> {
        let known = self.by_role.lock().unwrap_or_else(PoisonError::into_inner).get(role).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let beginning = Timestamp::from_millis(0);
        let latest = latest_real(self.aws.ledger.by_old_role(role, beginning).await?);
        let replaced = match latest {
            Some(rotation) if !self.is_back(role, &rotation).await? => Some(Box::new(rotation)),
            _ => None,
        };
        let mut by_role = self.by_role.lock().unwrap_or_else(PoisonError::into_inner);
        // A rotation that is under way will have changed by the next look.
        let is_settled = replaced.as_ref().is_none_or(|rotation| rotation.status.is_final());
        if is_settled && by_role.len() < ROLES_MAX {
            by_role.insert(role.to_owned(), replaced.clone());
        }
        Ok(replaced)
    }

    /// Whether a later rotation, or a chain of them, made `role` the new role again.
    async fn is_back(&self, role: &str, replaced: &RotationRecord) -> Result<bool, CallError> {
        let (mut current, mut since) = (replaced.new_role_arn.clone(), replaced.started_at);
        for _ in 0..HOPS_MAX {
            let later = self.aws.ledger.by_old_role(current.as_str(), since).await?;
            let Some(next) = latest_real(later) else { return Ok(false) };
            if next.new_role_arn.as_str() == role {
                return Ok(true);
            }
            (current, since) = (next.new_role_arn, next.started_at);
        }
        Ok(false)
    }
}
