//! Runs the built binary, as a new user does: exit codes, the most important lines, and that every
//! run ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Far more than any of these runs takes on a slow machine. A run that hangs must not hang the
/// tests.
const TIMEOUT: Duration = Duration::from_mins(2);

/// A run of `rerole demo` that is killed when it is dropped.
struct Demo(Child);

impl Demo {
    fn start(flags: &str, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rerole"));
        command
            .arg("demo")
            .args(flags.split_whitespace())
            .envs(environment.iter().copied());
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Self(child.expect("cargo built the binary for this test"))
    }

    fn wait(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(
                started.elapsed() < TIMEOUT,
                "the demo did not end within {TIMEOUT:?}"
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Exit code, standard output and standard error of the whole run.
    fn finish(mut self) -> (i32, String, String) {
        let stdout = read_all(self.0.stdout.take().unwrap());
        let stderr = read_all(self.0.stderr.take().unwrap());
        let code = self.wait().code().expect("the demo exits by itself");
        (code, stdout.join().unwrap(), stderr.join().unwrap())
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // The process has already ended, unless the test failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn read_all(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).unwrap();
        text
    })
}

fn run(flags: &str) -> (i32, String, String) {
    Demo::start(flags, &[]).finish()
}

fn assert_lines(text: &str, expected: &[&str]) {
    for line in expected {
        assert!(
            text.lines().any(|found| found.trim() == *line),
            "no line \"{line}\" in:\n{text}"
        );
    }
}

#[test]
fn a_small_fleet_is_rotated_and_rolled_back_and_the_output_is_plain_text() {
    let (code, stdout, stderr) = run("--associations 60 --rotating 30 --clusters 2");
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    assert_lines(
        &stdout,
        &[
            "Rotation app-2026 replaces a role that 30 of 60 associations use:",
            "status             Incomplete",
            "reason             the old role is still in use: 3 owned by an add-on",
            "ok      24 associations are on the new role in EKS, and nothing else about them changed",
            "ok      the other 36 are unchanged in EKS (3 drifted, 3 owned by an add-on, 0 refused)",
            "ok      no update was sent later than 10 s after the pause was recorded",
            "ok      the second request sent no write to EKS",
            "ok      the rollback gave the 24 that had moved exactly their old role again",
            "ok      it sent no update of the other 36, and they are as they were",
            "ok      the index agrees with EKS on all 60",
            "All 14 checks held.",
        ],
    );
    for step in ["rotate --from", "pause", "change", "resume", "rollback"] {
        assert!(stdout.contains(&format!("     rerole {step} ")), "{stdout}");
    }
    assert!(stdout.contains("EKS got 0 updates."), "{stdout}");
    assert!(stdout.contains("with 0 writes to EKS"), "{stdout}");
    assert!(stdout.contains("rerole-cli -- playground"), "{stdout}");
    assert!(stdout.contains("add --keep --port "), "{stdout}");
    assert!(!stdout.contains("FAILED"), "{stdout}");
    assert!(
        !stdout.chars().any(|c| c.is_control() && c != '\n'),
        "control characters in:\n{stdout}"
    );
}

// Nine associations are too few for a drifted one or one that an add-on owns, so all of them move.
#[test]
fn the_report_says_for_how_long_the_old_role_must_stay() {
    let (code, stdout, _) = run("--associations 9 --rotating 9 --seed 7");
    assert_eq!(code, 0, "{stdout}");
    assert!(
        stdout.contains("Keep the old role for another "),
        "{stdout}"
    );
}

#[test]
fn requested_failures_are_reported_and_do_not_fail_the_demo() {
    let (code, stdout, _) = run("--associations 40 --rotating 20 --fail 3");
    assert_eq!(code, 0, "{stdout}");
    assert_lines(
        &stdout,
        &[
            "status             CompletedWithFailures",
            "All 14 checks held.",
        ],
    );
    assert!(stdout.contains("3 failed"), "{stdout}");
    assert_eq!(
        stdout.matches("InvalidRequestException").count(),
        3,
        "{stdout}"
    );
}

#[test]
fn the_checks_hold_if_every_update_is_refused() {
    let (code, stdout, _) = run("--associations 9 --rotating 9 --fail 9");
    assert_eq!(code, 0, "{stdout}");
    assert_lines(
        &stdout,
        &[
            "ok      0 associations are on the new role in EKS, and nothing else about them changed",
            "Nothing has moved, so there is nothing to roll back.",
            "All 11 checks held.",
        ],
    );
}

#[test]
fn a_throttled_rotation_finishes() {
    let (code, stdout, _) = run("--associations 40 --rotating 30 --throttle 4");
    assert_eq!(code, 0, "{stdout}");
    assert_lines(
        &stdout,
        &[
            "EKS accepts 4 calls a second in each region (--throttle)",
            "All 14 checks held.",
        ],
    );
    assert!(stdout.contains("of them throttled)"), "{stdout}");
    assert!(!stdout.contains("(0 of them throttled)"), "{stdout}");
}

#[test]
fn quiet_prints_only_the_result() {
    let (code, stdout, stderr) = run("--associations 10 -q");
    assert_eq!(
        (code, stdout.as_str(), stderr.as_str()),
        (0, "All 14 checks held.\n", "")
    );
}

// The tests above cover the opposite: without `-v`, no log line is printed.
#[test]
fn verbose_prints_the_logs_of_the_functions() {
    let (code, stdout, _) = run("--associations 10 -v");
    assert_eq!(code, 0, "{stdout}");
    assert!(stdout.contains("\"rotation finished\""), "{stdout}");
}

// Nothing listens at the address in these variables, so a demo that used one of them would fail.
#[test]
fn proxy_and_aws_variables_do_not_affect_the_demo() {
    const NOWHERE: &str = "http://127.0.0.1:9";
    let environment = [
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_EKS",
        "AWS_ENDPOINT_URL_DYNAMODB",
        "AWS_CA_BUNDLE",
        "AWS_PROFILE",
        "AWS_CONFIG_FILE",
        "ROLE_PATH",
        "MAX_CONCURRENCY",
        "RUST_LOG",
    ]
    .map(|name| (name, NOWHERE));
    let (code, stdout, stderr) = Demo::start("--associations 10 -q", &environment).finish();
    assert_eq!(
        (code, stdout.as_str(), stderr.as_str()),
        (0, "All 14 checks held.\n", "")
    );
}

// clap reports some of these errors, and rerole the others.
#[test]
fn every_usage_error_exits_with_2() {
    for (flags, expected) in [
        (
            "--rotating 501",
            "error: --rotating 501 is not allowed; allowed: 1 to 500, the value of --associations",
        ),
        (
            "--throttle 0",
            "error: --throttle 0 is not allowed; allowed: 1 to 10000 calls a second",
        ),
        ("--fleet 5", "error: unexpected argument '--fleet' found"),
        (
            "-q -v",
            "error: the argument '--quiet' cannot be used with '--verbose'",
        ),
    ] {
        let (code, stdout, stderr) = run(flags);
        assert_eq!((code, stdout.as_str()), (2, ""), "{flags}");
        assert_lines(&stderr, &[expected]);
    }
}

#[test]
fn a_port_that_is_in_use_is_reported() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (code, _, stderr) = run(&format!("--associations 10 --port {port}"));
    assert_eq!(code, 1, "{stderr}");
    assert!(
        stderr.starts_with(&format!("error: listen on port {port} of 127.0.0.1: ")),
        "{stderr}"
    );
}

