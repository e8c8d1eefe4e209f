//! How far the gate reaches: as far as the policies do.

use crate::policy::{Defaults, Mode, PolicySet, Reaction};

/// What the API server does with a pod while the gate doesn't answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Admits it: nothing would be denied anyway.
    Observe,
    /// Refuses it.
    Enforce,
}

impl Reach {
    /// The `failurePolicy` of the pod webhooks.
    pub fn failure_policy(self) -> &'static str {
        match self {
            Self::Observe => "Ignore",
            Self::Enforce => "Fail",
        }
    }
}

/// The reach that the policies and settings ask for. A broken policy counts with its mode, which is `Enforce` where that
/// can't be read.
pub fn reach(set: &PolicySet, defaults: Defaults) -> Reach {
    let enforced = set.entries().iter().any(|entry| entry.mode() == Mode::Enforce);
    if enforced || defaults.ungoverned == Reaction::Deny { Reach::Enforce } else { Reach::Observe }
}
