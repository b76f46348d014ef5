//! Removes the index items whose keys no item can have. No walk through a cluster leads to them.
//! The walk itself removes items that cannot be under the key of an association
//! (`walker/cluster.rs`).

use std::collections::BTreeMap;

use rerole_core::indexing::{KeyOf, Run};
use rerole_core::keys::IndexPartition;
use rerole_core::resource::Cluster;
use tokio::time::Instant;
use tracing::{error, info};

use crate::aws::index_table::KEY_PAGES;
use crate::aws::page::paginate;
use crate::indexer::retry::RetryError;
use crate::indexer::walker::{Purpose, WalkContext};

/// Reads the keys of the whole index. Removes the items whose keys none can have, and counts them
/// in the run. Records the clusters that only associations name, so the run also looks for those.
///
/// # Errors
/// If DynamoDB cannot be read or written, or time is up. The next slice starts again.
pub async fn remove_items_with_invalid_keys(
    context: WalkContext<'_>,
    run: &mut Run,
) -> Result<(), RetryError> {
    let (items, rules) = (context.aws.index.invalid_items(), context.item_rules());
    // Whether each cluster is known, by its ARN.
    let mut clusters: BTreeMap<String, (Cluster, bool)> = BTreeMap::new();
    let mut pages = paginate(KEY_PAGES, async |start| items.keys(start).await);
    while let Some(keys) = pages.next().await? {
        if Instant::now() >= context.ends_at {
            return Err(RetryError::OutOfTime);
        }
        for key in keys {
            let region = IndexPartition::region(&key.partition);
            let (cluster, is_record) = match key.judge(region, &rules) {
                Ok(KeyOf::Association(cluster)) => (cluster, false),
                Ok(KeyOf::KnownCluster(cluster)) => (cluster, true),
                Err(problem) => {
                    error!(problem, "item of the index with an invalid key");
                    if let Purpose::Repair(_) = context.purpose {
                        items.remove_key(&key).await?;
                    }
                    run.counts.invalid += 1;
                    continue;
                }
            };
            let arn = cluster.cluster_arn.clone();
            clusters.entry(arn).or_insert((cluster, false)).1 |= is_record;
        }
    }
    for (cluster, _) in clusters.values().filter(|(_, is_known)| !is_known) {
        info!(
            cluster = cluster.cluster_arn,
            "cluster that only associations name"
        );
        context.note_cluster(cluster).await?;
    }
    Ok(())
}
