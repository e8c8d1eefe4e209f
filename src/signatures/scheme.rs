//! The signature schemes, and who computes them: the `sigstore` crate where it has one, aws-lc-rs for P-521 and
//! ed25519-dalek for Ed25519ph, which it lacks.
//!
//! ECDSA signatures are DER and nothing else: the backend encodes what it has parsed and compares.

use aws_lc_rs::digest::{Digest as Hash, SHA256};
use aws_lc_rs::signature::{
    ECDSA_P521_SHA256_ASN1, ECDSA_P521_SHA512_ASN1, EcdsaVerificationAlgorithm, UnparsedPublicKey,
};
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha512};

use super::adapter::{self, SigningScheme};
use crate::domain::Digest;

/// One way to sign with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// ECDSA P-256 with SHA-256.
    P256Sha256,
    /// ECDSA P-384 with SHA-256, as cosign signed before 3.0.
    P384Sha256,
    /// ECDSA P-384 with SHA-384.
    P384Sha384,
    /// ECDSA P-521 with SHA-256, as cosign signed before 3.0.
    P521Sha256,
    /// ECDSA P-521 with SHA-512.
    P521Sha512,
    /// RSA PKCS#1 v1.5 with SHA-256.
    RsaPkcs1Sha256,
    /// RSA PSS with SHA-256.
    RsaPssSha256,
    /// Ed25519 over the message, as cosign signed before 3.0.
    Ed25519,
    /// Ed25519 over the SHA-512 of the message (RFC 8032, section 5.1), without context.
    Ed25519ph,
}

/// Who computes a scheme.
enum Backend {
    /// The `sigstore` crate, from the SPKI.
    Sigstore(SigningScheme),
    /// aws-lc-rs, from the point.
    AwsLc(&'static EcdsaVerificationAlgorithm),
    /// ed25519-dalek, from the point.
    Dalek,
}

impl Scheme {
    /// Whether the key signed `message`.
    pub(super) fn verifies(self, spki: &[u8], raw: &[u8], message: &[u8], signature: &[u8]) -> bool {
        match self.backend() {
            Backend::Sigstore(scheme) => adapter::verifies(scheme, spki, message, signature),
            Backend::AwsLc(algorithm) => UnparsedPublicKey::new(algorithm, raw).verify(message, signature).is_ok(),
            Backend::Dalek => verifies_ed25519ph(raw, message, signature),
        }
    }

    /// Whether the key signed the message with this SHA-256; never true for schemes that need more.
    pub(super) fn verifies_digest(self, spki: &[u8], raw: &[u8], digest: &Digest, signature: &[u8]) -> bool {
        match self.backend() {
            _ if !self.needs_only_sha256() => false,
            Backend::Sigstore(scheme) => adapter::verifies_digest(scheme, spki, digest.as_bytes(), signature),
            Backend::AwsLc(algorithm) => Hash::import_less_safe(digest.as_bytes(), &SHA256)
                .is_ok_and(|hash| UnparsedPublicKey::new(algorithm, raw).verify_digest(&hash, signature).is_ok()),
            Backend::Dalek => false,
        }
    }

    /// Whether the scheme signs the SHA-256 of the message, so that the message itself is not needed.
    pub(super) fn needs_only_sha256(self) -> bool {
        match self {
            Self::P256Sha256 | Self::P384Sha256 | Self::P521Sha256 | Self::RsaPkcs1Sha256 | Self::RsaPssSha256 => true,
            Self::P384Sha384 | Self::P521Sha512 | Self::Ed25519 | Self::Ed25519ph => false,
        }
    }

    fn backend(self) -> Backend {
        match self {
            Self::P256Sha256 => Backend::Sigstore(SigningScheme::EcdsaP256Sha256),
            Self::P384Sha256 => Backend::Sigstore(SigningScheme::EcdsaP384Sha256),
            Self::P384Sha384 => Backend::Sigstore(SigningScheme::EcdsaP384Sha384),
            Self::P521Sha256 => Backend::AwsLc(&ECDSA_P521_SHA256_ASN1),
            Self::P521Sha512 => Backend::AwsLc(&ECDSA_P521_SHA512_ASN1),
            Self::RsaPkcs1Sha256 => Backend::Sigstore(SigningScheme::RsaPkcs1Sha256),
            Self::RsaPssSha256 => Backend::Sigstore(SigningScheme::RsaPssSha256),
            Self::Ed25519 => Backend::Sigstore(SigningScheme::Ed25519),
            Self::Ed25519ph => Backend::Dalek,
        }
    }
}

fn verifies_ed25519ph(raw: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let key = raw.try_into().ok().and_then(|bytes| VerifyingKey::from_bytes(bytes).ok());
    let (Some(key), Ok(signature)) = (key, Signature::from_slice(signature)) else { return false };
    key.verify_prehashed_strict(Sha512::new_with_prefix(message), None, &signature).is_ok()
}
