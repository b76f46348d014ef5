//! What operators see: each command at 80 and at 160 columns, held against files. The manual shows
//! those of 80 columns.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rerole_cli::playground::tour::TOUR;
use rerole_sim::{Call, Fault};
use snapbox::Data;
use snapbox::assert::Action;

use crate::harness::Stage;
use crate::redact::redact_progress;

const WIDTHS: [u16; 2] = [80, 160];
/// The calls of one more update while a rotation is to be in flight.
const SLOW: Duration = Duration::from_secs(2);

/// Holds a screen against its file. With `UPDATE_EXPECT` in the environment, it writes the file.
fn check(name: &str, width: u16, screen: &str) {
    let path = format!("tests/operator/screens/{width}/{name}.txt");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let action = match std::env::var_os("UPDATE_EXPECT") {
        Some(_) => Action::Overwrite,
        None => Action::Verify,
    };
    snapbox::Assert::new()
        .action(action)
        .eq(screen.to_owned(), Data::read_from(&path, None).raw());
}

/// Runs a command that changes nothing, at both widths.
fn read(stage: &Stage, name: &str, arguments: &str, code: i32) {
    for width in WIDTHS {
        let (exit, screen) = stage.rerole("reader", arguments).columns(width).screen();
        assert_eq!(exit, code, "{screen}");
        check(name, width, &screen);
    }
}

/// Runs a command at 80 columns.
fn act(stage: &Stage, name: &str, arguments: &str, code: i32) {
    let (exit, screen) = stage.rerole("operator", arguments).screen();
    assert_eq!(exit, code, "{screen}");
    check(name, 80, &screen);
}

/// EKS refuses the first updates of some associations, and takes long for each one while a
/// rotation is to be in flight.
fn slow_while(stage: &Stage, slow: Arc<AtomicBool>, mut refused: Vec<String>) {
    stage.aws.on_call(move |call: &Call| {
        if call.operation != "UpdatePodIdentityAssociation" {
            return Fault::None;
        }
        let is_refused = |arn: &String| arn.ends_with(&call.subject);
        if let Some(at) = refused.iter().position(is_refused) {
            refused.swap_remove(at);
            return Fault::Error {
                status: 400,
                code: "InvalidRequestException".to_owned(),
                message: "refused by the test".to_owned(),
            };
        }
        match slow.load(Ordering::Relaxed) {
            true => Fault::Delay(SLOW),
            false => Fault::None,
        }
    });
}

#[test]
fn the_tour_shows_what_it_promises() {
    let stage = Stage::start();
    let slow = Arc::new(AtomicBool::new(false));
    let refused = stage.fleet.rotating[2..4].to_vec();
    slow_while(&stage, Arc::clone(&slow), refused);
    for (number, step) in (1..).zip(TOUR) {
        let arguments = step.command.strip_prefix("rerole ").unwrap();
        let verb = arguments.split(' ').next().unwrap();
        let in_flight = ["rotate", "pause"].contains(&verb);
        slow.store(in_flight, Ordering::Relaxed);
        let (code, screen) = stage.rerole("playground", arguments).screen();
        let code = u8::try_from(code).unwrap();
        assert!(step.exits.contains(&code), "{screen}");
        let screen = match in_flight || ["status", "resume"].contains(&verb) {
            true => redact_progress(&screen),
            false => screen,
        };
        check(&format!("tour-{number:02}-{verb}"), 80, &screen);
    }
    read(&stage, "list", "list --all", 0);
    read(&stage, "status", "status app-2026 --timeline --rows addon,failed", 4);
    read(&stage, "doctor", "doctor", 3);
}
