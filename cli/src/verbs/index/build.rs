//! `rerole index build`: does an index run with the operator's own credentials. The reconciler of
//! the function does the work, slice after slice, under the lease of the run. It is given back when
//! the operator interrupts the command.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::ProgressBar;
use rerole::aws::Aws;
use rerole::aws::ledger::LeaseError;
use rerole::indexer::index_writer::{IndexWriter, StackScope};
use rerole::indexer::reconciler::{Reconciled, Reconciler, SliceEnd};
use rerole_core::indexing::{ReconcileRequest, Run, RunRequest};
use serde::Serialize;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::answer::{Answer, Next};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::stack::Stack;
use crate::terminal::{note, progress_bar};
use crate::verbs::index::check;
use crate::verbs::index::expected::expected_calls;
use crate::verbs::index::flags::{BuildFlags, CheckFlags};
use crate::verbs::index::run_view::RunView;
use crate::verbs::index::selection::{ClusterPlace, Selection};
use crate::words;

/// How long a slice of a run may take. As in Lambda; the next slice starts at once.
const SLICE_MAX: Duration = Duration::from_mins(15);
/// How long a run pauses if it yields to a rotation, which needs the same rate of EKS calls.
const YIELD_PAUSE: Duration = Duration::from_secs(15);
/// How long an interrupted run may go on until it is saved next. Without that, a save that is on
/// its way could arrive after the release and take the lease again.
const LAST_SAVE: Duration = Duration::from_secs(5);
/// The calls to EKS that were made, of those that the run needs.
const PROGRESS_STYLE: &str = "  {bar:30} {pos} of about {len} calls, {msg}, {eta} left";

/// A finished build.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Build {
    /// The clusters that the command covered.
    pub clusters: Vec<ClusterPlace>,
    /// Clusters that the stack leaves out of its index.
    pub excluded_clusters: Vec<ClusterPlace>,
    pub run: RunView,
}

/// How a build ends, if no call fails.
#[derive(Debug)]
pub enum Built {
    Finished(Box<Run>),
    /// Another invocation works on this run.
    AlreadyRunning(Box<Run>),
    Interrupted,
}

/// Builds or corrects the index.
///
/// # Errors
/// If nothing is chosen, another run is in flight, or AWS does not respond.
pub async fn run(flags: &BuildFlags) -> Result<Exit, Failure> {
    if flags.dry_run {
        return check::run(&CheckFlags {
            part: flags.part.clone(),
            stack: flags.stack.clone(),
            output: flags.output.clone(),
        })
        .await;
    }
    let stack = Stack::find(&flags.stack).await?;
    let coverage = stack.index_coverage()?;
    let selection = Selection::find(&stack.aws, &flags.part, &coverage).await?;
    stack.check_regions(&selection.request.regions)?;
    let answer = Answer::start(&stack, &flags.output)?;
    answer.say(&format!("\n{}", selection.text()))?;
    let own_account = stack.own_account();
    let scope = StackScope {
        coverage: &coverage,
        own_account: own_account.as_ref(),
    };
    // What the environment alone names may be a part of what the stack covers.
    let scope = stack.outputs.are_described().then_some(scope);
    let bar = progress_bar(0, PROGRESS_STYLE);
    if !bar.is_hidden() {
        bar.set_length(expected_calls(&stack.aws, &selection.request).await);
    }
    let request = selection.request.clone();
    let builder = Builder {
        aws: &stack.aws,
        scope,
        concurrency: flags.part.concurrency.count(),
        bar: &bar,
        held: Mutex::default(),
        saved: Notify::new(),
    };
    let interrupt = async { tokio::signal::ctrl_c().await.map_err(Failure::Process) };
    let built = builder.build(request, interrupt).await;
    bar.finish_and_clear();
    match built? {
        Built::Finished(run) => finish(&answer, selection, &run),
        Built::AlreadyRunning(run) => {
            let waiting = stack.aws.ledger.index_runs().waiting().await?;
            let turn = Turn::of(&selection.request, &run, waiting);
            Err(already_running(turn, &run, &stack))
        }
        Built::Interrupted => {
            let again = stack.pasted(&format!("rerole index build{}", flags.part.text()));
            note(&format!(
                "interrupted: the lease of the run was given back; `{again}` resumes it, and so \
                 does the stack within 15 minutes"
            ));
            Ok(Exit::Interrupted)
        }
    }
}

fn finish(answer: &Answer<'_>, selection: Selection, run: &Run) -> Result<Exit, Failure> {
    let view = RunView::from(run);
    let mut text = format!(
        "\nThe index is built: {}: {}.",
        view.extent(),
        view.changes()
    );
    if view.error_count > 0 {
        text = format!(
            "\nThe run is finished, and the index is not complete. {}: {}.\n\n{}",
            view.extent(),
            view.changes(),
            view.errors()
        );
    }
    let next = [
        Next::new("rerole index status").to("how old the index of each region is"),
        Next::new("rerole index check").to("compare it with EKS"),
    ];
    let exit = match run.error_count {
        0 => Exit::Done,
        _ => Exit::FinishedOtherwise,
    };
    let build = Build {
        clusters: selection.clusters,
        excluded_clusters: selection.excluded,
        run: view,
    };
    answer.end(&build, &text, &next)?;
    Ok(exit)
}

