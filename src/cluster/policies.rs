//! Policies and namespace labels, watched into memory.
//!
//! Nothing is published before both lists are complete, and nothing that was published is taken back because a watch
//! fails: while the API server is away, or the CRD can't be listed, the last set stays.

mod inventory;
#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition as StoredCondition;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind, PartialObjectMeta};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client, ResourceExt};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use crate::api;
use crate::cluster::collection::Change;
use crate::policy::PolicyCell;
use crate::telemetry::Metrics;
use crate::telemetry::health::Condition;

use inventory::Inventory;
pub use inventory::StoredPolicy;

/// How long changes are gathered before the set is rebuilt.
const GATHER: Duration = Duration::from_millis(50);

/// Where the policies go.
#[derive(Debug)]
pub struct Outlets {
    /// To the verifier.
    pub cell: PolicyCell,
    /// To the controller, as stored.
    pub stored: watch::Sender<Option<Arc<[StoredPolicy]>>>,
    /// Met when the first complete set has been published; then for good.
    pub condition: Condition,
    /// For the number of policies.
    pub metrics: Metrics,
}

/// The custom resource of `ClusterSignaturePolicy`.
pub fn resource() -> ApiResource {
    let kind = GroupVersionKind::gvk(api::GROUP, api::VERSION, api::KIND);
    ApiResource::from_gvk_with_plural(&kind, "clustersignaturepolicies")
}

/// Watches for ever.
pub async fn follow(client: Client, outlets: Outlets) {
    let policies = Api::<DynamicObject>::all_with(client.clone(), &resource());
    let namespaces = Api::<PartialObjectMeta<Namespace>>::all(client);
    let mut policies = watcher(policies, watcher::Config::default()).default_backoff().boxed();
    let mut namespaces = watcher(namespaces, watcher::Config::default()).default_backoff().boxed();
    let mut inventory = Inventory::default();
    let mut due: Option<Instant> = None;
    loop {
        let changed = tokio::select! {
            Some(event) = policies.next() => match event {
                Ok(event) => inventory.policies(Change::from(&event, read_policy)),
                Err(problem) => complain("ClusterSignaturePolicies", &problem),
            },
            Some(event) = namespaces.next() => match event {
                Ok(event) => inventory.namespaces(Change::from(&event, read_namespace)),
                Err(problem) => complain("Namespaces", &problem),
            },
            () = wait(due), if due.is_some() => {
                due = None;
                publish(&inventory, &outlets);
                false
            }
        };
        if changed && due.is_none() {
            due = Instant::now().checked_add(GATHER);
        }
    }
}

fn read_namespace(object: &PartialObjectMeta<Namespace>) -> inventory::StoredNamespace {
    inventory::StoredNamespace { name: object.name_any(), labels: object.metadata.labels.clone().unwrap_or_default() }
}

/// Reads an object. Never fails: what can't be used becomes [`crate::policy::Entry::Broken`].
fn read_policy(object: &DynamicObject) -> StoredPolicy {
    let name = object.name_any();
    let entry = api::compile(&name, object.data.get("spec").unwrap_or(&Value::Null));
    StoredPolicy {
        uid: object.metadata.uid.clone(),
        generation: object.metadata.generation.unwrap_or_default(),
        conditions: read_conditions(object),
        name,
        entry,
    }
}

fn read_conditions(object: &DynamicObject) -> Vec<StoredCondition> {
    let stored = object.data.pointer("/status/conditions");
    stored.and_then(|conditions| Deserialize::deserialize(conditions).ok()).unwrap_or_default()
}

fn publish(inventory: &Inventory, outlets: &Outlets) {
    let Some((set, stored)) = inventory.snapshot() else { return };
    let states = set.states();
    outlets.metrics.policies(&states);
    outlets.cell.store(set);
    outlets.stored.send_replace(Some(stored));
    outlets.condition.met();
    let [(_, valid), (_, broken), (_, last_good)] = states;
    info!(valid, broken, last_good, "policies loaded");
}

/// Says what a watch ran into; the watcher tries again by itself, later each time.
fn complain(what: &'static str, problem: &dyn Display) -> bool {
    warn!(what, problem = %problem, "watch failed; the last set stays");
    false
}

async fn wait(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}
