//! The binary `rerole-sim` as a process. What its flags mean is tested beside them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{self, Child, Command, Output, Stdio};

use rerole_sim::fleet::Fleet;
use serde_json::{Value, json};

use crate::harness::{create_cluster, eks_at, in_real_time};

#[test]
fn help_exits_0_and_names_the_roles_of_the_fleet() {
    let output = run(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let help = String::from_utf8(output.stdout).expect("text");
    let Fleet {
        old_role, new_role, ..
    } = Fleet::default();
    assert!(
        help.contains(&old_role) && help.contains(&new_role),
        "{help}"
    );
}

#[test]
fn wrong_usage_exits_2_and_names_the_wrong_flag() {
    let output = run(&["--nope"]);
    assert_eq!(
        (output.status.code(), output.stdout.as_slice()),
        (Some(2), &b""[..])
    );
    let message = String::from_utf8(output.stderr).expect("text");
    assert!(
        message.contains("unexpected argument '--nope'"),
        "{message}"
    );
}

/// Each change is a line of the file before the client has its response, and what was in the file
/// stays.
#[test]
fn cloudtrail_events_are_in_the_file_before_the_response() {
    let file = TestFile::with_first_line("{}");
    let path = file.0.to_str().expect("a path in UTF-8");
    let (_process, url) = Process::start(&["--seconds", "60", "--cloudtrail", path]);
    in_real_time(async {
        let client = eks_at(&url);
        for (name, lines) in [("b", 2), ("a", 3), ("a", 4)] {
            let _ = create_cluster(&client, name).send().await;
            assert!(client.describe_cluster().name(name).send().await.is_ok());
            assert_eq!(file.lines().len(), lines, "{name}");
        }
    });
    let lines = file.lines();
    let events: Vec<_> = lines[1..].iter().map(|event| &event["detail"]).collect();
    let events: Vec<_> = events
        .iter()
        .map(|detail| (&detail["requestParameters"]["name"], &detail["errorCode"]))
        .collect();
    let (a, b, in_use) = (json!("a"), json!("b"), json!("ResourceInUseException"));
    assert_eq!(
        events,
        [(&b, &Value::Null), (&a, &Value::Null), (&a, &in_use)]
    );
}

fn run(flags: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rerole-sim"));
    command
        .args(flags)
        .output()
        .expect("cargo built it for this test")
}

/// A running `rerole-sim`, which is killed when this is dropped.
struct Process(Child);

impl Process {
    /// Starts it on a free port, and returns it with its URL.
    fn start(flags: &[&str]) -> (Self, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rerole-sim"));
        let child = command.args(flags).stdout(Stdio::piped()).spawn();
        let mut process = Self(child.expect("cargo built it for this test"));
        let stdout = process.0.stdout.take().expect("it is piped");
        let mut line = String::new();
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("it prints where it listens");
        let url = line
            .trim()
            .strip_prefix("listening on ")
            .expect("its first line")
            .to_owned();
        (process, url)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A file of lines of JSON, which is removed when this is dropped.
struct TestFile(PathBuf);

impl TestFile {
    fn with_first_line(line: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let path = folder.join(format!("cloudtrail-{}.jsonl", process::id()));
        fs::write(&path, format!("{line}\n")).expect("cargo's directory for tests is writable");
        Self(path)
    }

    fn lines(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.0).expect("the file exists");
        text.lines()
            .map(|line| serde_json::from_str(line).expect("a line of JSON"))
            .collect()
    }
}

impl Drop for TestFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
