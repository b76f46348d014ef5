//! How each function starts: logging is set up first, so a function that cannot start logs why.

use std::process::ExitCode;

use crate::lambda::logging;
use crate::settings::Settings;

/// Runs a function until Lambda ends the process.
pub async fn run(serve: impl Future<Output = Result<(), lambda_runtime::Error>>) -> ExitCode {
    logging::init(Settings::log_filter().as_deref());
    match serve.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "function could not start");
            ExitCode::FAILURE
        }
    }
}
