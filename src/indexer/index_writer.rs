//! Writes to the index what EKS shows, and with it what follows for roles: an association on a
//! replaced role is a reversion or an arrival, and one that has left a role may be the last of it.
//!
//! The ledger is written before the index: if the invocation dies in between, the index still
//! differs from EKS, so the association is described again. Only the end of a role's use is written
//! after it, once for all associations of the invocation, because it depends on what the index
//! shows. If that write is lost, the next full run repeats it.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rerole_core::call::CallError;
use rerole_core::indexing::{Caller, Coverage, IndexEntry, IndexItem, ItemRules};
use rerole_core::resource::{Association, AssociationArn, OwnAccount, RoleArn};
use rerole_core::rotation::{ARRIVALS_SHOWN_AFTER, STORED_WITHIN, Status, left_roles};
use rerole_core::timestamp::Timestamp;
use tokio::time::Instant;
use tracing::info;

use crate::aws::Aws;
use crate::aws::index_table::{Replaces, Stored};
use crate::aws::ledger::{FoundRotation, OPEN_ROTATION_PAGES};
use crate::aws::page::paginate;
use crate::indexer::reversions::ReversionDetector;

/// The statuses of rotations that may have put a role to use, or left something on one.
const STATUSES_WITH_ROLES: [Status; 8] = [
    Status::Succeeded,
    Status::Incomplete,
    Status::CompletedWithFailures,
    Status::Failed,
    Status::NoAssociations,
    Status::Cancelled,
    Status::RolledBack,
    Status::RollbackIncomplete,
];

/// Writes to the index, and keeps what the ledger says of roles.
#[derive(Debug)]
pub struct IndexWriter<'a> {
    aws: &'a Aws,
    /// `None` if it is not known. Then no role's use ends.
    stack: Option<StackScope<'a>>,
    reversions: ReversionDetector<'a>,
    /// Roles that a rotation has named and that associations have left.
    departed: Mutex<BTreeSet<RoleArn>>,
}

/// What the stack covers whose index is written.
#[derive(Debug, Clone, Copy)]
pub struct StackScope<'a> {
    pub coverage: &'a Coverage,
    /// The function's account, if known.
    pub own_account: Option<&'a OwnAccount>,
}

/// What EKS shows of an association, and what the index has of it.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    pub held: Option<&'a IndexEntry>,
    pub seen: &'a Association,
    /// Who made the version that EKS shows, if known.
    pub caller: &'a Caller,
}

impl<'a> IndexWriter<'a> {
    #[must_use]
    pub fn new(aws: &'a Aws, stack: Option<StackScope<'a>>) -> Self {
        Self {
            aws,
            stack,
            reversions: ReversionDetector::new(aws),
            departed: Mutex::default(),
        }
    }

    /// Returns whether the stack leaves this cluster out of its index.
    #[must_use]
    pub fn excludes(&self, cluster_name: &str) -> bool {
        let globs = self
            .coverage()
            .into_iter()
            .flat_map(|coverage| &coverage.exclude_clusters);
        globs.into_iter().any(|glob| glob.matches(cluster_name))
    }

