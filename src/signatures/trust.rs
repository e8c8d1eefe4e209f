//! Trusted roots: whose certificates, logs and timestamps count (sigstore/protobuf-specs, `sigstore_trustroot.proto`).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::adapter;
use crate::domain::{Digest, Unavailable};

/// The keys and certificates of one Sigstore instance, parsed once and ready to verify with.
pub struct TrustMaterial {
    /// The SHA-256 of the JSON it was read from.
    fingerprint: Digest,
    pub(super) anchors: adapter::Anchors,
}

/// Why a trusted root can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// It is no `trusted_root.json`.
    #[error("is no trusted root (expected the JSON of a trusted_root.json): {0}")]
    Unreadable(String),
    /// It can be read, but nothing could ever be verified with it.
    #[error("can't be used: {0}")]
    Unusable(String),
}

impl TrustMaterial {
    /// Reads a `trusted_root.json`.
    pub fn from_json(text: &str) -> Result<Self, TrustError> {
        Ok(Self { fingerprint: Digest::of(text.as_bytes()), anchors: adapter::Anchors::from_json(text)? })
    }

    /// How many certificate authorities, logs and timestamp authorities there are.
    pub fn counts(&self) -> (usize, usize, usize) {
        self.anchors.counts()
    }

    /// The SHA-256 of the JSON it was read from.
    pub fn fingerprint(&self) -> &Digest {
        &self.fingerprint
    }
}

impl PartialEq for TrustMaterial {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for TrustMaterial {}

impl fmt::Debug for TrustMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrustMaterial({})", self.fingerprint)
    }
}

/// All trusted roots at one moment, by the name that policies call them by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedRoots {
    roots: BTreeMap<String, Result<Arc<TrustMaterial>, String>>,
}

impl TrustedRoots {
    /// Roots that can be used, and why others can't.
    pub fn new(roots: BTreeMap<String, Result<Arc<TrustMaterial>, String>>) -> Self {
        Self { roots }
    }

    /// The root of that name. What can't be used now may be usable later: this is "could not find out".
    pub fn get(&self, name: &str) -> Result<Arc<TrustMaterial>, Unavailable> {
        let unavailable =
            |problem: &str| Unavailable::TrustedRoot { name: name.to_owned(), problem: problem.to_owned() };
        match self.roots.get(name) {
            Some(Ok(material)) => Ok(material.clone()),
            Some(Err(problem)) => Err(unavailable(problem)),
            None => Err(unavailable("there is no trusted root of that name")),
        }
    }
}

/// The one place where the current trusted roots are swapped: writers replace them all, readers take a snapshot.
#[derive(Clone, Debug, Default)]
pub struct RootsCell(Arc<ArcSwap<TrustedRoots>>);

impl RootsCell {
    /// The current roots.
    pub fn load(&self) -> Arc<TrustedRoots> {
        self.0.load_full()
    }

    /// Replaces the roots for every request that begins after this.
    pub fn store(&self, roots: TrustedRoots) {
        self.0.store(Arc::new(roots));
    }
}
