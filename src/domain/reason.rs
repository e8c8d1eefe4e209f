//! Why an image was not accepted: two closed lists, because "not signed" and "could not find out" are different answers.
//!
//! Every variant has one stable [`code`](Rejection::code), used unchanged in metric labels, log fields, audit annotations,
//! admission messages, CLI output and `docs/reference/codes.md`, and one coarser [`Class`].

mod unavailable;

use super::digest::Digest;
use super::identity::Mismatch;
use super::reference::ReferenceError;

pub use unavailable::Unavailable;

/// The coarse reason of a denial: a fixed set, for dashboards and for comparing products.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// A demanded statement about the image is missing, or says something that the policy refuses.
    Attestation,
    /// A signature is there, but it is not one of ours for this image.
    BadSignature,
    /// The image reference can't be read.
    BadReference,
    /// The signature is good, but not by an identity that the policy accepts.
    IdentityMismatch,
    /// A fault of our own, or input that is no valid Kubernetes object.
    Internal,
    /// Something is larger or more numerous than we look at.
    LimitExceeded,
    /// No policy matches the image.
    NoPolicy,
    /// The image is not in the registry.
    NotFound,
    /// The image was accepted, but the object does not name its digest.
    NotPinned,
    /// The policy itself is broken.
    PolicyError,
    /// The registry answered against its protocol.
    RegistryProtocol,
    /// The registry did not answer, or answered with an error.
    RegistryUnavailable,
    /// A policy refuses the image without looking.
    StaticDeny,
    /// The trusted root does not vouch for what signed, or can't be used.
    TrustRoot,
    /// The registry wants other credentials.
    Unauthorized,
    /// No signature is there.
    Unsigned,
}

impl Class {
    /// The word for it, as in `unsigned`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Attestation => "attestation",
            Self::BadSignature => "bad-signature",
            Self::BadReference => "bad-reference",
            Self::IdentityMismatch => "identity-mismatch",
            Self::Internal => "internal",
            Self::LimitExceeded => "limit-exceeded",
            Self::NoPolicy => "no-policy",
            Self::NotFound => "not-found",
            Self::NotPinned => "not-pinned",
            Self::PolicyError => "policy-error",
            Self::RegistryProtocol => "registry-protocol",
            Self::RegistryUnavailable => "registry-unavailable",
            Self::StaticDeny => "static-deny",
            Self::TrustRoot => "trust-root",
            Self::Unauthorized => "unauthorized",
            Self::Unsigned => "unsigned",
        }
    }
}

