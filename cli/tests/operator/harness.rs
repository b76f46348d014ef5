//! The playground in this process, and the binary as an operator runs it: in an environment of its
//! own, off a terminal.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rerole_cli::playground::Playground;
use rerole_cli::playground::flags::{KeptCalls, PlaygroundOptions};
use rerole_sim::fleet::FleetSummary;
use rerole_sim::{Call, CallRecord, Fault, SimulatedAws};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::redact::redact;

/// The variables with which the machine's own files and metadata give no credentials.
const CLOSED: [(&str, &str); 3] = [
    ("AWS_CONFIG_FILE", "/dev/null"),
    ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
    ("AWS_EC2_METADATA_DISABLED", "true"),
];

/// The stack with its fleet, which runs until it is dropped.
pub struct Stage {
    pub url: String,
    pub aws: SimulatedAws,
    pub fleet: FleetSummary,
    /// The names of resources by their names in the template.
    names: BTreeMap<String, String>,
    calls: RefCell<Vec<(String, CallRecord)>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The access key of the operator. The functions have others.
pub const OPERATOR: &str = "playground";

/// How a command ended.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    /// Both outputs, in the order in which they were written.
    pub screen: String,
}

/// A command before it is run.
pub struct Rerole {
    command: Command,
    line: String,
}

impl Stage {
    /// Sixty associations in three clusters, of which 24 are on the old role. So many of these have
    /// drifted, and an add-on owns two others.
    pub fn start(drifted: usize) -> Self {
        let options = PlaygroundOptions {
            port: 0,
            seed: 1,
            associations: 60,
            rotating: 24,
            drifted,
            owned_by_addon: 2,
            refused: 0,
            throttle: None,
            clusters: 3,
            eks_latency: None,
            calls: KeptCalls::All,
        };
        let (started, stage) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let playground = Playground::start(&options).await.unwrap();
                let rendered = playground.deployment.rendered();
                let names = rendered.types().into_iter();
                let names = names.map(|(name, _)| (name.clone(), rendered.name(&name)));
                let names: BTreeMap<_, _> = names.collect();
                let shared = (
                    playground.url(),
                    playground.deployment.aws().clone(),
                    playground.fleet.clone(),
                    names,
                );
                started.send(shared).unwrap();
                // The sender is dropped if the test fails, which also ends the playground.
                let _ = playground.run_until(stopped).await;
            });
        });
        let (url, aws, fleet, names) = stage.recv().expect("the playground starts");
        Self {
            url,
            aws,
            fleet,
            names,
            calls: RefCell::default(),
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// From now on, EKS takes this time for an update.
    pub fn delay_updates(&self, delay: Duration) {
        self.aws
            .on_call(move |call: &Call| match call.operation.as_str() {
                "UpdatePodIdentityAssociation" => Fault::Delay(delay),
                _ => Fault::None,
            });
    }

    /// The name of a resource of the stack.
    pub fn name(&self, resource: &str) -> &str {
        &self.names[resource]
    }

    /// The resource of the stack with this name.
    pub fn resource(&self, name: &str) -> Option<&str> {
        let mut names = self.names.iter();
        let found = names.find(|(_, it)| *it == name || it.ends_with(&format!("/{name}")));
        found.map(|(resource, _)| resource.as_str())
    }

    /// The command, at 80 columns.
    pub fn rerole(&self, arguments: &str) -> Rerole {
        Rerole::new(arguments)
            .env("AWS_ENDPOINT_URL", &self.url)
            .env("AWS_ACCESS_KEY_ID", OPERATOR)
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_REGION", "us-east-1")
    }

    /// Runs a command, and keeps its calls under the name of its verb.
    pub fn record<T>(&self, rerole: Rerole, run: impl FnOnce(Rerole) -> T) -> T {
        let verb = rerole.verb();
        let from = self.aws.call_counts().values().sum();
        let result = run(rerole);
        let calls = self
            .aws
            .calls_where(|record| record.call.index >= from && record.call.access_key == OPERATOR);
        let calls = calls.into_iter().map(|call| (verb.clone(), call));
        self.calls.borrow_mut().extend(calls);
        result
    }

    /// The calls of the recorded commands, with their verbs.
    pub fn recorded(&self) -> Vec<(String, CallRecord)> {
        self.calls.take()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || matches!(ended, Some(Ok(()))));
    }
}

impl Rerole {
    /// The command without credentials, region and endpoint.
    pub fn new(arguments: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rerole"));
        command
            .args(arguments.split_whitespace())
            .env_clear()
            .envs(CLOSED)
            .env("COLUMNS", "80")
            .stdin(Stdio::null());
        Self {
            command,
            line: format!("rerole {arguments}"),
        }
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    pub fn columns(self, columns: u16) -> Self {
        self.env("COLUMNS", &columns.to_string())
    }

    /// The verb, such as `status` or `index build`.
    pub fn verb(&self) -> String {
        let mut words = self.line.split(' ').skip(1);
        let verb = words.next().unwrap_or_default();
        match verb {
            "index" | "queues" => format!("{verb} {}", words.next().unwrap_or_default()),
            verb => verb.to_owned(),
        }
    }

    /// The command for a terminal.
    pub fn in_terminal(self) -> pty_process::blocking::Command {
        let name = self.command.get_program().to_owned();
        let envs = self.command.get_envs();
        let envs = envs.filter_map(|(name, value)| Some((name, value?)));
        pty_process::blocking::Command::new(name)
            .args(self.command.get_args())
            .env_clear()
            .envs(envs.filter(|(name, _)| *name != "COLUMNS"))
            .env("TERM", "xterm-256color")
    }

    /// The command for tests that stop it or close its pipes.
    pub fn into_command(self) -> Command {
        self.command
    }

    pub fn run(mut self) -> Run {
        let (mut screen, writer) = io::pipe().unwrap();
        self.command
            .stdout(writer.try_clone().unwrap())
            .stderr(writer);
        let mut child = self.command.spawn().expect("cargo built the binary");
        // It holds the pipe's end for writing.
        drop(self.command);
        let mut text = String::new();
        screen.read_to_string(&mut text).unwrap();
        let code = child.wait().unwrap().code();
        Run {
            code: code.unwrap_or_else(|| panic!("{} was killed: {text}", self.line)),
            screen: text,
        }
    }

    /// The prompt, the command, what it printed, and its exit code unless that is 0. What differs
    /// from run to run is the same in each.
    pub fn screen(self) -> (i32, String) {
        let line = self.line.clone();
        let Run { code, screen } = self.run();
        let exit = match code {
            0 => String::new(),
            code => format!("[exit code {code}]\n"),
        };
        (code, redact(&format!("$ {line}\n{screen}{exit}")))
    }

    /// The answer as JSON.
    pub fn json(mut self) -> (i32, Value) {
        self.command.args(["--output", "json"]);
        let output = self.command.output().unwrap();
        let json = serde_json::from_slice(&output.stdout);
        let code = output.status.code().unwrap();
        (
            code,
            json.unwrap_or_else(|error| panic!("{error}: {output:?}")),
        )
    }
}
