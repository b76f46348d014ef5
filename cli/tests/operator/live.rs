//! The live view in a terminal: it draws, it follows the size, and it leaves the terminal as it
//! was, however it ends. Off a terminal, it writes lines.

use std::env;
use std::time::Duration;

use pty_process::blocking::Command;
use rerole_cli::live::terminal::LiveTerminal;
use rerole_sim::{Call, Fault, Service};

use crate::harness::{OPERATOR, Stage};
use crate::pty::Terminal;
use crate::redact::redact_progress;
use crate::screens::check;

const CTRL_C: &str = "\u{3}";
/// In the environment of a process that is to panic while it draws.
const PANICS: &str = "REROLE_TEST_PANICS";
const ROTATE: &str = "rotate --from platform/app-2025 --to platform/app-2026 --id app-2026 --yes \
                      --no-preflight";
/// Then a rotation lasts until the updates become fast.
const ONE_AT_A_TIME: &str = "--max-concurrency 1";

#[test]
fn the_view_draws_in_place_and_leaves_the_terminal_clean() {
    let stage = Stage::start(0);
    stage.delay_updates(Duration::from_secs(2));
    let watch = "status app-2026 --watch";
    let rotate = format!("{ROTATE} {ONE_AT_A_TIME}");
    assert_eq!(stage.rerole(&rotate).run().code, 0);
    for (key, code) in [("q", 130), (CTRL_C, 130), ("", 4)] {
        let mut terminal = Terminal::run(stage.rerole(watch).in_terminal(), (30, 80));
        terminal.wait_for("all regions");
        terminal.wait_for("ends this view");
        assert!(terminal.screen().contains("eu-west-1"));
        for size in [(20, 100), (40, 60)] {
            terminal.resize(size);
            terminal.wait_for("Rotation app-2026: InProgress");
            terminal.wait_for("ends this view");
        }
        if key.is_empty() {
            // The rest is moved at once, and the rotation ends.
            stage.aws.clear_hook();
        }
        terminal.press(key);
        let ended = terminal.wait();
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(ended.has_cursor && ended.is_cooked, "{ended:?}");
        assert!(!ended.screen.contains("ends this view"), "{ended:?}");
        let mut lines = ended.screen.lines();
        let is_title = |line: &str| line.starts_with("Rotation app-2026: ");
        assert!(lines.any(is_title), "{ended:?}");
        let last = if key.is_empty() {
            "rerole who platform/app-2025"
        } else {
            "the rotation continues; follow it with: rerole status app-2026 --watch"
        };
        assert!(ended.screen.contains(last), "{ended:?}");
    }
}

#[test]
fn an_outage_of_the_ledger_does_not_end_the_wait() {
    let stage = Stage::start(0);
    stage.delay_updates(Duration::from_secs(2));
    let rotate = format!("{ROTATE} {ONE_AT_A_TIME}");
    assert_eq!(stage.rerole(&rotate).run().code, 0);
    let watch = stage.rerole("status app-2026 --watch");
    let mut terminal = Terminal::run(watch.in_terminal(), (30, 120));
    terminal.wait_for("all regions");
    stage.aws.on_call(|call: &Call| {
        if call.access_key == OPERATOR && call.service == Service::DynamoDb {
            return Fault::ServerError(500);
        }
        Fault::None
    });
    terminal.wait_for("not read since");
    stage.aws.clear_hook();
    let ended = terminal.wait();
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(ended.screen.contains("Rotation app-2026: "), "{ended:?}");
}

#[test]
fn off_a_terminal_there_is_a_line_for_each_change() {
    let stage = Stage::start(0);
    let (code, screen) = stage.rerole(&format!("{ROTATE} --wait")).screen();
    assert_eq!(code, 4, "{screen}");
    check("80/rotate-wait", &redact_progress(&screen));
}

#[test]
fn a_panic_leaves_the_terminal_clean() {
    let this = env::current_exe().unwrap();
    let command = Command::new(this)
        .args(["--exact", "live::a_process_that_is_to_panic_does_so"])
        .arg("--nocapture")
        .env("TERM", "xterm")
        .env("RUST_BACKTRACE", "0")
        .env(PANICS, "1");
    let ended = Terminal::run(command, (30, 80)).wait();
    assert!(ended.screen.contains("while it draws"), "{ended:?}");
    assert!(ended.has_cursor && ended.is_cooked, "{ended:?}");
}

/// Runs in a process of its own.
#[test]
fn a_process_that_is_to_panic_does_so() {
    if env::var_os(PANICS).is_some() {
        let _terminal = LiveTerminal::open().unwrap();
        panic!("while it draws");
    }
}
