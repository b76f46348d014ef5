//! Whole clusters: lists a region's clusters and a cluster's associations, and removes a deleted
//! cluster from the index. How a cluster's associations are compared is in `cluster_walk`.

use std::collections::BTreeSet;

use rerole_core::call::CallError;
use rerole_core::indexing::Entry;
use rerole_core::resource::Cluster;
use tokio::time::Instant;

use crate::aws::Aws;
use crate::aws::eks::NamePage;
use crate::indexer::retry::{RetryError, retry};

/// Pages of one list. EKS allows 5,000 associations in a cluster, 100 on a page, and by default 100
/// clusters in a region. A list with more pages would never end.
const PAGES_MAX: usize = 1_000;

/// Returns the names of all clusters of a region.
///
/// # Errors
/// If a page of the list cannot be read.
pub async fn list_clusters(
    aws: &Aws,
    region: &str,
    ends_at: Instant,
) -> Result<BTreeSet<String>, RetryError> {
    let mut names = BTreeSet::new();
    let mut start = None;
    for _ in 0..PAGES_MAX {
        let page = retry(ends_at, |until| {
            aws.eks.list_clusters(region, start.clone(), until)
        })
        .await?;
        names.extend(page.names);
        start = page.next;
        if start.is_none() {
            return Ok(names);
        }
    }
    Err(endless("list clusters", region).into())
}

/// Returns the IDs of all associations of a cluster, in order, or `None` if EKS does not know the
/// cluster.
///
/// # Errors
/// If a page of the list cannot be read. Without it, nothing is known about the associations that
/// the other pages do not show.
pub async fn list_associations(
    aws: &Aws,
    cluster: &Cluster,
    ends_at: Instant,
) -> Result<Option<Vec<String>>, RetryError> {
    let mut ids = Vec::new();
    let mut start = None;
    for _ in 0..PAGES_MAX {
        let (region, name) = (&cluster.region, &cluster.cluster_name);
        let page = retry(ends_at, |until| {
            aws.eks
                .list_associations(region, name, start.clone(), until)
        });
        let Some(NamePage { names, next }) = page.await? else {
            return Ok(None);
        };
        ids.extend(names);
        start = next;
        if start.is_none() {
            ids.sort_unstable();
            ids.dedup();
            return Ok(Some(ids));
        }
    }
    Err(endless("list associations", &cluster.cluster_arn).into())
}

/// Writes a tombstone for each association that the index holds of a deleted cluster. Returns how
/// many there were.
///
/// # Errors
/// If DynamoDB cannot be read or written, or time is up.
pub async fn remove_cluster(
    aws: &Aws,
    cluster: &Cluster,
    ends_at: Instant,
) -> Result<u64, RetryError> {
    let mut removed = 0;
    let mut start = None;
    loop {
        let page = aws
            .index
            .entries_of_cluster(&cluster.cluster_arn, None, start)
            .await?;
        for (id, entry) in page.entries {
            if Instant::now() >= ends_at {
                return Err(RetryError::OutOfTime);
            }
            if let (Entry::Live(_), Ok(arn)) = (entry, cluster.association(&id)) {
                removed += u64::from(aws.index.write_tombstone(&arn, aws.now()).await?);
            }
        }
        start = page.next;
        if start.is_none() {
            break;
        }
    }
    aws.index
        .forget_cluster(&cluster.region, &cluster.cluster_arn)
        .await?;
    Ok(removed)
}

fn endless(operation: &'static str, subject: &str) -> CallError {
    let problem = format!("the list has more than {PAGES_MAX} pages");
    CallError::malformed_response(operation, subject, problem)
}
