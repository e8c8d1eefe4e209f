//! The commands, and the one place where everything is wired.

use std::process::ExitCode;

/// Runs the command line.
pub fn run() -> ExitCode {
    todo!()
}