    /// Returns what the items of the index, and messages about them, are held against.
    #[must_use]
    pub fn item_rules(&self) -> ItemRules<'a> {
        ItemRules {
            own_account: self.stack.and_then(|stack| stack.own_account),
            regions: self.coverage().map(|coverage| coverage.regions.as_slice()),
            now: self.aws.now(),
        }
    }

    /// Records that the index of regions is not complete any more that the stack does not index any
    /// more: their events are ignored, and a full run removes their items.
    ///
    /// # Errors
    /// If DynamoDB cannot be read or written.
    pub async fn forget_dropped_regions(&self) -> Result<(), CallError> {
        let Some(coverage) = self.coverage() else {
            return Ok(());
        };
        let region_indexes = self.aws.ledger.region_indexes();
        for region in coverage.dropped(&region_indexes.read().await?) {
            info!(region, "region not indexed any more");
            region_indexes.forget(&region).await?;
        }
        Ok(())
    }

    fn coverage(&self) -> Option<&'a Coverage> {
        self.stack.map(|stack| stack.coverage)
    }

    /// Returns how many reversions have been recorded.
    #[must_use]
    pub fn recorded_reversions(&self) -> u64 {
        self.reversions.recorded()
    }

    /// Stores what EKS showed at `now`, unless the index has a later version.
    ///
    /// # Errors
    /// If DynamoDB cannot be read or written.
    pub async fn store(&self, shown: Shown<'_>, now: Timestamp) -> Result<Stored, CallError> {
        let Shown { held, seen, caller } = shown;
        let invalid = held.and_then(IndexEntry::invalid);
        let held = held.and_then(IndexEntry::live);
        if held.is_some_and(|held| held.modified_at > seen.modified_at) {
            return Ok(Stored::Older);
        }
        let inspected_at = Instant::now();
        let mut arrivals = self.reversions.inspect(seen, caller).await?;
        let item = IndexItem::of(seen);
        if let Some(held) = held {
            self.note_departures(held, Some(&item), now).await?;
        }
        let stored = self.aws.index.store(seen, invalid, now).await?;
        if stored == Stored::Tombstone {
            return Ok(stored);
        }
        if inspected_at.elapsed() > STORED_WITHIN {
            // A rotation may have opened in between, and have looked for the association in vain.
            arrivals = self.reversions.inspect_again(seen, caller).await?;
        }
        self.reversions.arrived(arrivals, seen, caller).await?;
        Ok(stored)
    }

    /// Checks an association that the index holds as EKS shows it. An earlier check may have missed
    /// that it is on a replaced role.
    ///
    /// # Errors
    /// If DynamoDB cannot be read or written.
    pub async fn check(&self, seen: &Association) -> Result<(), CallError> {
        let caller = Caller::default();
        let arrivals = self.reversions.inspect(seen, &caller).await?;
        let arrivals = arrivals.known_to_the_index();
        self.reversions.arrived(arrivals, seen, &caller).await
    }

    /// Writes the tombstone of a deleted association. Returns whether there was none.
    ///
    /// # Errors
    /// If DynamoDB cannot be read or written.
    pub async fn remove(
        &self,
        arn: &AssociationArn,
        held: Option<&IndexItem>,
        now: Timestamp,
    ) -> Result<bool, CallError> {
        if let Some(held) = held {
            self.note_departures(held, None, now).await?;
        }
        self.aws
            .index
            .write_tombstone(arn, Replaces::Any, now)
            .await
    }

    /// Ends the use of the roles that associations have left since the last call, if no association
    /// uses them any more. What there is no time for, the next full run does.
    ///
    /// # Errors
    /// If DynamoDB cannot be read or written.
    pub async fn end_uses(&self, ends_at: Instant) -> Result<(), CallError> {
        let mut roles: Vec<RoleArn> = std::mem::take(&mut *self.departed()).into_iter().collect();
        if roles.is_empty() || !has_time(ends_at) || !self.is_index_complete().await? {
            return Ok(());
        }
        // If there is not enough time for all, another call begins with others.
        fastrand::shuffle(&mut roles);
        let candidates = self.candidates(roles, ends_at).await?;
        if candidates.is_empty() {
            return Ok(());
        }
        // The index may still show the association that has just left.
        tokio::time::sleep(ARRIVALS_SHOWN_AFTER).await;
        let mut freed = Vec::new();
        let result = self.free(candidates, ends_at, &mut freed).await;
        self.check_freed(freed).await?;
        result
    }

    /// As [`Self::end_uses`], for all roles that rotations have named.
    ///
    /// # Errors
    /// If DynamoDB cannot be read or written.
    pub async fn end_all_uses(&self, ends_at: Instant) -> Result<(), CallError> {
        for status in STATUSES_WITH_ROLES {
            let mut pages = paginate(OPEN_ROTATION_PAGES, async |start| {
                self.aws.ledger.rotations().by_status(status, start).await
            });
            while let Some(page) = pages.next().await? {
                for found in page {
                    if let FoundRotation::Record(rotation) = found {
                        let roles = [rotation.old_role_arn, rotation.new_role_arn];
                        self.departed().extend(roles);
                    }
                }
            }
        }
        self.end_uses(ends_at).await
    }

    /// Records that an association has left the roles that it no longer names.
    async fn note_departures(
        &self,
        held: &IndexItem,
        shown: Option<&IndexItem>,
        now: Timestamp,
    ) -> Result<(), CallError> {
        for left in left_roles(held, shown, now) {
            let Ok(role) = left.role.parse::<RoleArn>() else {
                continue;
            };
            let known = self.reversions.known(&role).await?;
            if known.record.is_some() {
                let roles = self.aws.ledger.roles();
                roles.note_departure(&role, left.until).await?;
                self.departed().insert(role);
            }
        }
        Ok(())
    }

    /// Returns those of these roles that are in use and that no rotation holds, with the version of
    /// their items. What is put to use after that has another version.
    async fn candidates(
        &self,
        roles: Vec<RoleArn>,
        ends_at: Instant,
    ) -> Result<Vec<(RoleArn, u64)>, CallError> {
        let mut candidates = Vec::new();
        for role in roles {
            if !has_time(ends_at) {
                break;
            }
            let record = self.aws.ledger.roles().read(&role).await?;
            if let Some(record) = record
                && record.in_use.is_some()
                && record.held_by.is_none()
            {
                candidates.push((role, record.version));
            }
        }
        Ok(candidates)
    }

    /// Ends the use of those of these roles that the index shows no association on, if their items
    /// still have these versions. Adds them to `freed`.
    async fn free(
        &self,
        candidates: Vec<(RoleArn, u64)>,
        ends_at: Instant,
        freed: &mut Vec<RoleArn>,
    ) -> Result<(), CallError> {
        for (role, version) in candidates {
            if !has_time(ends_at) {
                break;
            }
            let shown = self.aws.index.any_on(&role, &self.item_rules()).await?;
            if shown.is_none() && self.aws.ledger.roles().free(&role, version).await? {
                freed.push(role);
            }
        }
        Ok(())
    }

    /// Puts a role to use again if the index shows an association on it after all. An invocation
    /// that has stored one, while the role still counted as in use, has recorded no use, and the
    /// secondary indexes may have shown the association too late.
    async fn check_freed(&self, freed: Vec<RoleArn>) -> Result<(), CallError> {
        if freed.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(ARRIVALS_SHOWN_AFTER).await;
        for role in freed {
            let Some(in_use) = self.aws.index.any_on(&role, &self.item_rules()).await? else {
                info!(%role, "no association uses the role any more");
                continue;
            };
            self.aws.ledger.roles().put_to_use(&role, &in_use).await?;
        }
        Ok(())
    }

    /// The roles that associations have left since the last call of [`Self::end_uses`].
    fn departed(&self) -> MutexGuard<'_, BTreeSet<RoleArn>> {
        self.departed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether the index is complete for all regions. If it is not, a role may be used by
    /// associations that are not known.
    async fn is_index_complete(&self) -> Result<bool, CallError> {
        let Some(coverage) = self.coverage() else {
            return Ok(false);
        };
        let indexes = self.aws.ledger.region_indexes().read().await?;
        Ok(coverage.incomplete(&indexes, self.aws.now()).is_empty())
    }
}

/// Returns whether there is time for the pauses before and after a role's use ends, and for the
/// calls between them.
fn has_time(ends_at: Instant) -> bool {
    Instant::now() + ARRIVALS_SHOWN_AFTER * 3 < ends_at
}
