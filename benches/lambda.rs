//! What the shipped binaries cost: from exec to the first poll of the Lambda Runtime API, beside a bare `lambda_runtime`
//! binary built the same way, and their peak memory in rotations of 1,000 and 50,000 associations, and in building an index
//! of as many.
//!
//! ```text
//! cargo build --release --bin rotate --bin index --example bare
//! cargo bench --bench lambda
//! ```
//!
//! The harness plays the Runtime API and the simulated AWS, both on loopback. Times are medians of runs that alternate
//! between the binaries, so that their ratio means something on a noisy machine.

use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use rerole_sim::fleet::Fleet;
use rerole_sim::{Options, SimulatedAws};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// Starts of each binary. The median of this many moves by a few percent from one run of the bench to the next.
const STARTS: usize = 41;
/// The first is what the others are measured against.
const BINARIES: [&str; 3] = ["examples/bare", "rotate", "index"];
const INDEX: &str = "association-index";
const LEDGER: &str = "rotation-ledger";
const OLD: &str = "arn:aws:iam::111122223333:role/platform/app-2025";
const NEW: &str = "arn:aws:iam::111122223333:role/platform/app-2026";

/// What the function did, as the Runtime API sees it.
#[derive(Debug)]
enum Seen {
    /// It asks for an event.
    Poll(Instant),
    /// It answered, or failed.
    Answer(Value),
}

/// The Runtime API: hands over the next event, if there is one, and keeps a poll waiting otherwise.
#[derive(Clone)]
struct RuntimeApi {
    seen: mpsc::UnboundedSender<Seen>,
    events: Arc<tokio::sync::Mutex<mpsc::UnboundedReceiver<Value>>>,
}

struct Function {
    process: Child,
    started_at: Instant,
    seen: mpsc::UnboundedReceiver<Seen>,
    events: mpsc::UnboundedSender<Value>,
    server: tokio::task::JoinHandle<io::Result<()>>,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    // `cargo test --benches` runs this without `--bench`: nothing is measured then.
    if !std::env::args().any(|arg| arg == "--bench") {
        return Ok(());
    }
    for name in BINARIES {
        let binary = release(name);
        println!("{name}: {} bytes", std::fs::metadata(&binary)?.len());
    }
    starts().await?;
    for associations in [1_000, 50_000] {
        rotation(associations).await?;
    }
    for associations in [1_000, 50_000] {
        reconcile(associations).await?;
    }
    Ok(())
}

/// Exec to first poll, and memory at that moment, the binaries in turn.
async fn starts() -> io::Result<()> {
    let mut times = BINARIES.map(|_| vec![]);
    let mut resident = BINARIES.map(|_| 0);
    for run in 0..BINARIES.len() * STARTS {
        let which = run % BINARIES.len();
        let mut function = Function::start(BINARIES[which], "http://127.0.0.1:9").await?;
        let polled_at = function.poll().await;
        times[which].push(polled_at - function.started_at);
        resident[which] = function.memory_kib("VmRSS")?;
        function.stop()?;
    }
    let medians = times.map(|mut times| {
        times.sort();
        times[STARTS / 2]
    });
    for (which, name) in BINARIES.into_iter().enumerate() {
        let ratio = medians[which].as_secs_f64() / medians[0].as_secs_f64();
        let (median, resident) = (medians[which], resident[which]);
        println!("{name}: exec to first poll {median:.2?}, {ratio:.2} of the bare one; {resident} KiB resident then");
    }
    Ok(())
}

/// One rotation of this many associations by the release binary, and its peak memory.
async fn rotation(associations: usize) -> io::Result<()> {
    let mut event: Value = serde_json::from_str(include_str!("../events/role-rotation-requested.json"))?;
    event["detail"]["rotationId"] = Value::from(format!("of-{associations}"));
    work("rotate", associations, event, INDEX, "updated").await
}

/// Building the index of this many associations from nothing, by the release binary, and its peak memory.
async fn reconcile(associations: usize) -> io::Result<()> {
    let event = json!({ "reconcile": { "mode": "deep" } });
    work("index", associations, event, "an-index-that-nobody-reads", "added").await
}

