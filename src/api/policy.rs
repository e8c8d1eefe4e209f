//! `ClusterSignaturePolicy`: the shape of its spec and status. The docs here are what `kubectl explain` prints.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::attestation::{AttestationSpec, LogSpec};
use super::authority::AuthoritySpec;
use super::rules;

/// A policy as it is stored: the spec untyped, because one that can't be read must not hide the others from a watch.
/// Its resource is `ClusterSignaturePolicy::api_resource()`, its spec is read by [`super::compile`].
pub type StoredPolicy = kube::core::Object<Value, ClusterSignaturePolicyStatus>;

/// What is demanded of which images.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "sealgate.dev",
    version = "v1alpha1",
    kind = "ClusterSignaturePolicy",
    plural = "clustersignaturepolicies",
    shortname = "csigpol",
    category = "sealgate",
    status = "ClusterSignaturePolicyStatus",
    derive = "PartialEq",
    doc = "ClusterSignaturePolicy says which images must be signed by whom, in any namespaces. An image is admitted when every policy that applies to it accepts it.",
    printcolumn(
        name = "Mode",
        type_ = "string",
        json_path = ".spec.mode",
        description = "What happens to images that are not accepted"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether the policy can be used; while it is False its last good version is in force, or else its images are denied"
    ),
    printcolumn(
        name = "Enforced",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Enforced\")].status",
        description = "Whether the webhook configurations let it refuse pods now; empty for the modes Warn and Audit"
    ),
    printcolumn(
        name = "Images",
        type_ = "string",
        json_path = ".spec.match.images",
        description = "The images it is about"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        description = "What it demands, or what is wrong with it",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
#[x_kube(
    validation = rules::static_is_alone(),
    validation = rules::static_allow_is_exact(),
    validation = rules::static_takes_no_signature(),
    validation = rules::static_takes_no_log(),
    validation = rules::static_takes_no_attestation(),
    validation = rules::none_needs_attestations(),
    validation = rules::a_required_log_needs_a_root(),
    validation = rules::attestations_name_authorities(),
    validation = rules::at_least_fits(),
    validation = rules::of_names_authorities()
)]
pub struct ClusterSignaturePolicySpec {
    /// What happens to an image that this policy does not accept: Enforce denies it, Warn admits it with a warning to the
    /// user, Audit admits it and only records it.
    #[serde(default)]
    pub mode: ModeSpec,
    /// Which images in which namespaces the policy is about. Where it governs a namespace, images there that no policy
    /// matches are denied too, unless the setting unmatchedImages says otherwise.
    #[serde(rename = "match")]
    pub matches: MatchSpec,
    /// Who may vouch for an image: 1 to 32, with different names.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub authorities: Vec<AuthoritySpec>,
    /// How many of the authorities must vouch. One, where this is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "RequireSpec")]
    pub require: Option<RequireSpec>,
    /// What a signature must carry, and where signatures are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SignatureSpec")]
    pub signature: Option<SignatureSpec>,
    /// What must be proven of transparency logs: Required, an entry in a log that the trusted root names (the default for keyless
    /// authorities); WhenPresent, whatever is there must be right (the default for the others); Ignored, nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "LogSpec")]
    pub transparency_log: Option<LogSpec>,
    /// Statements about the image that must be there, each of them: at most 16, with different names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub attestations: Vec<AttestationSpec>,
}

/// What happens to an image that is not accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum ModeSpec {
    /// Deny it.
    #[default]
    Enforce,
    /// Admit it with a warning.
    Warn,
    /// Admit it and record it.
    Audit,
}

/// Which images in which namespaces.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct MatchSpec {
    /// Patterns of images, 1 to 128, in canonical form: registry host, path, no tag. `*` stays inside one path segment (in
    /// the host: one whole label), `**` crosses segments, and `**` alone is every image. A pattern may end in a digest.
    /// Examples: `registry.gitlab.com/acme/**`, `docker.io/library/nginx`, `*.example.com/team/*`.
    #[schemars(length(min = 1, max = 128), inner(length(min = 1, max = 327)))]
    #[x_kube(
        validation = rules::images_name_a_host(),
        validation = rules::images_have_no_tag(),
        validation = rules::images_are_lower_case(),
        validation = rules::images_stay_in_an_organisation(),
        validation = rules::images_are_whole_names_of_docker_hub(),
        validation = rules::images_name_a_good_host(),
        validation = rules::images_have_good_paths()
    )]
    pub images: Vec<String>,
    /// Patterns of images that the policy is not about, in the same form, at most 128.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128), inner(length(min = 1, max = 327)))]
    #[x_kube(
        validation = rules::images_name_a_host(),
        validation = rules::images_have_no_tag(),
        validation = rules::images_are_lower_case(),
        validation = rules::images_stay_in_an_organisation(),
        validation = rules::images_are_whole_names_of_docker_hub(),
        validation = rules::images_name_a_good_host(),
        validation = rules::images_have_good_paths()
    )]
    pub exclude_images: Vec<String>,
    /// Exact names of namespaces, at most 256. Without any, all namespaces that the webhooks cover.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 63), regex(pattern = rules::DNS_LABEL)))]
    pub namespaces: Vec<String>,
    /// Labels that a namespace must have, in addition to `namespaces`. Whoever may label namespaces can change what it
    /// selects, except for the label kubernetes.io/metadata.name; the status says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SelectorSpec")]
    pub namespace_selector: Option<SelectorSpec>,
}

