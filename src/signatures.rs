//! From untrusted signature bytes to a verified signature, or to the reason why not.
//!
//! Pure: no network, no clock, no Kubernetes. Bytes come from `registry` through the verifier, keys from policies.

pub mod certificate;
pub mod key;
pub mod trust;

mod adapter;
mod artifact;
mod bundle;
mod checkpoint;
mod claim;
mod dsse;
mod early;
mod footprint;
mod json;
mod log;
mod material;
mod proof;
mod scheme;
mod simple_signing;
mod timestamp;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use self::claim::{Claim, Subject};
use self::proof::{Proofs, Proven};
use crate::domain::text::{Foreign, foreign};
use crate::domain::{Digest, Finding, IdentityPattern, PinnedImage, Rejection, SignerIdentity};

pub use artifact::{Artifact, VerifiedArtifact, verify_artifact};
pub use certificate::{CertificateRoots, RootsError};
pub use footprint::footprint;
pub use key::{KeyError, PublicKey};
pub use trust::{RootsCell, TrustError, TrustMaterial, TrustedRoots};

/// The predicate type that says "image signature".
pub const IMAGE_SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";

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

impl UntrustedContent {
    /// The bytes of the document, annotations aside.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Bundle(bytes) => bytes,
            Self::SimpleSigning { payload, .. } => payload,
            Self::Envelope { envelope, .. } => envelope,
        }
    }
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
    /// One of these identities, with a short-lived certificate of the trusted root.
    Keyless {
        /// Whose certificates, logs and timestamps count.
        root: &'a TrustMaterial,
        /// Any of them.
        identities: &'a [IdentityPattern],
    },
    /// One of these identities, with a certificate of an own PKI.
    Certificate {
        /// The roots of that PKI.
        roots: &'a CertificateRoots,
        /// Whose logs and timestamps count; without it the certificate must be valid now.
        root: Option<&'a TrustMaterial>,
        /// Any of them.
        identities: &'a [IdentityPattern],
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
    /// The key that made it, whoever certified that key.
    key: PublicKey,
    proof: Proof,
    statement: Option<Statement>,
}

/// Who made a verified signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signatory {
    /// The holder of this key: algorithm and fingerprint.
    Key(String),
    /// The holder of a short-lived certificate of a trusted root.
    Keyless(Arc<SignerIdentity>),
    /// The holder of a certificate of an own PKI.
    Certificate(Arc<SignerIdentity>),
}

/// What was proven beside the signature itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// The entries in transparency logs, each as `host of the log, index`.
    pub log_entries: Vec<String>,
    /// When it was signed at the latest, by logs and timestamp authorities.
    pub times: Vec<Timestamp>,
}

/// A verified in-toto statement, as the bytes that were signed: a tree of them takes many times their memory, and most
/// statements are never looked into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    payload: Arc<[u8]>,
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

    /// Whether the same signer made both: with one key pair, however it is certified, or in one name.
    pub fn is_by_signer_of(&self, other: &Self) -> bool {
        self.key == other.key || self.signer.is_named_as(&other.signer)
    }

    /// Whether the same key made both, in the same name or in none.
    pub fn is_by_key_and_name_of(&self, other: &Self) -> bool {
        let is_nameless = |it: &Self| matches!(it.signer, Signatory::Key(_));
        let same_name = self.signer.is_named_as(&other.signer) || (is_nameless(self) && is_nameless(other));
        self.key == other.key && same_name
    }

    /// What was proven beside it.
    pub fn proof(&self) -> &Proof {
        &self.proof
    }

    /// The statement that was signed; nothing for an image signature.
    pub fn statement(&self) -> Option<&Statement> {
        self.statement.as_ref()
    }
}

impl Statement {
    /// The whole statement, with `subject`, `predicateType` and `predicate`.
    pub fn document(&self) -> Result<Value, Rejection> {
        dsse::document(&self.payload)
    }
}

impl Signatory {
    /// Whether both are one name by one issuer, whatever else a certificate says of one run of a pipeline or another, and
    /// whichever kind of authority vouches for it.
    fn is_named_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Keyless(one) | Self::Certificate(one), Self::Keyless(other) | Self::Certificate(other)) => {
                (&one.issuer, &one.subject) == (&other.issuer, &other.subject)
            }
            _ => false,
        }
    }
}

