//! A walk through one cluster: describes the associations that may differ between the index and
//! EKS, a batch at a time, and repairs the index or reports the differences. Which associations
//! those are is decided in `rerole_core::indexing`.

use std::collections::VecDeque;

use futures_util::stream::{self, StreamExt};
use rerole_core::call::CallError;
use rerole_core::indexing::{Caller, Change, DescribeTask, IndexItem, Mode, RunCounts, diff};
use rerole_core::resource::{Association, AssociationArn, Cluster};
use rerole_core::timestamp::Timestamp;
use tokio::time::Instant;
use tracing::info;

use crate::aws::Aws;
use crate::aws::dynamodb::Item;
use crate::aws::index_table::Stored;
use crate::indexer::clusters::list_associations;
use crate::indexer::retry::{RetryError, retry};
use crate::indexer::reversions::ReversionDetector;

/// Associations of one step. The caller saves its progress, and renews its lease, after each step.
const TASKS_PER_STEP: usize = 100;
/// Rounds of one step, each of as many associations as may be in flight. Even at the lowest rate, a
/// step then ends long before the lease does.
const ROUNDS_PER_STEP: usize = 8;

/// What a walk is for.
#[derive(Debug, Clone, Copy)]
pub enum Purpose<'a> {
    /// Repair the index, and detect reversions.
    Repair(&'a ReversionDetector<'a>),
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

/// A walk through a cluster.
#[derive(Debug)]
pub struct ClusterWalk<'a> {
    aws: &'a Aws,
    purpose: Purpose<'a>,
    cluster: Cluster,
    mode: Mode,
    /// Associations in flight at once.
    concurrency: usize,
    ends_at: Instant,
    /// How many associations EKS lists.
    listed_len: usize,
    /// The IDs that EKS lists and that have not been compared with the index yet, in order.
    listed: VecDeque<String>,
    tasks: VecDeque<DescribeTask>,
    /// Where the next page of the index starts. `None` after the last page.
    page: Option<PageStart>,
    counts: RunCounts,
    errors: Vec<String>,
    differences: Vec<Difference>,
}

/// The ID after which the walk starts, and the key at which the page starts.
type PageStart = (Option<String>, Option<Item>);

impl<'a> ClusterWalk<'a> {
    /// Starts a walk: lists all associations of the cluster. The walk covers those after the ID
    /// `after`. Returns `None` if EKS does not know the cluster.
    ///
    /// # Errors
    /// If a page of the list cannot be read, or time is up.
    pub async fn open(
        aws: &'a Aws,
        purpose: Purpose<'a>,
        cluster: Cluster,
        mode: Mode,
        after: Option<String>,
        concurrency: usize,
        ends_at: Instant,
    ) -> Result<Option<Self>, RetryError> {
        let Some(mut listed) = list_associations(aws, &cluster, ends_at).await? else {
            return Ok(None);
        };
        let listed_len = listed.len();
        if let Some(after) = &after {
            listed.retain(|id| id > after);
        }
        Ok(Some(Self {
            aws,
            purpose,
            cluster,
            mode,
            concurrency,
            ends_at,
            listed_len,
            listed: listed.into(),
            tasks: VecDeque::new(),
            page: Some((after, None)),
            counts: RunCounts::default(),
            errors: Vec::new(),
            differences: Vec::new(),
        }))
    }

    /// Returns how many associations EKS lists in all.
    #[must_use]
    pub fn listed_len(&self) -> usize {
        self.listed_len
    }

    /// Returns what the walk has changed in the index since the last call.
    pub fn take_counts(&mut self) -> RunCounts {
        std::mem::take(&mut self.counts)
    }

    /// Returns the differences found since the last call. Only a comparison collects them.
    pub fn take_differences(&mut self) -> Vec<Difference> {
        std::mem::take(&mut self.differences)
    }

    /// Returns the errors since the last call, one text for each association that could not be
    /// described.
    pub fn take_errors(&mut self) -> Vec<String> {
        std::mem::take(&mut self.errors)
    }

    /// Describes the next associations, and returns the last ID of them: everything up to it is
    /// done. Returns `None` when the cluster is done.
    ///
    /// # Errors
    /// If time is up, or the index cannot be read. If an association cannot be described, the walk
    /// notes the error and continues with the others.
    pub async fn step(&mut self) -> Result<Option<String>, RetryError> {
        while self.tasks.is_empty() {
            let Some((after, start)) = self.page.take() else {
                return Ok(None);
            };
            if Instant::now() >= self.ends_at {
                return Err(RetryError::OutOfTime);
            }
            self.read_page(after, start).await?;
        }
        let concurrency = self
            .concurrency
            .min(self.aws.eks.concurrency(&self.cluster.region));
        let len = self
            .tasks
            .len()
            .min(TASKS_PER_STEP)
            .min(ROUNDS_PER_STEP * concurrency);
        let tasks: Vec<DescribeTask> = self.tasks.drain(..len).collect();
        let mut is_out_of_time = false;
        for result in self.process_all(&tasks, concurrency).await {
            match result {
                Ok(Processed { change, difference }) => {
                    change.count(&mut self.counts);
                    self.differences.extend(difference);
                }
                Err(RetryError::OutOfTime) => is_out_of_time = true,
                Err(RetryError::Call(error)) => self.errors.push(error.to_string()),
            }
        }
        if is_out_of_time {
            return Err(RetryError::OutOfTime);
        }
        Ok(tasks.last().map(|task| task.association_id.clone()))
    }

