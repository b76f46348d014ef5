//! One cluster, brought from what the index holds of it to what EKS shows, a few associations at a time.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use tokio::time::Instant;
use tracing::info;

use super::plan::{Look, looks};
use super::returns::ReturnWatch;
use super::run::{Mode, RunCounts};
use crate::arn::AssociationArn;
use crate::association::{Association, Entry, IndexItem};
use crate::aws::Aws;
use crate::aws::entries::{SHOWN_WITHIN, Stored};
use crate::aws::error::CallError;
use crate::aws::expression::Item;
use crate::classify::ErrorClass;
use crate::cluster::Cluster;
use crate::returned::MadeBy;
use crate::time::Timestamp;

/// Associations of one step. Progress is saved after each, and the lease with it.
const LOOKS_PER_STEP: usize = 100;
/// Rounds of as many as are in work at once: at the lowest pace, too, a step is over long before the lease.
const ROUNDS_PER_STEP: usize = 8;
/// Pages of one list: EKS allows 5,000 associations in a cluster, 100 on a page; and 100 clusters in a region by default. More
/// would be a list without an end.
const PAGES_MAX: usize = 1_000;
/// Tries of one call that ends in a passing error before it is given up: half a minute, so that a service in trouble or a
/// connection that broke costs no association its look.
const TRIES: u32 = 7;
/// There is nothing wrong with what is throttled, and it waits for its turn. But where nothing gets through for this long,
/// the rest of the run must not wait any longer.
const THROTTLED_MAX: Duration = Duration::from_mins(5);
/// First pause between them; doubled each time, up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// Why a walk ends before the cluster does.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    #[error("time is up")]
    OutOfTime,
    #[error(transparent)]
    Call(#[from] Box<CallError>),
}

impl From<CallError> for WalkError {
    fn from(error: CallError) -> Self {
        Self::Call(Box::new(error))
    }
}

/// What a walk is for.
#[derive(Debug, Clone, Copy)]
pub enum Purpose<'a> {
    /// To bring the index to what EKS shows, and to notice who has come back to a role.
    Heal(&'a ReturnWatch<'a>),
    /// To tell how they differ, and to change neither.
    Compare,
}

/// An association of which the index holds something else than EKS shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub association_arn: AssociationArn,
    /// What the index holds; `None` where it does not know the association.
    pub held: Option<Box<IndexItem>>,
    /// What EKS shows; `None` where the association is gone.
    pub shown: Option<Box<IndexItem>>,
}

/// A walk through a cluster.
#[derive(Debug)]
pub struct ClusterWalk<'a> {
    aws: &'a Aws,
    purpose: Purpose<'a>,
    cluster: Cluster,
    mode: Mode,
    /// Associations in work at once.
    width: usize,
    ends_at: Instant,
    /// How many associations EKS lists.
    listed_len: usize,
    /// Ids that EKS lists and that have not been joined with the index yet, in order.
    listed: VecDeque<String>,
    looks: VecDeque<Look>,
    /// Where the index is read on; `None` after its last page.
    page: Option<(Option<String>, Option<Item>)>,
    counts: RunCounts,
    troubles: Vec<String>,
    differences: Vec<Difference>,
}

impl<'a> ClusterWalk<'a> {
    /// Lists the cluster to the end. `None` where EKS does not know it.
    ///
    /// # Errors
    /// Where a page of the list could not be had: nothing is known then of what is not on the others.
    pub async fn open(
        aws: &'a Aws,
        purpose: Purpose<'a>,
        cluster: Cluster,
        mode: Mode,
        after: Option<String>,
        width: usize,
        ends_at: Instant,
    ) -> Result<Option<Self>, WalkError> {
        let mut listed = Vec::new();
        let mut start = None;
        for _ in 0..PAGES_MAX {
            let page = tried(ends_at, |until| {
                aws.eks.list_associations(&cluster.region, &cluster.cluster_name, start.clone(), until)
            });
            let Some(page) = page.await? else { return Ok(None) };
            listed.extend(page.names);
            start = page.next;
            if start.is_none() {
                break;
            }
        }
        if start.is_some() {
            let problem = format!("the list has more than {PAGES_MAX} pages");
            return Err(CallError::malformed_answer("list associations", cluster.cluster_arn, problem).into());
        }
        listed.sort_unstable();
        listed.dedup();
        let listed_len = listed.len();
        if let Some(after) = &after {
            listed.retain(|id| id > after);
        }
        let page = Some((after, None));
        Ok(Some(Self {
            aws,
            purpose,
            cluster,
            mode,
            width,
            ends_at,
            listed_len,
            listed: listed.into(),
            looks: VecDeque::new(),
            page,
            counts: RunCounts::default(),
            troubles: Vec::new(),
            differences: Vec::new(),
        }))
    }

