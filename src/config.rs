//! The settings of `sealgate serve`: one YAML file, which the chart renders from its values, overridden by flags.
//!
//! The chart's `values.schema.json` is generated from these types. A setting that is not known is refused, as is one that
//! could not have the effect that its author expects.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::domain::Repository;
use crate::domain::name::is_dns_label;
use crate::domain::text::{foreign, without_types};
use crate::domain::workload::{ExtraKind, KindTable};

/// Least bytes of review bodies that are held at once: room for one review of the largest size beside small ones.
const LEAST_BODY_BUDGET: usize = 29 << 20;
/// What may be set as the largest attestation, in bytes.
const ATTESTATION_BYTES: RangeInclusive<u64> = (64 << 10)..=(128 << 20);
/// Settings larger than this are no settings.
const MAX_BYTES: usize = 1 << 20;

/// All settings. Every field has a default that is safe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    /// What happens to an image that no policy matches, in a namespace that a policy governs.
    pub unmatched_images: Reaction,
    /// What happens in a namespace that no policy governs.
    pub ungoverned_namespaces: UngovernedReaction,
    /// Early feedback on Deployments and other templates of pods.
    pub workloads: WorkloadReaction,
    /// What happens to a static pod's mirror that a policy does not accept. The node runs it in any case.
    pub mirror_pods: MirrorPodReaction,
    /// Further kinds that carry a pod template.
    pub extra_workloads: Vec<ExtraWorkload>,
    /// Namespaces that are left out, besides kube-system and the release's own.
    #[schemars(inner(length(min = 1, max = 63)))]
    pub excluded_namespaces: Vec<String>,
    /// Registries that need settings of their own.
    pub registries: Vec<RegistryConfig>,
    /// The admission webhooks.
    pub webhook: WebhookConfig,
    /// Limits of the process.
    pub limits: LimitsConfig,
    /// A docker `config.json` whose credentials may be used for every namespace.
    pub docker_config_file: Option<PathBuf>,
    /// Where pull secrets may be read.
    pub pull_secrets: PullSecretsConfig,
    /// Trusted roots: whose certificates, logs and timestamps count.
    pub trusted_roots: TrustedRootsConfig,
    /// The log.
    pub log: LogConfig,
}

/// Why settings can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not YAML, a setting that is not known, or a value of the wrong kind; with line and column.
    #[error("{0}")]
    Syntax(String),
    /// A value that can't be used.
    #[error("{path}: {problem}")]
    Setting {
        /// Which one, such as `registries[0].host`.
        path: String,
        /// What was expected and what was found.
        problem: String,
    },
}

/// The JSON schema of the settings, for editors and for the chart's values: without references, so that it can stand inside
/// another schema.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft07().with(|s| {
        s.inline_subschemas = true;
        s.meta_schema = None;
    });
    settings.into_generator().into_root_schema_for::<Config>().to_value()
}

impl Config {
    /// Reads and validates settings. Nothing but blanks and comments gives the defaults.
    pub fn from_yaml(bytes: &[u8]) -> Result<Self, ConfigError> {
        let syntax = |problem: String| ConfigError::Syntax(foreign(&without_types(&problem)));
        if bytes.len() > MAX_BYTES {
            return Err(syntax(format!("larger than {} MiB", MAX_BYTES >> 20)));
        }
        let text = str::from_utf8(bytes).map_err(|e| syntax(e.to_string()))?;
        let options = serde_saphyr::options! {
            duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::Error,
            reject_unsupported_tags: true,
            with_snippet: false,
        };
        let config: Option<Self> =
            serde_saphyr::from_str_with_options(text, options).map_err(|e| syntax(e.to_string()))?;
        let config = config.unwrap_or_default();
        config.validate()?;
        Ok(config)
    }

    /// Checks what the types leave open.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if !(2..=30).contains(&self.webhook.timeout_seconds) {
            let found = self.webhook.timeout_seconds;
            return Err(setting("webhook.timeoutSeconds", format!("must be from 2 to 30, found {found}")));
        }
        if self.limits.max_connections == 0 {
            return Err(setting("limits.maxConnections", "must be at least 1"));
        }
        if self.limits.body_budget_bytes < LEAST_BODY_BUDGET {
            let found = self.limits.body_budget_bytes;
            let problem =
                format!("must be at least {LEAST_BODY_BUDGET}, with room for the largest review; found {found}");
            return Err(setting("limits.bodyBudgetBytes", problem));
        }
        if !ATTESTATION_BYTES.contains(&self.limits.attestation_bytes) {
            let (least, most) = (ATTESTATION_BYTES.start(), ATTESTATION_BYTES.end());
            let problem = format!("must be from {least} to {most}, found {}", self.limits.attestation_bytes);
            return Err(setting("limits.attestationBytes", problem));
        }
        if self.log.level.trim().is_empty() {
            return Err(setting("log.level", "must not be blank"));
        }
        check_namespaces("excludedNamespaces", &self.excluded_namespaces)?;
        check_namespaces("pullSecrets.namespaces", &self.pull_secrets.namespaces)?;
        self.trusted_roots.validate()?;
        let extra: Vec<_> = self.extra_workloads.iter().map(ExtraWorkload::as_kind).collect();
        KindTable::new(&extra).map_err(|e| setting("extraWorkloads", e.to_string()))?;
        check_registries(&self.registries)
    }
}

