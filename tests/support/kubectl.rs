//! kubectl and other programs, run and waited for.

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// Runs kubectl; what it printed, or what it complained of.
pub fn kubectl(arguments: &[&str]) -> Result<String, String> {
    kubectl_with(arguments, "")
}

/// The same with input.
pub fn kubectl_with(arguments: &[&str], input: &str) -> Result<String, String> {
    run(Command::new("kubectl").args(arguments), input)
}

/// The same where some of what is asked may fail: what it printed, and what it complained of.
pub fn kubectl_partly(arguments: &[&str], input: &str) -> (String, String) {
    let Output { stdout, stderr, .. } = output(Command::new("kubectl").args(arguments), input);
    (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// Runs a command with input.
fn output(command: &mut Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// Runs a command with input; what it printed, or what it complained of.
pub fn run(command: &mut Command, input: &str) -> Result<String, String> {
    let Output { status, stdout, stderr } = output(command, input);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if status.success() { Ok(text(stdout)) } else { Err(text(stderr)) }
}