/// One event, handled by this binary in a fleet that `indexed_in` knows; what its answer counts as `counted`.
async fn work(binary: &str, associations: usize, event: Value, indexed_in: &str, counted: &str) -> io::Result<()> {
    let options = Options {
        latency: Duration::ZERO..=Duration::ZERO,
        keep_log: false,
        starts_at: SystemTime::now(),
        ..Options::default()
    };
    let aws = SimulatedAws::new(options);
    aws.create_tables(INDEX, LEDGER);
    aws.create_tables("an-index-that-nobody-reads", "a-ledger-that-nobody-reads");
    let fleet = Fleet {
        clusters: 20,
        associations,
        rotating: associations,
        old_role: OLD.to_owned(),
        new_role: NEW.to_owned(),
        ..Fleet::default()
    };
    fleet.build(&aws, indexed_in);
    let server = aws.serve().await?;
    let mut function = Function::start(binary, &server.url()).await?;
    function.poll().await;
    let sent_at = Instant::now();
    function.events.send(event).map_err(io::Error::other)?;
    let answer = loop {
        match function.seen.recv().await {
            Some(Seen::Answer(answer)) => break answer,
            Some(Seen::Poll(_)) => {}
            None => return Err(io::Error::other("the Runtime API ended")),
        }
    };
    let took = sent_at.elapsed();
    let peak = function.memory_kib("VmHWM")?;
    let calls: usize = aws.call_counts().values().sum();
    let hundredths = 100 * calls / associations;
    println!(
        "{binary}, {associations} associations: {} {counted}, peak {peak} KiB, {took:.1?}, {}.{:02} calls for each",
        answer["counts"][counted],
        hundredths / 100,
        hundredths % 100,
    );
    for ((service, operation), count) in aws.call_counts() {
        println!("    {service:?} {operation}: {count}");
    }
    function.stop()?;
    server.shutdown().await;
    Ok(())
}

impl Function {
    async fn start(name: &str, aws_url: &str) -> io::Result<Self> {
        let (seen_in, seen) = mpsc::unbounded_channel();
        let (events, events_out) = mpsc::unbounded_channel();
        let api = RuntimeApi { seen: seen_in, events: Arc::new(tokio::sync::Mutex::new(events_out)) };
        let routes = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(answered))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(answered))
            .with_state(api);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = tokio::spawn(axum::serve(listener, routes).into_future());
        let mut command = Command::new(release(name));
        command.env_clear().stdout(Stdio::null()).stderr(Stdio::null());
        command.envs([
            ("AWS_LAMBDA_RUNTIME_API", address.to_string().as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", "rotate"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "bench"),
            ("AWS_SECRET_ACCESS_KEY", "bench"),
            ("AWS_ENDPOINT_URL", aws_url),
            ("ASSOCIATION_INDEX_TABLE", INDEX),
            ("ROTATION_LEDGER_TABLE", LEDGER),
            ("ROLE_PATH", "/platform/"),
            ("INDEX_REGIONS", "eu-west-1,us-east-1"),
            ("RUST_LOG", "info"),
        ]);
        let started_at = Instant::now();
        Ok(Self { process: command.spawn()?, started_at, seen, events, server })
    }

    async fn poll(&mut self) -> Instant {
        match tokio::time::timeout(Duration::from_secs(20), self.seen.recv()).await {
            Ok(Some(Seen::Poll(at))) => at,
            other => panic!("the function starts with a poll, not {other:?}"),
        }
    }

    fn memory_kib(&self, field: &str) -> io::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find(|line| line.starts_with(field));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)).and_then(|text| text.parse().ok());
        kib.ok_or_else(|| io::Error::other(format!("no {field} in the process's status")))
    }

    fn stop(mut self) -> io::Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        self.server.abort();
        Ok(())
    }
}

async fn next(State(api): State<RuntimeApi>) -> Response {
    // A receiver that is gone means that the measurement is over; the process is about to be stopped.
    let _ = api.seen.send(Seen::Poll(Instant::now()));
    let Some(event) = api.events.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let deadline = SystemTime::now() + Duration::from_mins(15);
    let deadline_millis = deadline.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let headers = [
        ("lambda-runtime-aws-request-id", "bench".to_owned()),
        ("lambda-runtime-deadline-ms", deadline_millis.to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:111122223333:function:rotate".to_owned()),
        ("lambda-runtime-trace-id", "Root=1-5e1b4151-5ac6c58e3a4d6c7e9f0a1b2c".to_owned()),
        ("content-type", "application/json".to_owned()),
    ];
    (headers, event.to_string()).into_response()
}

async fn answered(State(api): State<RuntimeApi>, Path(_id): Path<String>, body: String) -> StatusCode {
    let _ = api.seen.send(Seen::Answer(serde_json::from_str(&body).unwrap_or(Value::String(body))));
    StatusCode::ACCEPTED
}

fn release(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/release").join(name)
}
