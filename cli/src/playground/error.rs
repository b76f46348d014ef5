//! Why the playground does not start.

use std::io;

use rerole::settings::SettingsError;

/// Why the playground did not start.
#[derive(Debug, thiserror::Error)]
pub enum PlaygroundError {
    #[error("listen on port {port} of 127.0.0.1: {error}; choose another one with --port")]
    Listen { port: u16, error: io::Error },
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("set up the HTTP client: {0}")]
    HttpClient(String),
    #[error("the playground has no code for the function {0}")]
    UnknownFunction(String),
}
