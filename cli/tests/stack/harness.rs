//! A deployed stack with a fleet, and the command.

use std::process::Command;
use std::time::{Duration, SystemTime};

use rerole_sim::deployment::{Deployment, Pace};
use rerole_sim::fleet::Fleet;
use rerole_sim::template::{Rendered, StackIdentity, parse_template};
use rerole_sim::{LoopbackServer, Options, SimulatedAws};
use serde_json::Value;

const TEMPLATE: &str = include_str!("../../../template.yaml");
const ACCOUNT: &str = "111122223333";
pub const REGION: &str = "us-east-1";
/// The role of the fleet's associations.
pub const ROLE: &str = "arn:aws:iam::111122223333:role/platform/app-2025";

/// The stack, which does not run: what is put on the bus or invoked is only recorded.
pub struct World {
    pub sim: SimulatedAws,
    pub deployment: Deployment,
    pub index: String,
    pub ledger: String,
    server: LoopbackServer,
}

/// How a command ended.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl World {
    /// Forty associations in the clusters prod-1 (eu-west-1) and prod-2 (us-east-1), sixteen of
    /// them on [`ROLE`], and an empty index.
    pub async fn with_empty_index() -> Self {
        let world = Self::deploy().await;
        world.sim.create_tables("unread", "unread-ledger");
        world.build("unread");
        world
    }

    /// The same, with an index that is complete.
    pub async fn with_index() -> Self {
        let world = Self::deploy().await;
        world.build(&world.index);
        world
            .sim
            .complete_index(&world.ledger, &["eu-west-1", REGION]);
        world
    }

    async fn deploy() -> Self {
        let sim = SimulatedAws::new(Options {
            latency: Duration::ZERO..=Duration::ZERO,
            starts_at: SystemTime::now(),
            ..Options::default()
        });
        let stack = StackIdentity {
            name: "rerole".to_owned(),
            account: ACCOUNT.to_owned(),
            region: REGION.to_owned(),
        };
        let parameters = [
            ("RolePath", "/platform/"),
            (
                "RequesterArns",
                "arn:aws:iam::111122223333:role/pipelines/*",
            ),
            ("IndexRegions", "eu-west-1,us-east-1"),
            ("IndexExclude", "legacy*"),
        ];
        let rendered = Rendered::new(parse_template(TEMPLATE), stack, &parameters);
        let deployment = Deployment::new(&sim, rendered, Pace::default());
        let environment = deployment.environment("RotateFunction");
        let table = |name: &str| environment[name].clone();
        let server = sim.serve().await.unwrap();
        Self {
            index: table("ASSOCIATION_INDEX_TABLE"),
            ledger: table("ROTATION_LEDGER_TABLE"),
            sim,
            deployment,
            server,
        }
    }

    fn build(&self, index: &str) {
        let fleet = Fleet {
            clusters: 2,
            associations: 40,
            rotating: 16,
            old_role: ROLE.to_owned(),
            ..Fleet::default()
        };
        fleet.build(&self.sim, index);
    }

    /// The URL of a queue of the stack, by its output.
    pub fn queue(&self, output: &str) -> String {
        let name = output.trim_end_matches("Url");
        self.deployment.rendered().name(name)
    }

    /// Runs the command in a terminal of 100 columns.
    pub async fn run(&self, arguments: &str) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rerole"));
        command
            .args(arguments.split_whitespace())
            .env_clear()
            .envs([
                ("AWS_REGION", REGION),
                ("AWS_ACCESS_KEY_ID", "test"),
                ("AWS_SECRET_ACCESS_KEY", "test"),
                ("AWS_ENDPOINT_URL", &self.server.url()),
                ("AWS_CONFIG_FILE", "/dev/null"),
                ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
                ("COLUMNS", "100"),
            ]);
        let output = tokio::task::spawn_blocking(move || command.output()).await;
        let output = output
            .unwrap()
            .expect("cargo built the binary for this test");
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Run {
            code: output.status.code().expect("the command exits by itself"),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Runs the command for its JSON.
    pub async fn json(&self, arguments: &str) -> (i32, Value) {
        let run = self.run(&format!("{arguments} --output json")).await;
        let json = serde_json::from_str(&run.stdout);
        (
            run.code,
            json.unwrap_or_else(|error| panic!("{error}: {run:?}")),
        )
    }
}
