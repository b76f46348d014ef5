//! The lines of the functions' logs: which members each of them has. The texts are for people.

use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex};

use lambda_runtime::{Context, LambdaEvent};
use rerole::lambda::logging;
use rerole_sim::{Fault, Options, Service};
use serde_json::{Value, json};
use tracing::Dispatch;
use tracing::subscriber::NoSubscriber;
use tracing_subscriber::filter::{LevelFilter, Targets};

use crate::common::stream::mapping;
use crate::harness::{Harness, LEDGER, REQUEST_ID, event, is_update, rotation_event};

/// Collects what is logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A subscriber that wants nothing. tracing remembers for each place in the code whether it is
/// wanted. If there is one subscriber only, it asks the one of the thread that comes there first,
/// and the thread of another test has none. If there are two, it asks both.
static SECOND_SUBSCRIBER: LazyLock<Dispatch> =
    LazyLock::new(|| Dispatch::new(NoSubscriber::default()));

/// Runs the invocations, and returns the lines that they log at this level.
async fn logged(level: LevelFilter, invocations: impl AsyncFn()) -> Vec<Value> {
    let targets = Targets::new().with_target("rerole", level);
    let log = raw_log(targets, invocations).await;
    let lines = log.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Runs the invocations, and returns all that these targets log, as it is written.
pub async fn raw_log(targets: Targets, invocations: impl AsyncFn()) -> String {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = logging::subscriber(targets, move || writer.clone());
    LazyLock::force(&SECOND_SUBSCRIBER);
    let guard = tracing::subscriber::set_default(subscriber);
    invocations().await;
    drop(guard);
    log.text()
}

#[tokio::test(start_paused = true)]
async fn every_line_of_a_rotation_names_it_and_its_invocation() {
    let harness = Harness::calm(5);
    let mut updates = 0;
    harness.inject(Fault::ServerError(500), move |call| {
        updates += u32::from(is_update(call));
        is_update(call) && updates <= 2
    });
    let lines = logged(LevelFilter::DEBUG, async || {
        harness.finish(&rotation_event()).await;
        harness.finish(&event(&json!({ "dryRun": true }))).await;
    })
    .await;
    assert!(lines.len() > 10, "{lines:#?}");
    let (rotation, dry_run): (Vec<_>, Vec<_>) = lines
        .iter()
        .partition(|line| line["span"]["rotationId"] == "r-1");
    assert!(!rotation.is_empty() && !dry_run.is_empty());
    for line in &lines {
        assert_eq!(line["span"]["requestId"], REQUEST_ID, "{line:#}");
        // A value of a structured log is a value, not the text form of a Rust type.
        assert!(!line.to_string().contains(" { "), "{line:#}");
    }
    for line in dry_run {
        assert_eq!(line["span"]["rotationId"], "dry-run/r-1", "{line:#}");
    }
}

/// A filter that hides information must not take the IDs from what it shows.
#[tokio::test(start_paused = true)]
async fn a_log_filter_keeps_the_ids_of_errors() {
    let harness = Harness::calm(1);
    let lines = logged(LevelFilter::WARN, async || {
        harness.inject(Fault::ServerError(500), |_| true);
        harness.deliver(&rotation_event()).await.unwrap_err();
        harness.deliver(&json!({ "check": "x" })).await.unwrap_err();
        let reconcile = json!({ "reconcile": { "mode": "x" } });
        let indexer = harness.invoke_indexer(reconcile, crate::harness::TIMEOUT);
        indexer.await.unwrap_err();
    })
    .await;
    assert!(lines.len() >= 3, "{lines:#?}");
    for line in &lines {
        assert_eq!(line["span"]["requestId"], REQUEST_ID, "{line:#}");
    }
}

/// The alarms of the publisher say that its log says why.
#[tokio::test(start_paused = true)]
async fn the_publisher_logs_why_it_fails_and_in_which_invocation() {
    let harness = Harness::new(Options {
        ledger_stream: true,
        ..Options::default()
    });
    harness.inject(Fault::ServerError(503), |call| {
        call.service == Service::EventBridge
    });
    for (seq, change) in [(1, "Frozen"), (2, "Thawed")] {
        let entry = json!({
            "rotationId": "stack/state", "entry": format!("timeline#{seq:08}"), "type": change,
            "at": "2026-11-23T21:17:00.000Z", "by": {},
        });
        harness.aws.put_item(LEDGER, entry);
    }
    let entries = harness.aws.stream_records(LEDGER, None, 10).into_iter();
    let mut entries = entries.filter(|record| mapping().admits(record));
    let mut batch = || json!({ "Records": [entries.next().unwrap()] });
    let payloads = [json!("no batch"), batch(), batch()];
    let lines = logged(LevelFilter::WARN, async || {
        for payload in payloads.clone() {
            let mut context = Context::default();
            REQUEST_ID.clone_into(&mut context.request_id);
            let event = LambdaEvent::new(payload, context);
            drop(harness.publisher().invoke(event).await);
        }
    })
    .await;
    let texts: Vec<_> = lines.iter().map(|line| &line["message"]).collect();
    let expected = ["invocation failed", "events not put", "item not published"];
    assert_eq!(texts, expected, "{lines:#?}");
    for line in &lines {
        assert_eq!(line["span"]["requestId"], REQUEST_ID, "{line:#}");
    }
}
