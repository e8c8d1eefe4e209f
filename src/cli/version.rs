//! `sealgate version`.

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::trust::COPIED_ON;

use super::{ACCEPTED, output};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let version = env!("CARGO_PKG_VERSION");
    match arguments.output {
        Format::Text => output::line(&format!("sealgate {version}"))?,
        Format::Json => output::json(&json!({ "version": version, "trustedRootsCopiedOn": COPIED_ON }))?,
    }
    Ok(ACCEPTED)
}
