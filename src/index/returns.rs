//! Notices associations that come back to a role which a rotation replaced, whenever the index learns of a role. Nothing is
//! moved: the rotation's record says so, a metric counts it, and a person decides.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::warn;

use crate::association::Association;
use crate::aws::Aws;
use crate::aws::error::CallError;
use crate::record::RotationRecord;
use crate::returned::{MadeBy, ReturnedRow, Verdict, covers, is_real, verdict};
use crate::role_field::RoleField;

/// Roles whose rotations are remembered, so that building an index asks once for each role. Beyond that it is asked again.
const ROLES_MAX: usize = 1_000;
/// A role can come back round a chain of rotations, A to B to C to A. Nobody's chain is longer.
const HOPS_MAX: u32 = 8;

/// What one invocation knows of roles that were replaced.
#[derive(Debug)]
pub struct ReturnWatch<'a> {
    aws: &'a Aws,
    /// The rotations that replaced a role, latest first.
    by_role: Mutex<HashMap<String, Rotations>>,
    noted: AtomicU64,
}

type Rotations = Arc<Vec<RotationRecord>>;

/// Open rotations that do not know of an association yet. They are told once the index has it, where their sweep finds it.
#[derive(Debug, Default)]
#[must_use]
pub struct Arrivals(Vec<String>);

impl<'a> ReturnWatch<'a> {
    #[must_use]
    pub fn new(aws: &'a Aws) -> Self {
        Self { aws, by_role: Mutex::default(), noted: AtomicU64::new(0) }
    }

    /// How many returns were new.
    pub fn noted(&self) -> u64 {
        self.noted.load(Ordering::Relaxed)
    }

    /// The index is about to learn what EKS shows of an association. `made_by` is who made this version, where that is known.
    ///
    /// # Errors
    /// Where the ledger cannot be read or written.
    pub async fn look_at(&self, seen: &Association, made_by: &MadeBy) -> Result<Arrivals, CallError> {
        let mut arrivals = Arrivals::default();
        let mut roles: Vec<_> = RoleField::ALL.into_iter().filter_map(|field| seen.role_in(field)).collect();
        // Both fields with the same role are one return.
        roles.dedup();
        for role in roles {
            let Some((rotation, verdict)) = self.asked(role, seen).await? else { continue };
            match verdict {
                Verdict::Returned => self.note(&rotation, seen, made_by).await?,
                Verdict::Arriving => arrivals.0.push(rotation.rotation_id),
                Verdict::NeverLeft | Verdict::Elsewhere => {}
            }
        }
        Ok(arrivals)
    }

    /// The index has learnt it. A rotation that has come to its end since missed the association.
    ///
    /// # Errors
    /// Where the ledger cannot be read or written.
    pub async fn arrived(&self, arrivals: Arrivals, seen: &Association, made_by: &MadeBy) -> Result<(), CallError> {
        for key in arrivals.0 {
            if !self.aws.ledger.note_arrival(&key).await?
                && let Some(rotation) = self.aws.ledger.read(&key).await?
                && verdict(&rotation, self.aws.ledger.row(&key, &seen.association_arn).await?.as_ref(), seen)
                    == Verdict::Returned
            {
                self.note(&rotation, seen, made_by).await?;
            }
        }
        Ok(())
    }

    async fn note(&self, rotation: &RotationRecord, seen: &Association, made_by: &MadeBy) -> Result<(), CallError> {
        let returned = ReturnedRow::new(rotation, seen, made_by.clone(), self.aws.now());
        if self.aws.ledger.note_return(&returned).await? {
            self.noted.fetch_add(1, Ordering::Relaxed);
            warn!(
                rotationId = rotation.rotation_id,
                association = %seen.association_arn,
                role = %rotation.old_role_arn,
                modified_at = %seen.modified_at,
                caller = made_by.caller_arn,
                "an association is on a role that was replaced"
            );
        }
        Ok(())
    }

    /// The latest rotation that replaced `role` for this association, and what the association says about it; none where
    /// there is none, or where the role has taken another's place since.
    async fn asked(&self, role: &str, seen: &Association) -> Result<Option<(RotationRecord, Verdict)>, CallError> {
        for rotation in self.rotations(role).await?.iter() {
            let row = self.aws.ledger.row(&rotation.rotation_id, &seen.association_arn).await?;
            let verdict = verdict(rotation, row.as_ref(), seen);
            if verdict != Verdict::Elsewhere {
                let is_back = self.is_back(role, rotation, seen).await?;
                return Ok((!is_back).then(|| (rotation.clone(), verdict)));
            }
        }
        Ok(None)
    }

    /// Whether a later rotation, or a chain of them, made `role` the new role of this association again.
    async fn is_back(&self, role: &str, replaced: &RotationRecord, seen: &Association) -> Result<bool, CallError> {
        let (mut current, mut since) = (replaced.new_role_arn.to_string(), replaced.started_at);
        for _ in 0..HOPS_MAX {
            let later = self.rotations(&current).await?;
            let Some(next) = later.iter().find(|next| next.started_at > since && covers(next, seen)) else {
                return Ok(false);
            };
            if next.new_role_arn.as_str() == role {
                return Ok(true);
            }
            (current, since) = (next.new_role_arn.to_string(), next.started_at);
        }
        Ok(false)
    }

    /// The rotations that replaced a role, latest first.
    async fn rotations(&self, role: &str) -> Result<Rotations, CallError> {
        let known = self.by_role.lock().unwrap_or_else(PoisonError::into_inner).get(role).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let mut rotations = self.aws.ledger.by_old_role(role).await?;
        rotations.retain(is_real);
        let rotations = Arc::new(rotations);
        let mut by_role = self.by_role.lock().unwrap_or_else(PoisonError::into_inner);
        // A rotation that is under way will have changed by the next look.
        let is_settled = rotations.iter().all(|rotation| rotation.status.is_final());
        if is_settled && by_role.len() < ROLES_MAX {
            by_role.insert(role.to_owned(), rotations.clone());
        }
        Ok(rotations)
    }
}
