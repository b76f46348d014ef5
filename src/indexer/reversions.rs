//! Detects reversions: associations that are on a role which a rotation has replaced. Whenever the
//! index learns a role, it is checked here. Nothing is moved back: the rotation's record shows the
//! reversion, a metric counts it, and a person decides. The rules are in
//! `rerole_core::rotation::reversion`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rerole_core::call::CallError;
use rerole_core::indexing::Caller;
use rerole_core::keys::RotationKey;
use rerole_core::resource::{Association, RoleField};
use rerole_core::rotation::RotationRecord;
use rerole_core::rotation::reversion::{ReversionRow, Verdict, covers, replaces_roles, verdict};
use tracing::warn;

use crate::aws::Aws;

/// Roles whose rotations are cached. Building an index queries the rotations of each role once. Of
/// further roles they are queried for each association.
const ROLES_MAX: usize = 1_000;
/// A chain of rotations can make a replaced role new again: A to B, B to C, C to A. No chain in
/// practice is longer than this.
const CHAIN_LEN_MAX: u32 = 8;

/// What one invocation knows of replaced roles.
#[derive(Debug)]
pub struct ReversionDetector<'a> {
    aws: &'a Aws,
    /// Returns the rotations that replaced a role, latest first.
    by_role: Mutex<HashMap<String, Rotations>>,
    recorded: AtomicU64,
}

/// Open rotations that have no row for an association yet, by ledger key. They are notified once
/// the index holds the association, so their next sweep finds it.
#[derive(Debug, Default)]
#[must_use]
pub struct Arrivals(Vec<RotationKey>);

type Rotations = Arc<Vec<RotationRecord>>;

impl<'a> ReversionDetector<'a> {
    #[must_use]
    pub fn new(aws: &'a Aws) -> Self {
        Self {
            aws,
            by_role: Mutex::default(),
            recorded: AtomicU64::new(0),
        }
    }

    /// Returns how many reversions this detector has recorded.
    pub fn recorded(&self) -> u64 {
        self.recorded.load(Ordering::Relaxed)
    }

    /// Records the reversions that an association shows. Call this before the index learns the
    /// association, and [`Self::arrived`] afterwards. `caller` is who made this version, if known.
    ///
    /// # Errors
    /// If the ledger cannot be read or written.
    pub async fn inspect(
        &self,
        seen: &Association,
        caller: &Caller,
    ) -> Result<Arrivals, CallError> {
        let mut arrivals = Arrivals::default();
        let mut roles: Vec<_> = RoleField::ALL
            .into_iter()
            .filter_map(|field| seen.role_in(field))
            .collect();
        // Two fields with the same role are one reversion.
        roles.dedup();
        for role in roles {
            let Some((rotation, verdict)) = self.find_verdict(role, seen).await? else {
                continue;
            };
            match verdict {
                Verdict::Reverted => self.record(&rotation, seen, caller).await?,
                Verdict::Arriving => arrivals.0.push(rotation.key),
                Verdict::NeverLeft | Verdict::Elsewhere => {}
            }
        }
        Ok(arrivals)
    }

    /// Notifies the open rotations, after the index has learned the association. A rotation that
    /// closed in between has missed the association, so a reversion is recorded for it instead.
    ///
    /// # Errors
    /// If the ledger cannot be read or written.
    pub async fn arrived(
        &self,
        arrivals: Arrivals,
        seen: &Association,
        caller: &Caller,
    ) -> Result<(), CallError> {
        for key in arrivals.0 {
            let ledger = &self.aws.ledger;
            if ledger.reversions().record_arrival(&key).await? {
                continue;
            }
            let Some(rotation) = ledger.rotations().read(&key).await? else {
                continue;
            };
            let row = ledger.rows(&key).get(&seen.association_arn).await?;
            if verdict(&rotation, row.as_ref(), seen) == Verdict::Reverted {
                self.record(&rotation, seen, caller).await?;
            }
        }
        Ok(())
    }

    async fn record(
        &self,
        rotation: &RotationRecord,
        seen: &Association,
        caller: &Caller,
    ) -> Result<(), CallError> {
        let row = ReversionRow::new(rotation, seen, caller.clone(), self.aws.now());
        if self
            .aws
            .ledger
            .reversions()
            .record(&rotation.key, &row)
            .await?
        {
            self.recorded.fetch_add(1, Ordering::Relaxed);
            warn!(
                rotationId = %rotation.key,
                association = %seen.association_arn,
                role = %rotation.old_role_arn,
                modifiedAt = %seen.modified_at,
                caller = caller.caller_arn,
                "association is on a replaced role"
            );
        }
        Ok(())
    }

    /// Returns the latest rotation that replaced `role` for this association, and the verdict on
    /// it, or `None` if no rotation replaced the role, or a later rotation made it the new role
    /// again.
    async fn find_verdict(
        &self,
        role: &str,
        seen: &Association,
    ) -> Result<Option<(RotationRecord, Verdict)>, CallError> {
        for rotation in self.rotations(role).await?.iter() {
            let rows = self.aws.ledger.rows(&rotation.key);
            let row = rows.get(&seen.association_arn).await?;
            let verdict = verdict(rotation, row.as_ref(), seen);
            if verdict != Verdict::Elsewhere {
                let is_new_again = self.is_new_again(role, rotation, seen).await?;
                return Ok((!is_new_again).then(|| (rotation.clone(), verdict)));
            }
        }
        Ok(None)
    }

    /// Returns whether a later rotation, or a chain of them, made `role` the new role of this
    /// association again.
    async fn is_new_again(
        &self,
        role: &str,
        replaced: &RotationRecord,
        seen: &Association,
    ) -> Result<bool, CallError> {
        let (mut current, mut since) = (replaced.new_role_arn.to_string(), replaced.started_at);
        for _ in 0..CHAIN_LEN_MAX {
            let later = self.rotations(&current).await?;
            let Some(next) = later
                .iter()
                .find(|next| next.started_at > since && covers(next, seen))
            else {
                return Ok(false);
            };
            if next.new_role_arn.as_str() == role {
                return Ok(true);
            }
            (current, since) = (next.new_role_arn.to_string(), next.started_at);
        }
        Ok(false)
    }

    /// Returns the rotations that replaced a role, latest first.
    async fn rotations(&self, role: &str) -> Result<Rotations, CallError> {
        let cached = self
            .by_role
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(role)
            .cloned();
        if let Some(cached) = cached {
            return Ok(cached);
        }
        let mut rotations = self.aws.ledger.rotations().by_old_role(role).await?;
        rotations.retain(replaces_roles);
        let rotations = Arc::new(rotations);
        let mut by_role = self.by_role.lock().unwrap_or_else(PoisonError::into_inner);
        // An open rotation changes, so it is read again each time.
        let are_final = rotations.iter().all(|rotation| rotation.status.is_final());
        if are_final && by_role.len() < ROLES_MAX {
            by_role.insert(role.to_owned(), rotations.clone());
        }
        Ok(rotations)
    }
}