/// A definite no. Text fields are escaped and cut by whoever makes the value (`domain::text`).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The signed payload lacks an annotation that the policy demands, or has another value.
    #[error("the signature is valid but its payload {}, and the policy demands {key}={expected}", found_annotation(.key, .found.as_deref()))]
    AnnotationMismatch {
        /// The annotation's key.
        key: String,
        /// The value that the policy demands.
        expected: String,
        /// The value in the signed payload.
        found: Option<String>,
    },
    /// A demanded statement is there, and what it says is refused.
    #[error("the attestation {name} is refused: {problem}")]
    AttestationRefused {
        /// The name of the demand.
        name: String,
        /// Which condition does not hold.
        problem: String,
    },
    /// A condition on a demanded statement can't be evaluated: the policy is at fault, or the statement is not what it is
    /// written for.
    #[error("the attestation {name} can't be judged: {problem}")]
    AttestationUnjudged {
        /// The name of the demand.
        name: String,
        /// Which condition, and why.
        problem: String,
    },
    /// The image reference can't be read.
    #[error("not a valid image reference: {0}")]
    BadReference(#[from] ReferenceError),
    /// The certificate of a signature can't be read, or is not one that may sign code.
    #[error("the signature's certificate {0}")]
    CertificateInvalid(String),
    /// The signed payload names other digests than the image's.
    #[error("the signature is about another image: it names {signed}")]
    DigestMismatch {
        /// What the payload names.
        signed: String,
    },
    /// The signature is good, but its certificate names another signer than the policy accepts.
    #[error("signed by another identity: {0}")]
    IdentityMismatch(Mismatch),
    /// The registry says that there is no such image.
    #[error("the registry has no such image")]
    ImageNotFound,
    /// A fault of our own; the log has the details.
    #[error("internal error: {0}")]
    Internal(&'static str),
    /// A log entry beside the signature is not about it, or not proven to be in its log.
    #[error("the transparency log entry beside the signature is refused: {0}")]
    LogInvalid(String),
    /// The policy demands an entry in a transparency log.
    #[error(
        "the signature has no proven entry in a transparency log, and the policy demands one (transparencyLog: Required)"
    )]
    LogRequired,
    /// The object is not what its kind promises.
    #[error("the object can't be read: {0}")]
    MalformedObject(String),
    /// No statement of the demanded type by anyone who may make it.
    #[error("no attestation {name} (type {predicate_type}) by {signers}; looked at {looked_at}")]
    NoAttestation {
        /// The name of the demand.
        name: String,
        /// The predicate type.
        predicate_type: String,
        /// Who may have made it.
        signers: String,
        /// Where, and what was found instead.
        looked_at: String,
    },
    /// No policy that governs the namespace matches the image.
    #[error(
        "no policy matches this image, and unmatched images are refused in namespaces that policies govern (governed here by: {governing})"
    )]
    NoPolicy {
        /// Names of the policies that govern the namespace.
        governing: String,
    },
    /// Nothing says when a certificate was used that is long over.
    #[error(
        "nothing proves when the certificate signed: there is neither a signed entry of a log that tells the time nor a timestamp by an authority of the trusted root"
    )]
    NoSigningTime,
    /// Every place where signatures may lie has answered, and there is none.
    #[error("no image signature found; looked at {looked_at}")]
    NoSignature {
        /// The places, for a reader.
        looked_at: String,
    },
    /// Something signed is there, but it is an attestation or another statement, not an image signature.
    #[error("this is a statement of type {predicate_type}, not an image signature")]
    NotAnImageSignature {
        /// Its predicate type.
        predicate_type: String,
    },
    /// The image would be accepted, but the object does not name its digest.
    #[error(
        "the image is accepted as {digest} but arrived without its digest: try again; if it stays so, a webhook that runs after sealgate adds or rewrites it"
    )]
    NotPinned {
        /// The digest that was verified.
        digest: Digest,
    },
    /// A statement of another type than the demanded one, or no statement at all.
    #[error("this is {}, and the policy demands an attestation of type {expected}", statement(.found.as_deref()))]
    OtherStatement {
        /// The demanded predicate type.
        expected: String,
        /// Its own predicate type; nothing where it is a signature of the image.
        found: Option<String>,
    },
    /// The policy is stored but can't be used.
    #[error("the policy can't be used: {0}")]
    PolicyError(String),
    /// Signed in a way the authority does not accept, such as with a certificate where a key is expected.
    #[error("{0}")]
    SignerMismatch(String),
    /// No key that the policy accepts made this signature.
    #[error("the signature does not verify with {key}")]
    SignatureInvalid {
        /// The key, as [`crate::domain`] users know it: algorithm and fingerprint.
        key: String,
    },
    /// The signature has more parts than are looked at.
    #[error("{found} {what}; at most {limit} are looked at")]
    SignatureLimit {
        /// The parts.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many are looked at.
        limit: usize,
    },
    /// The signature, its payload or its envelope can't be read.
    #[error("the signature can't be read: {0}")]
    SignatureMalformed(String),
    /// A `static: Deny` authority.
    #[error("the policy refuses this image without looking (static: Deny)")]
    StaticDeny,
    /// A timestamp beside the signature is not by an authority of the trusted root, or of a time to come.
    #[error("a time beside the signature is refused: {0}")]
    TimestampInvalid(String),
    /// More images in one object than are looked at, distinct ones or all.
    #[error("{found} images in one object; at most {limit} are verified")]
    TooManyImages {
        /// How many there are.
        found: usize,
        /// How many are looked at.
        limit: usize,
    },
    /// More signatures on one image than are looked at, and none of the first ones is good.
    #[error("none of the first {limit} signatures is accepted, and there are more than are looked at")]
    TooManySignatures {
        /// How many are looked at.
        limit: usize,
    },
    /// Nothing that the policy trusts vouches for the certificate, the log entry or the timestamp.
    #[error("{0}")]
    TrustRoot(String),
    /// No policy governs the namespace, and the setting `ungovernedNamespaces` does not allow that.
    #[error("no policy governs this namespace, and the setting ungovernedNamespaces holds that against its images")]
    Ungoverned,
    /// The object is of a kind that has no row in the kind table.
    #[error("objects of kind {0} are not known to this version")]
    UnknownKind(String),
}