    /// How many associations EKS lists in all.
    #[must_use]
    pub fn listed_len(&self) -> usize {
        self.listed_len
    }

    /// What has changed in the index since this was asked last.
    pub fn take_counts(&mut self) -> RunCounts {
        std::mem::take(&mut self.counts)
    }

    /// What differs, as far as the walk has come since this was asked last. Only a comparison keeps it.
    pub fn take_differences(&mut self) -> Vec<Difference> {
        std::mem::take(&mut self.differences)
    }

    /// What could not be looked at since this was asked last, one text for each association.
    pub fn take_troubles(&mut self) -> Vec<String> {
        std::mem::take(&mut self.troubles)
    }

    /// Looks at the next associations, and returns the last of them: everything up to it is done. `None` once the cluster is.
    ///
    /// # Errors
    /// Where time is up, or the index cannot be read. An association that cannot be looked at is a trouble, and the others go
    /// on.
    pub async fn step(&mut self) -> Result<Option<String>, WalkError> {
        while self.looks.is_empty() {
            let Some((after, start)) = self.page.take() else { return Ok(None) };
            if Instant::now() >= self.ends_at {
                return Err(WalkError::OutOfTime);
            }
            let page = self.aws.index.of_cluster(&self.cluster.cluster_arn, after.as_deref(), start).await?;
            let upto = match (&page.next, page.entries.last()) {
                // There may be more in the index behind this page.
                (Some(_), Some((last, _))) => self.listed.iter().take_while(|id| *id <= last).count(),
                (Some(_), None) => 0,
                (None, _) => self.listed.len(),
            };
            let listed: Vec<String> = self.listed.drain(..upto).collect();
            self.looks = looks(self.mode, &listed, page.entries).into();
            self.page = page.next.map(|next| (after, Some(next)));
        }
        let width = self.width.min(self.aws.eks.width(&self.cluster.region));
        let count = self.looks.len().min(LOOKS_PER_STEP).min(ROUNDS_PER_STEP * width);
        let looks: Vec<Look> = self.looks.drain(..count).collect();
        let mut is_out_of_time = false;
        let mut ends = Vec::with_capacity(looks.len());
        let mut found = stream::iter(&looks).map(|look| self.look(look)).buffer_unordered(width);
        while let Some(end) = found.next().await {
            ends.push(end);
        }
        drop(found);
        for end in ends {
            match end {
                Ok(Found { change, difference }) => {
                    change.count(&mut self.counts);
                    self.differences.extend(difference);
                }
                Err(WalkError::OutOfTime) => is_out_of_time = true,
                Err(WalkError::Call(error)) => self.troubles.push(error.to_string()),
            }
        }
        if is_out_of_time {
            return Err(WalkError::OutOfTime);
        }
        Ok(looks.last().map(|look| look.association_id.clone()))
    }

    async fn look(&self, look: &Look) -> Result<Found, WalkError> {
        let arn = self.cluster.association(&look.association_id).map_err(|invalid| {
            CallError::malformed_answer("list associations", &self.cluster.cluster_arn, invalid.to_string())
        })?;
        // All of it again where a part failed in passing: each part may be repeated.
        tried(self.ends_at, |until| self.look_once(&arn, look.known.as_deref(), until)).await
    }

    async fn look_once(
        &self,
        arn: &AssociationArn,
        known: Option<&IndexItem>,
        until: Instant,
    ) -> Result<Found, CallError> {
        let seen = self.aws.eks.describe(arn, until).await?.map(|seen| seen.association);
        let shown = seen.as_ref().map(IndexItem::of);
        let now = self.aws.now();
        let is_gone_too_soon =
            shown.is_none() && known.is_some_and(|known| now.since(known.modified_at) < SHOWN_WITHIN);
        // What is so young EKS may only not show yet. The next look tells.
        if shown.as_ref() == known || is_gone_too_soon {
            return Ok(Found { change: Change::None, difference: None });
        }
        let change = match (self.purpose, seen) {
            (Purpose::Compare, seen) => Change::of(known.is_some(), seen.is_some()),
            (Purpose::Heal(returns), Some(seen)) => self.store(returns, &seen, now).await?,
            (Purpose::Heal(_), None) if self.aws.index.bury(arn, now).await? => Change::Removed,
            (Purpose::Heal(_), None) => Change::None,
        };
        let difference = matches!(self.purpose, Purpose::Compare).then(|| Difference {
            association_arn: arn.clone(),
            held: known.cloned().map(Box::new),
            shown: shown.map(Box::new),
        });
        if change != Change::None {
            info!(association = %arn, ?change, "the index was behind");
        }
        Ok(Found { change, difference })
    }

