//! `rerole demo`: the first scene in the playground. A rotation of a simulated fleet is requested,
//! paused, resumed, requested again and rolled back, and then everything that the documentation
//! promises about it is checked.
//!
//! This file has the order of the steps. `scene` runs them as `operator`, `steps`, `report` and
//! `aws_cli` write the text, and `checks` decides what must hold.

mod aws_cli;
mod checks;
mod error;
mod evidence;
mod fast_time;
pub mod flags;
mod operator;
mod report;
mod scene;
mod steps;
#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal};
use std::pin::pin;
use std::time::Duration;

use indicatif::ProgressBar;

use crate::demo::checks::Check;
pub use crate::demo::error::DemoError;
use crate::demo::fast_time::in_fast_time;
use crate::demo::flags::{DemoFlags, DemoPlan, Verbosity};
use crate::demo::scene::{Ended, Scene};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::playground::{Playground, shell};
use crate::stop_signals::StopSignals;
use crate::terminal::{OutputError, print, progress_bar};

/// Short enough for a smooth bar, long enough to cost nothing.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Runs the demo. It succeeds if every check holds.
///
/// # Errors
/// If a flag is invalid, or the demo stops before its checks.
pub async fn run(flags: &DemoFlags) -> Result<Exit, Failure> {
    let plan = DemoPlan::try_from(flags)?;
    if plan.verbosity == Verbosity::Verbose {
        rerole::lambda::logging::init(Some("rerole=debug"));
    }
    let playground = Playground::start(&plan.playground()).await?;
    let url = playground.url();
    let scene = Scene::new(&plan, &playground)?;
    let checks = async {
        let demonstration = Box::pin(demonstrate(&plan, &url, &scene));
        // What is kept has other clients, whose clocks are the machine's.
        let checks = if plan.keep {
            demonstration.await?
        } else {
            Box::pin(in_fast_time(demonstration)).await?
        };
        finish(&plan, &url, &scene).await?;
        Ok::<_, DemoError>(checks)
    };
    // Boxed, since the whole stack is in this future.
    let checks = Box::pin(playground.run_until(checks)).await?;
    Ok(if checks.iter().all(Check::held) {
        Exit::Done
    } else {
        Exit::Error
    })
}

/// Runs the scene, and prints what happens and whether the checks hold.
async fn demonstrate(plan: &DemoPlan, url: &str, scene: &Scene) -> Result<Vec<Check>, DemoError> {
    let say = |text: &str| say(plan, text);
    let Scene { fleet, request, .. } = scene;
    say(&report::introduction(plan, url, request))?;
    let table = report::fleet_table(&fleet.clusters, &scene.before, &fleet.rotating);
    say(&format!("\n{table}"))?;

    say(&steps::request(request))?;
    let requested = scene.request().await?;
    say(&report::requested(scene.moved_count()))?;

    say(&steps::pause(request))?;
    let paused = scene.pause(requested).await?;
    say(&report::paused(&paused))?;

    say(&steps::resume(request))?;
    let moved = || scene.moved_count();
    let finished = with_progress(move_bar(plan, scene), moved, scene.resume(paused)).await?;
    let rows = scene.operator.rows(&request.rotation_id)?;
    say(&report::finished(&finished, &fleet.clusters, &rows))?;

    say(steps::REPEAT)?;
    let repeated = scene.repeat().await?;
    say(&report::repeated(&repeated))?;

    say(&steps::roll_back(request))?;
    let restored = || scene.moving().saturating_sub(scene.moved_count());
    let rolled_back = with_progress(move_bar(plan, scene), restored, scene.roll_back()).await?;
    say(&report::rolled_back(rolled_back.as_ref(), &fleet.clusters))?;

    let evidence = scene.evidence(Ended {
        finished,
        repeated,
        rolled_back,
    })?;
    say(report::BEFORE_CHECKS)?;
    let checks = checks::all(&evidence);
    for check in &checks {
        if check.held() {
            say(&check.to_string())?;
        } else {
            print(&check.to_string())?;
        }
    }
    print(&report::verdict(&checks))?;
    Ok(checks)
}

/// Prints how to go on. With `--keep`, waits for a signal while the stack runs.
async fn finish(plan: &DemoPlan, url: &str, scene: &Scene) -> Result<(), DemoError> {
    if !plan.keep {
        return Ok(say(plan, &report::next_steps(plan))?);
    }
    // Registered before the URL is printed, because its reader may send the signal at once.
    let mut signals = StopSignals::listen().map_err(DemoError::Process)?;
    say(plan, "")?;
    print(&format!(
        "The endpoints stay up at {url} until Ctrl-C. Point a shell at them:\n\n{}",
        shell(url)
    ))?;
    say(plan, &aws_cli::commands(scene))?;
    signals.wait().await;
    Ok(())
}

/// Prints the text unless the demo is to be quiet.
fn say(plan: &DemoPlan, text: &str) -> Result<(), OutputError> {
    match plan.verbosity {
        Verbosity::Quiet => Ok(()),
        Verbosity::Normal | Verbosity::Verbose => print(text),
    }
}

/// The progress of a step. It is hidden unless standard output is also a terminal: if the report
/// goes to a file, a bar alone on the terminal would have no context.
fn move_bar(plan: &DemoPlan, scene: &Scene) -> ProgressBar {
    if plan.verbosity != Verbosity::Normal || !io::stdout().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = "  {bar:50} {pos} of {len}, {elapsed}";
    progress_bar(scene.moving() as u64, style)
}

/// Runs `work`, and meanwhile updates the bar.
async fn with_progress<T>(
    bar: ProgressBar,
    position: impl Fn() -> usize,
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
            _ = tick.tick(), if !bar.is_hidden() => bar.set_position(position() as u64),
        }
    }
}
