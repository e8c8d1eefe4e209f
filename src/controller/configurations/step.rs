//! What to do with one configuration next. Pure.

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhook, MutatingWebhookConfiguration, ValidatingWebhook, ValidatingWebhookConfiguration,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde::Serialize;
use serde_json::{Value, json};

use crate::cluster::removal::REMOVED;
use crate::cluster::webhooks::{Drift, Webhooks, compare};

/// One of the two kinds.
pub(super) trait Configuration {
    /// Their entries.
    type Webhook: Serialize + Clone + PartialEq;

    /// The entries.
    fn webhooks(&self) -> &[Self::Webhook];

    /// The metadata.
    fn metadata(&self) -> &ObjectMeta;

    /// The entries of this kind among those that were rendered.
    fn wanted(rendered: &Webhooks) -> &[Self::Webhook];
}

/// The next step.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// It is as it should be, but for what a managed platform has added.
    Settled {
        /// What that is.
        tolerated: Vec<String>,
    },
    /// It is marked as removed: not ours any more.
    LeaveAlone,
    /// Write this merge patch.
    Write {
        /// The patch.
        patch: Value,
        /// Why.
        why: Why,
    },
}

/// Why a configuration is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// It is not yet as this replica wants it.
    Ours,
    /// Somebody has changed it since this replica found or wrote it as it should be: what differs.
    Foreign(String),
}

/// Decides. `settled` is what this replica last found or wrote as it should be.
pub(super) fn step<C: Configuration>(
    live: &C,
    wanted: &[C::Webhook],
    settled: Option<&[C::Webhook]>,
    owner: &OwnerReference,
) -> Step {
    let metadata = live.metadata();
    if metadata.annotations.as_ref().is_some_and(|annotations| annotations.contains_key(REMOVED)) {
        return Step::LeaveAlone;
    }
    let references = with_owner(metadata.owner_references.as_deref().unwrap_or_default(), owner);
    let write = |why| Step::Write { patch: patch(metadata, &references, wanted), why };
    match compare(wanted, live.webhooks()) {
        Drift::Changed(_) => write(why(live, settled)),
        _ if metadata.owner_references.as_ref() != Some(&references) => write(Why::Ours),
        Drift::Same => Step::Settled { tolerated: Vec::new() },
        Drift::Tolerated(tolerated) => Step::Settled { tolerated },
    }
}

fn why<C: Configuration>(live: &C, settled: Option<&[C::Webhook]>) -> Why {
    match settled.map(|settled| compare(settled, live.webhooks())) {
        Some(Drift::Changed(what)) => Why::Foreign(what),
        _ => Why::Ours,
    }
}

fn patch<W: Serialize>(metadata: &ObjectMeta, owners: &[OwnerReference], wanted: &[W]) -> Value {
    json!({
        "metadata": { "resourceVersion": metadata.resource_version, "ownerReferences": owners },
        "webhooks": wanted,
    })
}

/// The references with ours among them. One that names an earlier namespace of the same name goes: it would have the
/// object collected.
fn with_owner(references: &[OwnerReference], owner: &OwnerReference) -> Vec<OwnerReference> {
    let same = |other: &OwnerReference| other.kind == owner.kind && other.name == owner.name;
    if references.iter().filter(|other| same(other)).eq([owner]) {
        return references.to_vec();
    }
    let others = references.iter().filter(|other| !same(other));
    others.chain([owner]).cloned().collect()
}

impl Configuration for MutatingWebhookConfiguration {
    type Webhook = MutatingWebhook;

    fn webhooks(&self) -> &[MutatingWebhook] {
        self.webhooks.as_deref().unwrap_or_default()
    }

    fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn wanted(rendered: &Webhooks) -> &[MutatingWebhook] {
        &rendered.mutating
    }
}

impl Configuration for ValidatingWebhookConfiguration {
    type Webhook = ValidatingWebhook;

    fn webhooks(&self) -> &[ValidatingWebhook] {
        self.webhooks.as_deref().unwrap_or_default()
    }

    fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn wanted(rendered: &Webhooks) -> &[ValidatingWebhook] {
        &rendered.validating
    }
}
