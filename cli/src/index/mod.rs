//! `rerole index`: the association index, built, shown and held against EKS by hand. The work is the reconciler's, as in the
//! Lambda; what is said is in `report`.

mod connect;
pub mod flags;
mod report;
#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rerole::arn::{AssociationArn, InvalidArn, RoleArn};
use rerole::association::{Entry, IndexItem};
use rerole::aws::Aws;
use rerole::aws::error::CallError;
use rerole::cluster::Cluster;
use rerole::index::cluster::{WalkError, list_clusters};
use rerole::index::compare::{Comparer, Comparison};
use rerole::index::reconcile::{ReconcileError, Reconciled, Reconciler, SliceEnd};
use rerole::index::returns::ReturnWatch;
use rerole::index::run::{Run, RunRequest, Wanted};
use rerole::role_field::RoleField;
use tokio::time::Instant;

use crate::args::InvalidFlag;
use connect::{ConnectError, connect};
use flags::{BuildFlags, CheckFlags, IndexCommand, Output, ShowFlags};

/// One slice of a run; the next one begins at once. Long enough to be no hindrance, short enough to take a new lease.
const SLICE: Duration = Duration::from_mins(15);
/// While a rotation is at work.
const GIVE_WAY: Duration = Duration::from_secs(15);
/// Nobody waits longer for a comparison, which is not taken up again.
const COMPARE_MAX: Duration = Duration::from_hours(12);

