//! Asks EKS, for answers that must not rest on the index alone. It reads and changes nothing.

use indicatif::ProgressBar;
use rerole::indexer::comparison::compare;
use rerole::indexer::walker::Difference;
use rerole_core::indexing::{IndexItem, Mode, Run, RunError, RunRequest};
use rerole_core::request::Scope;
use rerole_core::resource::RoleArn;
use serde::Serialize;
use std::time::Duration;
use tokio::time::Instant;

use crate::failure::Failure;
use crate::stack::Stack;
use crate::terminal::{Layout, printable, progress_bar};
use crate::users::{self, User};

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

/// How EKS differs from what the index shows of a role, as an answer has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct VerifiedView {
    /// Associations on the role as the index does not have them.
    pub unknown: Vec<User>,
    /// Associations that the index has on the role, and EKS has not.
    pub gone: Vec<User>,
    /// What could not be read.
    pub unread: Vec<String>,
}

impl From<Verified> for VerifiedView {
    fn from(verified: Verified) -> Self {
        let shown = verified.unknown.iter().filter_map(|it| it.shown.as_deref());
        let held = verified.gone.iter().filter_map(|it| it.held.as_deref());
        Self {
            unknown: shown.map(User::from).collect(),
            gone: held.map(User::from).collect(),
            unread: verified.unread.iter().map(unread).collect(),
        }
    }
}

impl VerifiedView {
    /// The differences, in a table for each kind.
    pub fn text(&self, account: &str, layout: &Layout) -> String {
        let table = |title: &str, users: &[User]| {
            format!("{title}\n{}", users::table(users, account, layout))
        };
        let mut parts = Vec::new();
        if !self.unknown.is_empty() {
            let title = "On the role in EKS, and not so in the index:";
            parts.push(table(title, &self.unknown));
        }
        if !self.gone.is_empty() {
            let title = "On the role in the index, and not any more in EKS:";
            parts.push(table(title, &self.gone));
        }
        if !self.unread.is_empty() {
            let lines: Vec<_> = self.unread.iter().map(|it| format!("  {it}")).collect();
            parts.push(format!(
                "EKS did not show:\n{}",
                printable(&lines.join("\n"))
            ));
        }
        if parts.is_empty() {
            return "EKS shows the same.".to_owned();
        }
        parts.join("\n\n")
    }
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