#[test]
fn kept_endpoints_respond_until_either_signal_ends_the_demo() {
    let signals = ["-INT", "-TERM"];
    let demos = signals.map(|_| Demo::start("--associations 20 --quiet --keep", &[]));
    for (signal, mut demo) in signals.into_iter().zip(demos) {
        let lines: Vec<String> = BufReader::new(demo.0.stdout.take().unwrap())
            .lines()
            .take(4)
            .map(Result::unwrap)
            .collect();
        let address = lines[1]
            .strip_prefix("The endpoints stay up at http://")
            .and_then(|rest| rest.split(' ').next());
        assert!(
            lines[3].starts_with("export AWS_ENDPOINT_URL=http://"),
            "{lines:?}"
        );
        let mut stream =
            TcpStream::connect(address.unwrap_or_else(|| panic!("{lines:?}"))).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        stream
            .write_all(b"GET /clusters HTTP/1.1\r\nhost: eks\r\nconnection: close\r\n\r\n")
            .unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        assert!(
            response.starts_with("HTTP/1.1 200") && response.contains("prod-2"),
            "{response}"
        );

        let killed = Command::new("kill")
            .args([signal, &demo.0.id().to_string()])
            .status()
            .unwrap();
        assert!(killed.success());
        assert_eq!(demo.wait().code(), Some(0), "{signal}");
    }
}
