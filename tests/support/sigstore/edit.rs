//! A change that a test makes in the middle of things.

use std::sync::Arc;

/// A change of a value that is made anew each time; by default none.
pub struct Edit<T>(Option<Arc<Change<T>>>);

type Change<T> = dyn Fn(&mut T) + Send + Sync;

impl<T> Edit<T> {
    /// From now on this change.
    pub fn set(&mut self, change: impl Fn(&mut T) + Send + Sync + 'static) {
        self.0 = Some(Arc::new(change));
    }

    /// Makes it.
    pub fn apply(&self, value: &mut T) {
        if let Some(change) = &self.0 {
            change(value);
        }
    }
}

impl<T> Default for Edit<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Clone for Edit<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}