    async fn store(&self, returns: &ReturnWatch<'_>, seen: &Association, now: Timestamp) -> Result<Change, CallError> {
        let made_by = MadeBy::default();
        // Before it is stored: what dies in between is looked at again.
        let arrivals = returns.look_at(seen, &made_by).await?;
        let change = match self.aws.index.store(seen, now).await? {
            Stored::Added => Change::Added,
            Stored::Changed => Change::Changed,
            Stored::Older => Change::None,
            Stored::Buried => {
                let problem = "EKS shows it, and did not a moment ago: the next look tells".to_owned();
                return Err(CallError::malformed_answer(
                    "describe association",
                    seen.association_arn.as_str(),
                    problem,
                ));
            }
        };
        returns.arrived(arrivals, seen, &made_by).await?;
        Ok(change)
    }
}

/// What a look has found.
struct Found {
    change: Change,
    difference: Option<Difference>,
}

/// All clusters of a region.
///
/// # Errors
/// Where a page of the list could not be had.
pub async fn list_clusters(aws: &Aws, region: &str, ends_at: Instant) -> Result<BTreeSet<String>, WalkError> {
    let mut listed = BTreeSet::new();
    let mut start = None;
    for _ in 0..PAGES_MAX {
        let page = tried(ends_at, |until| aws.eks.list_clusters(region, start.clone(), until)).await?;
        listed.extend(page.names);
        start = page.next;
        if start.is_none() {
            return Ok(listed);
        }
    }
    let problem = format!("the list has more than {PAGES_MAX} pages");
    Err(CallError::malformed_answer("list clusters", region, problem).into())
}

/// Buries everything that the index holds of a cluster that is gone. Returns how much that was.
///
/// # Errors
/// Where DynamoDB cannot be read or written, or time is up.
pub async fn bury_cluster(aws: &Aws, cluster: &Cluster, ends_at: Instant) -> Result<u64, WalkError> {
    let mut buried = 0;
    let mut start = None;
    loop {
        let page = aws.index.of_cluster(&cluster.cluster_arn, None, start).await?;
        for (id, entry) in page.entries {
            if Instant::now() >= ends_at {
                return Err(WalkError::OutOfTime);
            }
            if let (Entry::Live(_), Ok(arn)) = (entry, cluster.association(&id)) {
                buried += u64::from(aws.index.bury(&arn, aws.now()).await?);
            }
        }
        start = page.next;
        if start.is_none() {
            break;
        }
    }
    aws.index.forget_cluster(&cluster.region, &cluster.cluster_arn).await?;
    Ok(buried)
}

/// Calls until there is an answer, or an error that does not pass, or time is up. A call waits for its turn until then.
///
/// # Errors
/// That error, or the last of several that could have passed.
pub async fn tried<T, F>(ends_at: Instant, call: impl Fn(Instant) -> F) -> Result<T, WalkError>
where
    F: Future<Output = Result<T, CallError>>,
{
    let until = ends_at.min(Instant::now() + THROTTLED_MAX);
    let (mut tries, mut pauses) = (0, 0);
    loop {
        if Instant::now() >= ends_at {
            return Err(WalkError::OutOfTime);
        }
        match call(until).await {
            Ok(answer) => return Ok(answer),
            Err(error) => {
                tries += u32::from(error.class != ErrorClass::Throttled);
                let is_given_up = (until..ends_at).contains(&Instant::now());
                if !error.class.is_passing() || tries == TRIES || is_given_up {
                    return Err(error.into());
                }
                let pause = PAUSE_MIN.saturating_mul(2_u32.saturating_pow(pauses)).min(PAUSE_MAX);
                // Half of it at random, so that those who were throttled together do not come back together.
                let pause = pause.mul_f64(0.5 + fastrand::f64() / 2.0);
                tokio::time::sleep_until((Instant::now() + pause).min(ends_at)).await;
                pauses += 1;
            }
        }
    }
}

/// What a look changed in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    None,
    Added,
    Changed,
    Removed,
}

impl Change {
    /// What it takes to bring an index that knows an association, or does not, to an EKS that has it, or has not.
    fn of(is_known: bool, is_there: bool) -> Self {
        match (is_known, is_there) {
            (false, true) => Self::Added,
            (true, true) => Self::Changed,
            (true, false) => Self::Removed,
            (false, false) => Self::None,
        }
    }

    fn count(self, counts: &mut RunCounts) {
        match self {
            Self::None => {}
            Self::Added => counts.added += 1,
            Self::Changed => counts.changed += 1,
            Self::Removed => counts.removed += 1,
        }
    }
}
