//! A release binary, started as Lambda starts it, by itself or under callgrind, and what it costs.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{BUS, INDEX, LEDGER};
use crate::paths::{scratch, shipped};
use crate::runtime_api::{Request, RuntimeApi};

/// A start takes milliseconds, and tenths of seconds under callgrind.
const START_TIMEOUT: Duration = Duration::from_mins(1);
/// Lambda's longest timeout.
const RESPONSE_TIMEOUT: Duration = Duration::from_mins(15);
/// The function still works for a moment after its poll is sent. After this time it is idle, also
/// under callgrind.
const SETTLE_TIME: Duration = Duration::from_millis(300);

/// A running function. Between the calls of its methods it polls.
pub struct Function {
    pub exec_to_poll: Duration,
    process: Child,
    api: RuntimeApi,
    profile: Option<PathBuf>,
}

/// What one event cost.
#[derive(Debug)]
pub struct Handled {
    pub response: Value,
    /// From the delivery of the event to the response.
    pub took: Duration,
    /// Processor time from the delivery to the next poll.
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
        // No server listens at this address. A function makes no call before its first event.
        Self {
            binary: "rotate",
            aws_url: "http://127.0.0.1:9",
            ca_bundle: None,
            max_concurrency: 64,
            callgrind: false,
        }
    }
}

impl Setup<'_> {
    /// The command that starts the function, which writes its profile to this file, if any.
    fn command(&self, runtime_api: &str, profile: Option<&Path>) -> Command {
        let binary = shipped(self.binary);
        let mut command = match profile {
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
        command
            .env_clear()
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let path = std::env::var("PATH").unwrap_or_default();
        command.envs([
            ("PATH", path.as_str()),
            ("AWS_LAMBDA_RUNTIME_API", runtime_api),
            ("AWS_LAMBDA_FUNCTION_NAME", self.binary),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "bench"),
            ("AWS_SECRET_ACCESS_KEY", "bench"),
            ("AWS_ENDPOINT_URL", self.aws_url),
            ("ASSOCIATION_INDEX_TABLE", INDEX),
            ("ROTATION_LEDGER_TABLE", LEDGER),
            ("EVENT_BUS_NAME", BUS),
            ("ROLE_PATH", "/platform/"),
            ("ROTATION_EVENT_SOURCE", "platform.iam"),
            ("INDEX_REGIONS", "eu-west-1,us-east-1"),
            ("MAX_CONCURRENCY", &self.max_concurrency.to_string()),
            ("RUST_LOG", "info"),
        ]);
        if let Some(ca_bundle) = self.ca_bundle {
            command.env("AWS_CA_BUNDLE", ca_bundle);
        }
        command
    }
}

impl Function {
    /// Starts the binary, and waits for its first poll.
    pub async fn start(setup: &Setup<'_>) -> io::Result<Self> {
        let mut api = RuntimeApi::start().await?;
        let profile = setup
            .callgrind
            .then(|| scratch(&format!("callgrind.{}", api.address.port())));
        let mut command = setup.command(&api.address.to_string(), profile.as_deref());
        let started_at = Instant::now();
        let process = command.spawn().map_err(|error| {
            io::Error::other(format!("{}: {error}", shipped(setup.binary).display()))
        })?;
        match api.next_request(START_TIMEOUT).await? {
            Request::Poll(at) => Ok(Self {
                exec_to_poll: at - started_at,
                process,
                api,
                profile,
            }),
            Request::Response(_, response) => Err(io::Error::other(format!(
                "a response before any event: {response}"
            ))),
        }
    }

    /// Lets the function handle an event, and waits for its next poll.
    pub async fn handle(&mut self, event: Value) -> io::Result<Handled> {
        let busy_before = self.busy()?;
        let sent_at = self.api.send(event)?;
        let Request::Response(received_at, response) =
            self.api.next_request(RESPONSE_TIMEOUT).await?
        else {
            return Err(io::Error::other("the function polled before it responded"));
        };
        let Request::Poll(_) = self.api.next_request(START_TIMEOUT).await? else {
            return Err(io::Error::other("the function responded twice"));
        };
        Ok(Handled {
            response,
            took: received_at - sent_at,
            busy: self.busy()?.saturating_sub(busy_before),
        })
    }

    /// Memory in KiB. `VmRSS` is what is resident now, `VmHWM` the highest value so far.
    pub fn memory_kib(&self, field: &str) -> io::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find(|line| line.starts_with(field));
        let kib = line
            .and_then(|line| line.split_whitespace().nth(1))
            .and_then(|text| text.parse().ok());
        kib.ok_or_else(|| io::Error::other(format!("the status of the process has no {field}")))
    }

    /// Stops the process. Under callgrind, returns how many instructions it has executed.
    pub async fn stop(mut self) -> io::Result<u64> {
        let Some(profile) = &self.profile else {
            self.process.kill()?;
            self.process.wait()?;
            return Ok(0);
        };
        tokio::time::sleep(SETTLE_TIME).await;
        // Callgrind writes its profile when the process receives SIGTERM.
        Command::new("kill")
            .arg(self.process.id().to_string())
            .status()?;
        self.process.wait()?;
        let text = std::fs::read_to_string(profile)?;
        if std::env::var_os("KEEP_PROFILES").is_none() {
            std::fs::remove_file(profile)?;
        }
        let total = text.lines().find_map(|line| line.strip_prefix("summary: "));
        total
            .and_then(|text| text.trim().parse().ok())
            .ok_or_else(|| io::Error::other("callgrind wrote no summary"))
    }

    /// Processor time of all threads.
    fn busy(&self) -> io::Result<Duration> {
        let mut nanos = 0;
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.process.id()))? {
            // A thread may end between the listing and the read.
            let Ok(stat) = std::fs::read_to_string(thread?.path().join("schedstat")) else {
                continue;
            };
            nanos += stat
                .split_whitespace()
                .next()
                .and_then(|text| text.parse().ok())
                .unwrap_or(0);
        }
        Ok(Duration::from_nanos(nanos))
    }
}
