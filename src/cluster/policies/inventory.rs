//! What the two watches have told so far. Pure.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

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

/// What a watch says.
#[derive(Clone, Debug)]
pub(super) enum Change<T> {
    /// A list begins: what it doesn't have is gone when it ends, and not before.
    ListBegins,
    /// In the list.
    Listed(T),
    /// The list is complete.
    ListEnds,
    /// New or changed.
    Put(T),
    /// Gone, by name.
    Remove(String),
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
        let (policies, namespaces) = (self.policies.complete.as_ref()?, self.namespaces.complete.as_ref()?);
        let entries = policies.values().map(|policy| policy.entry.clone()).collect();
        let labels = namespaces.iter().map(|(name, namespace)| (name.clone(), namespace.labels.clone())).collect();
        Some((PolicySet::new(entries, labels), policies.values().cloned().collect()))
    }
}

/// Objects by name: the last complete state, and the list that is being read.
#[derive(Debug)]
struct Collection<T> {
    complete: Option<BTreeMap<String, T>>,
    listing: BTreeMap<String, T>,
}

impl<T> Default for Collection<T> {
    fn default() -> Self {
        Self { complete: None, listing: BTreeMap::new() }
    }
}

impl<T: Named> Collection<T> {
    fn take(&mut self, change: Change<T>) -> bool {
        match change {
            Change::ListBegins => {
                self.listing.clear();
                false
            }
            Change::Listed(object) => {
                self.listing.insert(object.name().to_owned(), object);
                false
            }
            Change::ListEnds => {
                self.complete = Some(mem::take(&mut self.listing));
                true
            }
            Change::Put(object) => {
                // Before the first list is complete a change can't make it so.
                self.complete.as_mut().unwrap_or(&mut self.listing).insert(object.name().to_owned(), object);
                self.complete.is_some()
            }
            Change::Remove(name) => self.complete.as_mut().unwrap_or(&mut self.listing).remove(&name).is_some(),
        }
    }
}

trait Named {
    fn name(&self) -> &str;
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
