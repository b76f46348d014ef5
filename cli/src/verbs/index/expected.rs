//! How many EKS calls a run will make, for its progress bar.

use std::time::Duration;

use rerole::aws::Aws;
use rerole::aws::eks::ASSOCIATION_PAGES;
use rerole::aws::page::paginate;
use rerole::indexer::walker::list_clusters;
use rerole_core::indexing::RunRequest;
use rerole_core::resource::ClusterName;
use tokio::time::Instant;

/// The bar must not delay the run for longer.
const TIMEOUT: Duration = Duration::from_mins(5);

/// About how many EKS calls a run makes. This lists everything before the run does, which costs
/// about a hundredth of the run's calls. A failed list counts as empty here: the run reports it.
pub async fn expected_calls(aws: &Aws, request: &RunRequest) -> u64 {
    let ends_at = Instant::now() + TIMEOUT;
    let mut calls = 0;
    for region in &request.regions {
        let listed = list_clusters(aws, region, ends_at).await;
        let listed = listed.unwrap_or_default();
        for cluster in listed.iter().filter(|name| request.covers(name)) {
            let cluster = ClusterName {
                region,
                name: cluster,
            };
            let mut pages = paginate(ASSOCIATION_PAGES, async |start| {
                aws.eks.list_associations(cluster, start, ends_at).await
            });
            while let Ok(Some(page)) = pages.next().await {
                calls += 1 + page.len() as u64;
            }
            calls += 1;
        }
        calls += 1;
    }
    // These calls are not part of the run.
    aws.eks.take_calls();
    calls
}