impl TrustedRootsConfig {
    fn validate(&self) -> Result<(), ConfigError> {
        if !(1..=24).contains(&self.refresh_hours) {
            let found = self.refresh_hours;
            return Err(setting("trustedRoots.refreshHours", format!("must be from 1 to 24, found {found}")));
        }
        if self.grace_hours > 720 {
            let found = self.grace_hours;
            return Err(setting("trustedRoots.graceHours", format!("must be at most 720, found {found}")));
        }
        let mut hosts = BTreeSet::new();
        for (i, mirror) in self.hosts.iter().enumerate() {
            let path = |field: &str| format!("trustedRoots.hosts[{i}].{field}");
            let scheme = if mirror.plain_http { "http" } else { "https" };
            let url = Url::parse(&format!("{scheme}://{}/", mirror.host));
            let is_host = url.is_ok_and(|url| url.as_str() == format!("{scheme}://{}/", mirror.host));
            if !is_host || mirror.host.contains(['@', '/', '?', '#']) {
                let problem = "write the host as it stands in the URL, in lower case, with the port where that is not the usual one";
                return Err(setting(path("host"), problem));
            }
            if !hosts.insert(&mirror.host) {
                return Err(setting(path("host"), format!("{} is listed before", mirror.host)));
            }
            if mirror.plain_http && mirror.ca_file.is_some() {
                return Err(setting(path("caFile"), "has no effect with plainHttp"));
            }
        }
        Ok(())
    }
}

fn check_namespaces(path: &str, names: &[String]) -> Result<(), ConfigError> {
    match names.iter().enumerate().find(|(_, name)| !is_dns_label(name)) {
        Some((i, name)) => {
            Err(setting(format!("{path}[{i}]"), format!("\"{}\" is not the name of a namespace", foreign(name))))
        }
        None => Ok(()),
    }
}

fn check_registries(registries: &[RegistryConfig]) -> Result<(), ConfigError> {
    let mut hosts = BTreeSet::new();
    for (i, registry) in registries.iter().enumerate() {
        let path = |field: &str| format!("registries[{i}].{field}");
        check_host(&path("host"), &registry.host)?;
        if !hosts.insert(&registry.host) {
            return Err(setting(path("host"), format!("{} is listed before", registry.host)));
        }
        if registry.plain_http && registry.ca_file.is_some() {
            return Err(setting(path("caFile"), "has no effect with plainHttp"));
        }
        for (j, host) in registry.token_hosts.iter().enumerate() {
            check_host(&path(&format!("tokenHosts[{j}]")), host)?;
        }
    }
    Ok(())
}

/// A host in another form than images have in policies would never be looked up.
fn check_host(path: &str, host: &str) -> Result<(), ConfigError> {
    let repository =
        Repository::parse(&format!("{host}/x")).map_err(|e| setting(path, format!("is no registry host: {e}")))?;
    if repository.host() == host {
        return Ok(());
    }
    Err(setting(path, format!("write it as images have it in canonical form: {}", repository.host())))
}

fn setting(path: impl Into<String>, problem: impl Into<String>) -> ConfigError {
    ConfigError::Setting { path: path.into(), problem: problem.into() }
}

impl ExtraWorkload {
    /// The same for the kind table.
    pub fn as_kind(&self) -> ExtraKind {
        let Self { group, version, resource, kind, pod_spec } = self.clone();
        ExtraKind { group, version, resource, kind, pod_spec }
    }
}

/// Deny, Warn or Allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Reaction {
    /// Refuse.
    #[default]
    Deny,
    /// Admit with a warning.
    Warn,
    /// Admit, counted.
    Allow,
}

/// Allow, Warn or Deny, for namespaces that no policy governs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum UngovernedReaction {
    /// Admit, counted.
    #[default]
    Allow,
    /// Admit with a warning.
    Warn,
    /// Refuse.
    Deny,
}

