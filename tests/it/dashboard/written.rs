//! What the functions write while they run: metrics, and the fields of log lines at the default
//! level. The run has each kind of line that a query asks for.

use std::collections::BTreeSet;
use std::time::Duration;

use rerole::rotate::slice::DEADLINE_RESERVE;
use rerole_sim::{Fault, Options, Throttle};
use serde_json::{Value, json};
use tracing_subscriber::filter::{LevelFilter, Targets};

use crate::common::stream::{deliver, mapping};
use crate::harness::{
    Harness, LEDGER, OLD, error, event, is_update, rotation_event, stalled_check_event,
};
use crate::logs::raw_log;

/// A metric that a function of the stack writes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Metric {
    /// The name of the function in the template.
    pub function: &'static str,
    pub name: String,
    /// The names of its dimensions.
    pub dimensions: Vec<String>,
}

/// A line of a function's log.
#[derive(Debug)]
pub struct Line {
    /// The name of the function in the template.
    pub function: &'static str,
    pub message: String,
    /// The names of its members. The members of a member follow its name and a dot.
    pub fields: BTreeSet<String>,
}

/// What all functions have written.
#[derive(Debug, Default)]
pub struct Written {
    pub metrics: BTreeSet<Metric>,
    pub lines: Vec<Line>,
}

/// Runs the functions.
pub async fn written() -> Written {
    let harness = Harness::with_state_machine(Options {
        ledger_stream: true,
        throttle: Some(Throttle {
            rate_per_sec: 5.0,
            burst: 10.0,
        }),
        ..Options::default()
    });
    harness.fleet(30);
    let mut written = Written::default();
    let log = logged(async || Box::pin(run_rotate(&harness)).await).await;
    written.add("RotateFunction", &log, &harness.metrics());

    let before = harness.metrics().len();
    let log = logged(async || Box::pin(run_indexer(&harness)).await).await;
    written.add("IndexerFunction", &log, &harness.metrics()[before..]);

    let before = harness.metrics().len();
    let log = logged(async || run_publisher(&harness).await).await;
    written.add("PublisherFunction", &log, &harness.metrics()[before..]);
    written
}

impl Written {
    fn add(&mut self, function: &'static str, log: &str, metrics: &[Value]) {
        let lines = log.lines().filter(|line| !line.is_empty());
        let lines = lines.map(|line| serde_json::from_str(line).unwrap());
        // The lines with metrics are in the log, too.
        let lines = lines.chain(metrics.iter().cloned());
        self.lines.extend(lines.map(|line| Line {
            function,
            message: line["message"].as_str().unwrap_or_default().to_owned(),
            fields: fields(&line),
        }));
        let directives = metrics.iter().flat_map(|line| {
            let directives = line["_aws"]["CloudWatchMetrics"].as_array().unwrap();
            directives.clone()
        });
        for directive in directives {
            let names = directive["Dimensions"][0].as_array().unwrap().iter();
            let dimensions: Vec<_> = names
                .map(|name| name.as_str().unwrap().to_owned())
                .collect();
            for metric in directive["Metrics"].as_array().unwrap() {
                self.metrics.insert(Metric {
                    function,
                    name: metric["Name"].as_str().unwrap().to_owned(),
                    dimensions: dimensions.clone(),
                });
            }
        }
    }
}

/// What the template's default of `LogFilter` lets through.
async fn logged(invocations: impl AsyncFn()) -> String {
    raw_log(Targets::new().with_default(LevelFilter::INFO), invocations).await
}

async fn run_rotate(harness: &Harness) {
    let mut updates = 0;
    let refusal = error((400, "InvalidRequestException"), "refused");
    harness.inject(refusal, move |call| {
        updates += u32::from(is_update(call));
        is_update(call) && updates == 3
    });
    // It is handed over to the state machine, and resumed.
    let short = DEADLINE_RESERVE + Duration::from_millis(500);
    harness
        .deliver_within(&rotation_event(), short)
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;
    harness.finish(&rotation_event()).await;
    harness.finish(&rotation_event()).await;
    harness
        .deliver(&event(&json!({ "dryrun": true })))
        .await
        .unwrap();
    harness.command("Pause", json!({})).await;
    harness.deliver(&stalled_check_event()).await.unwrap();
    harness.inject(Fault::ServerError(500), |_| true);
    let another = event(&json!({ "rotationId": "r-2" }));
    harness.deliver(&another).await.unwrap_err();
    harness.aws.clear_hook();
}

async fn run_indexer(harness: &Harness) {
    tokio::time::sleep(Duration::from_hours(1)).await;
    harness
        .aws
        .eks(|eks| eks.associate("us-east-1", "prod-2", "tools", "new", OLD));
    harness.follow(&[json!("not an event")]).await;
    harness.reconcile("full").await;
}

async fn run_publisher(harness: &Harness) {
    let invalid = json!({
        "rotationId": "stack/state", "entry": "timeline#00000001", "type": "Frozen",
        "at": "2026-11-23T21:17:00.000Z", "by": {},
    });
    harness.aws.put_item(LEDGER, invalid);
    deliver(&mut mapping(), &harness.aws, &harness.publisher()).await;
}

/// The names of all members of a line.
fn fields(line: &Value) -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    for (name, value) in line.as_object().into_iter().flatten() {
        fields.insert(name.clone());
        fields.extend(self::fields(value).iter().map(|it| format!("{name}.{it}")));
    }
    fields
}
