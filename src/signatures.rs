//! From untrusted signature bytes to a verified signature, or to the reason why not.
//!
//! Pure: no network, no clock, no Kubernetes. Bytes come from `registry` through the verifier, keys from policies.

pub mod key;
pub mod trust;

mod adapter;
mod bundle;
mod claim;
mod dsse;
mod json;
mod scheme;
mod simple_signing;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use self::claim::{Claim, Message, Signer, Subject};
use crate::domain::text::{Foreign, foreign};
use crate::domain::{Digest, Finding, PinnedImage, Rejection};

pub use key::{KeyError, PublicKey};
pub use trust::{RootsCell, TrustError, TrustMaterial, TrustedRoots};

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
    /// The tag `sha256-<hex>.att`.
    AttestationTag,
    /// The OCI 1.1 referrers API.
    ReferrersApi,
    /// The tag `sha256-<hex>`, an index of referrers.
    FallbackTag,
}

/// The shapes of signature material.
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
    /// A DSSE envelope with log entry, certificate and timestamp in the layer's annotations, as behind the tag `.att`.
    Envelope {
        /// The JSON of the envelope.
        envelope: Vec<u8>,
        /// All annotations of the layer.
        annotations: BTreeMap<String, String>,
    },
}

/// What a signature must satisfy.
#[derive(Clone, Copy, Debug)]
pub struct Demand<'a> {
    /// Who must have made it.
    pub signer: SignerDemand<'a>,
    /// What must be proven of transparency logs.
    pub log: LogRule,
    /// What must be signed.
    pub content: ContentDemand<'a>,
}

/// Who must have made a signature.
#[derive(Clone, Copy, Debug)]
pub enum SignerDemand<'a> {
    /// The holder of a key.
    Key {
        /// The key.
        key: &'a PublicKey,
        /// Whose logs and timestamps count; without it they are only compared with the signature.
        root: Option<&'a TrustMaterial>,
    },
}

/// What must be proven of transparency logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogRule {
    /// Nothing: entries are not looked at.
    Ignored,
    /// Whatever is there must be right.
    WhenPresent,
    /// An entry in a log that the trusted root names.
    Required,
}

/// What must be signed.
#[derive(Clone, Copy, Debug)]
pub enum ContentDemand<'a> {
    /// The image itself, by whatever says "image signature".
    Image {
        /// Annotations that the signed payload must carry.
        annotations: &'a BTreeMap<String, String>,
    },
    /// A statement about the image.
    Attestation {
        /// Its predicate type, exactly.
        predicate_type: &'a str,
    },
}

/// A signature that was verified for one image and one demand. Only [`verify`] makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedSignature {
    origin: Origin,
    form: Form,
    signer: Signatory,
    proof: Proof,
    statement: Option<Arc<Statement>>,
}

/// Who made a verified signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signatory {
    /// The holder of this key: algorithm and fingerprint.
    Key(String),
}

/// What was proven beside the signature itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// The entries in transparency logs, each as `host of the log, index`.
    pub log_entries: Vec<String>,
    /// When it was signed at the latest, by logs and timestamp authorities.
    pub times: Vec<Timestamp>,
}

/// A verified in-toto statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Its predicate type.
    pub predicate_type: String,
    /// The whole statement, with `subject`, `predicateType` and `predicate`.
    pub document: Value,
}

/// The form in which a signature was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A Sigstore bundle.
    Bundle,
    /// Simple signing in a layer.
    SimpleSigning,
    /// A DSSE envelope in a layer.
    Envelope,
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

    /// Who made it.
    pub fn signer(&self) -> &Signatory {
        &self.signer
    }

    /// What was proven beside it.
    pub fn proof(&self) -> &Proof {
        &self.proof
    }

    /// The statement that was signed; nothing for an image signature.
    pub fn statement(&self) -> Option<&Arc<Statement>> {
        self.statement.as_ref()
    }
}

impl fmt::Display for Signatory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => f.write_str(key),
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bundle => "Sigstore bundle",
            Self::SimpleSigning => "simple signing",
            Self::Envelope => "DSSE envelope",
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LegacyTag => "tag .sig",
            Self::AttestationTag => "tag .att",
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
pub fn verify(
    candidate: &Candidate,
    image: &PinnedImage,
    demand: Demand<'_>,
    now: Timestamp,
) -> Result<VerifiedSignature, Finding> {
    let claim = read(candidate)?;
    check(&claim, candidate, image, demand, now)
}

/// The same for several demands, in their order: the candidate is read once.
pub fn verify_each<'d>(
    candidate: &Candidate,
    image: &PinnedImage,
    demands: impl IntoIterator<Item = Demand<'d>>,
    now: Timestamp,
) -> Vec<Result<VerifiedSignature, Finding>> {
    let claim = read(candidate);
    let answer = |demand| check(claim.as_ref().map_err(Clone::clone)?, candidate, image, demand, now);
    demands.into_iter().map(answer).collect()
}

/// Check 1.
fn read(candidate: &Candidate) -> Result<Claim<'_>, Rejection> {
    match &candidate.content {
        UntrustedContent::Bundle(bytes) => bundle::read(bytes),
        UntrustedContent::SimpleSigning { payload, annotations } => simple_signing::read(payload, annotations),
        UntrustedContent::Envelope { .. } => {
            Err(claim::malformed("attestations behind tags are read in the next step"))
        }
    }
}

/// Checks 2 to 5.
fn check(
    claim: &Claim<'_>,
    candidate: &Candidate,
    image: &PinnedImage,
    demand: Demand<'_>,
    _now: Timestamp,
) -> Result<VerifiedSignature, Finding> {
    let SignerDemand::Key { key, .. } = demand.signer;
    let ContentDemand::Image { annotations } = demand.content else {
        return Err(Rejection::Internal("attestations are verified in the next step").into());
    };
    // 2.
    let mut subjects = claim.subjects.iter().filter(|subject| subject.digest == *image.digest());
    let first = subjects.next().ok_or_else(|| Rejection::DigestMismatch { signed: claim.names() })?;
    // 3.
    check_signer(&claim.signer, key)?;
    // 4.
    check_signature(claim, image, key)?;
    // 5. Where the payload names the image several times, one of those places must have them all.
    subjects
        .map(|subject| check_annotations(subject, annotations))
        .fold(check_annotations(first, annotations), Result::or)?;
    Ok(VerifiedSignature {
        origin: candidate.origin.clone(),
        form: claim.form,
        signer: Signatory::Key(key.to_string()),
        proof: Proof::default(),
        statement: None,
    })
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
