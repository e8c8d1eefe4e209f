//! `sealgate verify`: the question of the webhook, asked from a laptop.

mod advice;
mod artifact;
mod predicate;
mod report;
mod signer;
mod table;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::{ArgGroup, Args, ValueEnum};
use jiff::Timestamp;
use serde::Serialize;
use tokio::time::Instant;

use crate::api;
use crate::domain::{ImageReference, Pattern, Repository};
use crate::files::{self, Contents};
use crate::keychain::DockerConfigFile;
use crate::policy::{
    AttestationDemand, Authority, Defaults, Entry, ImageVerdict, LabelSelector, Matching, Mode, Policy, PolicyCell,
    PolicyParts, PolicySet, Require,
};
use crate::registry;
use crate::signatures::RootsCell;
use crate::telemetry::{Metrics, log};
use crate::trust;
use crate::verifier::ports::{NameAlone, PullContext};
use crate::verifier::{Engine, Question};

use super::{output, wiring};

use report::Report;

/// What the policy is called that the flags make.
const FLAGS: &str = "command-line";
/// What is said on standard error of what `sealgate serve` logs: which logins a registry has refused, which no answer says.
const LOG: &str = "off,sealgate::registry=warn";

#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("trust").required(true).args([
        "policy", "key", "certificate_identity", "certificate_identity_regexp",
    ]),
    after_help = "Exit codes: 0 all accepted, 1 something rejected, 2 wrong usage, 3 could not decide.\n\n\
        Examples:\n\n  \
        Signed with a key:\n    \
        sealgate verify --key cosign.pub registry.example.com/app:1.2\n\n  \
        Signed by a workflow, with a certificate of Sigstore:\n    \
        sealgate verify registry.example.com/app:1.2 \\\n      \
        --certificate-oidc-issuer https://gitlab.com \\\n      \
        --certificate-identity https://gitlab.com/acme/app//.gitlab-ci.yml@refs/heads/main\n\n  \
        With a provenance beside it:\n    \
        sealgate verify --key cosign.pub --type slsaprovenance1 registry.example.com/app:1.2\n\n  \
        As the cluster would decide:\n    \
        kubectl get csigpol ci-images -o yaml | sealgate verify --policy - registry.example.com/app:1.2\n\n  \
        A file with the bundle beside it:\n    \
        sealgate verify --key cosign.pub --bundle app.tar.gz.sigstore.json app.tar.gz"
)]
pub(super) struct Arguments {
    /// Images, as a pod would name them; with --bundle, one file or sha256:HEX
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
    /// A file or folder of policies, with trusted roots; - reads standard input
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// With --policy: ask as a pod of this namespace; without it every policy counts, wherever it governs
    #[arg(short, long, value_name = "NAME", requires = "policy")]
    namespace: Option<String>,
    /// A Sigstore bundle of the file that is named in place of an image
    #[arg(long, value_name = "FILE", conflicts_with_all = ["policy", "annotations", "signature_repository"])]
    bundle: Option<PathBuf>,
    /// An attestation of this type must be there, by that signer: slsaprovenance, slsaprovenance02, slsaprovenance1, spdx,
    /// spdxjson, cyclonedx, vuln, openvex, link, custom, or a URI. Signatures of the image itself are then not asked for
    #[arg(long = "type", value_name = "TYPE", value_parser = predicate::predicate_type, conflicts_with = "policy")]
    predicate_type: Option<String>,
    /// An annotation that the signed payload must carry; may be repeated
    #[arg(
        short,
        long,
        alias = "annotation",
        value_name = "KEY=VALUE",
        value_parser = key_value,
        conflicts_with_all = ["policy", "predicate_type"]
    )]
    annotations: Vec<(String, String)>,
    /// The repository where signatures are kept, when not beside the image
    #[arg(
        long,
        value_name = "REPOSITORY",
        env = "COSIGN_REPOSITORY",
        hide_env_values = true,
        conflicts_with = "policy"
    )]
    signature_repository: Option<String>,
    /// How to print the answer
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    signer: signer::Flags,
    #[command(flatten)]
    registry: RegistryFlags,
}

