//! `sealgate verify`: the question of the webhook, asked from a laptop.

mod report;
mod table;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{ArgGroup, Args, ValueEnum};
use jiff::Timestamp;
use serde_json::json;
use tokio::time::Instant;

use crate::api;
use crate::domain::ImageReference;
use crate::files::{self, Contents};
use crate::keychain::DockerConfigFile;
use crate::policy::{Defaults, Entry, ImageVerdict, PolicyCell, PolicySet};
use crate::registry;
use crate::signatures::RootsCell;
use crate::telemetry::Metrics;
use crate::trust;
use crate::verifier::ports::PullContext;
use crate::verifier::{Engine, Question};

use super::{output, wiring};

use report::Report;

#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("trust").required(true).args(["policy", "key"]),
    after_help = "Exit codes: 0 all accepted, 1 something rejected, 2 wrong usage, 3 could not decide.\n\n\
        Examples:\n  \
        sealgate verify --key cosign.pub registry.example.com/app:1.2\n  \
        kubectl get csigpol ci-images -o yaml | sealgate verify --policy - registry.example.com/app:1.2"
)]
pub(super) struct Arguments {
    /// Images, as a pod would name them
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
    /// A file or folder of policies; - reads standard input
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// A public key (PEM) that must have signed, instead of a policy
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// With --key: an annotation that the signed payload must carry; may be repeated
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = key_value, conflicts_with = "policy")]
    annotation: Vec<(String, String)>,
    /// With --key: the repository where signatures are kept, when not beside the image
    #[arg(
        long,
        value_name = "REPOSITORY",
        env = "COSIGN_REPOSITORY",
        hide_env_values = true,
        conflicts_with = "policy"
    )]
    signature_repository: Option<String>,
    /// With --policy: ask as a pod of this namespace; without it every policy counts, wherever it governs
    #[arg(short, long, value_name = "NAME", conflicts_with = "key")]
    namespace: Option<String>,
    /// Settings of `sealgate serve`, for its registries
    #[arg(long, value_name = "FILE", env = "SEALGATE_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
    /// Credentials; the default is `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`
    #[arg(long, value_name = "FILE")]
    docker_config: Option<PathBuf>,
    /// Speak plain http with the registries of these images: anyone on the network can answer in their place
    #[arg(long)]
    allow_http_registry: bool,
    /// Seconds to wait for the registries
    #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
    /// How to print the answer
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Format {
    #[default]
    Table,
    Json,
    Yaml,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<u8> {
    let (contents, namespace) = policies(&arguments)?;
    let verdicts = ask(&arguments, contents, namespace).await?;
    let report = Report::new(&verdicts);
    match arguments.output {
        Format::Table => output::text(&table::render(&report))?,
        Format::Json => output::json(&report)?,
        Format::Yaml => output::yaml(&report)?,
    }
    Ok(report.exit_code())
}

async fn ask(arguments: &Arguments, contents: Contents, namespace: String) -> anyhow::Result<Vec<ImageVerdict>> {
    let registry = registry::Client::new(&registry_settings(arguments)?, Metrics::new())?;
    let keychain = docker_config(arguments.docker_config.as_deref())?.map(DockerConfigFile::new);
    let now = Timestamp::now();
    let (policies, roots) = (PolicyCell::default(), RootsCell::default());
    policies.store(contents.policies);
    roots.store(trust::offline(&contents.roots, now));
    let deadline =
        Instant::now().checked_add(Duration::from_secs(arguments.timeout)).context("the timeout is too long")?;
    let context = PullContext { namespace: namespace.clone(), ..PullContext::default() };
    let question = Question { namespace, images: arguments.images.clone(), context, deadline, now };
    Ok(Engine::new(registry, keychain, policies, roots, Defaults::default()).verify(&question).await)
}

fn policies(arguments: &Arguments) -> anyhow::Result<(Contents, String)> {
    let contents = match (&arguments.policy, &arguments.key) {
        (Some(path), _) => from_files(path)?,
        (None, Some(path)) => Contents { policies: from_key(path, arguments)?, roots: BTreeMap::new() },
        (None, None) => bail!("expected --policy or --key"),
    };
    match &arguments.namespace {
        Some(namespace) => Ok((contents, namespace.clone())),
        None => Ok((Contents { policies: contents.policies.everywhere()?, ..contents }, "default".to_owned())),
    }
}

fn from_files(path: &Path) -> anyhow::Result<Contents> {
    let contents = if path == Path::new("-") { files::load(Path::new("/dev/stdin")) } else { files::load(path) }?;
    if contents.policies.entries().is_empty() {
        bail!("{}: there is no {} in it", path.display(), api::KIND);
    }
    Ok(contents)
}

fn from_key(path: &Path, arguments: &Arguments) -> anyhow::Result<PolicySet> {
    let key = fs::read_to_string(path).with_context(|| format!("{}: can't be read", path.display()))?;
    let annotations: BTreeMap<_, _> = arguments.annotation.iter().cloned().collect();
    let mut signature = BTreeMap::from([("annotations", json!(annotations))]);
    if let Some(repository) = &arguments.signature_repository {
        signature.insert("repository", json!(repository));
    }
    let spec = json!({
        "match": { "images": ["**"] },
        "authorities": [{ "name": "key", "key": { "publicKey": key } }],
        "signature": signature,
    });
    match api::compile("command-line", &spec) {
        Entry::Broken(broken) => bail!("{}: {}", path.display(), broken.error.problem),
        valid @ Entry::Valid(_) => Ok(PolicySet::new(vec![valid], BTreeMap::new())),
    }
}

/// The hosts that a person names on the command line may lie anywhere; where they redirect to may not.
fn registry_settings(arguments: &Arguments) -> anyhow::Result<registry::Settings> {
    let mut settings = wiring::registry(&wiring::config(arguments.config.as_deref())?)?;
    for image in arguments.images.iter().filter_map(|image| ImageReference::parse(image).ok()) {
        let host = settings.hosts.entry(image.repository().host().to_owned()).or_default();
        host.allow_private_address = true;
        host.plain_http |= arguments.allow_http_registry;
    }
    Ok(settings)
}

fn docker_config(named: Option<&Path>) -> anyhow::Result<Option<PathBuf>> {
    if let Some(path) = named {
        fs::metadata(path).with_context(|| format!("{}: can't be read", path.display()))?;
        return Ok(Some(path.to_owned()));
    }
    let folder = env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let folder = folder.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".docker")));
    Ok(folder.map(|folder| folder.join("config.json")).filter(|path| path.exists()))
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}
