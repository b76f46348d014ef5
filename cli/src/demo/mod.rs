//! `rerole demo`: delivers a real EventBridge event to the real handler, which moves a simulated
//! fleet, and then checks everything that the documentation promises.
//!
//! This file has the order of the steps. `simulation` runs them, `report` and `aws_cli` write the
//! text, and `checks` decides what must hold.

mod aws_cli;
mod checks;
mod evidence;
pub mod flags;
mod report;
mod simulation;

use std::io::{self, IsTerminal};
use std::pin::pin;
use std::time::Duration;

use indicatif::ProgressBar;

use crate::demo::checks::Check;
use crate::demo::flags::{DemoFlags, DemoPlan, Verbosity};
pub use crate::demo::simulation::DemoError;
use crate::demo::simulation::{Deliveries, EVENT_FILE, Simulation};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::stop_signals::StopSignals;
use crate::terminal::{print, progress_bar};

/// The port that the demo suggests for `--keep`. No well-known service listens there.
const PORT_SUGGESTED: u16 = 4550;
/// Short enough for a smooth bar, long enough to cost nothing.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Runs the demo. It succeeds if every check holds.
///
/// # Errors
/// If a flag is invalid, or the demo stops before its checks.
pub async fn run(flags: &DemoFlags) -> Result<Exit, Failure> {
    let plan = DemoPlan::try_from(flags)?;
    let checks = demonstrate(&plan).await?;
    Ok(if checks.iter().all(Check::held) {
        Exit::Done
    } else {
        Exit::Error
    })
}

async fn demonstrate(plan: &DemoPlan) -> Result<Vec<Check>, DemoError> {
    if plan.verbosity == Verbosity::Verbose {
        rerole::lambda::logging::init(Some("rerole=debug"));
    }
    let say = |text: String| match plan.verbosity {
        Verbosity::Quiet => Ok(()),
        Verbosity::Normal | Verbosity::Verbose => print(&text),
    };
    let simulation = Simulation::start(plan).await?;
    let Simulation { fleet, before, .. } = &simulation;
    say(report::introduction(
        plan,
        &simulation.url(),
        &simulation.request,
    ))?;
    let table = report::fleet_table(&fleet.clusters, before, &fleet.rotating);
    say(format!("\n{table}"))?;

    say(format!("\nDelivering {EVENT_FILE} to the handler …"))?;
    let bar = move_bar(plan.verbosity, simulation.expected_moves());
    let first = with_progress(&simulation, bar, simulation.deliver()).await?;
    let second = simulation.deliver().await?;
    let deliveries = Deliveries { first, second };
    let evidence = simulation.evidence(&deliveries)?;
    let Deliveries { first, second } = &deliveries;
    say(report::first_delivery(
        first,
        &fleet.clusters,
        &evidence.rows,
    ))?;
    say(format!("\n{}\n", report::second_delivery(second)))?;

    let checks = checks::all(&evidence);
    for check in &checks {
        if check.held() {
            say(check.to_string())?;
        } else {
            print(&check.to_string())?;
        }
    }
    print(&verdict(&checks))?;
    finish(plan, simulation).await?;
    Ok(checks)
}

/// Prints how to query the simulated AWS. With `--keep`, waits for a signal before it stops it.
async fn finish(plan: &DemoPlan, simulation: Simulation) -> Result<(), DemoError> {
    // Registered before the URL is printed, because its reader may send the signal at once.
    let mut signals = if plan.keep {
        Some(StopSignals::listen().map_err(DemoError::Process)?)
    } else {
        None
    };
    let (introduction, url) = if plan.keep {
        let url = simulation.url();
        (
            format!("\nThe endpoints stay up at {url} until Ctrl-C."),
            url,
        )
    } else {
        let port = if plan.port == 0 {
            PORT_SUGGESTED
        } else {
            plan.port
        };
        let introduction = format!(
            "\nThe endpoints shut down now. To query them, add --keep --port {port} to the same \
             command."
        );
        (introduction, format!("http://127.0.0.1:{port}"))
    };
    if plan.verbosity != Verbosity::Quiet {
        let example = simulation.fleet.rotating.last();
        let example = example.and_then(|arn| simulation.before.get(arn));
        let commands = example
            .map(|example| aws_cli::commands(&url, &simulation.request, example))
            .unwrap_or_default();
        print(&format!("{introduction} With the AWS CLI:\n\n{commands}"))?;
    } else if plan.keep {
        print(introduction.trim_start())?;
    }
    if let Some(signals) = &mut signals {
        signals.wait().await;
    }
    simulation.stop().await;
    Ok(())
}

fn verdict(checks: &[Check]) -> String {
    match checks.iter().filter(|check| !check.held()).count() {
        0 => format!("All {} checks held.", checks.len()),
        failed => format!("{failed} of {} checks FAILED.", checks.len()),
    }
}

/// The progress of the first delivery. It is hidden unless standard output is also a terminal: if
/// the report goes to a file, a bar alone on the terminal would have no context.
fn move_bar(verbosity: Verbosity, expected_moves: usize) -> ProgressBar {
    if verbosity != Verbosity::Normal || !io::stdout().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = "  {bar:50} {pos} of {len} moved, {elapsed}";
    progress_bar(expected_moves as u64, style)
}

/// Runs `work`, and meanwhile updates the bar from the simulated EKS.
async fn with_progress<T>(
    simulation: &Simulation,
    bar: ProgressBar,
    work: impl Future<Output = T>,
) -> T {
    let mut work = pin!(work);
    let mut tick = tokio::time::interval(PROGRESS_INTERVAL);
    loop {
        tokio::select! {
            output = &mut work => {
                bar.finish_and_clear();
                return output;
            }
            _ = tick.tick(), if !bar.is_hidden() => {
                bar.set_position(simulation.moved_count() as u64);
            }
        }
    }
}
