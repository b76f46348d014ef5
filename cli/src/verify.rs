//! Asks EKS, for answers that must not rest on the index alone. It reads and changes nothing.

use indicatif::ProgressBar;
use rerole::indexer::comparison::compare;
use rerole::indexer::walker::Difference;
use rerole_core::indexing::{Mode, Run, RunRequest};
use rerole_core::request::{Location, Scope};
use rerole_core::resource::RoleArn;
use std::time::Duration;
use tokio::time::Instant;

use crate::failure::Failure;
use crate::stack::Stack;
use crate::terminal::progress_bar;

/// How many associations are described at the same time. The rate of calls is found by itself.
const CONCURRENCY: usize = 16;
/// It cannot be resumed, so this is far more than a fleet needs.
const TIMEOUT: Duration = Duration::from_hours(12);

/// Finds the associations in EKS that use the role, in this scope, and that the index has not, or
/// not on this role.
///
/// # Errors
/// If a region or cluster cannot be read.
pub async fn unknown_users(
    stack: &Stack,
    role: &RoleArn,
    scope: &Scope,
) -> Result<Vec<Difference>, Failure> {
    let regions = stack.index_regions();
    let regions: Vec<_> = regions
        .into_iter()
        .filter(|it| scope.covers_region(it))
        .collect();
    stack.check_regions(&regions)?;
    let request = RunRequest {
        mode: Mode::Full,
        regions,
        cluster_names: scope.cluster_names.clone(),
        exclude_clusters: Vec::new(),
    };
    let bar = progress_bar(0, "  asking EKS: {pos} calls, {elapsed}");
    let on_step = |run: &Run| show(&bar, run);
    let ends_at = Instant::now() + TIMEOUT;
    let comparison = compare(&stack.aws, &request, CONCURRENCY, ends_at, on_step).await;
    bar.finish_and_clear();
    let comparison = comparison?;
    if let Some(error) = comparison.run.errors.first() {
        let place = error
            .cluster_name
            .as_deref()
            .unwrap_or("the list of clusters");
        return Err(Failure::Refused(format!(
            "ask EKS: {place} in {}: {} ({} such errors)",
            error.region, error.problem, comparison.run.error_count
        )));
    }
    let uses = |roles: [Option<&str>; 2]| roles.contains(&Some(role.as_str()));
    let is_unknown = |difference: &Difference| {
        difference.shown.as_deref().is_some_and(|item| {
            uses([Some(&item.role_arn), item.target_role_arn.as_deref()])
                && scope.covers(Location {
                    arn: &item.association_arn,
                    namespace: &item.namespace,
                    service_account: &item.service_account,
                })
        })
    };
    let differences = comparison.differences.into_iter();
    Ok(differences.filter(is_unknown).collect())
}

fn show(bar: &ProgressBar, run: &Run) {
    bar.set_position(run.counts.calls);
}
