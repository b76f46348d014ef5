//! Writes to the index what EKS shows, and with it what follows for roles: an association on a
//! replaced role is a reversion or an arrival, and one that has left a role may be the last of it.
//!
//! The ledger is written before the index: if the invocation dies in between, the index still
//! differs from EKS, so the association is described again. Only the end of a role's use is written
//! after it, because it depends on what the index shows. If that write is lost, the next full run
//! repeats it.

use std::collections::BTreeSet;

use rerole_core::call::CallError;
use rerole_core::indexing::{Caller, Coverage, IndexItem};
use rerole_core::resource::{Association, AssociationArn, RoleArn};
use rerole_core::rotation::{Status, left_roles};
use rerole_core::timestamp::Timestamp;
use tokio::time::Instant;
use tracing::info;

use crate::aws::Aws;
use crate::aws::index_table::{Replaces, Stored};
use crate::aws::ledger::{FoundRotation, OPEN_ROTATION_PAGES};
use crate::aws::page::paginate;
use crate::indexer::reversions::ReversionDetector;

/// The statuses of rotations that may have put a role to use, or left something on one.
const STATUSES_WITH_ROLES: [Status; 5] = [
    Status::Succeeded,
    Status::Incomplete,
    Status::CompletedWithFailures,
    Status::Failed,
    Status::NoAssociations,
];

/// Writes to the index, and keeps what the ledger says of roles.
#[derive(Debug)]
pub struct IndexWriter<'a> {
    aws: &'a Aws,
    /// `None` if it is not known which regions the index has to cover. Then no role's use ends.
    coverage: Option<&'a Coverage>,
    reversions: ReversionDetector<'a>,
}

/// What EKS shows of an association, and what the index has of it.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    pub held: Option<&'a IndexItem>,
    pub seen: &'a Association,
    /// Who made the version that EKS shows, if known.
    pub caller: &'a Caller,
}

impl<'a> IndexWriter<'a> {
    #[must_use]
    pub fn new(aws: &'a Aws, coverage: Option<&'a Coverage>) -> Self {
        Self {
            aws,
            coverage,
            reversions: ReversionDetector::new(aws),
        }
    }

    /// Returns whether the stack leaves this cluster out of its index.
    #[must_use]
    pub fn excludes(&self, cluster_name: &str) -> bool {
        let globs = self
            .coverage
            .into_iter()
            .flat_map(|coverage| &coverage.exclude_clusters);
        globs.into_iter().any(|glob| glob.matches(cluster_name))
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
        if held.is_some_and(|held| held.modified_at > seen.modified_at) {
            return Ok(Stored::Older);
        }
        let arrivals = self.reversions.inspect(seen, caller).await?;
        let item = IndexItem::of(seen);
        let left = match held {
            Some(held) => self.note_departures(held, Some(&item), now).await?,
            None => Vec::new(),
        };
        let stored = self.aws.index.store(seen, now).await?;
        if stored != Stored::Tombstone {
            self.reversions.arrived(arrivals, seen, caller).await?;
        }
        self.free_if_unused(left).await?;
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
        let left = match held {
            Some(held) => self.note_departures(held, None, now).await?,
            None => Vec::new(),
        };
        let is_new = self
            .aws
            .index
            .write_tombstone(arn, Replaces::Any, now)
            .await?;
        self.free_if_unused(left).await?;
        Ok(is_new)
    }

    /// Ends the use of each role that a rotation has named and that no association uses any more,
    /// if the index is complete. What is not done by `ends_at`, the next full run does.
    ///
    /// # Errors
    /// If DynamoDB cannot be read or written.
    pub async fn free_unused_roles(&self, ends_at: Instant) -> Result<(), CallError> {
        if !self.is_index_complete().await? {
            return Ok(());
        }
        let mut roles = BTreeSet::new();
        for status in STATUSES_WITH_ROLES {
            let mut pages = paginate(OPEN_ROTATION_PAGES, async |start| {
                self.aws.ledger.rotations().by_status(status, start).await
            });
            while let Some(page) = pages.next().await? {
                for found in page {
                    if let FoundRotation::Record(rotation) = found {
                        roles.insert(rotation.old_role_arn);
                        roles.insert(rotation.new_role_arn);
                    }
                }
            }
        }
        for role in roles {
            if Instant::now() >= ends_at {
                break;
            }
            self.end_use(&role).await?;
        }
        Ok(())
    }

    /// Records that an association has left the roles that it no longer names. Returns those that
    /// a rotation has named and that count as in use.
    async fn note_departures(
        &self,
        held: &IndexItem,
        shown: Option<&IndexItem>,
        now: Timestamp,
    ) -> Result<Vec<RoleArn>, CallError> {
        let mut in_use = Vec::new();
        for left in left_roles(held, shown, now) {
            let Ok(role) = left.role.parse::<RoleArn>() else {
                continue;
            };
            let known = self.reversions.known(&role).await?;
            let Some(record) = &known.record else {
                continue;
            };
            let roles = self.aws.ledger.roles();
            roles.note_departure(&role, left.until).await?;
            if record.in_use.is_some() {
                in_use.push(role);
            }
        }
        Ok(in_use)
    }

    /// Ends the use of those of these roles that no association uses any more.
    async fn free_if_unused(&self, roles: Vec<RoleArn>) -> Result<(), CallError> {
        if roles.is_empty() || !self.is_index_complete().await? {
            return Ok(());
        }
        for role in roles {
            self.end_use(&role).await?;
        }
        Ok(())
    }

    /// Ends the use of a role, unless a rotation holds it or the index shows an association on it.
    /// The item is read before the index, so what is put to use after that keeps the role in use.
    async fn end_use(&self, role: &RoleArn) -> Result<(), CallError> {
        let roles = self.aws.ledger.roles();
        let Some(record) = roles.read(role).await? else {
            return Ok(());
        };
        let may_end = record.in_use.is_some() && record.held_by.is_none();
        if may_end
            && self.aws.index.any_on(role).await?.is_none()
            && roles.free(role, record.version).await?
        {
            info!(%role, "no association uses the role any more");
        }
        Ok(())
    }

    /// Returns whether the index is complete for all regions. If it is not, a role may be used by
    /// associations that are not known.
    async fn is_index_complete(&self) -> Result<bool, CallError> {
        let Some(coverage) = self.coverage else {
            return Ok(false);
        };
        let indexes = self.aws.ledger.region_indexes().read().await?;
        Ok(coverage.incomplete(&indexes, self.aws.now()).is_empty())
    }
}