#[derive(Debug, Args)]
#[group(skip)]
#[command(next_help_heading = "Registries")]
struct RegistryFlags {
    /// Settings of `sealgate serve`, for its registries
    #[arg(long, value_name = "FILE", env = "SEALGATE_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
    /// Credentials; the default is `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`
    #[arg(long, value_name = "FILE")]
    docker_config: Option<PathBuf>,
    /// Speak plain http with the registries of these images: anyone on the network can answer in their place
    #[arg(long, alias = "allow-http-registry")]
    allow_insecure_registry: bool,
    /// Seconds to wait for the registries
    #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Format {
    #[default]
    Table,
    Json,
    Yaml,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<u8> {
    if let Some(bundle) = &arguments.bundle {
        let [artifact] = arguments.images.as_slice() else { bail!("--bundle is about one file: name one") };
        let signer = arguments.signer.signer()?;
        let report = artifact::verify(bundle, artifact, &signer, arguments.predicate_type.as_deref())?;
        arguments.output.print(&report, artifact::ArtifactReport::table)?;
        return Ok(report.exit_code());
    }
    let (contents, namespace) = policies(&arguments)?;
    let _log = log::init(LOG, log::Format::Plain, Metrics::new())?;
    let verdicts = ask(&arguments, contents, namespace).await?;
    let report = Report::new(&verdicts);
    arguments.output.print(&report, table::render)?;
    Ok(report.exit_code())
}

impl Format {
    fn print<R: Serialize>(self, report: &R, table: impl Fn(&R) -> String) -> anyhow::Result<()> {
        match self {
            Self::Table => Ok(output::text(&table(report))?),
            Self::Json => output::json(report),
            Self::Yaml => output::yaml(report),
        }
    }
}

async fn ask(arguments: &Arguments, contents: Contents, namespace: String) -> anyhow::Result<Vec<ImageVerdict>> {
    let registry = registry::Client::new(&registry_settings(arguments)?, Metrics::new())?;
    let keychain = docker_config(arguments.registry.docker_config.as_deref())?.map(DockerConfigFile::new);
    let now = Timestamp::now();
    let (policies, roots) = (PolicyCell::default(), RootsCell::default());
    policies.store(contents.policies);
    roots.store(trust::offline(&contents.roots, now));
    let timeout = Duration::from_secs(arguments.registry.timeout);
    let deadline = Instant::now().checked_add(timeout).context("the timeout is too long")?;
    let context = PullContext { namespace: namespace.clone(), ..PullContext::default() };
    let question = Question { namespace, images: arguments.images.clone(), context, deadline, now };
    let engine = Engine::new(registry, keychain, policies, roots, Defaults::default()).with_namespaces(NameAlone);
    Ok(engine.verify(&question).await)
}

/// What counts, and for which namespace.
fn policies(arguments: &Arguments) -> anyhow::Result<(Contents, String)> {
    let contents = match &arguments.policy {
        Some(path) => {
            let mut contents = from_files(path)?;
            contents.roots.extend(arguments.signer.roots_of_policies()?);
            contents
        }
        None => from_flags(arguments)?,
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
    for entry in contents.policies.entries() {
        let Some(policy) = entry.in_force() else { continue };
        for warning in policy.warnings() {
            warn(&format!("{}: policy {}: {warning}", path.display(), policy.parts().name));
        }
    }
    Ok(contents)
}

/// The flags as a policy about every image: of the signature, or of an attestation in its place.
fn from_flags(arguments: &Arguments) -> anyhow::Result<Contents> {
    let signer = arguments.signer.signer()?;
    let attestations = arguments.predicate_type.iter().map(|predicate_type| AttestationDemand {
        name: "type".into(),
        predicate_type: predicate_type.clone(),
        authorities: vec![0],
        matching: Matching::Any,
        conditions: Vec::new(),
    });
    let policy = Policy::new(PolicyParts {
        name: FLAGS.into(),
        mode: Mode::Enforce,
        images: vec![Pattern::parse("**")?],
        exclude_images: Vec::new(),
        namespaces: Vec::new(),
        namespace_selector: LabelSelector::default(),
        authorities: vec![Authority { name: signer.name.into(), trust: signer.trust }],
        require: Require { at_least: usize::from(arguments.predicate_type.is_none()), of: vec![0] },
        annotations: arguments.annotations.iter().cloned().collect(),
        signature_repository: arguments.signature_repository.as_deref().map(repository).transpose()?,
        log: signer.log,
        attestations: attestations.collect(),
    });
    let policy = policy.map_err(|error| anyhow!(error.problem))?;
    Ok(Contents {
        policies: PolicySet::new(vec![Entry::Valid(Arc::new(policy))], BTreeMap::new()),
        roots: signer.roots,
        broken: Vec::new(),
    })
}

fn repository(text: &str) -> anyhow::Result<Repository> {
    Repository::parse(text).map_err(|problem| anyhow!("--signature-repository {text}: {problem}"))
}

/// Something that the reader should know and that is no answer.
fn warn(text: &str) {
    // Nothing is left to do when standard error is closed.
    let _ = writeln!(io::stderr().lock(), "sealgate: warning: {text}");
}

/// The hosts that a person names on the command line may lie anywhere; where they redirect to may not.
fn registry_settings(arguments: &Arguments) -> anyhow::Result<registry::Settings> {
    let mut settings = wiring::registry(&wiring::config(arguments.registry.config.as_deref())?)?;
    for image in arguments.images.iter().filter_map(|image| ImageReference::parse(image).ok()) {
        let host = settings.hosts.entry(image.repository().host().to_owned()).or_default();
        host.allow_private_address = true;
        host.plain_http |= arguments.registry.allow_insecure_registry;
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