fn found_annotation(key: &str, found: Option<&str>) -> String {
    match found {
        Some(value) => format!("says {key}={value}"),
        None => format!("has no annotation {key}"),
    }
}

fn statement(predicate_type: Option<&str>) -> String {
    predicate_type.map_or_else(|| "an image signature".to_owned(), |found| format!("a statement of type {found}"))
}

/// A reason not to accept an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A definite no.
    Rejected(Rejection),
    /// Could not find out.
    Unavailable(Unavailable),
}

impl Rejection {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::AnnotationMismatch { .. } => "ANNOTATION_MISMATCH",
            Self::AttestationRefused { .. } => "ATTESTATION_REFUSED",
            Self::BadReference(_) => "BAD_REFERENCE",
            Self::CertificateInvalid(_) => "CERTIFICATE_INVALID",
            Self::DigestMismatch { .. } => "DIGEST_MISMATCH",
            Self::IdentityMismatch(_) => "IDENTITY_MISMATCH",
            Self::ImageNotFound => "IMAGE_NOT_FOUND",
            Self::Internal(_) => "INTERNAL_ERROR",
            Self::LogInvalid(_) => "LOG_INVALID",
            Self::LogRequired => "LOG_REQUIRED",
            Self::MalformedObject(_) => "MALFORMED_OBJECT",
            Self::NoPolicy { .. } | Self::Ungoverned => "NO_POLICY",
            Self::NoSignature { .. } | Self::NotAnImageSignature { .. } => "NO_SIGNATURE",
            Self::NoSigningTime => "NO_SIGNING_TIME",
            Self::NotPinned { .. } => "NOT_PINNED",
            Self::NoAttestation { .. } | Self::OtherStatement { .. } => "NO_ATTESTATION",
            Self::AttestationUnjudged { .. } | Self::PolicyError(_) => "POLICY_ERROR",
            Self::SignerMismatch(_) => "SIGNER_MISMATCH",
            Self::SignatureInvalid { .. } => "SIGNATURE_INVALID",
            Self::SignatureLimit { .. } => "SIGNATURE_LIMIT",
            Self::SignatureMalformed(_) => "SIGNATURE_MALFORMED",
            Self::StaticDeny => "STATIC_DENY",
            Self::TimestampInvalid(_) => "TIMESTAMP_INVALID",
            Self::TooManyImages { .. } => "TOO_MANY_IMAGES",
            Self::TooManySignatures { .. } => "TOO_MANY_SIGNATURES",
            Self::TrustRoot(_) => "TRUST_ROOT_MISMATCH",
            Self::UnknownKind(_) => "UNKNOWN_KIND",
        }
    }

    /// The coarse reason.
    pub fn class(&self) -> Class {
        match self {
            Self::AnnotationMismatch { .. }
            | Self::CertificateInvalid(_)
            | Self::DigestMismatch { .. }
            | Self::LogInvalid(_)
            | Self::LogRequired
            | Self::NoSigningTime
            | Self::SignerMismatch(_)
            | Self::SignatureInvalid { .. }
            | Self::SignatureMalformed(_)
            | Self::TimestampInvalid(_) => Class::BadSignature,
            Self::AttestationRefused { .. } | Self::NoAttestation { .. } | Self::OtherStatement { .. } => {
                Class::Attestation
            }
            Self::BadReference(_) => Class::BadReference,
            Self::IdentityMismatch(_) => Class::IdentityMismatch,
            Self::ImageNotFound => Class::NotFound,
            Self::Internal(_) | Self::MalformedObject(_) | Self::UnknownKind(_) => Class::Internal,
            Self::NoPolicy { .. } | Self::Ungoverned => Class::NoPolicy,
            Self::NoSignature { .. } | Self::NotAnImageSignature { .. } => Class::Unsigned,
            Self::NotPinned { .. } => Class::NotPinned,
            Self::AttestationUnjudged { .. } | Self::PolicyError(_) => Class::PolicyError,
            Self::StaticDeny => Class::StaticDeny,
            Self::SignatureLimit { .. } | Self::TooManyImages { .. } | Self::TooManySignatures { .. } => {
                Class::LimitExceeded
            }
            Self::TrustRoot(_) => Class::TrustRoot,
        }
    }

    /// How near a signature came to being accepted. Of several bad signatures the nearest one is reported.
    pub fn nearness(&self) -> u8 {
        match self {
            Self::AttestationRefused { .. } => 13,
            Self::AttestationUnjudged { .. } => 12,
            Self::AnnotationMismatch { .. } => 11,
            Self::IdentityMismatch(_) => 10,
            Self::DigestMismatch { .. } => 9,
            Self::LogRequired | Self::NoSigningTime => 8,
            Self::LogInvalid(_) | Self::TimestampInvalid(_) => 7,
            Self::TrustRoot(_) => 6,
            Self::SignatureInvalid { .. } => 5,
            Self::SignerMismatch(_) => 4,
            Self::CertificateInvalid(_) => 3,
            Self::SignatureLimit { .. } => 2,
            Self::SignatureMalformed(_) => 1,
            _ => 0,
        }
    }
}

