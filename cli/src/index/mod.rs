//! `rerole index`: builds, shows, and checks the association index by hand. The reconciler of the
//! Lambda function does the work. `report` writes the text.

mod connect;
mod error;
pub mod flags;
mod lookup;
mod report;

use std::process::ExitCode;
use std::time::Duration;

use indicatif::ProgressBar;
use rerole::aws::Aws;
use rerole::aws::eks::ASSOCIATION_PAGES;
use rerole::aws::page::paginate;
use rerole::indexer::comparison::{self, Comparison};
use rerole::indexer::index_writer::IndexWriter;
use rerole::indexer::reconciler::{Reconciled, Reconciler, SliceEnd};
use rerole::indexer::walker::list_clusters;
use rerole_core::indexing::{ReconcileRequest, Run, RunRequest};
use rerole_core::resource::ClusterName;
use tokio::time::Instant;

use crate::index::connect::connect;
use crate::index::error::CommandError;
use crate::index::flags::{BuildFlags, CheckFlags, IndexCommand, Output, ShowFlags};
use crate::index::lookup::Found;
use crate::terminal::{print, print_error, progress_bar};

/// How long a slice of a run may take. As in Lambda; the next slice starts at once.
const SLICE_MAX: Duration = Duration::from_mins(15);
/// How long a run pauses if it yields to a rotation, which needs the same rate of EKS calls.
const YIELD_PAUSE: Duration = Duration::from_secs(15);
/// How long a comparison may take. It cannot be resumed, so this is far more than a fleet needs.
const COMPARE_MAX: Duration = Duration::from_hours(12);
/// The calls to EKS that were made, of those that the run needs.
const PROGRESS_STYLE: &str = "  {bar:40} {pos} of about {len} calls, {msg}, {eta} left";

/// Runs a command. It succeeds if the command has a result and the result shows no problem.
pub fn run(command: &IndexCommand) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let result = runtime.map_err(CommandError::Runtime).and_then(|runtime| {
        runtime.block_on(async {
            match command {
                IndexCommand::Build(flags) => build(flags).await,
                IndexCommand::Show(flags) => show(flags).await,
                IndexCommand::Check(flags) => check(flags).await,
            }
        })
    });
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            match error.advice() {
                Some(advice) => print_error(&format_args!("{error}; {advice}")),
                None => print_error(&error),
            }
            ExitCode::FAILURE
        }
    }
}

async fn build(flags: &BuildFlags) -> Result<bool, CommandError> {
    if flags.dry_run {
        return check(&CheckFlags {
            aws: flags.aws.clone(),
            scope: flags.scope.clone(),
            output: Output::Table,
        })
        .await;
    }
    let connection = connect(&flags.aws).await?;
    let request = flags.scope.request(&connection.region)?;
    connection.check_regions(&request.regions)?;
    let bar = start_bar(&connection.aws, &request).await;
    let on_save = |run: &Run| {
        let counts = &run.counts;
        bar.set_position(counts.calls);
        bar.set_message(format!(
            "{} added, {} changed, {} removed",
            counts.added, counts.changed, counts.removed
        ));
    };
    let run = reconcile(&connection.aws, request, connection.concurrency, on_save).await;
    bar.finish_and_clear();
    let run = run?;
    print(&report::run_text(&run))?;
    Ok(run.error_count == 0)
}

async fn check(flags: &CheckFlags) -> Result<bool, CommandError> {
    let connection = connect(&flags.aws).await?;
    let request = flags.scope.request(&connection.region)?;
    connection.check_regions(&request.regions)?;
    let bar = start_bar(&connection.aws, &request).await;
    let comparison = compare(&connection.aws, &request, connection.concurrency, &bar).await?;
    print(&match flags.output {
        Output::Table => report::comparison_text(&comparison),
        Output::Json => report::comparison_json(&comparison),
    })?;
    let Comparison { run, differences } = &comparison;
    Ok(differences.is_empty() && run.error_count == 0 && run.counts.invalid == 0)
}

async fn show(flags: &ShowFlags) -> Result<bool, CommandError> {
    let connection = connect(&flags.aws).await?;
    let Found { items, invalid } = match (&flags.role, &flags.association) {
        (Some(role), _) => lookup::by_role(&connection.aws, &role.parse()?).await?,
        (None, Some(id)) => {
            let regions = flags::regions(&flags.regions, &connection.region)?;
            lookup::by_association(&connection.aws, id, &regions).await?
        }
        (None, None) => Found::default(),
    };
    for problem in &invalid {
        print_error(&format!(
            "invalid item, which a full run removes: {problem}"
        ));
    }
    print(&match flags.output {
        Output::Table => report::items_table(&items),
        Output::Json => report::items_json(&items),
    })?;
    Ok(!items.is_empty())
}

/// Runs slices of the reconciler until the requested run is finished.
async fn reconcile(
    aws: &Aws,
    request: RunRequest,
    concurrency: usize,
    on_save: impl Fn(&Run) + Send + Sync,
) -> Result<Run, CommandError> {
    let request = ReconcileRequest::Run(request);
    // The stack knows which regions its index has to cover.
    let writer = IndexWriter::new(aws, None);
    loop {
        let deadline = Instant::now() + SLICE_MAX;
        let mut reconciler = Reconciler::new(aws, &writer, concurrency, deadline).on_save(&on_save);
        match reconciler.reconcile(&request).await? {
            Reconciled::Slice {
                run,
                end: SliceEnd::Finished,
                ..
            } => return Ok(*run),
            Reconciled::Slice {
                end: SliceEnd::Yielded,
                ..
            } => tokio::time::sleep(YIELD_PAUSE).await,
            Reconciled::Slice { .. } | Reconciled::NothingToResume => {}
            Reconciled::AlreadyRunning(run) => {
                return Err(CommandError::AlreadyRunning(run.started_at));
            }
        }
    }
}

async fn compare(
    aws: &Aws,
    request: &RunRequest,
    concurrency: usize,
    bar: &ProgressBar,
) -> Result<Comparison, CommandError> {
    let ends_at = Instant::now() + COMPARE_MAX;
    let on_step = |run: &Run| {
        bar.set_position(run.counts.calls);
        bar.set_message(format!("{} differ", run.counts.repaired()));
    };
    let comparison = comparison::compare(aws, request, concurrency, ends_at, on_step).await;
    bar.finish_and_clear();
    Ok(comparison?)
}

/// A bar for the calls to EKS that the request needs.
async fn start_bar(aws: &Aws, request: &RunRequest) -> ProgressBar {
    progress_bar(expected_calls(aws, request).await, PROGRESS_STYLE)
}

/// About how many EKS calls a run makes. This lists everything before the run does, which costs
/// about a hundredth of the run's calls. A failed list counts as empty here: the run reports it.
async fn expected_calls(aws: &Aws, request: &RunRequest) -> u64 {
    let ends_at = Instant::now() + SLICE_MAX;
    let mut calls = 0;
    for region in &request.regions {
        let listed = list_clusters(aws, region, ends_at)
            .await
            .unwrap_or_default();
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

#[cfg(test)]
mod tests;
