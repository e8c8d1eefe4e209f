//! The webhook configurations, rendered from the kind table. Pure.
//!
//! The controller writes these lists and `sealgate generate webhooks` prints them. Every field that the API server
//! would default is spelled out, so that what is stored compares equal to what was rendered.

mod drift;
mod reach;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MutatingWebhook, RuleWithOperations, ServiceReference, ValidatingWebhook, WebhookClientConfig,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use crate::domain::workload::{
    KindTable, MUTATE_PODS_PATH, Role, VALIDATE_PODS_PATH, VALIDATE_WORKLOADS_PATH, Workload,
};

pub use drift::{Drift, compare};
pub use reach::{Reach, reach};

/// Name of the webhook that pins.
pub const MUTATE_PODS: &str = "mutate.pods.sealgate.dev";
/// Name of the webhook that decides.
pub const VALIDATE_PODS: &str = "validate.pods.sealgate.dev";
/// Name of the webhook that looks at templates.
pub const VALIDATE_WORKLOADS: &str = "validate.workloads.sealgate.dev";

/// The one match condition of the pod webhooks: a change of metadata never depends on the gate.
pub const SPEC_CHANGED: &str = "oldObject == null || object.spec != oldObject.spec";

/// The label that the API server itself keeps on every namespace.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";
/// Left out always: a gate that stops the control plane can't be repaired.
const KUBE_SYSTEM: &str = "kube-system";

/// What the lists depend on and what does not change while the process runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Namespace of the release and of its Service.
    pub namespace: String,
    /// Name of the Service.
    pub service: String,
    /// Port of the Service.
    pub port: u16,
    /// Namespaces that are left out, besides `kube-system` and the release's own.
    pub excluded_namespaces: Vec<String>,
    /// Seconds that the API server waits for an answer.
    pub timeout_seconds: u8,
    /// Whether templates are looked at.
    pub templates: Templates,
}

/// Whether templates of pods are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Templates {
    /// There is a webhook for them.
    Review,
    /// There is none.
    Ignore,
}

/// The two lists.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhooks {
    /// Of the `MutatingWebhookConfiguration`.
    pub mutating: Vec<MutatingWebhook>,
    /// Of the `ValidatingWebhookConfiguration`.
    pub validating: Vec<ValidatingWebhook>,
}

/// Renders both lists. `ca_bundle` is PEM.
pub fn render(kinds: &KindTable, settings: &Settings, reach: Reach, ca_bundle: &str) -> Webhooks {
    let pods = rules(kinds, |role| role != Role::Template);
    let templates = rules(kinds, |role| role == Role::Template);
    let mutating = MutatingWebhook {
        admission_review_versions: review_versions(),
        client_config: client_config(settings, ca_bundle, MUTATE_PODS_PATH),
        failure_policy: Some(reach.failure_policy().into()),
        match_conditions: Some(vec![spec_changed()]),
        match_policy: Some("Equivalent".into()),
        name: MUTATE_PODS.into(),
        namespace_selector: Some(namespace_selector(settings)),
        object_selector: None,
        reinvocation_policy: Some("IfNeeded".into()),
        rules: Some(pods.clone()),
        side_effects: "None".into(),
        timeout_seconds: Some(settings.timeout_seconds.into()),
    };
    let validate_pods = ValidatingWebhook {
        admission_review_versions: review_versions(),
        client_config: client_config(settings, ca_bundle, VALIDATE_PODS_PATH),
        failure_policy: Some(reach.failure_policy().into()),
        match_conditions: Some(vec![spec_changed()]),
        match_policy: Some("Equivalent".into()),
        name: VALIDATE_PODS.into(),
        namespace_selector: Some(namespace_selector(settings)),
        object_selector: None,
        rules: Some(pods),
        side_effects: "None".into(),
        timeout_seconds: Some(settings.timeout_seconds.into()),
    };
    let validate_workloads = ValidatingWebhook {
        client_config: client_config(settings, ca_bundle, VALIDATE_WORKLOADS_PATH),
        failure_policy: Some(Reach::Observe.failure_policy().into()),
        match_conditions: None,
        name: VALIDATE_WORKLOADS.into(),
        rules: Some(templates),
        ..validate_pods.clone()
    };
    let validating = match settings.templates {
        Templates::Review => vec![validate_pods, validate_workloads],
        Templates::Ignore => vec![validate_pods],
    };
    Webhooks { mutating: vec![mutating], validating }
}

/// One rule for each group and version, so that no resource is matched in a group that it isn't in.
fn rules(kinds: &KindTable, wanted: impl Fn(Role) -> bool) -> Vec<RuleWithOperations> {
    let mut resources: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for Workload { group, version, resource, .. } in kinds.rows().iter().filter(|row| wanted(row.role)) {
        resources.entry((group, version)).or_default().push(resource.clone());
    }
    resources
        .into_iter()
        .map(|((group, version), resources)| RuleWithOperations {
            api_groups: Some(vec![group.into()]),
            api_versions: Some(vec![version.into()]),
            operations: Some(vec!["CREATE".into(), "UPDATE".into()]),
            resources: Some(resources),
            scope: Some("Namespaced".into()),
        })
        .collect()
}

fn client_config(settings: &Settings, ca_bundle: &str, path: &str) -> WebhookClientConfig {
    WebhookClientConfig {
        ca_bundle: Some(ByteString(ca_bundle.as_bytes().to_vec())),
        service: Some(ServiceReference {
            name: settings.service.clone(),
            namespace: settings.namespace.clone(),
            path: Some(path.into()),
            port: Some(settings.port.into()),
        }),
        url: None,
    }
}

fn namespace_selector(settings: &Settings) -> LabelSelector {
    let mut names = vec![KUBE_SYSTEM.to_owned(), settings.namespace.clone()];
    for name in &settings.excluded_namespaces {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    LabelSelector {
        match_expressions: Some(vec![LabelSelectorRequirement {
            key: NAMESPACE_NAME.into(),
            operator: "NotIn".into(),
            values: Some(names),
        }]),
        match_labels: None,
    }
}

fn spec_changed() -> MatchCondition {
    MatchCondition { expression: SPEC_CHANGED.into(), name: "spec-changed".into() }
}

fn review_versions() -> Vec<String> {
    vec!["v1".into()]
}