/// Why a command ends without a result.
#[derive(Debug, thiserror::Error)]
enum IndexError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Flag(#[from] InvalidFlag),
    #[error(transparent)]
    Arn(#[from] InvalidArn),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Reconcile(#[from] ReconcileError),
    #[error(transparent)]
    Walk(#[from] WalkError),
    #[error(
        "another run is at work on the index, since {0}; it is deep and complete, or this one has its turn after it"
    )]
    AlreadyRunning(String),
    #[error("write to standard output: {0}")]
    Output(#[from] io::Error),
}

/// Runs a command: success where it has a result, and where that is one to be content with.
pub fn run(command: &IndexCommand) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let end = runtime.map_err(IndexError::Output).and_then(|runtime| {
        runtime.block_on(async {
            match command {
                IndexCommand::Build(flags) => build(flags).await,
                IndexCommand::Show(flags) => show(flags).await,
                IndexCommand::Check(flags) => check(flags).await,
            }
        })
    });
    match end {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Where even this cannot be written, the exit code is all that is left to say.
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn build(flags: &BuildFlags) -> Result<bool, IndexError> {
    let connection = connect(&flags.aws).await?;
    let request = flags.scope.request(&connection.region)?;
    let bar = bar(expected_calls(&connection.aws, &request).await?);
    if flags.dry_run {
        let comparison = compare(&connection.aws, &request, connection.width, &bar).await?;
        print(&report::comparison_text(&comparison))?;
        return Ok(comparison.troubles.is_empty());
    }
    let told = |run: &Run| {
        let counts = &run.counts;
        bar.set_position(counts.calls);
        bar.set_message(format!("{} added, {} changed, {} removed", counts.added, counts.changed, counts.removed));
    };
    let run = reconcile(&connection.aws, request, connection.width, told).await;
    bar.finish_and_clear();
    let run = run?;
    print(&report::run_text(&run))?;
    Ok(run.trouble_count == 0)
}

async fn check(flags: &CheckFlags) -> Result<bool, IndexError> {
    let connection = connect(&flags.aws).await?;
    let request = flags.scope.request(&connection.region)?;
    let bar = bar(expected_calls(&connection.aws, &request).await?);
    let comparison = compare(&connection.aws, &request, connection.width, &bar).await?;
    print(&match flags.output {
        Output::Table => report::comparison_text(&comparison),
        Output::Json => report::comparison_json(&comparison),
    })?;
    Ok(comparison.differences.is_empty() && comparison.troubles.is_empty())
}

async fn show(flags: &ShowFlags) -> Result<bool, IndexError> {
    let connection = connect(&flags.aws).await?;
    let items = match (&flags.role, &flags.association) {
        (Some(role), _) => on_role(&connection.aws, &role.parse()?).await?,
        (None, Some(id)) => {
            of_association(&connection.aws, id, &flags::regions(&flags.regions, &connection.region)?).await?
        }
        (None, None) => Vec::new(),
    };
    print(&match flags.output {
        Output::Table => report::items_table(&items),
        Output::Json => report::items_json(&items),
    })?;
    Ok(!items.is_empty())
}

/// Does a run from beginning to end.
async fn reconcile(
    aws: &Aws,
    request: RunRequest,
    width: usize,
    told: impl Fn(&Run) + Send + Sync,
) -> Result<Run, IndexError> {
    let wanted = Wanted::Run(request);
    let returns = ReturnWatch::new(aws);
    loop {
        let mut reconciler = Reconciler::new(aws, &returns, width, Instant::now() + SLICE).telling(&told);
        match reconciler.reconcile(&wanted).await? {
            Reconciled::Slice { run, end: SliceEnd::Finished, .. } => return Ok(*run),
            Reconciled::Slice { end: SliceEnd::GaveWay, .. } => tokio::time::sleep(GIVE_WAY).await,
            Reconciled::Slice { .. } | Reconciled::Nothing => {}
            Reconciled::AlreadyRunning(run) => return Err(IndexError::AlreadyRunning(run.began_at.to_string())),
        }
    }
}

async fn compare(aws: &Aws, request: &RunRequest, width: usize, bar: &ProgressBar) -> Result<Comparison, IndexError> {
    let comparer = Comparer { aws, width, ends_at: Instant::now() + COMPARE_MAX };
    let told = |comparison: &Comparison| {
        bar.inc(aws.eks.take_calls());
        bar.set_message(format!("{} differ", comparison.differences.len()));
    };
    let comparison = comparer.compare(request, told).await;
    bar.finish_and_clear();
    Ok(comparison?)
}

/// About how many EKS calls a run makes: the lists are asked beforehand, which is a hundredth of it.
async fn expected_calls(aws: &Aws, request: &RunRequest) -> Result<u64, IndexError> {
    let ends_at = Instant::now() + SLICE;
    let mut calls = 0;
    for region in &request.regions {
        // What cannot be listed is the run's trouble, and not the estimate's.
        let listed = list_clusters(aws, region, ends_at).await.unwrap_or_default();
        for cluster in listed.iter().filter(|name| request.covers(name)) {
            let mut start = None;
            while let Ok(Some(page)) = aws.eks.list_associations(region, cluster, start, ends_at).await {
                calls += 1 + page.names.len() as u64;
                start = page.next;
                if start.is_none() {
                    break;
                }
            }
            calls += 1;
        }
        calls += 1;
    }
    aws.eks.take_calls();
    Ok(calls)
}

async fn on_role(aws: &Aws, role: &RoleArn) -> Result<Vec<IndexItem>, IndexError> {
    let mut items: Vec<IndexItem> = Vec::new();
    for field in RoleField::ALL {
        let mut start = None;
        loop {
            let page = aws.index.on_role(field, role, start).await?;
            let is_new = |item: &IndexItem| field == RoleField::RoleArn || item.role_arn != role.as_str();
            items.extend(page.items.into_iter().filter(is_new));
            start = page.next;
            if start.is_none() {
                break;
            }
        }
    }
    Ok(items)
}

/// An association by its ARN, or by its id in any cluster of these regions.
async fn of_association(aws: &Aws, id: &str, regions: &[String]) -> Result<Vec<IndexItem>, IndexError> {
    if let Ok(arn) = id.parse::<AssociationArn>() {
        return Ok(live(aws.index.entry(&arn).await?).into_iter().collect());
    }
    for region in regions {
        let mut start = None;
        loop {
            let (known, next) = aws.index.known_clusters(region, start).await?;
            for cluster in known.iter().filter_map(|arn| Cluster::parse(arn).ok()) {
                if let Some(item) = live(aws.index.entry(&cluster.association(id)?).await?) {
                    return Ok(vec![item]);
                }
            }
            start = next;
            if start.is_none() {
                break;
            }
        }
    }
    Ok(Vec::new())
}

fn live(entry: Option<Entry>) -> Option<IndexItem> {
    match entry {
        Some(Entry::Live(item)) => Some(*item),
        Some(Entry::Buried) | None => None,
    }
}

/// A bar where somebody watches.
fn bar(len: u64) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(len), ProgressDrawTarget::stderr());
    match ProgressStyle::with_template("  {bar:40} {pos} of about {len} calls, {msg}, {eta} left") {
        Ok(style) => bar.with_style(style),
        // The default style shows the same, less well.
        Err(_) => bar,
    }
}

fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}").and_then(|()| stdout.flush())
}
