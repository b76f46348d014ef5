//! The binary `rerole`.

use std::process::ExitCode;

fn main() -> ExitCode {
    rerole_cli::main()
}
