//! Readiness: a set of named conditions that must all have been reported.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The conditions of readiness. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<BTreeMap<&'static str, bool>>>);

/// One condition; drop it and the condition stays as it is.
#[derive(Debug)]
pub struct Condition {
    health: Health,
    name: &'static str,
}

impl Health {
    /// A condition that is not met until it is reported.
    #[must_use]
    pub fn condition(&self, name: &'static str) -> Condition {
        self.set(name, false);
        Condition { health: self.clone(), name }
    }

    /// The names of the conditions that are not met. Ready when empty.
    pub fn unmet(&self) -> Vec<&'static str> {
        let conditions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        conditions.iter().filter(|(_, met)| !**met).map(|(name, _)| *name).collect()
    }

    fn set(&self, name: &'static str, met: bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, met);
    }
}

impl Condition {
    /// Reports that the condition is met.
    pub fn met(&self) {
        self.health.set(self.name, true);
    }

    /// Reports that it is not met, or no longer.
    pub fn unmet(&self) {
        self.health.set(self.name, false);
    }
}
