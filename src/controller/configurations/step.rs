//! What to do with one configuration next. Pure.

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhook, MutatingWebhookConfiguration, ValidatingWebhook, ValidatingWebhookConfiguration,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta, OwnerReference};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::api::status::Enforcement;
use crate::cluster::FIELD_MANAGER;
use crate::cluster::removal::{INSTALLED, REMOVED};
use crate::cluster::webhooks::{Drift, Webhooks, compare};
use crate::domain::text::foreign;
use crate::telemetry::metrics::ConfigurationState;

/// One of the two kinds.
pub(super) trait Configuration {
    /// Which of the two, in log and metrics.
    const KIND: &'static str;

    /// Their entries.
    type Webhook: Serialize + Clone + PartialEq;

    /// The entries.
    fn webhooks(&self) -> &[Self::Webhook];

    /// The metadata.
    fn metadata(&self) -> &ObjectMeta;

    /// The entries of this kind among those that were rendered.
    fn wanted(rendered: &Webhooks) -> &[Self::Webhook];

    /// What happens to an object while the server of the entry does not answer.
    fn failure_policy(webhook: &mut Self::Webhook) -> &mut Option<String>;
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

/// Decides. `settled` is what this replica last found or wrote as it should be; `owner` is the reference that belongs
/// there, nothing where it may not be written.
pub(super) fn step<C: Configuration>(
    live: &C,
    wanted: &[C::Webhook],
    settled: Option<&[C::Webhook]>,
    owner: Option<&OwnerReference>,
) -> Step {
    let metadata = live.metadata();
    if is_removed(metadata) {
        return Step::LeaveAlone;
    }
    let references =
        owner.and_then(|owner| with_owner(metadata.owner_references.as_deref().unwrap_or_default(), owner));
    let marked = has(metadata, REMOVED);
    let write = |why| Step::Write { patch: patch(metadata, references.as_deref(), wanted, marked), why };
    match compare(wanted, live.webhooks()) {
        Drift::Changed(_) => write(why(live, settled)),
        _ if references.is_some() || marked => write(Why::Ours),
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

fn patch<W: Serialize>(metadata: &ObjectMeta, owners: Option<&[OwnerReference]>, wanted: &[W], marked: bool) -> Value {
    let mut changes = Map::new();
    changes.insert("resourceVersion".into(), json!(metadata.resource_version));
    if let Some(owners) = owners {
        changes.insert("ownerReferences".into(), json!(owners));
    }
    if marked {
        changes.insert("annotations".into(), json!({ REMOVED: null }));
    }
    json!({ "metadata": changes, "webhooks": wanted })
}

/// The references with ours among them; nothing where it is there already. One that names an earlier namespace of the
/// same name goes: it would have the object collected.
fn with_owner(references: &[OwnerReference], owner: &OwnerReference) -> Option<Vec<OwnerReference>> {
    let same = |other: &OwnerReference| other.kind == owner.kind && other.name == owner.name;
    if references.iter().filter(|other| same(other)).eq([owner]) {
        return None;
    }
    let others = references.iter().filter(|other| !same(other));
    Some(others.chain([owner]).cloned().collect())
}

/// Whether it was removed on purpose, and not installed since: that gives it back the annotation that removing takes away.
fn is_removed(metadata: &ObjectMeta) -> bool {
    has(metadata, REMOVED) && !has(metadata, INSTALLED)
}

fn has(metadata: &ObjectMeta, annotation: &str) -> bool {
    metadata.annotations.as_ref().is_some_and(|annotations| annotations.contains_key(annotation))
}

/// The list as it is while nobody knows yet whether the API server reaches the gate: its verdicts count, its silence does
/// not.
pub(super) fn soften<C: Configuration>(webhooks: &[C::Webhook]) -> Vec<C::Webhook> {
    let mut soft = webhooks.to_vec();
    for webhook in &mut soft {
        *C::failure_policy(webhook) = Some("Ignore".into());
    }
    soft
}

/// Whether pods are refused as policies in the mode Enforce demand, by the validating configuration; nothing while none
/// demands it, or that can't be told. `wanted` is nothing until this replica can answer.
pub(super) fn enforcement<C: Configuration>(
    live: Option<&C>,
    wanted: Option<&[C::Webhook]>,
    settled: Option<&[C::Webhook]>,
) -> Option<Enforcement> {
    let Some(live) = live else { return Some(Enforcement::Absent) };
    if is_removed(live.metadata()) {
        return Some(Enforcement::Removed);
    }
    let Some(wanted) = wanted else { return live.webhooks().is_empty().then_some(Enforcement::NotReady) };
    if wanted.is_empty() {
        return Some(Enforcement::Removed);
    }
    if !wanted.iter().any(fails::<C>) {
        return None;
    }
    Some(match compare(wanted, live.webhooks()) {
        Drift::Same => Enforcement::InPlace { tolerated: Vec::new() },
        Drift::Tolerated(tolerated) => Enforcement::InPlace { tolerated },
        Drift::Changed(_) => match why(live, settled) {
            Why::Foreign(_) => Enforcement::Foreign { by: last_manager(live.metadata()) },
            Why::Ours => Enforcement::NotReady,
        },
    })
}

/// Who has written the object since this program did: the name under which a client writes (`kubectl-edit`, `helm`). A client that
/// only took something away, such as all webhooks, leaves no name; one that wrote before is not to blame.
pub(super) fn last_manager(metadata: &ObjectMeta) -> String {
    let time = |entry: &ManagedFieldsEntry| entry.time.as_ref().map(|time| time.0);
    let is_own = |entry: &&ManagedFieldsEntry| entry.manager.as_deref() == Some(FIELD_MANAGER);
    let entries = || metadata.managed_fields.iter().flatten();
    let own = entries().filter(is_own).filter_map(time).max();
    let since = entries().filter(|entry| !is_own(entry) && time(entry) >= own);
    let last = since.max_by_key(|entry| time(entry)).and_then(|entry| entry.manager.as_deref());
    last.map_or_else(|| "an unknown client".to_owned(), foreign)
}

fn fails<C: Configuration>(webhook: &C::Webhook) -> bool {
    C::failure_policy(&mut webhook.clone()).as_deref() == Some("Fail")
}

/// How a configuration stands, for whoever watches over an open gate. Nothing stands for one that is not there. The soft list of the
/// beginning is ours only where this replica has written it: from somebody else it opens the gate.
pub(super) fn state<C: Configuration>(
    live: Option<&C>,
    wanted: &[C::Webhook],
    settled: Option<&[C::Webhook]>,
) -> ConfigurationState {
    let Some(live) = live else { return ConfigurationState::Absent };
    let stored = live.webhooks();
    if is_removed(live.metadata()) || (wanted.is_empty() && stored.is_empty()) {
        return ConfigurationState::Removed;
    }
    let differs = |list: &[C::Webhook]| matches!(compare(list, stored), Drift::Changed(_));
    let soft = soften::<C>(wanted);
    if differs(wanted) && (settled != Some(&soft) || differs(&soft)) {
        return ConfigurationState::Foreign;
    }
    if stored.iter().any(fails::<C>) { ConfigurationState::Enforce } else { ConfigurationState::Observe }
}

/// How many expressions in the selectors a managed platform has added.
pub(super) fn exclusions<C: Configuration>(live: Option<&C>, wanted: &[C::Webhook]) -> usize {
    let stored = live.map(C::webhooks).unwrap_or_default();
    [wanted.to_vec(), soften::<C>(wanted)]
        .iter()
        .map(|list| match compare(list, stored) {
            Drift::Tolerated(tolerated) => tolerated.len(),
            Drift::Same | Drift::Changed(_) => 0,
        })
        .max()
        .unwrap_or_default()
}

impl Configuration for MutatingWebhookConfiguration {
    const KIND: &'static str = "mutating";
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

    fn failure_policy(webhook: &mut MutatingWebhook) -> &mut Option<String> {
        &mut webhook.failure_policy
    }
}

impl Configuration for ValidatingWebhookConfiguration {
    const KIND: &'static str = "validating";
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

    fn failure_policy(webhook: &mut ValidatingWebhook) -> &mut Option<String> {
        &mut webhook.failure_policy
    }
}
