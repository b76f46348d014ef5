//! What a walk is for. All code that depends on it is here: whether a difference between the index
//! and EKS is repaired or reported, and whether the walk is saved, yields and may go on after an
//! error.

use rerole_core::call::{CallError, Operation};
use rerole_core::indexing::{
    Caller, Change, Compared, IndexEntry, IndexItem, InvalidItem, ItemRules, Mode, RUN_LEASE,
    RegionIndex, Run, RunCounts,
};
use rerole_core::resource::{Association, AssociationArn, Cluster, ClusterName};
use rerole_core::rotation::Status;
use rerole_core::timestamp::Timestamp;
use tokio::time::Instant;
use tracing::{error, info};

use crate::aws::Aws;
use crate::aws::eks::DescribedCluster;
use crate::aws::index_table::{ENTRY_PAGES, EntriesAfter, Stored};
use crate::aws::ledger::{FoundRotation, LeaseError};
use crate::aws::page::paginate;
use crate::indexer::index_writer::{IndexWriter, Shown};
use crate::indexer::retry::{RetryError, find};

/// What a walk is for.
#[derive(Debug, Clone, Copy)]
pub enum Purpose<'a> {
    /// Repair the index, and detect reversions.
    Repair(&'a IndexWriter<'a>),
    /// Report the differences, and change neither index nor EKS.
    Compare,
}

/// An association that the index and EKS show differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub association_arn: AssociationArn,
    /// What the index holds. `None` if it does not know the association.
    pub held: Option<Box<IndexItem>>,
    /// What EKS shows. `None` if the association is deleted.
    pub shown: Option<Box<IndexItem>>,
}

/// What the parts of a walk share.
#[derive(Debug, Clone, Copy)]
pub struct WalkContext<'a> {
    pub aws: &'a Aws,
    pub purpose: Purpose<'a>,
    /// Associations in flight at once.
    pub concurrency: usize,
    /// The walk starts no further step at or after this time.
    pub ends_at: Instant,
}

/// What a walk has found since this was last taken.
#[derive(Debug, Default)]
pub struct Findings {
    /// How the index was changed, or would have to be.
    pub counts: RunCounts,
    /// The same changes one by one, if the walk compares.
    pub differences: Vec<Difference>,
    /// One text for each association that could not be described or stored.
    pub errors: Vec<String>,
}

/// What came of an association that was described.
#[derive(Debug)]
pub(super) enum Processed {
    /// How the index changed, or would have to. A comparison has the difference.
    Done(Change, Option<Difference>),
    /// EKS shows an association for which the index has a recent tombstone. One of the two views is
    /// out of date, so the index stays as it is.
    Contradictory(AssociationArn),
}

