//! The last usable version of each policy, so that an update that breaks one does not take away what was in force.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::model::Policy;
use super::set::{Entry, LastGood};

/// Remembers the last usable version of each policy. In memory: after a restart there is none.
#[derive(Debug, Default)]
pub struct History(BTreeMap<String, Good>);

/// Which version of which object an entry was read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Version {
    /// `metadata.uid`; nothing where objects have none. An object that was made again under an old name has another one.
    pub uid: Option<String>,
    /// `metadata.generation`; nothing where objects have none.
    pub generation: Option<i64>,
}

#[derive(Debug)]
struct Good {
    version: Version,
    policy: Arc<Policy>,
}

impl History {
    /// What is in force once this entry is stored: a broken one is replaced by the last usable version of the same object.
    pub fn take(&mut self, version: Version, entry: Entry) -> Entry {
        let name = entry.name().to_string();
        match entry {
            Entry::Valid(policy) => {
                self.0.insert(name, Good { version, policy: policy.clone() });
                Entry::Valid(policy)
            }
            Entry::Broken(broken) => match self.0.get(&name).filter(|good| good.version.uid == version.uid) {
                Some(Good { version, policy }) => Entry::LastGood(Box::new(LastGood {
                    policy: policy.clone(),
                    generation: version.generation,
                    error: broken.error,
                })),
                None => Entry::Broken(broken),
            },
            kept @ Entry::LastGood(_) => kept,
        }
    }

    /// Forgets a policy that is gone.
    pub fn forget(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Forgets all policies that are not there any more.
    pub fn retain(&mut self, is_there: impl Fn(&str) -> bool) {
        self.0.retain(|name, _| is_there(name));
    }
}

#[cfg(test)]
mod tests;
