//! The `rotate` function's bootstrap: settings → clients → run.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::ExitCode;

use lambda_runtime::{LambdaEvent, run, service_fn};
use rerole::bootstrap;
use rerole::handler::Handler;
use rerole::settings::{RotateSettings, environment};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    bootstrap::run(serve()).await
}

async fn serve() -> Result<(), lambda_runtime::Error> {
    let settings = RotateSettings::from_lookup(environment)?;
    let (http_client, clock, metrics) = bootstrap::edges(&settings.common)?;
    let handler = &Handler::new(&settings, http_client, clock, metrics);
    run(service_fn(|event: LambdaEvent<Value>| handler.invoke(event))).await
}
