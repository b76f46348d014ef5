//! `rerole demo`: a simulated fleet is moved by delivering a real EventBridge event to the real handler, and then
//! everything that was promised is checked.
//!
//! This file tells the story. Where it happens is in `world`, what is said in `report` and `look_around`, what has to
//! hold in `checks`.

mod checks;
mod evidence;
mod look_around;
mod report;
mod world;

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::args::{DemoPlan, Voice};
use checks::Check;
use world::{DemoError, EVENT_FILE, World};

/// The port in the commands that are shown when the endpoints are about to go. Nothing well known listens there.
const PORT_SUGGESTED: u16 = 4550;
/// Often enough for a bar that moves, seldom enough to cost nothing.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Runs the demonstration: success where everything that it promises held.
pub fn run(plan: &DemoPlan) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.map_err(DemoError::Process).and_then(|runtime| runtime.block_on(tell(plan))) {
        Ok(checks) if checks.iter().all(Check::held) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        // Whoever closed the pipe has seen enough, and did not see the end.
        Err(DemoError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => ExitCode::FAILURE,
        Err(error) => {
            // Where even this cannot be written, the exit code is all that is left to say.
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn tell(plan: &DemoPlan) -> Result<Vec<Check>, DemoError> {
    if plan.voice == Voice::Verbose {
        rerole::logging::init(Some("rerole=debug"));
    }
    let say = |text: String| if plan.voice == Voice::Quiet { Ok(()) } else { print(&text) };
    let world = World::start(plan).await?;
    say(report::opening(plan, &world.url(), &world.request))?;
    say(format!("\n{}", report::fleet_table(&world.fleet.clusters, &world.before, &world.fleet.rotating)))?;

    say(format!("\nDelivering {EVENT_FILE} to the handler …"))?;
    let first = watched(&world, progress_bar(plan.voice, world.to_move()), world.deliver()).await?;
    let second = world.deliver().await?;
    let evidence = world.evidence(&first, &second)?;
    say(report::ending(&first, &world.fleet.clusters, &evidence.rows))?;
    say(format!("\n{}\n", report::second_ending(&second)))?;

    let checks = checks::all(&evidence);
    for check in &checks {
        if check.held() { say(check.to_string())? } else { print(&check.to_string())? }
    }
    print(&verdict(&checks))?;
    finish(plan, world).await?;
    Ok(checks)
}

/// Says how to look around; with `--keep`, waits until somebody has.
async fn finish(plan: &DemoPlan, world: World) -> Result<(), DemoError> {
    // Listening before the endpoint is printed: whoever reads it may send a signal at once.
    let mut signals = if plan.keep { Some(EndSignals::listen()?) } else { None };
    let (introduction, url) = if plan.keep {
        let url = world.url();
        (format!("\nThe endpoints stay up at {url} until Ctrl-C."), url)
    } else {
        let port = if plan.port == 0 { PORT_SUGGESTED } else { plan.port };
        let introduction = format!(
            "\nThe endpoints are going down. To look around in them, add --keep --port {port} to the same command."
        );
        (introduction, format!("http://127.0.0.1:{port}"))
    };
    if plan.voice != Voice::Quiet {
        let example = world.fleet.rotating.last().and_then(|arn| world.before.get(arn));
        let commands = example.map(|example| look_around::commands(&url, &world.request, example)).unwrap_or_default();
        print(&format!("{introduction} With the AWS CLI:\n\n{commands}"))?;
    } else if plan.keep {
        print(introduction.trim_start())?;
    }
    if let Some(signals) = &mut signals {
        signals.wait().await;
    }
    world.stop().await;
    Ok(())
}

fn verdict(checks: &[Check]) -> String {
    match checks.iter().filter(|check| !check.held()).count() {
        0 => format!("All {} checks held.", checks.len()),
        broken => format!("{broken} of {} checks FAILED.", checks.len()),
    }
}

/// A bar where somebody watches: standard output has to be a terminal as well, or the two would be read apart.
fn progress_bar(voice: Voice, len: usize) -> ProgressBar {
    if voice != Voice::Normal || !io::stdout().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(len as u64), ProgressDrawTarget::stderr());
    match ProgressStyle::with_template("  {bar:50} {pos} of {len} moved, {elapsed}") {
        Ok(style) => bar.with_style(style),
        // The default style shows the same, less well.
        Err(_) => bar,
    }
}

/// Does the work, and lets the bar follow what EKS shows.
async fn watched<T>(world: &World, bar: ProgressBar, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    let mut tick = tokio::time::interval(PROGRESS_INTERVAL);
    loop {
        tokio::select! {
            end = &mut work => {
                bar.finish_and_clear();
                return end;
            }
            _ = tick.tick(), if !bar.is_hidden() => bar.set_position(world.moved() as u64),
        }
    }
}

fn print(text: &str) -> Result<(), DemoError> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}").and_then(|()| stdout.flush()).map_err(DemoError::Output)
}

/// The two signals that end `--keep`.
struct EndSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl EndSignals {
    fn listen() -> Result<Self, DemoError> {
        let listen = |kind| signal(kind).map_err(DemoError::Process);
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
