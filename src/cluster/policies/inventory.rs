//! What the two watches have told so far, and the last good version of each policy.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use tracing::warn;

use crate::cluster::collection::{Change, Collection, Named};
use crate::policy::{Entry, History, Labels, PolicySet, Version};

/// A policy as it is stored.
#[derive(Clone, Debug)]
pub struct StoredPolicy {
    /// Its name.
    pub name: String,
    /// `metadata.uid`: another one when it was deleted and made again.
    pub uid: Option<String>,
    /// `metadata.generation`: changes with the spec only.
    pub generation: i64,
    /// `status.conditions` as stored; none where they can't be read.
    pub conditions: Vec<Condition>,
    /// What is in force: the policy, read, or the last version of it that could be used.
    pub entry: Entry,
}

/// A namespace as it is stored.
#[derive(Clone, Debug)]
pub(super) struct StoredNamespace {
    /// Its name.
    pub(super) name: String,
    /// Its labels.
    pub(super) labels: Labels,
}

/// Both collections.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    policies: Collection<StoredPolicy>,
    history: History,
    namespaces: Collection<StoredNamespace>,
}

impl Inventory {
    /// Takes a change in; whether a snapshot may now differ.
    pub(super) fn policies(&mut self, change: Change<StoredPolicy>) -> bool {
        let change = match change {
            Change::Put(policy) => Change::Put(self.remember(policy)),
            Change::Listed(policy) => Change::Listed(self.remember(policy)),
            Change::Remove(name) => {
                self.history.forget(&name);
                Change::Remove(name)
            }
            change @ (Change::ListBegins | Change::ListEnds) => change,
        };
        let differs = self.policies.take(change);
        if let Some(complete) = self.policies.complete().filter(|_| differs) {
            self.history.retain(|name| complete.contains_key(name));
        }
        differs
    }

    /// Takes a change in; whether a snapshot may now differ.
    pub(super) fn namespaces(&mut self, change: Change<StoredNamespace>) -> bool {
        self.namespaces.take(change)
    }

    /// The set, and the policies as stored; nothing until both lists have been complete once.
    pub(super) fn snapshot(&self) -> Option<(PolicySet, Arc<[StoredPolicy]>)> {
        let (policies, namespaces) = (self.policies.complete()?, self.namespaces.complete()?);
        let entries = policies.values().map(|policy| policy.entry.clone()).collect();
        let labels = namespaces.iter().map(|(name, namespace)| (name.clone(), namespace.labels.clone())).collect();
        Some((PolicySet::new(entries, labels), policies.values().cloned().collect()))
    }

    fn remember(&mut self, policy: StoredPolicy) -> StoredPolicy {
        let version = Version { uid: policy.uid.clone(), generation: Some(policy.generation) };
        let entry = self.history.take(version, policy.entry);
        match (&entry, entry.error()) {
            (Entry::LastGood(kept), _) => {
                warn!(policy = policy.name, problem = %kept.error, in_force = kept.generation, "policy can't be used: its last good version stays in force");
            }
            (_, Some(problem)) => warn!(policy = policy.name, %problem, "policy can't be used: it denies its images"),
            (_, None) => {}
        }
        StoredPolicy { entry, ..policy }
    }
}

impl Named for StoredPolicy {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Named for StoredNamespace {
    fn name(&self) -> &str {
        &self.name
    }
}
