//! Logs: JSON, one object per line, on standard output. Every line of an invocation has its ID in
//! `span.requestId`, and the lines of a rotation have its ledger key in `span.rotationId`. No code
//! logs at level trace: a release binary is built without that level.

use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Sets up logging for the process. `filter` is the value of `RUST_LOG`, such as `debug` or
/// `info,rerole=debug`. An invalid filter is reported and replaced by `info`: a function must not
/// fail because of how it logs.
pub fn init(filter: Option<&str>) {
    let parsed = filter
        .filter(|text| !text.is_empty())
        .map(str::parse::<Targets>);
    let (targets, invalid) = match parsed {
        None => (Targets::new().with_default(LevelFilter::INFO), None),
        Some(Ok(targets)) => (targets, None),
        Some(Err(error)) => (Targets::new().with_default(LevelFilter::INFO), Some(error)),
    };
    // A second call, as in tests, changes nothing and fails.
    let initialized = subscriber(targets, std::io::stdout).try_init();
    if let (Ok(()), Some(error)) = (initialized, invalid) {
        tracing::warn!(filter, problem = %error, "invalid RUST_LOG, logging at info");
    }
}

/// Returns what writes the lines that the filter lets through.
pub fn subscriber<W>(targets: Targets, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let json = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_writer(writer);
    tracing_subscriber::registry().with(json).with(targets)
}
