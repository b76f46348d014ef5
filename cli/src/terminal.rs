//! Output to the terminal, as both commands write it: results, errors, and a progress bar.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rerole_core::printable::escape_controls;

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
    let written = writeln!(stdout, "{}", printable(text)).and_then(|()| stdout.flush());
    written.map_err(OutputError)
}

/// Prints the error to standard error. If that cannot be written to, only the exit code can report
/// the error.
pub fn print_error(error: &impl Display) {
    let _ = writeln!(io::stderr(), "error: {}", printable(&error.to_string()));
}

/// Returns the text with its control characters escaped, except line breaks. It may come from an
/// item that another principal has written.
fn printable(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(escape_controls).collect();
    lines.join("\n")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_shows_control_characters_and_does_not_execute_them() {
        let text = "name\u{1b}[2J\r\u{9b}31m é\nnext";
        assert_eq!(printable(text), "name\\u001b[2J\\u000d\\u009b31m é\nnext");
    }
}