/// What happens to a run while another one is in flight.
#[derive(Debug, Clone, Copy)]
enum Turn {
    /// The other one does the same.
    Same,
    Queued,
    /// One for some clusters does not replace another that waits.
    Dropped,
}

impl Turn {
    /// `waiting` is what waits after this request has tried to.
    fn of(request: &RunRequest, running: &Run, waiting: Option<RunRequest>) -> Self {
        if *request == running.request {
            return Self::Same;
        }
        let other_waits = waiting.is_some_and(|waiting| waiting != *request);
        if request.cluster_names.is_some() && other_waits {
            Self::Dropped
        } else {
            Self::Queued
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Same => "it does the same; follow it with: rerole index status",
            Self::Queued => {
                "this one is queued after it, and the stack starts it; follow both with: rerole \
                 index status"
            }
            Self::Dropped => {
                "this one was not queued, because another run waits already; run the command \
                 again when that one has started: rerole index status"
            }
        }
    }
}

/// Says until when the other run holds its lease, and what happens to this one.
fn already_running(turn: Turn, running: &Run, stack: &Stack) -> Failure {
    let view = RunView::from(running);
    let now = stack.aws.now();
    let until = running.lease_until.unwrap_or(now);
    let then = turn.text();
    Failure::Refused(format!(
        "another index run is in flight: {}, started {}; its lease lasts until {} unless it goes \
         on; {then}",
        view.title(),
        words::time(view.started_at).seen_at(now),
        words::time(until).seen_at(now),
    ))
}

/// Does the slices of an index run.
pub struct Builder<'a> {
    pub aws: &'a Aws,
    /// What the stack covers, if that is known.
    pub scope: Option<StackScope<'a>>,
    pub concurrency: usize,
    pub bar: &'a ProgressBar,
    /// The run as it was last saved, while this command holds its lease.
    pub held: Mutex<Option<Run>>,
    /// Is notified after each save.
    pub saved: Notify,
}

impl Builder<'_> {
    /// Works on the requested run until it is finished, or `interrupt` ends.
    ///
    /// # Errors
    /// If a table cannot be read or written.
    pub async fn build(
        &self,
        request: RunRequest,
        interrupt: impl Future<Output = Result<(), Failure>>,
    ) -> Result<Built, Failure> {
        {
            let mut work = std::pin::pin!(self.slices(request));
            tokio::select! {
                built = &mut work => return Ok(built?),
                interrupted = interrupt => interrupted?,
            }
            // It also ends a claim that is on its way.
            tokio::select! {
                built = &mut work => return Ok(built?),
                () = self.saved.notified() => {}
                () = sleep(LAST_SAVE) => {}
            }
        }
        self.release().await?;
        Ok(Built::Interrupted)
    }

    async fn slices(&self, request: RunRequest) -> Result<Built, LeaseError> {
        let request = ReconcileRequest::Run(request);
        let writer = IndexWriter::new(self.aws, self.scope);
        loop {
            let deadline = Instant::now() + SLICE_MAX;
            let mut reconciler = Reconciler::new(self.aws, &writer, self.concurrency, deadline)
                .on_save(|run| self.on_save(run));
            let slice = reconciler.reconcile(&request).await?;
            // The end of a slice has released the lease.
            self.hold(None);
            match slice {
                Reconciled::Slice {
                    run,
                    end: SliceEnd::Finished,
                    ..
                } => return Ok(Built::Finished(run)),
                Reconciled::Slice {
                    end: SliceEnd::Yielded,
                    ..
                } => {
                    self.bar
                        .set_message("waiting for a rotation, which needs the calls");
                    sleep(YIELD_PAUSE).await;
                }
                Reconciled::Slice { .. } | Reconciled::NothingToResume => {}
                Reconciled::AlreadyRunning(run) => return Ok(Built::AlreadyRunning(run)),
            }
        }
    }

    fn on_save(&self, run: &Run) {
        let counts = &run.counts;
        self.bar.set_position(counts.calls);
        self.bar.set_message(format!(
            "{} added, {} changed, {} removed",
            counts.added, counts.changed, counts.removed
        ));
        self.hold(Some(run.clone()));
        self.saved.notify_waiters();
    }

    /// Gives the lease back, unless another invocation has the run meanwhile.
    async fn release(&self) -> Result<(), LeaseError> {
        let held = self
            .held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(run) = held else {
            return Ok(());
        };
        let released = Run {
            lease_until: None,
            ..run
        };
        match self.aws.ledger.index_runs().save(&released).await {
            Ok(()) | Err(LeaseError::Lost) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn hold(&self, run: Option<Run>) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = run;
    }
}
