//! `sealgate uninstall`: what the chart's pre-delete hook runs.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use crate::cluster::client;
use crate::cluster::removal::{Configurations, Opened, open_the_gate};

use super::{ACCEPTED, output};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The name of both webhook configurations
    #[arg(long, value_name = "NAME", default_value = "sealgate")]
    webhook_configuration: String,
    /// The cluster; without it the one that this pod runs in
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<u8> {
    let Arguments { webhook_configuration, kubeconfig } = arguments;
    let client = client::connect(kubeconfig.as_deref()).await?;
    let names = Configurations { mutating: webhook_configuration.clone(), validating: webhook_configuration };
    let opened = open_the_gate(&client, &names).await.context("the gate could not be opened")?;
    for (kind, opened) in ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"].iter().zip(opened) {
        let done = match opened {
            Opened::Emptied => "emptied and marked as removed",
            Opened::Absent => "not there",
        };
        output::line(&format!("{kind} {}: {done}", names.mutating))?;
    }
    Ok(ACCEPTED)
}
