//! The commands, and the one place where everything is wired.
//!
//! `anyhow` lives here and nowhere below: what reaches a person is one line that says what went wrong, and where.

mod generate;
mod output;
mod probe;
mod serve;
mod uninstall;
mod verify;
mod version;
mod wiring;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser, Subcommand};

/// Everything was accepted.
pub const ACCEPTED: u8 = 0;
/// Something was rejected.
pub const REJECTED: u8 = 1;
/// The command line, a file or a setting is wrong.
pub const USAGE: u8 = 2;
/// Could not decide: a registry or the cluster did not answer.
pub const UNDECIDED: u8 = 3;

/// Only signed images run.
///
/// sealgate is a Kubernetes admission controller that verifies the signatures of every image a pod would run, pins each
/// image to the digest it verified, and denies pods that a policy does not accept.
#[derive(Debug, Parser)]
#[command(name = "sealgate", version, max_term_width = 100, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer admission reviews, in a cluster or with policies from a folder
    Serve(Box<serve::Arguments>),
    /// Verify images as the webhook would, and say what was found
    Verify(Box<verify::Arguments>),
    /// Print what the project generates: CRDs, webhook rules, schemas, docs
    Generate(generate::Arguments),
    /// Open the gate for good: empty the webhook configurations before an uninstall
    Uninstall(uninstall::Arguments),
    /// Ask a URL and fail unless it answers 200
    Probe(probe::Arguments),
    /// Print the version
    Version(version::Arguments),
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    match dispatch(arguments.command) {
        Ok(code) => ExitCode::from(code),
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&error);
            ExitCode::from(USAGE)
        }
    }
}

/// The whole command line, for the generated reference.
pub fn command() -> clap::Command {
    Arguments::command()
}

fn dispatch(command: Command) -> anyhow::Result<u8> {
    // Both fail only when a provider is installed already, and nothing else installs one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match command {
        Command::Serve(arguments) => block_on(serve::run(*arguments)),
        Command::Verify(arguments) => block_on(verify::run(*arguments)),
        Command::Generate(arguments) => generate::run(arguments),
        Command::Uninstall(arguments) => block_on(uninstall::run(arguments)),
        Command::Probe(arguments) => block_on(probe::run(arguments)),
        Command::Version(arguments) => version::run(&arguments),
    }
}

fn block_on<F: Future<Output = anyhow::Result<u8>>>(future: F) -> anyhow::Result<u8> {
    tokio::runtime::Builder::new_multi_thread()
        // Conditions of policies are parsed and evaluated by functions that call themselves.
        .thread_stack_size(8 << 20)
        .enable_all()
        .build()
        .context("the async runtime does not start")?
        .block_on(future)
}

#[cfg(test)]
mod tests;