impl Finding {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Rejected(r) => r.code(),
            Self::Unavailable(u) => u.code(),
        }
    }

    /// The coarse reason.
    pub fn class(&self) -> Class {
        match self {
            Self::Rejected(r) => r.class(),
            Self::Unavailable(u) => u.class(),
        }
    }

    /// Whether it is a definite no, which outweighs not having found out.
    pub fn is_rejection(&self) -> bool {
        matches!(self, Self::Rejected(_))
    }
}

impl From<Rejection> for Finding {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<Unavailable> for Finding {
    fn from(cause: Unavailable) -> Self {
        Self::Unavailable(cause)
    }
}

/// Every code that exists, for the documentation and its test.
pub const CODES: [&str; 42] = [
    "ADDRESS_BLOCKED",
    "ANNOTATION_MISMATCH",
    "ATTESTATION_REFUSED",
    "BAD_REFERENCE",
    "CERTIFICATE_INVALID",
    "DEADLINE_EXCEEDED",
    "DIGEST_MISMATCH",
    "DOCUMENT_LIMIT",
    "IDENTITY_MISMATCH",
    "IMAGE_NOT_FOUND",
    "INTERNAL_ERROR",
    "LOG_INVALID",
    "LOG_REQUIRED",
    "MALFORMED_OBJECT",
    "NAMESPACE_UNKNOWN",
    "NOT_PINNED",
    "NOT_READY",
    "NO_ATTESTATION",
    "NO_POLICY",
    "NO_SIGNATURE",
    "NO_SIGNING_TIME",
    "OVERLOADED",
    "POLICY_ERROR",
    "REGISTRY_ERROR",
    "REGISTRY_LIMIT",
    "REGISTRY_PROTOCOL",
    "REGISTRY_RATE_LIMITED",
    "REGISTRY_TIMEOUT",
    "REGISTRY_TLS",
    "REGISTRY_UNAUTHORIZED",
    "REGISTRY_UNREACHABLE",
    "SIGNATURE_INVALID",
    "SIGNATURE_LIMIT",
    "SIGNATURE_MALFORMED",
    "SIGNER_MISMATCH",
    "STATIC_DENY",
    "TIMESTAMP_INVALID",
    "TOO_MANY_IMAGES",
    "TOO_MANY_SIGNATURES",
    "TRUSTED_ROOT_UNAVAILABLE",
    "TRUST_ROOT_MISMATCH",
    "UNKNOWN_KIND",
];

#[cfg(test)]
mod tests;
