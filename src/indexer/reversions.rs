//! Detects reversions: associations that are on a role which a rotation has replaced. Whenever the
//! indexer describes an association, it is checked here, whether the index holds it already or not:
//! what one check has missed, the next full reconcile finds. Nothing is moved back. The rotation's
//! record shows the reversion, the role counts as in use, a metric counts it, and a person decides.
//! The rules are in `rerole_core::rotation::reversion`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rerole_core::call::CallError;
use rerole_core::indexing::{Caller, IndexItem};
use rerole_core::keys::RotationKey;
use rerole_core::resource::{Association, RoleArn, RoleField};
use rerole_core::rotation::reversion::{Meaning, ReversionRow, RoleHistory, RoleStep};
use rerole_core::rotation::{InUse, ROLE_KNOWN_FOR, RotationRecord, Row};
use tokio::time::Instant;
use tracing::warn;

use crate::aws::Aws;
use crate::aws::ledger::RoleItems;

/// What is kept in memory. More is read again.
const KNOWN_MAX: usize = 1_000;

/// What one invocation knows of replaced roles.
#[derive(Debug)]
pub struct ReversionDetector<'a> {
    aws: &'a Aws,
    roles: Recent<RoleArn, RoleItems>,
    rotations: Recent<RotationKey, RotationRecord>,
    recorded: AtomicU64,
}

/// What has to be told once the index holds the association.
#[derive(Debug, Default)]
#[must_use]
pub struct Arrivals {
    /// Open rotations that have no row for the association yet.
    rotations: Vec<Arc<RotationRecord>>,
    /// Roles that it uses, and that a rotation from the role holds which is not to move it.
    held: Vec<(RoleArn, RotationKey)>,
}

impl Arrivals {
    /// Returns what has to be told of an association that the index has held for some time. A
    /// rotation counts what the index shows on its old role.
    pub fn known_to_the_index(mut self) -> Self {
        self.held.clear();
        self
    }
}

impl<'a> ReversionDetector<'a> {
    #[must_use]
    pub fn new(aws: &'a Aws) -> Self {
        Self {
            aws,
            roles: Recent::default(),
            rotations: Recent::default(),
            recorded: AtomicU64::new(0),
        }
    }

    /// Returns how many reversions this detector has recorded.
    pub fn recorded(&self) -> u64 {
        self.recorded.load(Ordering::Relaxed)
    }