/// Deny, Warn or Ignore.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WorkloadReaction {
    /// Refuse a template whose pods would be refused.
    #[default]
    Deny,
    /// Admit with a warning.
    Warn,
    /// Do not look at templates.
    Ignore,
}

/// Warn or Deny.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MirrorPodReaction {
    /// Admit the mirror with a warning.
    #[default]
    Warn,
    /// Refuse the mirror; the static pod runs all the same.
    Deny,
}

/// A kind that carries a pod template, such as an Argo Rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExtraWorkload {
    /// API group, such as `argoproj.io`.
    pub group: String,
    /// API version, such as `v1alpha1`.
    pub version: String,
    /// Plural resource name, such as `rollouts`.
    pub resource: String,
    /// Kind, such as `Rollout`.
    pub kind: String,
    /// Path of fields to the pod spec, such as `spec.template.spec`.
    pub pod_spec: String,
}

/// Settings of one registry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RegistryConfig {
    /// Host, with its port where that is not 443, exactly as in canonical image names.
    pub host: String,
    /// Speak plain http with it. Anyone on the network can then answer in its place.
    pub plain_http: bool,
    /// PEM file with the CA that signs its certificate, instead of the public ones.
    pub ca_file: Option<PathBuf>,
    /// It may lie at a private, loopback or link-local address.
    pub allow_private_address: bool,
    /// Further hosts that may give out its tokens, and so see its credentials. The usual ones are known.
    pub token_hosts: Vec<String>,
}

/// The admission webhooks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WebhookConfig {
    /// Seconds the API server waits for an answer, 2 to 30.
    #[schemars(range(min = 2, max = 30))]
    pub timeout_seconds: u8,
}

impl Default for WebhookConfig {
    fn default() -> Self {
        Self { timeout_seconds: 10 }
    }
}

/// Limits of the process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Connections that are served at once. When there are more, the one that has been idle longest gives way, of the peer that holds most.
    #[schemars(range(min = 1))]
    pub max_connections: usize,
    /// Bytes of review bodies that are held at once. A review may have up to 20 MiB, and small ones have room beside it.
    #[schemars(range(min = 25_165_824))]
    pub body_budget_bytes: usize,
    /// Largest attestation in bytes that is read, at most 128 MiB. A larger one counts as unread.
    #[schemars(range(min = 65_536, max = 134_217_728))]
    pub attestation_bytes: u64,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self { max_connections: 320, body_budget_bytes: 32 << 20, attestation_bytes: 16 << 20 }
    }
}

/// Where pull secrets may be read. The chart gives the matching Roles.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PullSecretsConfig {
    /// In all namespaces.
    pub cluster: bool,
    /// In these namespaces.
    pub namespaces: Vec<String>,
}

/// Trusted roots: whose certificates, logs and timestamps count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TrustedRootsConfig {
    /// Refresh the built-in roots that policies name, over the internet. Without it the copies that the program brings along
    /// are used. A `TrustedRoot` with a mirror is refreshed in any case.
    pub refresh: bool,
    /// Hours between two refreshes, 1 to 24. A refresh that fails is tried again within the hour.
    #[schemars(range(min = 1, max = 24))]
    pub refresh_hours: u8,
    /// Hours that a root stays in use after the metadata that prove it have expired, 0 to 720. Anything above 0 lets whoever
    /// holds up the mirror keep a withdrawn root alive for as long.
    #[schemars(range(max = 720))]
    pub grace_hours: u16,
    /// A folder for the last good metadata of each mirror, for a start without the mirror. They are proven again when read.
    pub cache_dir: Option<PathBuf>,
    /// Mirrors that need settings of their own.
    pub hosts: Vec<MirrorConfig>,
}

impl Default for TrustedRootsConfig {
    fn default() -> Self {
        Self { refresh: true, refresh_hours: 6, grace_hours: 72, cache_dir: None, hosts: Vec::new() }
    }
}

/// Settings of one mirror of trusted roots.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MirrorConfig {
    /// Host, with its port where that is not the usual one, exactly as in the URL.
    pub host: String,
    /// It may be asked over plain http. What it has is signed, but whoever is on the way can watch it and hold it up.
    pub plain_http: bool,
    /// PEM file with the CA that signs its certificate, instead of the public ones.
    pub ca_file: Option<PathBuf>,
    /// It may lie at a private, loopback or link-local address.
    pub allow_private_address: bool,
}

/// The log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LogConfig {
    /// A filter such as `info` or `sealgate=debug,kube=warn`.
    pub level: String,
    /// How lines look.
    pub format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: "info".into(), format: LogFormat::Json }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people.
    Plain,
}

#[cfg(test)]
mod tests;
