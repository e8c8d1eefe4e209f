//! The one place where the current policies are swapped: writers replace the whole set, readers take a snapshot.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::set::PolicySet;

/// Holds the current policy set; empty until the first complete one has been read.
#[derive(Clone, Debug, Default)]
pub struct PolicyCell(Arc<ArcSwapOption<PolicySet>>);

impl PolicyCell {
    /// The current set, or nothing while none was loaded yet (which is not the same as an empty set).
    pub fn load(&self) -> Option<Arc<PolicySet>> {
        self.0.load_full()
    }

    /// Replaces the set for every request that begins after this.
    pub fn store(&self, set: PolicySet) {
        self.0.store(Some(Arc::new(set)));
    }
}
