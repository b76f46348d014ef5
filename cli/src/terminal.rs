//! Output to the terminal, as both commands write it: results, errors, and a progress bar.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Standard output could not be written to.
#[derive(Debug, thiserror::Error)]
#[error("write to standard output: {0}")]
pub struct OutputError(pub io::Error);

/// Prints the text and a line break to standard output, at once.
///
/// # Errors
/// If standard output cannot be written to.
pub fn print(text: &str) -> Result<(), OutputError> {
    let mut stdout = io::stdout().lock();
    let written = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    written.map_err(OutputError)
}

/// Prints the error to standard error. If that cannot be written to, only the exit code can report
/// the error.
pub fn print_error(error: &impl Display) {
    let _ = writeln!(io::stderr(), "error: {error}");
}

/// A progress bar on standard error, hidden if that is not a terminal. `style` is a template of
/// `indicatif`.
pub fn progress_bar(len: u64, style: &str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(len), ProgressDrawTarget::stderr());
    match ProgressStyle::with_template(style) {
        Ok(style) => bar.with_style(style),
        // The default style shows the same numbers.
        Err(_) => bar,
    }
}