impl WalkContext<'_> {
    /// Returns what the items of the index are held against.
    #[must_use]
    pub fn item_rules(&self) -> ItemRules<'_> {
        match self.purpose {
            Purpose::Repair(writer) => writer.item_rules(),
            Purpose::Compare => ItemRules {
                own_account: None,
                regions: None,
                now: self.aws.now(),
            },
        }
    }

    /// Removes an item that cannot be, unless the walk only compares. If an association can have
    /// its key, EKS has been asked about it before.
    ///
    /// # Errors
    /// If DynamoDB cannot be written.
    pub async fn remove_invalid(&self, item: &InvalidItem) -> Result<(), CallError> {
        error!(problem = item.problem, "invalid item of the index");
        if let Purpose::Repair(_) = self.purpose {
            self.aws.index.invalid_items().remove(item).await?;
        }
        Ok(())
    }

    /// Describes a cluster, and holds it against the function's account. Returns `None` if EKS does
    /// not have it.
    ///
    /// # Errors
    /// If the call fails, or if the cluster cannot be in the account.
    pub async fn describe_cluster(
        &self,
        name: ClusterName<'_>,
    ) -> Result<Option<DescribedCluster>, RetryError> {
        let described = find(self.ends_at, async |until| {
            self.aws.eks.describe_cluster(name, until).await
        })
        .await?;
        let excluded = described
            .as_ref()
            .and_then(|described| self.item_rules().is_foreign(&described.cluster.cluster_arn));
        match excluded {
            None => Ok(described),
            Some(problem) => {
                let operation = Operation::on("describe", &name);
                Err(CallError::malformed_response(operation, problem).into())
            }
        }
    }

    /// Repairs or reports what EKS showed at `now`, if it is not what the index holds.
    pub(super) async fn process(
        &self,
        arn: &AssociationArn,
        held: Option<&IndexEntry>,
        seen: Option<&Association>,
        now: Timestamp,
    ) -> Result<Processed, CallError> {
        let shown = seen.map(IndexItem::of);
        let shown = shown.as_ref();
        let live = held.and_then(IndexEntry::live);
        let needed = Compared { held: live, shown }.change(now);
        if let (Some(invalid), None) = (held.and_then(IndexEntry::invalid), seen) {
            self.remove_invalid(invalid).await?;
        }
        let (change, difference) = match (self.purpose, seen) {
            (Purpose::Repair(writer), Some(seen)) if needed == Change::None => {
                writer.check(seen).await?;
                (Change::None, None)
            }
            _ if needed == Change::None => (Change::None, None),
            (Purpose::Compare, _) => {
                let difference = Difference {
                    association_arn: arn.clone(),
                    held: live.cloned().map(Box::new),
                    shown: shown.cloned().map(Box::new),
                };
                (needed, Some(difference))
            }
            (Purpose::Repair(writer), Some(seen)) => {
                let caller = &Caller::default();
                let shown = Shown { held, seen, caller };
                match writer.store(shown, now).await? {
                    Stored::Added => (Change::Added, None),
                    Stored::Changed => (Change::Changed, None),
                    Stored::Older => (Change::None, None),
                    Stored::Tombstone => return Ok(Processed::Contradictory(arn.clone())),
                }
            }
            (Purpose::Repair(writer), None) => {
                let is_new = writer.remove(arn, live, now).await?;
                let change = if is_new {
                    Change::Removed
                } else {
                    Change::None
                };
                (change, None)
            }
        };
        if change != Change::None {
            info!(association = %arn, ?change, "index lagged behind EKS");
        }
        Ok(Processed::Done(change, difference))
    }

    /// Removes the associations of a deleted cluster from the index, or reports them.
    ///
    /// # Errors
    /// If DynamoDB cannot be read or written, or time is up.
    pub async fn remove_cluster(&self, cluster: &Cluster) -> Result<Findings, RetryError> {
        let index = &self.aws.index;
        let whole = EntriesAfter {
            cluster_arn: &cluster.cluster_arn,
            after: None,
        };
        let mut pages = paginate(ENTRY_PAGES, async |start| {
            let rules = self.item_rules();
            index.entries_of_cluster(whole, &rules, start).await
        });
        let mut findings = Findings::default();
        findings.counts.clusters_removed = 1;
        while let Some(entries) = pages.next().await? {
            for (id, entry) in entries {
                if Instant::now() >= self.ends_at {
                    return Err(RetryError::OutOfTime);
                }
                if let IndexEntry::Invalid(item) = &entry {
                    self.remove_invalid(item).await?;
                    findings.counts.invalid += 1;
                    continue;
                }
                let (IndexEntry::Live(held), Ok(association_arn)) =
                    (entry, cluster.association(&id))
                else {
                    continue;
                };
                findings.counts.removed += match self.purpose {
                    Purpose::Compare => {
                        findings.differences.push(Difference {
                            association_arn,
                            held: Some(held),
                            shown: None,
                        });
                        1
                    }
                    Purpose::Repair(writer) => {
                        let now = self.aws.now();
                        let removed = writer.remove(&association_arn, Some(&held), now);
                        u64::from(removed.await?)
                    }
                };
            }
        }
        if let Purpose::Repair(_) = self.purpose {
            index.known_clusters().forget(cluster).await?;
            let removed = findings.counts.removed;
            info!(
                cluster = cluster.cluster_arn,
                removed, "deleted cluster removed from the index"
            );
        }
        Ok(findings)
    }

    /// Returns whether an error of the index, while it is searched for deleted clusters, ends the
    /// walk. A run that repairs would otherwise count the region as complete. A comparison has
    /// nothing to resume, so it reports the error and what else it finds.
    pub(super) fn halts_at(&self, error: &RetryError) -> bool {
        matches!(self.purpose, Purpose::Repair(_)) || matches!(error, RetryError::OutOfTime)
    }

    /// Records that EKS has this cluster.
    pub(in crate::indexer) async fn note_cluster(
        &self,
        cluster: &Cluster,
    ) -> Result<(), CallError> {
        match self.purpose {
            Purpose::Repair(_) => self.aws.index.known_clusters().record(cluster).await,
            Purpose::Compare => Ok(()),
        }
    }

    /// Records that the region's index is complete since a walk of this mode started to read it,
    /// and which clusters it leaves out.
    pub(super) async fn note_complete_region(
        &self,
        region: &str,
        mode: Mode,
        (since, excluded): (Timestamp, Vec<String>),
    ) -> Result<(), CallError> {
        match self.purpose {
            Purpose::Repair(_) => {
                let index = RegionIndex {
                    listed_at: Some(since),
                    described_at: (mode == Mode::Full).then_some(since),
                    excluded,
                };
                self.aws
                    .ledger
                    .region_indexes()
                    .record(region, &index)
                    .await
            }
            Purpose::Compare => Ok(()),
        }
    }

    /// Saves how far the run is, and renews its lease. A comparison has no lease, and nothing to
    /// resume.
    pub(super) async fn save(&self, run: &mut Run) -> Result<(), LeaseError> {
        run.counts.calls += self.aws.eks.take_calls();
        match self.purpose {
            Purpose::Repair(_) => {
                run.lease_until = Some(self.aws.now() + RUN_LEASE);
                self.aws.ledger.index_runs().save(run).await
            }
            Purpose::Compare => Ok(()),
        }
    }

    /// Returns whether the walk has to yield, because a rotation is active and needs all the calls
    /// that EKS admits. An operator waits for a comparison, so it does not yield.
    pub(super) async fn has_to_yield(&self) -> Result<bool, CallError> {
        if let Purpose::Compare = self.purpose {
            return Ok(false);
        }
        for status in [Status::Planning, Status::InProgress] {
            let page = self.aws.ledger.rotations().by_status(status, None).await?;
            let now = self.aws.now();
            let is_active = |found: &FoundRotation| match found {
                FoundRotation::Record(rotation) => rotation.is_leased_at(now),
                FoundRotation::Malformed { .. } => false,
            };
            if page.items.iter().any(is_active) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
