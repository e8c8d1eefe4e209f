//! The `sealgate` program: crypto provider, command line, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    sealgate::cli::run()
}
