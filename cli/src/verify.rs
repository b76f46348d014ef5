//! Asks EKS, for answers that must not rest on the index alone. It reads and changes nothing.

use indicatif::ProgressBar;
use rerole::indexer::comparison::compare;
use rerole::indexer::walker::Difference;
use rerole_core::indexing::{IndexItem, Mode, Run, RunError, RunRequest};
use rerole_core::request::Scope;
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

/// How EKS differs from what the index shows of a role.
#[derive(Debug, Default)]
pub struct Verified {
    /// Associations that use the role, and that the index has not, or not on this role.
    pub unknown: Vec<Difference>,
    /// Associations that the index has on the role, and that EKS has not, or not on this role.
    pub gone: Vec<Difference>,
    /// What could not be read, so nothing is known of it.
    pub unread: Vec<RunError>,
}

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
    let verified = users(stack, role, scope).await?;
    if let Some(error) = verified.unread.first() {
        return Err(Failure::Refused(format!("ask EKS: {}", unread(error))));
    }
    Ok(verified.unknown)
}

/// Compares what EKS shows of the role, in this scope, with what the index shows. Clusters that the
/// stack leaves out are not looked at.
///
/// # Errors
/// If the index cannot be read.
pub async fn users(stack: &Stack, role: &RoleArn, scope: &Scope) -> Result<Verified, Failure> {
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
        exclude_clusters: stack.index_coverage()?.exclude_clusters,
    };
    let bar = progress_bar(0, "  asking EKS: {pos} calls, {elapsed}");
    let on_step = |run: &Run| show(&bar, run);
    let ends_at = Instant::now() + TIMEOUT;
    // Once a command has listened for Ctrl-C, it no longer ends the process by itself.
    let comparison = tokio::select! {
        comparison = compare(&stack.aws, &request, CONCURRENCY, ends_at, on_step) => comparison,
        _ = tokio::signal::ctrl_c() => return Err(Failure::Interrupted),
    };
    bar.finish_and_clear();
    let comparison = comparison?;
    let mut verified = Verified {
        unread: comparison.run.errors,
        ..Verified::default()
    };
    for difference in comparison.differences {
        let uses = |item: Option<&IndexItem>| item.is_some_and(|item| uses(item, role, scope));
        match (
            uses(difference.held.as_deref()),
            uses(difference.shown.as_deref()),
        ) {
            (false, true) => verified.unknown.push(difference),
            (true, false) => verified.gone.push(difference),
            (true, true) | (false, false) => {}
        }
    }
    Ok(verified)
}

/// Says what could not be read, and why.
pub fn unread(error: &RunError) -> String {
    let place = error.cluster_name.as_deref();
    let place = place.unwrap_or("the list of clusters");
    format!("{place} in {}: {}", error.region, error.problem)
}

fn uses(item: &IndexItem, role: &RoleArn, scope: &Scope) -> bool {
    let roles = [
        Some(item.role_arn.as_str()),
        item.target_role_arn.as_deref(),
    ];
    roles.contains(&Some(role.as_str())) && scope.covers(item.location())
}

fn show(bar: &ProgressBar, run: &Run) {
    bar.set_position(run.counts.calls);
}