    /// Reads a page of the index and compares it with the same part of EKS's list.
    async fn read_page(
        &mut self,
        after: Option<String>,
        start: Option<Item>,
    ) -> Result<(), RetryError> {
        let page = self
            .aws
            .index
            .entries_of_cluster(&self.cluster.cluster_arn, after.as_deref(), start)
            .await?;
        let len = match (&page.next, page.entries.last()) {
            // The index may have more entries after this page.
            (Some(_), Some((last, _))) => self.listed.iter().take_while(|id| *id <= last).count(),
            (Some(_), None) => 0,
            (None, _) => self.listed.len(),
        };
        let listed: Vec<String> = self.listed.drain(..len).collect();
        self.tasks = diff(self.mode, &listed, page.entries).into();
        self.page = page.next.map(|next| (after, Some(next)));
        Ok(())
    }

    async fn process_all(
        &self,
        tasks: &[DescribeTask],
        concurrency: usize,
    ) -> Vec<Result<Processed, RetryError>> {
        let mut results = Vec::with_capacity(tasks.len());
        let mut in_flight = stream::iter(tasks)
            .map(|task| self.process(task))
            .buffer_unordered(concurrency);
        while let Some(result) = in_flight.next().await {
            results.push(result);
        }
        results
    }

    async fn process(&self, task: &DescribeTask) -> Result<Processed, RetryError> {
        let arn = self
            .cluster
            .association(&task.association_id)
            .map_err(|invalid| {
                CallError::malformed_response(
                    "list associations",
                    &self.cluster.cluster_arn,
                    invalid.to_string(),
                )
            })?;
        // If one of its calls has a retryable error, all of them are repeated. Each is idempotent.
        retry(self.ends_at, |until| {
            self.process_once(&arn, task.known.as_deref(), until)
        })
        .await
    }

    async fn process_once(
        &self,
        arn: &AssociationArn,
        known: Option<&IndexItem>,
        until: Instant,
    ) -> Result<Processed, CallError> {
        let seen = self
            .aws
            .eks
            .describe(arn, until)
            .await?
            .map(|seen| seen.association);
        let shown = seen.as_ref().map(IndexItem::of);
        let now = self.aws.now();
        let needed = Change::between(known, shown.as_ref(), now);
        if needed == Change::None {
            return Ok(Processed {
                change: Change::None,
                difference: None,
            });
        }
        let change = match (self.purpose, seen) {
            (Purpose::Compare, _) => needed,
            (Purpose::Repair(reversions), Some(seen)) => self.store(reversions, &seen, now).await?,
            (Purpose::Repair(_), None) if self.aws.index.write_tombstone(arn, now).await? => {
                Change::Removed
            }
            (Purpose::Repair(_), None) => Change::None,
        };
        let difference = matches!(self.purpose, Purpose::Compare).then(|| Difference {
            association_arn: arn.clone(),
            held: known.cloned().map(Box::new),
            shown: shown.map(Box::new),
        });
        if change != Change::None {
            info!(association = %arn, ?change, "index lagged behind EKS");
        }
        Ok(Processed { change, difference })
    }

    async fn store(
        &self,
        reversions: &ReversionDetector<'_>,
        seen: &Association,
        now: Timestamp,
    ) -> Result<Change, CallError> {
        let caller = Caller::default();
        // Reversions are recorded before the item is stored. If the invocation dies in between, the
        // index still differs from EKS, so the next run describes the association again.
        let arrivals = reversions.inspect(seen, &caller).await?;
        let change = match self.aws.index.store(seen, now).await? {
            Stored::Added => Change::Added,
            Stored::Changed => Change::Changed,
            Stored::Older => Change::None,
            Stored::Tombstone => {
                let problem = "EKS shows the association, but did not show it a moment ago; \
                               the next run describes it again";
                return Err(CallError::malformed_response(
                    "describe association",
                    seen.association_arn.as_str(),
                    problem.to_owned(),
                ));
            }
        };
        reversions.arrived(arrivals, seen, &caller).await?;
        Ok(change)
    }
}

/// What came of a task.
struct Processed {
    change: Change,
    difference: Option<Difference>,
}
