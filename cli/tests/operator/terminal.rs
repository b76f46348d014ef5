//! Pipes, colors, signals and shells.

use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use rerole_sim::{Call, Fault};

use crate::harness::{Rerole, Stage};

/// Between two looks whether something has happened.
const POLL: Duration = Duration::from_millis(20);

/// How a command ends that gets Ctrl-C once it has made so many calls of this operation.
fn interrupt(stage: &Stage, arguments: &str, (operation, calls): (&str, usize)) -> (i32, String) {
    let made = || {
        let made = stage.aws.calls_where(|record| {
            record.call.access_key == "playground" && record.call.operation == operation
        });
        made.len()
    };
    let until = made() + calls;
    let mut command = stage.rerole(arguments).into_command();
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.unwrap();
    while made() < until {
        let ended = child.try_wait().unwrap();
        assert_eq!(ended, None, "the command ended before it was interrupted");
        sleep(POLL);
    }
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status().unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    (output.status.code().expect("it ends by itself"), stderr)
}

#[test]
fn ctrl_c_leaves_the_rotation_running_and_gives_the_lease_of_an_index_run_back() {
    let stage = Stage::start(0);
    stage.delay_updates(Duration::from_secs(2));
    let rotate = "rotate --from platform/app-2025 --to platform/app-2026 --id app-2026 \
                  --max-concurrency 1 --no-preflight --yes";
    assert_eq!(stage.rerole(rotate).run().code, 0);
    // By then, it follows the rotation.
    let (code, stderr) = interrupt(&stage, "status app-2026 --wait", ("GetItem", 4));
    let hint = "the rotation continues; follow it with: rerole status app-2026 --watch\n";
    assert_eq!((code, stderr.as_str()), (130, hint));

    stage
        .aws
        .on_call(|call: &Call| match call.operation.as_str() {
            "DescribePodIdentityAssociation" if call.access_key == "playground" => {
                Fault::Delay(Duration::from_secs(1))
            }
            _ => Fault::None,
        });
    let (code, stderr) = interrupt(&stage, "index build", ("DescribePodIdentityAssociation", 2));
    assert_eq!(code, 130, "{stderr}");
    assert!(
        stderr.contains("the lease of the run was given back"),
        "{stderr}"
    );
    stage.aws.clear_hook();
    let again = stage.rerole("index build").run();
    assert_eq!(again.code, 0, "{again:?}");
}

#[test]
fn a_closed_pipe_is_no_error_and_only_terminals_get_control_characters() {
    let stage = Stage::start(0);
    let mut command = stage.rerole("who platform/app-2025").into_command();
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let output = command
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
        .wait_with_output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");

    let colored = |arguments: &str, no_color: &str| {
        let rerole = stage.rerole(arguments).env("NO_COLOR", no_color);
        rerole.run().screen.contains('\u{1b}')
    };
    for (arguments, no_color, is_colored) in [
        ("list", "", false),
        ("list --color never", "", false),
        ("list --color always", "", true),
        // What is asked for on the command line comes before the environment.
        ("list --color always", "1", true),
    ] {
        assert_eq!(colored(arguments, no_color), is_colored, "{arguments}");
    }
}

#[test]
fn each_shell_gets_a_script_that_completes_the_verbs() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = Rerole::new(&format!("completions {shell}")).run();
        assert_eq!(run.code, 0, "{shell}: {}", run.screen);
        for verb in ["plan", "rotate", "who", "redrive", "completions"] {
            assert!(run.screen.contains(verb), "{shell}: {verb}");
        }
        if shell == "bash" {
            let mut bash = Command::new("bash");
            let mut bash = bash.arg("-n").stdin(Stdio::piped()).spawn().unwrap();
            let mut script = bash.stdin.take().unwrap();
            script.write_all(run.screen.as_bytes()).unwrap();
            drop(script);
            assert!(bash.wait().unwrap().success());
        }
    }
}
