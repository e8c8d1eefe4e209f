//! What the two watches have told so far. Pure.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::cluster::collection::{Change, Collection, Named};
use crate::policy::{Entry, Labels, PolicySet};

/// A policy as it is stored.
#[derive(Clone, Debug)]
pub struct StoredPolicy {
    /// Its name.
    pub name: String,
    /// `metadata.generation`: changes with the spec only.
    pub generation: i64,
    /// `status.conditions` as stored; none where they can't be read.
    pub conditions: Vec<Condition>,
    /// The policy, read.
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
    namespaces: Collection<StoredNamespace>,
}

impl Inventory {
    /// Takes a change in; whether a snapshot may now differ.
    pub(super) fn policies(&mut self, change: Change<StoredPolicy>) -> bool {
        self.policies.take(change)
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
