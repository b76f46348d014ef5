//! A walk through one cluster: describes the associations that may differ between the index and
//! EKS, a batch at a time. Which associations those are is decided in `rerole_core::indexing`, and
//! what follows from a difference in `purpose`.

use std::collections::VecDeque;

use futures_util::stream::{self, StreamExt};
use rerole_core::call::{CallError, Operation};
use rerole_core::indexing::{DescribeTask, IndexEntry, Mode, diff};
use rerole_core::resource::Cluster;
use tokio::time::Instant;
use tracing::info;

use crate::aws::index_table::EntriesAfter;
use crate::aws::page::{NextPage, PageStart};
use crate::indexer::retry::{RetryError, find, retry};
use crate::indexer::walker::lists::{Listed, list_associations};
use crate::indexer::walker::purpose::{Findings, Processed, WalkContext};

/// Associations of one step. The caller saves its progress, and renews its lease, after each step.
const TASKS_PER_STEP: usize = 100;
/// Rounds of one step, each of as many associations as may be in flight. Even at the lowest rate, a
/// step then ends long before the lease does.
const ROUNDS_PER_STEP: usize = 8;

/// The part of a cluster that a walk covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterPart {
    pub mode: Mode,
    /// Only associations after this ID. `None` covers the whole cluster.
    pub after: Option<String>,
}

/// A walk through a cluster.
#[derive(Debug)]
pub struct ClusterWalk<'a> {
    context: WalkContext<'a>,
    cluster: Cluster,
    part: ClusterPart,
    /// How many associations EKS lists.
    listed_len: usize,
    /// The IDs that EKS lists and that have not been compared with the index yet, in order.
    listed: VecDeque<String>,
    tasks: VecDeque<DescribeTask>,
    /// The next page of the index.
    page: NextPage,
    findings: Findings,
}

impl<'a> ClusterWalk<'a> {
    /// Starts a walk: lists all associations of the cluster. Returns `None` if EKS does not know
    /// the cluster.
    ///
    /// # Errors
    /// If a page of the list cannot be read, or time is up.
    pub async fn open(
        context: WalkContext<'a>,
        cluster: Cluster,
        part: ClusterPart,
    ) -> Result<Option<Self>, RetryError> {
        let listed = list_associations(context.aws, cluster.name(), context.ends_at).await?;
        let mut findings = Findings::default();
        let mut listed = match listed {
            Listed::Ids(ids) => ids,
            Listed::NoCluster => return Ok(None),
            Listed::Unsupported => {
                let cluster = &cluster.cluster_arn;
                info!(cluster, "EKS does not support associations for the cluster");
                findings.counts.clusters_unsupported = 1;
                Vec::new()
            }
        };
        let listed_len = listed.len();
        if let Some(after) = &part.after {
            listed.retain(|id| id > after);
        }
        Ok(Some(Self {
            context,
            cluster,
            part,
            listed_len,
            listed: listed.into(),
            tasks: VecDeque::new(),
            page: NextPage::first(),
            findings,
        }))
    }

    /// Returns how many associations EKS lists in all.
    #[must_use]
    pub fn listed_len(&self) -> usize {
        self.listed_len
    }

    /// Returns what the walk has found since the last call. A step that failed may also have
    /// changed the index.
    pub fn take_findings(&mut self) -> Findings {
        std::mem::take(&mut self.findings)
    }

