//! A release binary as Lambda runs it, by itself or under callgrind, and what it has cost so far.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::runtime_api::{RuntimeApi, Seen};
use crate::world::{INDEX, LEDGER};

/// A start takes milliseconds, and tenths of seconds under callgrind.
const START_PATIENCE: Duration = Duration::from_mins(1);
/// Lambda's longest.
const ANSWER_PATIENCE: Duration = Duration::from_mins(15);
/// What a function does after its poll is on the wire is over by then, also under callgrind.
const REST: Duration = Duration::from_millis(300);

/// A running function. It is polling whenever nothing of it is awaited.
pub struct Function {
    pub exec_to_poll: Duration,
    process: Child,
    api: RuntimeApi,
    profile: Option<PathBuf>,
}

/// An event from its delivery to its answer.
#[derive(Debug)]
pub struct Answered {
    pub answer: Value,
    pub took: Duration,
    /// Processor time, with what follows the answer until the next poll.
    pub busy: Duration,
}

/// How to run a function.
#[derive(Debug, Clone, Copy)]
pub struct Setup<'a> {
    pub binary: &'a str,
    pub aws_url: &'a str,
    pub ca_bundle: Option<&'a Path>,
    pub max_concurrency: usize,
    /// Counts instructions.
    pub callgrind: bool,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        // Nobody listens there: nothing is called before the first event.
        Self { binary: "rotate", aws_url: "http://127.0.0.1:9", ca_bundle: None, max_concurrency: 64, callgrind: false }
    }
}

impl Function {
    /// Starts the binary, and waits for its first poll.
    pub async fn start(setup: &Setup<'_>) -> io::Result<Self> {
        let mut api = RuntimeApi::start().await?;
        let binary = shipped(setup.binary);
        let profile = setup.callgrind.then(|| scratch(&format!("callgrind.{}", api.address.port())));
        let mut command = match &profile {
            None => Command::new(&binary),
            Some(profile) => {
                let mut valgrind = Command::new("valgrind");
                valgrind
                    .arg("--tool=callgrind")
                    .arg(format!("--callgrind-out-file={}", profile.display()))
                    .arg(&binary);
                valgrind
            }
        };
        let path = std::env::var("PATH").unwrap_or_default();
        command.env_clear().stdout(Stdio::null()).stderr(Stdio::null());
        command.envs([
            ("PATH", path.as_str()),
            ("AWS_LAMBDA_RUNTIME_API", &api.address.to_string()),
            ("AWS_LAMBDA_FUNCTION_NAME", setup.binary),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "bench"),
            ("AWS_SECRET_ACCESS_KEY", "bench"),
            ("AWS_ENDPOINT_URL", setup.aws_url),
            ("ASSOCIATION_INDEX_TABLE", INDEX),
            ("ROTATION_LEDGER_TABLE", LEDGER),
            ("ROLE_PATH", "/platform/"),
            ("INDEX_REGIONS", "eu-west-1,us-east-1"),
            ("MAX_CONCURRENCY", &setup.max_concurrency.to_string()),
            ("RUST_LOG", "info"),
        ]);
        if let Some(ca_bundle) = setup.ca_bundle {
            command.env("AWS_CA_BUNDLE", ca_bundle);
        }
        let started_at = Instant::now();
        let process = command.spawn().map_err(|error| io::Error::other(format!("{}: {error}", binary.display())))?;
        match api.seen(START_PATIENCE).await? {
            Seen::Poll(at) => Ok(Self { exec_to_poll: at - started_at, process, api, profile }),
            Seen::Answer(_, answer) => Err(io::Error::other(format!("an answer before any event: {answer}"))),
        }
    }

    /// Has the function handle an event.
    pub async fn handle(&mut self, event: Value) -> io::Result<Answered> {
        let busy_before = self.busy()?;
        let sent_at = self.api.send(event)?;
        let Seen::Answer(answered_at, answer) = self.api.seen(ANSWER_PATIENCE).await? else {
            return Err(io::Error::other("the function polled before it answered"));
        };
        let Seen::Poll(_) = self.api.seen(START_PATIENCE).await? else {
            return Err(io::Error::other("the function answered twice"));
        };
        Ok(Answered { answer, took: answered_at - sent_at, busy: self.busy()?.saturating_sub(busy_before) })
    }

    /// Memory in KiB: `VmRSS` is what is resident now, `VmHWM` the most that ever was.
    pub fn memory_kib(&self, field: &str) -> io::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find(|line| line.starts_with(field));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)).and_then(|text| text.parse().ok());
        kib.ok_or_else(|| io::Error::other(format!("no {field} in the process's status")))
    }

    /// Ends the process. Under callgrind, returns how many instructions it has executed.
    pub async fn stop(mut self) -> io::Result<u64> {
        let Some(profile) = &self.profile else {
            self.process.kill()?;
            self.process.wait()?;
            return Ok(0);
        };
        tokio::time::sleep(REST).await;
        // Callgrind writes its profile when the process is asked to end.
        Command::new("kill").arg(self.process.id().to_string()).status()?;
        self.process.wait()?;
        let written = std::fs::read_to_string(profile)?;
        if std::env::var_os("KEEP_PROFILES").is_none() {
            std::fs::remove_file(profile)?;
        }
        let total = written.lines().find_map(|line| line.strip_prefix("summary: "));
        total.and_then(|text| text.trim().parse().ok()).ok_or_else(|| io::Error::other("callgrind wrote no summary"))
    }

    /// Processor time of all its threads.
    fn busy(&self) -> io::Result<Duration> {
        let mut nanos = 0;
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.process.id()))? {
            // A thread may end meanwhile.
            let Ok(stat) = std::fs::read_to_string(thread?.path().join("schedstat")) else { continue };
            nanos += stat.split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or(0);
        }
        Ok(Duration::from_nanos(nanos))
    }
}

/// A binary as it ships. `cargo bench` builds the binaries, too, but with the features of the tests.
pub fn shipped(name: &str) -> PathBuf {
    let folder = std::env::var_os("SHIPPED").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/shipped/release"));
    folder.join(name)
}

/// A file that only this run of the bench uses.
pub fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("rerole-bench-{}-{name}", std::process::id()))
}
