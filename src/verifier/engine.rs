//! The engine: select, resolve, fetch, verify, combine.

use std::time::Duration;

use tokio::time::Instant;

use crate::policy::{Defaults, ImageVerdict, PolicyCell};

use super::ports::{Keychain, PullContext, Registry};

/// Most distinct images that one object may have.
pub const MAX_IMAGES: usize = 64;

/// What is asked about.
#[derive(Clone, Debug)]
pub struct Question {
    /// The namespace whose policies count.
    pub namespace: String,
    /// The images as written, in any order, duplicates allowed.
    pub images: Vec<String>,
    /// Who would pull them.
    pub context: PullContext,
    /// When the answer must be there.
    pub deadline: Instant,
}

/// Verifies images against the current policies.
#[derive(Debug)]
pub struct Engine<R, K> {
    registry: R,
    keychain: K,
    policies: PolicyCell,
    defaults: Defaults,
}

impl<R: Registry, K: Keychain> Engine<R, K> {
    /// An engine over its ports and the cell that holds the policies.
    pub fn new(registry: R, keychain: K, policies: PolicyCell, defaults: Defaults) -> Self {
        Self { registry, keychain, policies, defaults }
    }

    /// One verdict an image, in the order of the question, all under one policy snapshot. Always answers by the deadline.
    pub async fn verify(&self, _question: &Question) -> Vec<ImageVerdict> {
        let _ = (&self.registry, &self.keychain, &self.policies, self.defaults, Duration::ZERO);
        todo!()
    }
}
