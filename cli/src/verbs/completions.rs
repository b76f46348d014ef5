//! `rerole completions`: a script with which a shell completes verbs and flags.

use clap::Args;
use clap_complete::{Shell, generate};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::terminal::print;

#[derive(Debug, Clone, Args)]
pub struct CompletionsFlags {
    /// The shell; its manual says where it reads such scripts, for example
    /// ~/.local/share/bash-completion/completions/rerole
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: Shell,
}

/// Prints the script for this command line.
///
/// # Errors
/// If standard output cannot be written to.
pub fn run(flags: &CompletionsFlags, mut command: clap::Command) -> Result<Exit, Failure> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    generate(flags.shell, &mut command, name, &mut script);
    print(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Done)
}
