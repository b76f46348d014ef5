//! The same handlers through a socket, with the SDK's HTTP client. Real time: latencies are zero and nothing is measured.

use crate::REGION;
use aws_credential_types::Credentials;
use aws_sdk_eks::config::retry::RetryConfig;
use aws_sdk_eks::config::{BehaviorVersion, Region};
use aws_sdk_eks::error::ProvideErrorMetadata;
use rerole_sim::{Fault, Options, SimulatedAws};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

fn client(url: &str) -> aws_sdk_eks::Client {
    let config = aws_sdk_eks::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static(REGION))
        .credentials_provider(Credentials::new("AKIDEXAMPLE", "secret", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(url)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    aws_sdk_eks::Client::from_conf(config)
}

/// A name that needs encoding, an error, a broken connection before and after the effect, and a shutdown.
#[test]
fn the_loopback_door_opens_on_the_same_room() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let aws = SimulatedAws::new(Options { latency: Duration::ZERO..=Duration::ZERO, ..Options::default() });
        aws.eks(|eks| eks.associate(REGION, "prod eu", "ns", "sa", crate::OLD));
        let server = aws.serve().await.expect("loopback has a free port");
        let client = client(&server.url());
        let listed = client.list_pod_identity_associations().cluster_name("prod eu").send().await.expect("it exists");
        assert_eq!(listed.associations().len(), 1);
        let missing = client.describe_cluster().name("absent").send().await.expect_err("no such cluster");
        assert_eq!(missing.code(), Some("ResourceNotFoundException"));
        let id = listed.associations()[0].association_id().expect("it has an id").to_owned();
        for (fault, is_applied) in [(Fault::FailBefore, false), (Fault::LoseAnswer, true)] {
            aws.on_call(move |_| fault.clone());
            let update = client.update_pod_identity_association().cluster_name("prod eu").association_id(&id);
            let error = update.role_arn(crate::NEW).send().await.expect_err("the connection broke");
            assert!(error.raw_response().is_none(), "{error:?}");
            assert_eq!(aws.eks(|eks| eks.association_count_on(crate::NEW)) == 1, is_applied);
        }
        aws.clear_hook();
        assert!(client.list_clusters().send().await.is_ok());
        server.shutdown().await;
        assert!(client.list_clusters().send().await.is_err(), "nobody listens");
    });
}

/// The binary, driven from outside: with `--trail` each change is a line of its file by the time the client has its
/// answer, and what was in the file stays.
#[test]
fn the_binary_writes_its_trail_to_a_file() {
    let trail = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("trail-{}.jsonl", std::process::id()));
    std::fs::write(&trail, "{}\n").expect("cargo's directory for tests takes files");
    let (_process, url) = Process::start(&["--seconds", "60", "--trail", trail.to_str().expect("a path in UTF-8")]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = client(&url);
        for (name, lines) in [("b", 2), ("a", 3), ("a", 4)] {
            let vpc = aws_sdk_eks::types::VpcConfigRequest::builder().build();
            let _ = client.create_cluster().name(name).role_arn(crate::OLD).resources_vpc_config(vpc).send().await;
            assert!(client.describe_cluster().name(name).send().await.is_ok());
            let text = std::fs::read_to_string(&trail).expect("the file is there");
            assert_eq!(text.lines().count(), lines, "{text}");
        }
    });
    let text = std::fs::read_to_string(&trail).expect("the file is there");
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let told: Vec<_> = events
        .iter()
        .map(|event| (&event["detail"]["requestParameters"]["name"], &event["detail"]["errorCode"]))
        .collect();
    let (a, b, refused) = (json!("a"), json!("b"), json!("ResourceInUseException"));
    assert_eq!(told[1..], [(&b, &Value::Null), (&a, &Value::Null), (&a, &refused)]);
    std::fs::remove_file(&trail).expect("it was this test's own");
}

/// A running `rerole-sim`, killed when dropped.
struct Process(Child);

impl Process {
    /// Starts it on a free port, and tells its URL.
    fn start(flags: &[&str]) -> (Self, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rerole-sim"));
        let child = command.args(flags).stdout(Stdio::piped()).spawn().expect("cargo built it for this test");
        let mut process = Self(child);
        let stdout = process.0.stdout.take().expect("it was asked for");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("it says where it listens");
        let url = line.trim().strip_prefix("listening on ").expect("its first line").to_owned();
        (process, url)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing to do about it in either case.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
