//! From untrusted signature bytes to a verified signature, or to the reason why not.
//!
//! Pure: no network, no clock, no Kubernetes. Bytes come from `registry` through the verifier, keys from policies.

pub mod bundle;
pub mod dsse;
pub mod key;
pub mod simple_signing;

use std::collections::BTreeMap;
use std::fmt;

use crate::domain::{Digest, PinnedImage, Rejection};

pub use key::{KeyError, PublicKey};

/// Signature material as it was found: nothing in it is to be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Where it was found, for people.
    pub origin: Origin,
    /// The SHA-256 of the blob that holds it.
    pub blob: Digest,
    /// The bytes.
    pub content: UntrustedContent,
}

/// Where a candidate was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The kind of place.
    pub place: Place,
    /// The manifest that lists the blob.
    pub manifest: Digest,
    /// The index of the layer in that manifest.
    pub layer: usize,
}

/// The places where signatures of an image may lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The tag `sha256-<hex>.sig`.
    LegacyTag,
    /// The OCI 1.1 referrers API.
    ReferrersApi,
    /// The tag `sha256-<hex>`, an index of referrers.
    FallbackTag,
}

/// The two shapes of signature material.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UntrustedContent {
    /// A Sigstore bundle.
    Bundle(Vec<u8>),
    /// A simple signing payload with the signature in the layer's annotations.
    SimpleSigning {
        /// The signed bytes.
        payload: Vec<u8>,
        /// All annotations of the layer, the base64 signature among them.
        annotations: BTreeMap<String, String>,
    },
}

/// What the signature must satisfy beyond its key.
#[derive(Clone, Copy, Debug)]
pub struct Demand<'a> {
    /// The key that must have made it.
    pub key: &'a PublicKey,
    /// Annotations that the signed payload must carry.
    pub annotations: &'a BTreeMap<String, String>,
}

/// A signature that was verified for one image and one key. Only [`verify`] makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedSignature {
    origin: Origin,
    form: Form,
    key: String,
}

/// The form in which a signature was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A Sigstore bundle.
    Bundle,
    /// Simple signing in a layer.
    SimpleSigning,
}

impl VerifiedSignature {
    /// Where it was found.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// How it was stored.
    pub fn form(&self) -> Form {
        self.form
    }

    /// The key that made it: algorithm and fingerprint.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LegacyTag => "tag .sig",
            Self::ReferrersApi => "referrers API",
            Self::FallbackTag => "referrers tag",
        })
    }
}

/// Verifies one candidate for one image against one demand.
pub fn verify(
    _candidate: &Candidate,
    _image: &PinnedImage,
    _demand: Demand<'_>,
) -> Result<VerifiedSignature, Rejection> {
    todo!()
}
