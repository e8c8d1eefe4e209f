//! Objects as a watch tells of them: a list is taken as a whole, and nothing is gone before the next one is complete. Pure.

use std::collections::BTreeMap;
use std::mem;

use kube::ResourceExt;
use kube::runtime::watcher::Event;

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

impl<T> Change<T> {
    /// From an event, with the objects read.
    pub(super) fn from<K: ResourceExt>(event: &Event<K>, read: impl Fn(&K) -> T) -> Self {
        match event {
            Event::Apply(object) => Self::Put(read(object)),
            Event::Delete(object) => Self::Remove(object.name_any()),
            Event::Init => Self::ListBegins,
            Event::InitApply(object) => Self::Listed(read(object)),
            Event::InitDone => Self::ListEnds,
        }
    }
}

/// Objects by name: the last complete state, and the list that is being read.
#[derive(Debug)]
pub(super) struct Collection<T> {
    complete: Option<BTreeMap<String, T>>,
    listing: BTreeMap<String, T>,
}

impl<T> Default for Collection<T> {
    fn default() -> Self {
        Self { complete: None, listing: BTreeMap::new() }
    }
}

impl<T: Named> Collection<T> {
    /// All objects, once they have all been told.
    pub(super) fn complete(&self) -> Option<&BTreeMap<String, T>> {
        self.complete.as_ref()
    }

    /// Takes a change in; whether the complete state may now differ.
    pub(super) fn take(&mut self, change: Change<T>) -> bool {
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

/// What has a name.
pub(super) trait Named {
    /// Its name.
    fn name(&self) -> &str;
}
