//! Removes the index items that cannot be, at the start of a full run. The walk through the clusters
//! removes those that are under the key of an association of a walked cluster.

use std::collections::BTreeMap;

use rerole_core::indexing::{Cursor, KeyVerdict, Mode, Run};
use rerole_core::resource::Cluster;
use tokio::time::Instant;
use tracing::info;

use crate::aws::index_table::KEY_PAGES;
use crate::aws::page::paginate;
use crate::indexer::retry::RetryError;
use crate::indexer::walker::WalkContext;

/// Reads the keys of the whole index if a full run of all clusters starts. Removes the items that
/// cannot be, and counts them in the run. Records the clusters that only associations name, so the
/// run also looks for those: nothing else would.
///
/// # Errors
/// If DynamoDB cannot be read or written, or time is up. The next slice starts again.
pub async fn remove_invalid_items(
    context: WalkContext<'_>,
    run: &mut Run,
) -> Result<(), RetryError> {
    let is_first_step = run.cursor == Cursor::default();
    if run.request.mode != Mode::Full || run.request.cluster_names.is_some() || !is_first_step {
        return Ok(());
    }
    let (index, rules) = (&context.aws.index, context.item_rules());
    // Whether each cluster is known, by its ARN.
    let mut clusters: BTreeMap<String, (Cluster, bool)> = BTreeMap::new();
    let mut pages = paginate(KEY_PAGES, async |start| index.keys(start).await);
    while let Some(keys) = pages.next().await? {
        if Instant::now() >= context.ends_at {
            return Err(RetryError::OutOfTime);
        }
        for key in keys {
            let (cluster, is_record) = match KeyVerdict::of(&key.partition, &key.sort, &rules) {
                KeyVerdict::OfCluster(cluster) => (cluster, false),
                KeyVerdict::KnownCluster(cluster) => (cluster, true),
                KeyVerdict::Invalid(problem) => {
                    context.remove_invalid(&key, &problem).await?;
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
            "cluster only in associations"
        );
        context.note_cluster(cluster).await?;
    }
    Ok(())
}
