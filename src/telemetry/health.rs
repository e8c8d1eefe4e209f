//! Readiness: a set of named conditions that must all have been reported. What is old beside them is told and keeps nobody from
//! being asked: an answer by old policies is better than none.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

/// The conditions of readiness. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    conditions: BTreeMap<&'static str, bool>,
    stale: BTreeMap<&'static str, Timestamp>,
}

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
        self.lock().conditions.iter().filter(|(_, met)| !**met).map(|(name, _)| *name).collect()
    }

    /// Since when what is in use of a kind may be old, or that it is current again.
    pub fn set_stale(&self, what: &'static str, since: Option<Timestamp>) {
        let stale = &mut self.lock().stale;
        match since {
            Some(since) => _ = stale.entry(what).or_insert(since),
            None => _ = stale.remove(what),
        }
    }

    /// What may be old, and since when.
    pub fn stale(&self) -> Vec<(&'static str, Timestamp)> {
        self.lock().stale.iter().map(|(what, since)| (*what, *since)).collect()
    }

    fn set(&self, name: &'static str, met: bool) {
        self.lock().conditions.insert(name, met);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
