//! Policies and namespace labels, watched into memory.
//!
//! Nothing is published before both lists are complete, and nothing that was published is taken back because a watch
//! fails: while the API server is away, or the CRD can't be listed, the last set stays.

mod inventory;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition as StoredCondition;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind, PartialObjectMeta};
use kube::{Api, Client, ResourceExt};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::info;

use crate::api;
use crate::cluster::collection::Change;
use crate::cluster::watches::Watches;
use crate::policy::PolicyCell;
use crate::telemetry::Metrics;
use crate::telemetry::health::Condition;

use inventory::Inventory;
pub use inventory::StoredPolicy;

/// How long changes are gathered before the set is rebuilt.
const GATHER: Duration = Duration::from_millis(50);
/// How often the log says what was loaded.
const NEWS_PERIOD: Duration = Duration::from_secs(1);

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
pub async fn follow(client: Client, watches: Watches, outlets: Outlets) {
    let policies = Api::<DynamicObject>::all_with(client.clone(), &resource());
    let namespaces = Api::<PartialObjectMeta<Namespace>>::all(client);
    let mut policies = watches.all(policies, "policies").boxed();
    let mut namespaces = watches.all(namespaces, "namespaces").boxed();
    let mut inventory = Inventory::default();
    let mut due: Option<Instant> = None;
    let mut news = News::default();
    loop {
        // What a watch failed with it has said itself.
        let changed = tokio::select! {
            Some(event) = policies.next() =>
                event.is_ok_and(|event| inventory.policies(Change::from(&event, read_policy))),
            Some(event) = namespaces.next() =>
                event.is_ok_and(|event| inventory.namespaces(Change::from(&event, read_namespace))),
            () = wait(due), if due.is_some() => {
                due = None;
                if let Some(states) = publish(&inventory, &outlets) {
                    news.loaded(states);
                }
                false
            }
            () = wait(news.due), if news.due.is_some() => {
                news.say();
                false
            }
        };
        if changed && due.is_none() {
            due = Instant::now().checked_add(GATHER);
        }
    }
}

/// Says what was loaded, at most once a second.
#[derive(Debug, Default)]
struct News {
    /// How many policies there are in each state ([`crate::policy::PolicySet::states`]).
    states: [(&'static str, usize); 3],
    due: Option<Instant>,
    said: Option<Instant>,
}

impl News {
    fn loaded(&mut self, states: [(&'static str, usize); 3]) {
        self.states = states;
        let now = Instant::now();
        let next = self.said.and_then(|said| said.checked_add(NEWS_PERIOD));
        self.due = Some(next.filter(|next| *next > now).unwrap_or(now));
    }

    fn say(&mut self) {
        self.due = None;
        self.said = Some(Instant::now());
        let [(_, valid), (_, broken), (_, last_good)] = self.states;
        info!(valid, broken, last_good, "policies loaded");
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

/// Publishes what there is, once both lists are complete; how many policies there are in each state.
fn publish(inventory: &Inventory, outlets: &Outlets) -> Option<[(&'static str, usize); 3]> {
    let (set, stored) = inventory.snapshot()?;
    let states = set.states();
    outlets.metrics.policies(&states);
    outlets.cell.store(set);
    outlets.stored.send_replace(Some(stored));
    outlets.condition.met();
    Some(states)
}

async fn wait(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}
