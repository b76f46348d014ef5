//! Logs: JSON, one object a line, on standard output. A rotation's lines carry its id as `span.rotationId`. Nothing is logged
//! at level trace: a release binary is built without it.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Sets logging up for the process. `filter` is what `RUST_LOG` holds, such as `debug` or `info,rerole=debug`; a filter
/// that cannot be read is reported and `info` taken instead, since a function must not fail for how it logs.
pub fn init(filter: Option<&str>) {
    let parsed = filter.filter(|text| !text.is_empty()).map(str::parse::<Targets>);
    let (targets, problem) = match parsed {
        None => (Targets::new().with_default(LevelFilter::INFO), None),
        Some(Ok(targets)) => (targets, None),
        Some(Err(problem)) => (Targets::new().with_default(LevelFilter::INFO), Some(problem)),
    };
    let json = tracing_subscriber::fmt::layer().json().flatten_event(true).with_span_list(false);
    // A second call, as in tests, changes nothing.
    let set = tracing_subscriber::registry().with(json).with(targets).try_init();
    if let (Ok(()), Some(problem)) = (set, problem) {
        tracing::warn!(filter, %problem, "RUST_LOG cannot be read, logging at info");
    }
}
