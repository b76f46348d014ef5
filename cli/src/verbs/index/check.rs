//! `rerole index check`: compares the index with EKS, and changes neither.

use std::time::Duration;

use indicatif::ProgressBar;
use rerole::aws::Aws;
use rerole::indexer::comparison::{self, Comparison};
use rerole::indexer::walker::Difference;
use rerole_core::indexing::{IndexItem, Run, RunRequest};
use serde::Serialize;
use tokio::time::Instant;

use crate::answer::{Answer, Next};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::stack::Stack;
use crate::terminal::{Layout, progress_bar};
use crate::users::User;
use crate::verbs::index::expected::expected_calls;
use crate::verbs::index::flags::CheckFlags;
use crate::verbs::index::run_view::RunView;
use crate::verbs::index::selection::{ClusterPlace, Selection};
use crate::words;

/// How long a comparison may take. It cannot be resumed, so this is far more than a fleet needs.
const TIMEOUT: Duration = Duration::from_hours(12);
/// Differences that are listed as text. JSON has all.
const SHOWN_MAX: usize = 50;
const PROGRESS_STYLE: &str = "  {bar:30} {pos} of about {len} calls, {msg}, {eta} left";

/// What a comparison has found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Check {
    /// Whether everything could be read, and nothing differs.
    pub matches: bool,
    /// The clusters that were looked at.
    pub clusters: Vec<ClusterPlace>,
    /// Clusters that the stack leaves out of its index. They were not looked at.
    pub excluded_clusters: Vec<ClusterPlace>,
    pub differences: Vec<DifferenceView>,
    /// What a run would do.
    pub run: RunView,
}

/// An association that index and EKS show differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DifferenceView {
    /// `missing` in the index, `deleted` in EKS, or `changed`.
    pub difference: &'static str,
    pub association_arn: String,
    /// What the index has.
    pub indexed: Option<User>,
    /// What EKS shows.
    pub shown: Option<User>,
}

/// Compares the index with EKS.
///
/// # Errors
/// If nothing is chosen, or AWS does not respond.
pub async fn run(flags: &CheckFlags) -> Result<Exit, Failure> {
    let stack = Stack::find(&flags.stack).await?;
    let coverage = stack.index_coverage()?;
    let selection = Selection::find(&stack.aws, &flags.part, &coverage).await?;
    stack.check_regions(&selection.request.regions)?;
    let answer = Answer::start(&stack, &flags.output)?;
    answer.say(&format!("\n{}", selection.text()))?;
    let bar = progress_bar(0, PROGRESS_STYLE);
    if !bar.is_hidden() {
        bar.set_length(expected_calls(&stack.aws, &selection.request).await);
    }
    let concurrency = flags.part.concurrency.count();
    let comparison = compare(&stack.aws, &selection.request, concurrency, &bar).await;
    let check = Check::new(selection, &comparison?);
    let text = check.text(&stack.origin.account, &answer.layout);
    let mut next = Vec::new();
    if !check.matches {
        let build = format!("rerole index build{}", flags.part.text());
        next.push(Next::new(build).to("correct the index"));
    }
    next.push(Next::new("rerole index status").to("how old the index of each region is"));
    answer.end(&check, &text, &next)?;
    Ok(if check.matches {
        Exit::Done
    } else {
        Exit::FinishedOtherwise
    })
}

/// Compares what the request covers. The bar ends with it.
///
/// # Errors
/// If time is up.
pub async fn compare(
    aws: &Aws,
    request: &RunRequest,
    concurrency: usize,
    bar: &ProgressBar,
) -> Result<Comparison, Failure> {
    let ends_at = Instant::now() + TIMEOUT;
    let on_step = |run: &Run| {
        bar.set_position(run.counts.calls);
        bar.set_message(format!("{} differ", run.counts.repaired()));
    };
    let comparison = comparison::compare(aws, request, concurrency, ends_at, on_step).await;
    bar.finish_and_clear();
    Ok(comparison?)
}

impl Check {
    pub fn new(selection: Selection, comparison: &Comparison) -> Self {
        let Comparison { run, differences } = comparison;
        let is_same = differences.is_empty() && run.counts.invalid == 0;
        Self {
            matches: is_same && run.error_count == 0,
            clusters: selection.clusters,
            excluded_clusters: selection.excluded,
            differences: differences.iter().map(DifferenceView::from).collect(),
            run: RunView::from(run),
        }
    }

    /// What was found, in some lines.
    pub fn text(&self, account: &str, layout: &Layout) -> String {
        let found = match self.differences.len() {
            0 if self.matches => "the index matches EKS.".to_owned(),
            0 => format!(
                "no association that could be read differs{}.",
                self.run.invalid()
            ),
            count => format!("{count} differ{}.", self.run.invalid()),
        };
        let mut parts = vec![format!("{}: {found}", self.run.extent())];
        if !self.differences.is_empty() {
            parts.push(self.table(account, layout));
        }
        parts.push(self.run.errors());
        parts.retain(|part| !part.is_empty());
        format!("\n{}", parts.join("\n\n"))
    }

    fn table(&self, account: &str, layout: &Layout) -> String {
        let rows = self.differences.iter().take(SHOWN_MAX).map(|it| {
            let either = it.shown.as_ref().or(it.indexed.as_ref());
            let workload = either.map(|it| format!("{}/{}", it.namespace, it.service_account));
            let cluster = either.map(|it| format!("{}/{}", it.region, it.cluster));
            vec![
                it.difference.to_owned(),
                workload.unwrap_or_default(),
                cluster.unwrap_or_default(),
                roles(it.indexed.as_ref(), account),
                roles(it.shown.as_ref(), account),
            ]
        });
        let header = ["", "workload", "cluster", "the index has", "EKS shows"];
        let table = layout.table(&header, rows);
        match self.differences.len().saturating_sub(SHOWN_MAX) {
            0 => table,
            more => format!("{table}\nand {more} more; --output json has all of them"),
        }
    }
}

impl From<&Difference> for DifferenceView {
    fn from(difference: &Difference) -> Self {
        let user = |item: &Option<Box<IndexItem>>| item.as_deref().map(User::from);
        Self {
            difference: match (&difference.held, &difference.shown) {
                (None, _) => "missing",
                (Some(_), None) => "deleted",
                (Some(_), Some(_)) => "changed",
            },
            association_arn: difference.association_arn.to_string(),
            indexed: user(&difference.held),
            shown: user(&difference.shown),
        }
    }
}

fn roles(user: Option<&User>, account: &str) -> String {
    user.map_or_else(
        || "-".to_owned(),
        |user| {
            let role = words::role(&user.role_arn).in_account(account);
            match &user.target_role_arn {
                None => role,
                Some(target) => format!("{role} to {}", words::role(target).in_account(account)),
            }
        },
    )
}