impl fmt::Display for Signatory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => f.write_str(key),
            Self::Keyless(identity) | Self::Certificate(identity) => match &identity.issuer {
                Some(issuer) => write!(f, "{} (issuer {})", identity.subject, Foreign(issuer)),
                None => identity.subject.fmt(f),
            },
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
///    SHA-256. What reads in two ways is refused, and so is what has more parts than are looked at.
/// 2. Content: it says "image signature", or is a statement of the demanded type.
/// 3. Image: one of the digests that the payload names is the image's.
/// 4. Signer: the demanded kind, with all that must be proven of the signature and of what lies beside it.
/// 5. Identity: the certificate names one that is accepted.
/// 6. Annotations: all that are demanded, from the payload that has just been verified.
///
/// The order is that of the answers: an annotation in a bad signature is never looked at.
pub fn verify(
    candidate: &Candidate,
    image: &PinnedImage,
    demand: Demand<'_>,
    now: Timestamp,
) -> Result<VerifiedSignature, Finding> {
    let claim = read(candidate)?;
    let mut proofs = Proofs::new(&claim, image.digest(), now);
    Ok(check(&claim, &mut proofs, candidate, image.digest(), demand)?)
}

/// The same for several demands, in their order: the candidate is read once, and what several of them ask is proven once.
pub fn verify_each<'d>(
    candidate: &Candidate,
    image: &PinnedImage,
    demands: impl IntoIterator<Item = Demand<'d>>,
    now: Timestamp,
) -> Vec<Result<VerifiedSignature, Finding>> {
    let claim = match read(candidate) {
        Ok(claim) => claim,
        Err(rejection) => return demands.into_iter().map(|_| Err(rejection.clone().into())).collect(),
    };
    let mut proofs = Proofs::new(&claim, image.digest(), now);
    let answer = |demand| Ok(check(&claim, &mut proofs, candidate, image.digest(), demand)?);
    demands.into_iter().map(answer).collect()
}

/// Check 1.
fn read(candidate: &Candidate) -> Result<Claim<'_>, Rejection> {
    match &candidate.content {
        UntrustedContent::Bundle(bytes) => bundle::read(bytes),
        UntrustedContent::SimpleSigning { payload, annotations } => simple_signing::read(payload, annotations),
        UntrustedContent::Envelope { envelope, annotations } => dsse::read_layer(envelope, annotations),
    }
}

/// Checks 2 to 6.
fn check(
    claim: &Claim<'_>,
    proofs: &mut Proofs<'_, '_>,
    candidate: &Candidate,
    image: &Digest,
    demand: Demand<'_>,
) -> Result<VerifiedSignature, Rejection> {
    // 2.
    check_content(claim, demand.content)?;
    // 3.
    let mut subjects = claim.content.subjects.iter().filter(|subject| subject.digest == *image);
    let first = subjects.next().ok_or_else(|| Rejection::DigestMismatch { signed: claim.names() })?;
    // 4. and 5.
    let (signer, Proven { proof, key, .. }) = check_signer(proofs, demand)?;
    // 6. Where the payload names the image several times, one of those places must have them all.
    let statement = match demand.content {
        ContentDemand::Image { annotations } => {
            subjects
                .map(|subject| check_annotations(subject, annotations))
                .fold(check_annotations(first, annotations), Result::or)?;
            None
        }
        ContentDemand::Attestation { .. } => Some(dsse::statement(&claim.content)?),
    };
    Ok(VerifiedSignature { origin: candidate.origin.clone(), form: claim.form, signer, key, proof, statement })
}

/// An attestation by the right signer is no image signature, and the other way round.
fn check_content(claim: &Claim<'_>, demand: ContentDemand<'_>) -> Result<(), Rejection> {
    let found = claim.content.predicate_type.as_deref();
    match demand {
        ContentDemand::Image { .. } if claim.is_image_signature() => Ok(()),
        ContentDemand::Image { .. } => {
            Err(Rejection::NotAnImageSignature { predicate_type: foreign(found.unwrap_or_default()) })
        }
        ContentDemand::Attestation { predicate_type } if found == Some(predicate_type) => Ok(()),
        ContentDemand::Attestation { predicate_type } => Err(Rejection::OtherStatement {
            expected: foreign(predicate_type),
            found: found.filter(|_| !claim.is_image_signature()).map(foreign),
        }),
    }
}

/// Checks 4 and 5, for images and for artifacts.
fn check_signer(proofs: &mut Proofs<'_, '_>, demand: Demand<'_>) -> Result<(Signatory, Proven), Rejection> {
    let proven = proofs.answer(demand.signer, demand.log)?;
    let named = |identities: &[IdentityPattern]| match &proven.identity {
        Some(identity) => IdentityPattern::accept(identities, identity).map(|_| identity.clone()),
        None => Err(Rejection::Internal("a certificate was verified that names nobody")),
    };
    let signer = match demand.signer {
        SignerDemand::Key { key, .. } => Signatory::Key(key.to_string()),
        SignerDemand::Keyless { identities, .. } => Signatory::Keyless(named(identities)?),
        SignerDemand::Certificate { identities, .. } => Signatory::Certificate(named(identities)?),
    };
    Ok((signer, proven))
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
