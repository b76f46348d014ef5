//! What the functions' bootstraps have in common: logs first, and a last word where a function cannot start.

use std::process::ExitCode;

use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};

use crate::aws::tls::http_client;
use crate::logging;
use crate::metrics::Metrics;
use crate::settings::Settings;

/// Runs a function until Lambda ends it.
pub async fn run(serve: impl Future<Output = Result<(), lambda_runtime::Error>>) -> ExitCode {
    logging::init(Settings::log_filter().as_deref());
    match serve.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the function cannot start");
            ExitCode::FAILURE
        }
    }
}

/// The edges to the world, as they are in Lambda: HTTP, the clock, and metrics in the log.
///
/// # Errors
/// Where the HTTP client cannot be made.
pub fn edges(settings: &Settings) -> Result<(SharedHttpClient, SharedTimeSource, Metrics), lambda_runtime::Error> {
    let clock = SharedTimeSource::new(SystemTimeSource::new());
    Ok((http_client(settings)?, clock, Metrics::in_log(settings.function_name.clone())))
}