/// A label selector; all of it must hold.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct SelectorSpec {
    /// Labels with exactly these values, at most 64. Example: `environment: production`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[x_kube(validation = rules::labels_have_good_keys())]
    #[schemars(extend(
        "maxProperties" = 64,
        "additionalProperties" = {"type": "string", "maxLength": 63, "pattern": rules::LABEL_VALUE}
    ))]
    pub match_labels: BTreeMap<String, String>,
    /// Further requirements, at most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub match_expressions: Vec<RequirementSpec>,
}

/// One requirement on a label.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
#[x_kube(validation = rules::values_fit_operator(), validation = rules::key_prefix_is_short())]
pub struct RequirementSpec {
    /// The label's key.
    #[schemars(length(min = 1, max = 317), regex(pattern = rules::LABEL_KEY))]
    pub key: String,
    /// How it is compared: In and NotIn with `values`, Exists and DoesNotExist without. NotIn also holds where the label
    /// is absent.
    pub operator: OperatorSpec,
    /// What it is compared with, at most 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(max = 63), regex(pattern = rules::LABEL_VALUE)))]
    pub values: Vec<String>,
}

/// How a label is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum OperatorSpec {
    /// The value is one of these.
    In,
    /// The value is none of these, or the label is absent.
    NotIn,
    /// The label is present.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

/// How many of the authorities must vouch for an image.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
#[x_kube(validation = rules::all_or_at_least())]
pub struct RequireSpec {
    /// How many different authorities must vouch: from 1, where it is left out, to as many as there are in `of`. 0 only together
    /// with attestations, which then decide alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 0, max = 32))]
    pub at_least: Option<i32>,
    /// All of them must. Not together with `atLeast`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool")]
    pub all: Option<bool>,
    /// Names of the authorities that count. All, where it is left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub of: Vec<String>,
}

/// What a signature must carry, and where signatures are kept.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct SignatureSpec {
    /// Annotations that must be in the signed payload with exactly these values, at most 64: what `cosign sign -a env=prod`
    /// adds. Example: `env: prod`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub annotations: BTreeMap<String, String>,
    /// The repository that holds the signatures when they are not beside the image (COSIGN_REPOSITORY), without tag.
    /// Example: `registry.gitlab.com/acme/signatures`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 255))]
    pub repository: String,
}

/// What the controller says about a policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterSignaturePolicyStatus {
    /// Ready says whether the policy can be used. While it is False, its last good version is in force (reason LastGoodInForce), or
    /// else its images are denied (reason Invalid, POLICY_ERROR).
    /// Enforced, of policies in the mode Enforce, says whether pods are really refused: it is False while the webhook configurations
    /// are not there (WebhooksAbsent), were removed on purpose (WebhooksRemoved), are changed by somebody else (WebhooksForeign) or
    /// are not filled yet (WebhooksNotReady). The leader writes it; an Event tells each change.
    /// SelectsByMutableLabel is there when the policy selects namespaces by a label that users can change, HasWarnings when it
    /// says what is legal but hardly meant, such as a dot in a subjectRegExp that fits any character.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
}

/// The schema of `metav1.Condition`, as other projects publish it.
pub(super) fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "reason", "message", "lastTransitionTime"],
            "properties": {
                "type": {"type": "string", "maxLength": 316, "description": "Ready, or what else is to be said."},
                "status": {"type": "string", "enum": ["True", "False", "Unknown"], "description": "True, False or Unknown."},
                "reason": {"type": "string", "minLength": 1, "maxLength": 1024, "description": "One constant word for the cause."},
                "message": {"type": "string", "maxLength": 32768, "description": "The cause, for people."},
                "lastTransitionTime": {"type": "string", "format": "date-time", "description": "When the status last changed."},
                "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0, "description": "The metadata.generation that this is about."}
            }
        }
    })
}
