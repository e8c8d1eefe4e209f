//! `sealgate generate`: everything that is derived from the code.

mod limits;
mod pages;

use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use clap_complete::Shell;
use serde_json::json;

use crate::api;
use crate::cluster::webhooks::{self, Reach};
use crate::config;
use crate::telemetry::metrics;

use super::{ACCEPTED, command, output, wiring};

/// The name under which the program is called.
const PROGRAM: &str = "sealgate";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The custom resource definitions, as YAML
    Crds,
    /// The JSON schema of the settings, which is that of the chart's value `config`
    ValuesSchema,
    /// A page of the reference, as Markdown
    Docs {
        /// Which page
        #[command(subcommand)]
        page: Page,
    },
    /// What a shell needs to complete commands and flags
    Completions {
        /// The shell
        shell: Shell,
    },
    /// The manual page, in roff
    Man,
    /// The two webhook configurations as the leader fills them in, as YAML
    Webhooks(WebhookArguments),
}

#[derive(Debug, Subcommand)]
enum Page {
    /// The command line
    Cli,
    /// The settings
    Configuration,
    /// The limits, and what happens beyond them
    Limits,
    /// The metrics
    Metrics,
    /// The fields of a ClusterSignaturePolicy
    Policy,
    /// The fields of a TrustedRoot
    TrustedRoot,
}

#[derive(Debug, Args)]
struct WebhookArguments {
    /// Settings of `sealgate serve`
    #[arg(long, value_name = "FILE", env = "SEALGATE_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
    /// The release's namespace
    #[arg(long, value_name = "NAME", default_value = "sealgate")]
    namespace: String,
    /// The Service, and the name of both configurations
    #[arg(long, value_name = "NAME", default_value = "sealgate")]
    service: String,
    /// As while no policy enforces: a fault of the webhook stops nothing
    #[arg(long)]
    observe: bool,
    /// PEM file with the CA of the webhook's certificate
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<u8> {
    match arguments.what {
        What::Crds => crds()?,
        What::ValuesSchema => output::json(&config::schema())?,
        What::Docs { page: Page::Cli } => output::text(&pages::command_line())?,
        What::Docs { page: Page::Configuration } => output::text(&pages::configuration())?,
        What::Docs { page: Page::Limits } => output::text(&limits::page())?,
        What::Docs { page: Page::Metrics } => output::text(&metrics::reference())?,
        What::Docs { page: Page::Policy } => output::text(&pages::policy())?,
        What::Docs { page: Page::TrustedRoot } => output::text(&pages::trusted_root())?,
        What::Completions { shell } => completions(shell)?,
        What::Man => manual()?,
        What::Webhooks(arguments) => webhook_configurations(arguments)?,
    }
    Ok(ACCEPTED)
}

fn crds() -> anyhow::Result<()> {
    for crd in api::crds() {
        output::line("---")?;
        output::yaml(&crd)?;
    }
    Ok(())
}

fn completions(shell: Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), PROGRAM, &mut script);
    Ok(output::text(&String::from_utf8(script)?)?)
}

/// One page for all commands, one section a command.
fn manual() -> anyhow::Result<()> {
    let mut command = command();
    command.build();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        let man = clap_mangen::Man::new(command.clone());
        writeln!(page, ".SH \"{} {}\"", PROGRAM.to_uppercase(), command.get_name().to_uppercase())?;
        man.render_synopsis_section(&mut page)?;
        man.render_description_section(&mut page)?;
        man.render_options_section(&mut page)?;
    }
    Ok(output::text(&String::from_utf8(page)?)?)
}

fn webhook_configurations(arguments: WebhookArguments) -> anyhow::Result<()> {
    let WebhookArguments { config, namespace, service, observe, ca_file } = arguments;
    let config = wiring::config(config.as_deref())?;
    let ca_bundle = ca_file.map(std::fs::read_to_string).transpose()?.unwrap_or_default();
    let settings = wiring::webhooks(&config, namespace, service.clone(), 443);
    let reach = if observe { Reach::Observe } else { Reach::Enforce };
    let webhooks = webhooks::render(&wiring::kinds(&config)?, &settings, reach, &ca_bundle);
    for (kind, webhooks) in [
        ("MutatingWebhookConfiguration", json!(webhooks.mutating)),
        ("ValidatingWebhookConfiguration", json!(webhooks.validating)),
    ] {
        output::line("---")?;
        output::yaml(&json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": kind,
            "metadata": { "name": service },
            "webhooks": webhooks,
        }))?;
    }
    Ok(())
}
