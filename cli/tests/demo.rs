//! The built binary, run as a newcomer runs it: exit codes, the lines that matter, and an end in every case.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Far beyond what any of these runs takes, on the slowest machine: a run that hangs must not hang the tests.
const PATIENCE: Duration = Duration::from_mins(2);

/// A run of `rerole demo` that is killed when it is dropped.
struct Demo(Child);

impl Demo {
    fn start(flags: &str, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rerole"));
        command.arg("demo").args(flags.split_whitespace()).envs(environment.iter().copied());
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        Self(child.expect("the binary was built for this test"))
    }

    fn wait(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "the demo has not ended after {PATIENCE:?}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Exit code, standard output and standard error of the whole run.
    fn finish(mut self) -> (i32, String, String) {
        let stdout = read_all(self.0.stdout.take().unwrap());
        let stderr = read_all(self.0.stderr.take().unwrap());
        let code = self.wait().code().expect("no signal ends it");
        (code, stdout.join().unwrap(), stderr.join().unwrap())
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
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
        assert!(text.lines().any(|found| found.trim() == *line), "no line \"{line}\" in:\n{text}");
    }
}

/// A small fleet moves, everything held, and the output is plain text.
#[test]
fn a_fleet_moves() {
    let (code, stdout, stderr) = run("--associations 60 --rotating 30 --clusters 2");
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    assert_lines(
        &stdout,
        &[
            "Rotation app-2026 replaces a role that 30 of 60 associations use:",
            "status             Succeeded",
            "reason             the old role is still in use: 3 owned by an add-on",
            "ok      24 associations are on the new role in EKS, and nothing else about them changed",
            "ok      the other 36 are as they were in EKS (3 drifted, 3 owned by an add-on, 0 refused)",
            "ok      the second delivery sent no write to EKS",
            "All 8 checks held.",
        ],
    );
    assert!(stdout.contains("with 0 writes to EKS"), "{stdout}");
    assert!(stdout.contains("add --keep --port "), "{stdout}");
    assert!(!stdout.contains("FAILED"), "{stdout}");
    assert!(!stdout.chars().any(|c| c.is_control() && c != '\n'), "control characters in:\n{stdout}");
}

/// Nothing holds on to the old role: the drain is told.
#[test]
fn the_drain_is_told() {
    let (code, stdout, _) = run("--associations 9 --rotating 9 --seed 7");
    assert_eq!(code, 0, "{stdout}");
    assert!(stdout.contains("The old role has to stay for another "), "{stdout}");
}

/// Failures that were asked for are reported, and are no failure of the demonstration.
#[test]
fn refused_updates_end_as_failures() {
    let (code, stdout, _) = run("--associations 40 --rotating 20 --fail 3");
    assert_eq!(code, 0, "{stdout}");
    assert_lines(&stdout, &["status             CompletedWithFailures", "All 8 checks held."]);
    assert!(stdout.contains("3 failed"), "{stdout}");
    assert_eq!(stdout.matches("InvalidRequestException").count(), 3, "{stdout}");
}

/// Where the new role never works, nothing moves and all is recorded.
#[test]
fn all_updates_may_be_refused() {
    let (code, stdout, _) = run("--associations 9 --rotating 9 --fail 9");
    assert_eq!(code, 0, "{stdout}");
    assert_lines(&stdout, &["ok      0 associations are on the new role in EKS, and nothing else about them changed"]);
}

/// A throttled fleet arrives, too.
#[test]
fn throttles_are_outlasted() {
    let (code, stdout, _) = run("--associations 60 --rotating 40 --throttle 10");
    assert_eq!(code, 0, "{stdout}");
    assert_lines(&stdout, &["EKS admits 10 calls a second in each region (--throttle)", "All 8 checks held."]);
    assert!(stdout.contains("of them throttled)"), "{stdout}");
    assert!(!stdout.contains("(0 of them throttled)"), "{stdout}");
}

/// Quiet means the result and nothing else.
#[test]
fn quiet_is_one_line() {
    let (code, stdout, stderr) = run("--associations 10 -q");
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (0, "All 8 checks held.\n", ""));
}

/// With `-v` the handler's logs are there; without it they are not (the tests above pin all of standard error).
#[test]
fn verbose_shows_the_handlers_logs() {
    let (code, stdout, _) = run("--associations 10 -v");
    assert_eq!(code, 0, "{stdout}");
    assert!(stdout.contains("\"rotation finished\""), "{stdout}");
}

/// A proxy or an AWS setup of whoever runs it changes nothing: nothing listens at any of these.
#[test]
fn the_environment_does_not_leak_in() {
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
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (0, "All 8 checks held.\n", ""));
}

/// Flags that make no sense end with 2, whoever finds out: clap or we.
#[test]
fn usage_errors_end_with_2() {
    for (flags, expected) in [
        ("--rotating 501", "error: --rotating 501 is not allowed; allowed: 1 to 500, the value of --associations"),
        ("--throttle 0", "error: --throttle 0 is not allowed; allowed: 1 to 10000 calls a second"),
        ("--fleet 5", "error: unexpected argument '--fleet' found"),
        ("-q -v", "error: the argument '--quiet' cannot be used with '--verbose'"),
    ] {
        let (code, stdout, stderr) = run(flags);
        assert_eq!((code, stdout.as_str()), (2, ""), "{flags}");
        assert_lines(&stderr, &[expected]);
    }
}

/// A port that is taken is said so, and what to do.
#[test]
fn a_taken_port_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (code, _, stderr) = run(&format!("--associations 10 --port {port}"));
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.starts_with(&format!("error: listen on port {port} of 127.0.0.1: ")), "{stderr}");
}

/// `--keep` leaves the endpoints up until it is told to end, by either signal, and then ends well.
#[test]
fn kept_endpoints_answer_until_the_signal() {
    for signal in ["-INT", "-TERM"] {
        let mut demo = Demo::start("--associations 20 --quiet --keep", &[]);
        let lines: Vec<String> =
            BufReader::new(demo.0.stdout.take().unwrap()).lines().take(2).map(Result::unwrap).collect();
        let address = lines[1].strip_prefix("The endpoints stay up at http://").and_then(|rest| rest.split(' ').next());
        let mut stream = TcpStream::connect(address.unwrap_or_else(|| panic!("{lines:?}"))).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"GET /clusters HTTP/1.1\r\nhost: eks\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("prod-2"), "{answer}");

        let killed = Command::new("kill").args([signal, &demo.0.id().to_string()]).status().unwrap();
        assert!(killed.success());
        assert_eq!(demo.wait().code(), Some(0), "{signal}");
    }
}
