//! Output to the terminal: answers, errors, and progress. What an answer contains is up to the
//! commands.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use console::{Style, Term};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rerole_core::printable::escape_controls;
use rerole_core::rotation::Status;

use crate::exit::Exit;
use crate::stack::flags::{ColorChoice, Form, OutputFlags};
use crate::table::{self, Shorten};
use crate::words;

/// The width where there is no terminal, and the least that a table gets.
const WIDTH_MIN: u16 = 80;

/// Standard output could not be written to.
#[derive(Debug, thiserror::Error)]
#[error("write to standard output: {0}")]
pub struct OutputError(pub io::Error);

/// How answers are laid out.
#[derive(Debug, Clone)]
pub struct Layout {
    pub form: Form,
    /// In columns. `None` if nothing is shortened.
    width: Option<u16>,
    has_color: bool,
}

impl Layout {
    /// The layout that the flags, the environment and the terminal ask for.
    pub fn new(flags: &OutputFlags) -> Self {
        let columns = std::env::var("COLUMNS")
            .ok()
            .and_then(|text| text.parse().ok());
        let terminal = Term::stdout().size_checked().map(|(_, columns)| columns);
        let width = columns.or(terminal).unwrap_or(WIDTH_MIN).max(WIDTH_MIN);
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            form: flags.output,
            width: (flags.output != Form::Wide).then_some(width),
            has_color: match flags.color {
                _ if flags.output == Form::Json => false,
                ColorChoice::Always => true,
                ColorChoice::Never => false,
                ColorChoice::Auto => io::stdout().is_terminal() && !no_color,
            },
        }
    }

    /// Whether text may have color.
    pub fn has_color(&self) -> bool {
        self.has_color
    }

    /// A layout of this width, without color.
    #[cfg(test)]
    pub fn of_width(width: u16) -> Self {
        Self {
            form: Form::Table,
            width: Some(width),
            has_color: false,
        }
    }

    /// The layout where there is neither a terminal nor a variable of the environment.
    #[cfg(test)]
    pub fn plain(form: Form) -> Self {
        Self {
            form,
            width: (form != Form::Wide).then_some(WIDTH_MIN),
            has_color: false,
        }
    }

    /// A table with these column names. A row takes one line: if the table is too wide, cells are
    /// shortened.
    pub fn table(&self, header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
        table::text(header, rows, Shorten::All, self.width)
    }

    /// A table whose first two columns are never shortened: IDs to paste, and statuses.
    pub fn table_of_ids(
        &self,
        header: &[&str],
        rows: impl IntoIterator<Item = Vec<String>>,
    ) -> String {
        table::text(header, rows, Shorten::AllButFirstTwo, self.width)
    }

    /// A status in its color: green for what is done, yellow for what waits for a person or leaves
    /// something, red for what failed.
    pub fn status(&self, status: Status) -> String {
        let color = match Exit::of(status) {
            Exit::Done => Style::new().green(),
            Exit::StillInUse | Exit::WaitsForPerson => Style::new().yellow(),
            _ => Style::new().red(),
        };
        self.paint(&color, format!("{status:?}"))
    }

    /// Who sent an event: the name of a caller, or all of the claim where nothing is shortened.
    pub fn caller(&self, claim: &str) -> String {
        match self.form {
            Form::Table => words::caller(claim).to_owned(),
            Form::Wide | Form::Json => claim.to_owned(),
        }
    }

    /// A heading.
    pub fn heading(&self, text: impl Display) -> String {
        self.paint(&Style::new().bold(), text.to_string())
    }

    /// Text that is less important.
    pub fn faint(&self, text: impl Display) -> String {
        self.paint(&Style::new().dim(), text.to_string())
    }

    fn paint(&self, style: &Style, text: String) -> String {
        let style = style.clone().force_styling(self.has_color);
        style.apply_to(text).to_string()
    }
}

/// Prints the text and a line break to standard output, at once. The text may have colors, so what
/// comes from AWS must have been passed through [`printable`] before.
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
    let _ = writeln!(io::stderr(), "error: {}", printable(&error.to_string()));
}

/// Prints a remark to standard error: what the operator should know, beside the answer.
pub fn note(text: &impl Display) {
    let _ = writeln!(io::stderr(), "{}", printable(&text.to_string()));
}

/// Returns the text with its control characters escaped, except line breaks. It may come from an
/// item that another principal has written.
pub fn printable(text: &str) -> String {
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
