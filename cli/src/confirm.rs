//! Asks the operator before something is changed.

use std::io::{self, BufRead, IsTerminal, Write};

use crate::failure::Failure;

/// Asks a question on standard error, whose answer is yes or no.
///
/// # Errors
/// If standard input is not a terminal, so the question cannot be answered.
pub fn confirm(question: &str) -> Result<bool, Failure> {
    let mut stdin = io::stdin().lock();
    if !stdin.is_terminal() {
        return Err(Failure::Unconfirmed(
            "nothing was changed: standard input is not a terminal, so the change cannot be confirmed; \
             pass --yes",
        ));
    }
    let mut stderr = io::stderr();
    let mut answer = String::new();
    write!(stderr, "{question} [y/N] ")
        .and_then(|()| stderr.flush())
        .and_then(|()| stdin.read_line(&mut answer))
        .map_err(Failure::Process)?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}
