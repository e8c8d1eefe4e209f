//! `TrustedRoot`: the shape of its spec and status. The docs here are what `kubectl explain` prints.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::{policy, rules};

/// Whose certificates, logs and timestamps count.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "sealgate.dev",
    version = "v1alpha1",
    kind = "TrustedRoot",
    plural = "trustedroots",
    shortname = "troot",
    category = "sealgate",
    status = "TrustedRootStatus",
    derive = "PartialEq",
    doc = "TrustedRoot is one Sigstore instance: whose certificates, logs and timestamps count for the policies that name it. The names sigstore (the public-good instance) and github are built in; a TrustedRoot of one of these names takes its place.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether it is in use as written"
    ),
    printcolumn(
        name = "Source",
        type_ = "string",
        json_path = ".status.source",
        description = "Where the material in use comes from"
    ),
    printcolumn(
        name = "Fetched",
        type_ = "date",
        json_path = ".status.fetchedAt",
        description = "Since the mirror last proved it"
    ),
    printcolumn(
        name = "Expires",
        type_ = "string",
        json_path = ".status.expiresAt",
        description = "When the mirror's metadata expires"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        description = "What it has, or what is wrong with it",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
#[x_kube(validation = rules::inline_or_tuf())]
pub struct TrustedRootSpec {
    /// The JSON of a trusted_root.json, at most 256 KiB: what `cosign trusted-root create` writes, or a copy of another
    /// instance's file. It stays as it is until this field changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 262_144))]
    #[x_kube(validation = rules::inline_is_a_trusted_root())]
    pub inline: Option<String>,
    /// A repository of The Update Framework that publishes it. Each replica asks it every few hours, never while a pod waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "TufSpec")]
    pub tuf: Option<TufSpec>,
}

/// A repository of The Update Framework (TUF).
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct TufSpec {
    /// Where it lies: an https URL below which timestamp.json and the folder targets are. A host at a private address needs an
    /// entry in the setting trustedRoots.hosts. Redirects are not followed. Example: `https://tuf.example.com`.
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = rules::mirror_is_a_url())]
    pub mirror: String,
    /// The JSON of the root.json that trust begins with, at most 128 KiB. Newer ones are followed from there, each signed by
    /// the one before.
    #[schemars(length(min = 1, max = 131_072))]
    #[x_kube(validation = rules::root_is_tuf_metadata())]
    pub root: String,
    /// The name of the target.
    #[serde(default = "default_target")]
    #[schemars(length(min = 1, max = 255), regex(pattern = rules::TARGET))]
    pub target: String,
}

/// What the controller says about a trusted root.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrustedRootStatus {
    /// Ready says whether the root is in use as it is written. While it is False, the last good one of that name stays in use
    /// where there is one; else, what depends on the root can't be decided (TRUSTED_ROOT_UNAVAILABLE).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "policy::conditions")]
    pub conditions: Vec<Condition>,
    /// Where the material in use comes from: inline, tuf, or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub source: Option<String>,
    /// The SHA-256 of the trusted_root.json in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub digest: Option<String>,
    /// When the mirror last proved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time")]
    pub fetched_at: Option<Time>,
    /// When the mirror's metadata expires; the setting trustedRoots.graceHours comes on top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time")]
    pub expires_at: Option<Time>,
}

fn default_target() -> String {
    "trusted_root.json".to_owned()
}

fn time(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "string", "format": "date-time"})
}