    /// Records the reversions that an association shows, and that its roles are in use. Call this
    /// before the index learns the association, and [`Self::arrived`] afterwards. `caller` is who
    /// made this version, if known.
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
            // No rotation can name a role whose ARN is invalid.
            let Ok(role) = role.parse::<RoleArn>() else {
                continue;
            };
            let known = self.known(&role).await?;
            let Some(record) = &known.record else {
                continue;
            };
            let holder = record.held_by.clone().filter(|key| known.is_from(key));
            match self.meaning(&known, seen).await? {
                (Meaning::Reverted, Some(rotation)) => {
                    self.record(&rotation, seen, caller).await?;
                    let other = holder.filter(|key| *key != rotation.key);
                    arrivals.held.extend(other.map(|key| (role.clone(), key)));
                }
                (Meaning::Arriving, Some(rotation)) => {
                    arrivals.rotations.push(rotation);
                    continue;
                }
                (Meaning::Undecided | Meaning::Belongs, _) => {
                    arrivals.held.extend(holder.map(|key| (role.clone(), key)));
                }
                _ => {}
            }
            if record.in_use.is_none() {
                self.put_to_use(&role, seen).await?;
            }
        }
        Ok(arrivals)
    }

    /// As [`Self::inspect`], with nothing that was read before.
    ///
    /// # Errors
    /// If the ledger cannot be read or written.
    pub async fn inspect_again(
        &self,
        seen: &Association,
        caller: &Caller,
    ) -> Result<Arrivals, CallError> {
        self.roles.clear();
        self.rotations.clear();
        self.inspect(seen, caller).await
    }

    /// Tells the open rotations, after the index has learned the association. A rotation that
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
        for (role, key) in arrivals.held {
            let reversions = self.aws.ledger.reversions();
            if !reversions.count_arrival(&key, &role).await? {
                self.put_to_use(&role, seen).await?;
            }
        }
        for rotation in arrivals.rotations {
            let (key, ledger) = (&rotation.key, &self.aws.ledger);
            let row = Row {
                attempt: rotation.attempt,
                ..Row::planned(&rotation.old_role_arn, &IndexItem::of(seen))
            };
            if ledger.reversions().record_arrival(key, &row).await? {
                continue;
            }
            // What was read of the role and the rotation is older than its end.
            let role = &rotation.old_role_arn;
            self.roles.forget(role);
            self.rotations.forget(key);
            let known = self.known(role).await?;
            if let (Meaning::Reverted, Some(rotation)) = self.meaning(&known, seen).await? {
                self.record(&rotation, seen, caller).await?;
            }
            self.put_to_use(role, seen).await?;
        }
        Ok(())
    }

    /// Records that the association uses the role.
    async fn put_to_use(&self, role: &RoleArn, seen: &Association) -> Result<(), CallError> {
        let in_use = InUse::by_association(&seen.association_arn, seen.modified_at);
        self.aws.ledger.roles().put_to_use(role, &in_use).await?;
        self.roles.forget(role);
        Ok(())
    }

    /// Returns what is known of a role.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub async fn known(&self, role: &RoleArn) -> Result<Arc<RoleItems>, CallError> {
        if let Some(known) = self.roles.get(role) {
            return Ok(known);
        }
        let items = self.aws.ledger.roles().history(role).await?;
        Ok(self.roles.put(role.clone(), items))
    }

    async fn record(
        &self,
        rotation: &RotationRecord,
        seen: &Association,
        caller: &Caller,
    ) -> Result<(), CallError> {
        let row = ReversionRow::new(rotation, seen, caller.clone(), self.aws.now());
        let reversions = self.aws.ledger.reversions();
        if reversions.record(&rotation.key, &row).await? {
            self.roles.forget(&rotation.old_role_arn);
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

    /// Returns what it means that an association is on a role, and the rotation that decides it.
    async fn meaning(
        &self,
        known: &RoleItems,
        seen: &Association,
    ) -> Result<(Meaning, Option<Arc<RotationRecord>>), CallError> {
        let mut history = RoleHistory::default();
        for entry in &known.rotations {
            let Some(rotation) = self.rotation(&entry.key).await? else {
                continue;
            };
            let rows = self.aws.ledger.rows(&entry.key);
            let row = rows.get(&seen.association_arn).await?;
            let step = RoleStep {
                side: entry.side,
                rotation: &rotation,
                row: row.as_ref(),
            };
            match history.step(step, seen) {
                Meaning::Undecided => {}
                meaning => return Ok((meaning, Some(rotation))),
            }
        }
        Ok((Meaning::Undecided, None))
    }

    async fn rotation(&self, key: &RotationKey) -> Result<Option<Arc<RotationRecord>>, CallError> {
        if let Some(known) = self.rotations.get(key) {
            return Ok(Some(known));
        }
        let found = self.aws.ledger.rotations().read(key).await?;
        Ok(found.map(|rotation| self.rotations.put(key.clone(), rotation)))
    }
}

/// What was read within the last [`ROLE_KNOWN_FOR`].
#[derive(Debug)]
struct Recent<K, V>(Mutex<HashMap<K, (Instant, Arc<V>)>>);

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + std::hash::Hash, V> Recent<K, V> {
    fn get(&self, key: &K) -> Option<Arc<V>> {
        let (read_at, value) = self.lock().get(key)?.clone();
        (read_at.elapsed() < ROLE_KNOWN_FOR).then_some(value)
    }

    fn put(&self, key: K, value: V) -> Arc<V> {
        let value = Arc::new(value);
        let mut values = self.lock();
        if values.len() >= KNOWN_MAX {
            values.clear();
        }
        values.insert(key, (Instant::now(), value.clone()));
        value
    }

    fn forget(&self, key: &K) {
        self.lock().remove(key);
    }

    fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, (Instant, Arc<V>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
