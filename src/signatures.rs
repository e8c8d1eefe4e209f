//! From untrusted signature bytes to a verified signature, or to the reason why not.
//!
//! Pure: no network, no clock, no Kubernetes. Bytes come from `registry` through the verifier, keys from policies.

pub mod key;

mod adapter;
mod bundle;
mod claim;
mod dsse;
mod json;
mod scheme;
mod simple_signing;

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use self::claim::{Claim, Message, Signer, Subject};
use crate::domain::text::{Foreign, foreign};
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

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bundle => "Sigstore bundle",
            Self::SimpleSigning => "simple signing",
        })
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
///
/// 1. Structure: exactly one signature, in canonical base64, over a payload of a known type that names its images by
///    SHA-256 and says "image signature". What reads in two ways is refused.
/// 2. Image: one of the digests that the payload names is the image's.
/// 3. Signer: a bare key, and where the bundle has its fingerprint, the demanded one. Never a certificate.
/// 4. Signature: over the raw bytes of the payload, by the demanded key.
/// 5. Annotations: all that are demanded, from the payload that has just been verified.
///
/// The order is that of the answers: an annotation in a bad signature is never looked at.
pub fn verify(candidate: &Candidate, image: &PinnedImage, demand: Demand<'_>) -> Result<VerifiedSignature, Rejection> {
    let claim = read(candidate)?;
    check(&claim, candidate, image, demand)
}

/// The same for several demands, in their order: the candidate is read once.
pub fn verify_each<'d>(
    candidate: &Candidate,
    image: &PinnedImage,
    demands: impl IntoIterator<Item = Demand<'d>>,
) -> Vec<Result<VerifiedSignature, Rejection>> {
    let claim = read(candidate);
    let answer = |demand| check(claim.as_ref().map_err(Clone::clone)?, candidate, image, demand);
    demands.into_iter().map(answer).collect()
}

/// Check 1.
fn read(candidate: &Candidate) -> Result<Claim<'_>, Rejection> {
    match &candidate.content {
        UntrustedContent::Bundle(bytes) => bundle::read(bytes),
        UntrustedContent::SimpleSigning { payload, annotations } => simple_signing::read(payload, annotations),
    }
}

/// Checks 2 to 5.
fn check(
    claim: &Claim<'_>,
    candidate: &Candidate,
    image: &PinnedImage,
    demand: Demand<'_>,
) -> Result<VerifiedSignature, Rejection> {
    // 2.
    let mut subjects = claim.subjects.iter().filter(|subject| subject.digest == *image.digest());
    let first = subjects.next().ok_or_else(|| Rejection::DigestMismatch { signed: claim.names() })?;
    // 3.
    check_signer(&claim.signer, demand.key)?;
    // 4.
    check_signature(claim, image, demand.key)?;
    // 5. Where the payload names the image several times, one of those places must have them all.
    subjects
        .map(|subject| check_annotations(subject, demand.annotations))
        .fold(check_annotations(first, demand.annotations), Result::or)?;
    Ok(VerifiedSignature { origin: candidate.origin.clone(), form: claim.form, key: demand.key.to_string() })
}

fn check_signer(signer: &Signer, key: &PublicKey) -> Result<(), Rejection> {
    match signer {
        Signer::Key { hint: None } => Ok(()),
        Signer::Key { hint: Some(hint) } if *hint == key.hint() => Ok(()),
        Signer::Key { hint: Some(hint) } => Err(Rejection::SignerMismatch(format!(
            "the signature says that key SHA256:{} made it, and the policy demands the {key}",
            Foreign(hint)
        ))),
        Signer::Certificate => Err(Rejection::SignerMismatch(format!(
            "the signature was made with a certificate, and the policy demands the {key}"
        ))),
    }
}

fn check_signature(claim: &Claim<'_>, image: &PinnedImage, key: &PublicKey) -> Result<(), Rejection> {
    let verifies = match &claim.message {
        Message::Bytes(bytes) => key.verifies(bytes, &claim.signature),
        Message::Manifest => key.verifies_digest(image.digest(), &claim.signature),
    };
    match claim.message {
        _ if verifies => Ok(()),
        Message::Manifest if !key.needs_only_digest() => Err(Rejection::SignerMismatch(format!(
            "a signature over the manifest itself can be checked only where it was made over its SHA-256, \
             which the {key} need not have done; sign with `cosign sign`"
        ))),
        Message::Bytes(_) | Message::Manifest => Err(Rejection::SignatureInvalid { key: key.to_string() }),
    }
}

/// Whether all demanded annotations stand at the subject, as strings.
fn check_annotations(subject: &Subject, demanded: &BTreeMap<String, String>) -> Result<(), Rejection> {
    let holds = |name: &str, value: &str| subject.annotations.get(name).and_then(Value::as_str) == Some(value);
    match demanded.iter().find(|(name, value)| !holds(name, value)) {
        None => Ok(()),
        Some((name, expected)) => Err(Rejection::AnnotationMismatch {
            key: name.clone(),
            expected: expected.clone(),
            found: subject
                .annotations
                .get(name)
                .map(|found| found.as_str().map_or_else(|| foreign(&found.to_string()), foreign)),
        }),
    }
}
