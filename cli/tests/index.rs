//! Runs `rerole index` as an operator does, against a simulated AWS on loopback.

use std::process::Command;
use std::time::{Duration, SystemTime};

use rerole_sim::fleet::Fleet;
use rerole_sim::{LoopbackServer, Options, SimulatedAws};
use serde_json::Value;

const INDEX: &str = "index";
const LEDGER: &str = "ledger";

/// Forty associations in one region, and an empty index.
async fn serve() -> (SimulatedAws, LoopbackServer) {
    let sim = SimulatedAws::new(Options {
        latency: Duration::ZERO..=Duration::ZERO,
        starts_at: SystemTime::now(),
        ..Options::default()
    });
    sim.create_tables(INDEX, LEDGER);
    // The fleet fills this index, which nothing reads.
    sim.create_tables("unread", "unread-ledger");
    let fleet = Fleet {
        clusters: 1,
        associations: 40,
        rotating: 16,
        ..Fleet::default()
    };
    fleet.build(&sim, "unread");
    let server = sim.serve().await.unwrap();
    (sim, server)
}

/// Runs the command over both regions of the simulation. Returns its exit code and what it prints.
async fn run(server: &LoopbackServer, command: &'static str) -> (i32, String) {
    let url = server.url();
    let output = tokio::task::spawn_blocking(move || {
        Command::new(env!("CARGO_BIN_EXE_rerole"))
            .arg("index")
            .args(command.split_whitespace())
            .args(["--region", "eu-west-1", "--region", "us-east-1"])
            .envs([
                ("ASSOCIATION_INDEX_TABLE", INDEX),
                ("ROTATION_LEDGER_TABLE", LEDGER),
                ("AWS_REGION", "us-east-1"),
                ("AWS_ACCESS_KEY_ID", "test"),
                ("AWS_SECRET_ACCESS_KEY", "test"),
                ("AWS_ENDPOINT_URL", &url),
            ])
            .output()
    });
    let output = output
        .await
        .unwrap()
        .expect("cargo built the binary for this test");
    let text = String::from_utf8(output.stdout).unwrap();
    (
        output.status.code().expect("the command exits by itself"),
        text,
    )
}

#[tokio::test]
async fn a_dry_run_of_build_prints_and_exits_as_check_does_and_writes_nothing() {
    let (sim, server) = serve().await;
    let check = run(&server, "check").await;
    assert_eq!(check.0, 1, "{}", check.1);
    assert!(
        check
            .1
            .starts_with("40 associations in 1 cluster: 40 differ."),
        "{}",
        check.1
    );
    assert_eq!(run(&server, "build --dry-run").await, check);
    assert_eq!(sim.items(INDEX), Vec::<Value>::new());
    assert_eq!(sim.items(LEDGER), Vec::<Value>::new());

    let build = run(&server, "build").await;
    assert_eq!(build.0, 0, "{}", build.1);
    let check = run(&server, "check").await;
    assert_eq!(
        check,
        (
            0,
            "40 associations in 1 cluster: the index matches EKS.\n".to_owned()
        )
    );
    assert_eq!(run(&server, "build --dry-run").await, check);
}

#[test]
fn without_credentials_one_line_says_what_to_do() {
    let output = Command::new(env!("CARGO_BIN_EXE_rerole"))
        .args(["index", "check", "--index-table", INDEX])
        .args(["--ledger-table", LEDGER])
        .env_clear()
        .envs([
            ("AWS_REGION", "us-east-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ])
        .output()
        .expect("cargo built the binary for this test");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "error: no AWS credentials in the environment, the profile, or the machine's metadata; log \
         in (aws sso login), or name a profile in --profile\n"
    );
}
