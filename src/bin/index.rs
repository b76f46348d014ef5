//! The `index` function's bootstrap: settings → clients → run.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::ExitCode;

use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use lambda_runtime::{LambdaEvent, run, service_fn};
use rerole::aws::tls::http_client;
use rerole::index::handler::IndexHandler;
use rerole::metrics::Metrics;
use rerole::settings::{IndexSettings, Settings, environment};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    rerole::logging::init(Settings::log_filter().as_deref());
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the function cannot start");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), lambda_runtime::Error> {
    let settings = IndexSettings::from_lookup(environment)?;
    let clock = SharedTimeSource::new(SystemTimeSource::new());
    let metrics = Metrics::in_log(settings.common.function_name.clone());
    let handler = &IndexHandler::new(&settings, http_client(&settings.common)?, clock, metrics);
    run(service_fn(|event: LambdaEvent<Value>| handler.invoke(event))).await
}
