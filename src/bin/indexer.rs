//! Wires the `indexer` function: settings, clients, handler, runtime. No logic lives here.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::ExitCode;

use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use rerole::aws::http::http_client;
use rerole::indexer::handler::IndexerHandler;
use rerole::lambda::bootstrap;
use rerole::lambda::metrics::Metrics;
use rerole::settings::{IndexerSettings, environment};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    bootstrap::run(serve()).await
}

async fn serve() -> Result<(), Error> {
    let settings = IndexerSettings::from_lookup(environment)?;
    let clock = SharedTimeSource::new(SystemTimeSource::new());
    let metrics = Metrics::in_log(settings.common.clients.function_name.clone());
    let handler = &IndexerHandler::new(
        &settings,
        http_client(&settings.common.clients)?,
        clock,
        metrics,
    );
    run(service_fn(|event: LambdaEvent<Value>| {
        handler.invoke(event)
    }))
    .await
}
