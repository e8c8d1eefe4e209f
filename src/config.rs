//! The settings of `sealgate serve`: one YAML file, which the chart renders from its values, overridden by flags.
//!
//! The chart's `values.schema.json` is generated from these types.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// The log.
    pub log: LogConfig,
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
    /// Connections that are served at once.
    pub max_connections: usize,
    /// Bytes of review bodies that are held at once. A review may have up to 24 MiB.
    pub body_budget_bytes: usize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self { max_connections: 4096, body_budget_bytes: 32 << 20 }
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
