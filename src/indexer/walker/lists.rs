//! EKS's lists: the clusters of a region, and the associations of a cluster.

use std::collections::BTreeSet;

use rerole_core::call::ErrorClass;
use rerole_core::resource::ClusterName;
use tokio::time::Instant;

use crate::aws::Aws;
use crate::aws::eks::{ASSOCIATION_PAGES, CLUSTER_PAGES, none_if_not_found};
use crate::aws::page::paginate;
use crate::indexer::retry::{RetryError, find, retry};

/// Returns the names of all clusters of a region.
///
/// # Errors
/// If a page of the list cannot be read.
pub async fn list_clusters(
    aws: &Aws,
    region: &str,
    ends_at: Instant,
) -> Result<BTreeSet<String>, RetryError> {
    let mut pages = paginate(CLUSTER_PAGES, async |start: Option<String>| {
        retry(ends_at, |until| {
            aws.eks.list_clusters(region, start.clone(), until)
        })
        .await
    });
    let mut names = BTreeSet::new();
    while let Some(page) = pages.next().await? {
        names.extend(page);
    }
    Ok(names)
}

/// The associations of a cluster.
#[derive(Debug)]
pub(super) enum Listed {
    /// Their IDs, in order.
    Ids(Vec<String>),
    /// EKS does not know the cluster.
    NoCluster,
    /// EKS does not support associations for the cluster, so it has none.
    Unsupported,
}

/// Lists all associations of a cluster.
///
/// # Errors
/// If a page of the list cannot be read. Without it, nothing is known about the associations that
/// the other pages do not show.
pub(super) async fn list_associations(
    aws: &Aws,
    cluster: ClusterName<'_>,
    ends_at: Instant,
) -> Result<Listed, RetryError> {
    let mut pages = paginate(ASSOCIATION_PAGES, async |start: Option<String>| {
        let page = find(ends_at, async |until| {
            let page = aws.eks.list_associations(cluster, start.clone(), until);
            page.await.map(Some).or_else(none_if_not_found)
        })
        .await?;
        page.ok_or(ListError::NoCluster)
    });
    let mut ids = Vec::new();
    loop {
        match pages.next().await {
            Ok(Some(page)) => ids.extend(page),
            Ok(None) => break,
            Err(ListError::NoCluster) => return Ok(Listed::NoCluster),
            Err(ListError::Retry(RetryError::Call(error)))
                if error.class == ErrorClass::Unsupported =>
            {
                return Ok(Listed::Unsupported);
            }
            Err(ListError::Retry(error)) => return Err(error),
        }
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(Listed::Ids(ids))
}

/// Why a list has no further page.
enum ListError {
    NoCluster,
    Retry(RetryError),
}

impl<E: Into<RetryError>> From<E> for ListError {
    fn from(error: E) -> Self {
        Self::Retry(error.into())
    }
}
