//! The playground in this process, and the binary as an operator runs it: in an environment of its
//! own, off a terminal.

use std::io::{self, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use rerole_cli::playground::Playground;
use rerole_cli::playground::flags::PlaygroundOptions;
use rerole_sim::SimulatedAws;
use rerole_sim::fleet::FleetSummary;
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
    names: Vec<(&'static str, String)>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The resources that tests change or whose names calls have.
const RESOURCES: [&str; 6] = [
    "AssociationIndexTable",
    "RotationLedgerTable",
    "OnFailureQueue",
    "UndeliveredQueue",
    "IndexerQueue",
    "IndexerDeadLetterQueue",
];

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
    /// Sixty associations in three clusters, of which 24 are on the old role. An add-on owns two of
    /// these, and EKS refuses the first updates of two others.
    pub fn start() -> Self {
        Self::with(PlaygroundOptions {
            port: 0,
            seed: 1,
            associations: 60,
            rotating: 24,
            drifted: 0,
            owned_by_addon: 2,
            refused: 2,
            throttle: None,
            keep_calls: true,
        })
    }

    pub fn with(options: PlaygroundOptions) -> Self {
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
                let names = RESOURCES.map(|name| (name, rendered.name(name)));
                let shared = (
                    playground.url(),
                    playground.aws.clone(),
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
            names: names.to_vec(),
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// The name of a resource of the stack.
    pub fn name(&self, resource: &str) -> &str {
        let mut names = self.names.iter();
        let (_, name) = names.find(|(name, _)| *name == resource).unwrap();
        name
    }

    /// The command of an operator whose calls have this access key, at 80 columns.
    pub fn rerole(&self, access_key: &str, arguments: &str) -> Rerole {
        Rerole::new(arguments)
            .env("AWS_ENDPOINT_URL", &self.url)
            .env("AWS_ACCESS_KEY_ID", access_key)
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_REGION", "us-east-1")
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
