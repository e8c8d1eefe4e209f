//! What must be stated about an image, as a policy writes it. The docs here are what `kubectl explain` prints.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;

/// A statement about the image that must be there, beside its signature.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct AttestationSpec {
    /// Its name, unique in the policy: a DNS label of at most 63 characters. Denials name it.
    #[schemars(length(min = 1, max = 63), regex(pattern = rules::DNS_LABEL))]
    pub name: String,
    /// The predicate type, exactly. Examples: `https://slsa.dev/provenance/v1`, `https://spdx.dev/Document`,
    /// `https://cyclonedx.org/bom`, `https://cosign.sigstore.dev/attestation/vuln/v1`.
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = rules::predicate_type_is_a_uri())]
    pub predicate_type: String,
    /// Names of the authorities that may have made it. All, where it is left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub authorities: Vec<String>,
    /// How many of the statements of this type by these authorities must satisfy the conditions: Any, which is the default, or
    /// All. One must be there in any case.
    #[serde(rename = "match", default)]
    pub matching: MatchingSpec,
    /// What it must say: all of these, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub conditions: Vec<ConditionSpec>,
}

/// How many statements must satisfy the conditions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum MatchingSpec {
    /// One of them.
    #[default]
    Any,
    /// Each of them.
    All,
}

/// A condition on what a statement says: exactly one of `cel` and `rego`. One that can't be evaluated denies.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
#[x_kube(validation = rules::cel_or_rego())]
pub struct ConditionSpec {
    /// An expression in CEL that must be true, with the functions of Kubernetes and the variables predicate, statement, image
    /// and signer, at most 4096 bytes. Example: `predicate.runDetails.builder.id == 'https://github.com/actions/runner'`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 4096))]
    pub cel: Option<String>,
    /// A module in Rego whose set data.sealgate.deny must stay empty; input has the same four members. Only in builds with the
    /// feature rego.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 65_536))]
    pub rego: Option<String>,
    /// What a denial says when it does not hold. Example: `built by an unknown builder`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 256))]
    pub message: Option<String>,
}

/// What must be proven of transparency logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum LogSpec {
    /// An entry in a log that the trusted root names.
    Required,
    /// Whatever is there must be right.
    WhenPresent,
    /// Nothing; entries are not looked at.
    Ignored,
}