    /// Describes the next associations, and returns the last ID of them: everything up to it is
    /// done. Returns `None` when the cluster is done.
    ///
    /// # Errors
    /// If time is up, or the index cannot be read. If an association cannot be described, the walk
    /// notes the error and continues with the others.
    pub async fn step(&mut self) -> Result<Option<String>, RetryError> {
        while self.tasks.is_empty() {
            let Some(start) = self.page.take() else {
                return Ok(None);
            };
            if Instant::now() >= self.context.ends_at {
                return Err(RetryError::OutOfTime);
            }
            self.read_page(start).await?;
        }
        let eks = &self.context.aws.eks;
        let concurrency = self
            .context
            .concurrency
            .min(eks.concurrency(&self.cluster.region));
        let len = self
            .tasks
            .len()
            .min(TASKS_PER_STEP)
            .min(ROUNDS_PER_STEP * concurrency);
        let tasks: Vec<DescribeTask> = self.tasks.drain(..len).collect();
        let mut is_out_of_time = false;
        let results = self.process_all(&tasks, concurrency).await;
        for (task, result) in tasks.iter().zip(results) {
            match result {
                Ok(Processed::Done(change, difference)) => {
                    self.findings.counts.invalid += u64::from(task.is_invalid());
                    change.count(&mut self.findings.counts);
                    self.findings.differences.extend(difference);
                }
                Ok(Processed::Contradictory(arn)) => self.findings.errors.push(format!(
                    "describe association {arn}: EKS shows the association, but did not show it \
                     a moment ago; the next run describes it again"
                )),
                Err(RetryError::OutOfTime) => is_out_of_time = true,
                Err(RetryError::Call(error)) => self.findings.errors.push(error.to_string()),
            }
        }
        if is_out_of_time {
            return Err(RetryError::OutOfTime);
        }
        Ok(tasks.last().map(|task| task.association_id.clone()))
    }

    /// Reads a page of the index and compares it with the same part of EKS's list.
    async fn read_page(&mut self, start: Option<PageStart>) -> Result<(), RetryError> {
        let index = &self.context.aws.index;
        let part = EntriesAfter {
            cluster_arn: &self.cluster.cluster_arn,
            after: self.part.after.as_deref(),
        };
        let page = index
            .entries_of_cluster(part, &self.context.item_rules(), start)
            .await?;
        let len = match (&page.next, page.items.last()) {
            // The index may have more entries after this page.
            (Some(_), Some((last, _))) => self.listed.iter().take_while(|id| *id <= last).count(),
            (Some(_), None) => 0,
            (None, _) => self.listed.len(),
        };
        let listed: Vec<String> = self.listed.drain(..len).collect();
        let mut entries = Vec::with_capacity(page.items.len());
        for (id, entry) in page.items {
            match entry {
                // No association can have such an ID.
                IndexEntry::Invalid(item) if self.cluster.association(&id).is_err() => {
                    self.context.remove_invalid(&item).await?;
                    self.findings.counts.invalid += 1;
                }
                entry => entries.push((id, entry)),
            }
        }
        self.tasks = diff(self.part.mode, &listed, entries).into();
        self.page = NextPage::after(page.next);
        Ok(())
    }

    /// Processes the tasks, several at a time. Returns the results in the order of the tasks.
    async fn process_all(
        &self,
        tasks: &[DescribeTask],
        concurrency: usize,
    ) -> Vec<Result<Processed, RetryError>> {
        let process = async |(index, task)| (index, self.process(task).await);
        let mut results: Vec<_> = stream::iter(tasks.iter().enumerate())
            .map(process)
            .buffer_unordered(concurrency)
            .collect()
            .await;
        results.sort_by_key(|(index, _)| *index);
        results.into_iter().map(|(_, result)| result).collect()
    }

    async fn process(&self, task: &DescribeTask) -> Result<Processed, RetryError> {
        let arn = self
            .cluster
            .association(&task.association_id)
            .map_err(|invalid| {
                let operation = Operation::on("list associations of", &self.cluster.cluster_arn);
                CallError::malformed_response(operation, invalid.to_string())
            })?;
        let context = &self.context;
        let seen = find(context.ends_at, async |until| {
            context.aws.eks.describe(&arn, until).await
        })
        .await?;
        let seen = seen.map(|seen| seen.association);
        let (held, now) = (task.held.as_ref(), context.aws.now());
        // If one of its calls has a retryable error, all of them are repeated. Each is idempotent.
        retry(context.ends_at, async |_| {
            context.process(&arn, held, seen.as_ref(), now).await
        })
        .await
    }
}
