//! `rerole index status`: how old the index of each region is, and what its last run did.

use rerole_core::indexing::{Mode, RunRequest};
use rerole_core::timestamp::Timestamp;
use serde::Serialize;

use crate::answer::{Answer, Next};
use crate::coverage::{Coverage, RegionCoverage};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::stack::Stack;
use crate::terminal::Layout;
use crate::verbs::index::flags::StatusFlags;
use crate::verbs::index::run_view::RunView;
use crate::words;

/// The index as of now.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct IndexStatus {
    #[serde(flatten)]
    pub index: Coverage,
    /// The globs of the clusters that the stack leaves out (`IndexExclude`).
    pub index_exclude: Vec<String>,
    /// The run that is active, or was the last. Null if there was none.
    pub last_run: Option<RunView>,
    /// The run that follows it. Null if none waits.
    pub waiting_run: Option<WaitingRun>,
}

/// A run that waits for its turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WaitingRun {
    #[cfg_attr(test, schemars(with = "String"))]
    pub mode: Mode,
    pub regions: Vec<String>,
    pub cluster_names: Option<Vec<String>>,
}

impl From<&RunRequest> for WaitingRun {
    fn from(request: &RunRequest) -> Self {
        let names = request.cluster_names.as_ref();
        Self {
            mode: request.mode,
            regions: request.regions.clone(),
            cluster_names: names.map(|globs| globs.iter().map(ToString::to_string).collect()),
        }
    }
}

/// Shows the state of the index.
///
/// # Errors
/// If the ledger cannot be read.
pub async fn run(flags: &StatusFlags) -> Result<Exit, Failure> {
    let stack = Stack::find(&flags.stack).await?;
    let answer = Answer::start(&stack, &flags.output)?;
    let runs = stack.aws.ledger.index_runs();
    let (index, last, waiting) =
        tokio::try_join!(Coverage::read(&stack), runs.last(), runs.waiting())?;
    let exclude = stack.index_coverage()?.exclude_clusters;
    let status = IndexStatus {
        index,
        index_exclude: exclude.iter().map(ToString::to_string).collect(),
        last_run: last.as_ref().map(RunView::from),
        waiting_run: waiting.as_ref().map(WaitingRun::from),
    };
    let text = format!("\n{}", status.text(stack.aws.now(), &answer.layout));
    answer.end(&status, &text, &status.next())?;
    Ok(Exit::Done)
}

impl IndexStatus {
    pub fn text(&self, now: Timestamp, layout: &Layout) -> String {
        let mut parts = vec![region_table(&self.index.regions, layout)];
        if !self.index_exclude.is_empty() {
            let globs = words::list(&self.index_exclude, 12);
            parts.push(format!(
                "The stack leaves out clusters {globs} (IndexExclude)."
            ));
        }
        parts.push(match &self.last_run {
            None => {
                "No index run yet. The stack starts the first one within 15 minutes.".to_owned()
            }
            Some(run) => last_run(run, now),
        });
        if let Some(waiting) = &self.waiting_run {
            parts.push(format!(
                "Another run waits: {:?} of {}. The stack starts it within 15 minutes.",
                waiting.mode,
                words::list(&waiting.regions, 12)
            ));
        }
        parts.join("\n\n")
    }

    fn is_active(&self) -> bool {
        let run = self.last_run.as_ref();
        run.is_some_and(|run| run.finished_at.is_none())
    }

    pub fn next(&self) -> Vec<Next> {
        let mut next = Vec::new();
        if !self.is_active() && !self.index.is_fresh() {
            next.push(Next::new("rerole index build").to("complete the index now"));
        }
        if self.is_active() {
            next.push(Next::new("rerole index status").to("look again"));
        }
        next.push(Next::new("rerole index check").to("compare the index with EKS"));
        next
    }
}

fn region_table(regions: &[RegionCoverage], layout: &Layout) -> String {
    let time = |at: Option<Timestamp>| at.map_or_else(|| "never".to_owned(), words::plain_time);
    let rows = regions.iter().map(|it| {
        let state = match (it.complete_as_of, it.is_stale) {
            (None, _) => "incomplete",
            (Some(_), true) => "stale",
            (Some(_), false) => "complete",
        };
        vec![
            it.region.clone(),
            state.to_owned(),
            time(it.complete_as_of),
            time(it.listed_as_of),
            words::list(&it.excluded_clusters, 5),
        ]
    });
    let header = [
        "region",
        "index",
        "complete as of",
        "lists as of",
        "left out",
    ];
    layout.table(&header, rows)
}

/// The run in some lines.
fn last_run(run: &RunView, now: Timestamp) -> String {
    let started = words::time(run.started_at).seen_at(now);
    let state = match (
        run.finished_at,
        run.lease_until.filter(|until| *until > now),
    ) {
        (Some(at), _) => format!("finished {}", words::time(at).seen_at(now)),
        (None, Some(until)) => format!(
            "in flight; its lease lasts until {}",
            words::time(until).seen_at(now)
        ),
        (None, None) => "not finished, and no invocation works on it; the stack resumes it within \
                         15 minutes"
            .to_owned(),
    };
    let mut lines = vec![
        format!("Last run: {}", run.title()),
        format!("  started   {started}"),
        format!("  state     {state}"),
        format!("  read      {}", run.extent()),
        format!("  repaired  {}", run.changes()),
    ];
    if !run.excluded.is_empty() {
        lines.push(format!("  left out  {}", words::list(&run.excluded, 12)));
    }
    if run.error_count > 0 {
        lines.push(format!("\n{}", run.errors()));
    }
    lines.join("\n")
}
