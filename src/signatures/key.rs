//! Public keys of policies, and verifying a signature with one.
//!
//! A bare key does not say how it signs, so each algorithm has the list of schemes that cosign has used for it over time;
//! a signature in any of them counts. All of them use SHA-256 or stronger, and no list is longer than two.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::VerifyingKey;
use spki::der::asn1::{AnyRef, UintRef};
use spki::der::{Decode, Reader, SliceReader};
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};

use super::scheme::Scheme;
use crate::domain::Digest;
use crate::domain::text::foreign;

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";

/// RFC 5480, section 2.1.1.
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
const SECP256K1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.10");
/// RFC 8017, appendix A.1.
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// RFC 8410, section 3.
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Smallest and largest RSA modulus in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// A public key in one of the accepted algorithms. A value is a key that was parsed and lies on its curve.
#[derive(Clone, Eq)]
pub struct PublicKey {
    algorithm: Algorithm,
    /// The DER of the `SubjectPublicKeyInfo`.
    spki: Vec<u8>,
    /// What is inside its BIT STRING.
    raw: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    EcdsaP256,
    EcdsaP384,
    EcdsaP521,
    Rsa { bits: usize },
    Ed25519,
}

/// Why a PEM is no usable public key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing but blanks.
    #[error("is empty; expected one PEM block PUBLIC KEY")]
    Empty,
    /// A private key. Its bytes are not repeated.
    #[error(
        "is a private key; put the public key here (cosign public-key --key cosign.key) and treat the private one as leaked if this text was stored anywhere"
    )]
    PrivateKey,
    /// A certificate.
    #[error("is a certificate; expected a public key (openssl x509 -pubkey -noout -in cert.pem)")]
    Certificate,
    /// More than one PEM block.
    #[error("has {0} PEM blocks; expected exactly one public key: give each its own authority")]
    SeveralBlocks(usize),
    /// A PEM block of another type.
    #[error("is a PEM block {0}; expected PUBLIC KEY")]
    OtherBlock(String),
    /// No PEM at all.
    #[error("is not PEM; expected a text that begins with {BEGIN}")]
    NotPem,
    /// Text before or after the block.
    #[error("has other text around the PEM block; expected nothing but the block")]
    Junk,
    /// The PEM is damaged.
    #[error("can't be read: {0}")]
    Malformed(&'static str),
    /// An algorithm that is not accepted.
    #[error(
        "is a key of an algorithm that is not accepted ({0}); expected ECDSA P-256, P-384 or P-521, RSA, or Ed25519"
    )]
    Algorithm(String),
    /// An RSA key of a size that is not accepted.
    #[error("is an RSA key of {0} bits; expected 2048 to 8192")]
    RsaSize(usize),
}

impl PublicKey {
    /// Reads exactly one PEM `PUBLIC KEY` (RFC 7468, section 13). Lines may be of any length; nothing may stand around the
    /// block but blanks.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        Self::from_spki(&decode_pem(pem)?)
    }

    /// Whether the key signed `message`, in any of the schemes that cosign has used for its algorithm.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.schemes().iter().any(|scheme| scheme.verifies(&self.spki, &self.raw, message, signature))
    }

    /// Whether the key signed the message that has this digest, in one of those schemes that need no more than that.
    pub fn verifies_digest(&self, digest: &Digest, signature: &[u8]) -> bool {
        self.schemes().iter().any(|scheme| scheme.verifies_digest(&self.spki, &self.raw, digest, signature))
    }

    /// Whether [`Self::verifies_digest`] covers every scheme of the key: its `false` then means that the key did not sign.
    pub fn needs_only_digest(&self) -> bool {
        self.schemes().iter().all(|scheme| scheme.needs_only_sha256())
    }

    /// The base64 of the SHA-256 of the SPKI: the `hint` of a bundle.
    pub fn hint(&self) -> String {
        STANDARD.encode(Digest::of(&self.spki).as_bytes())
    }

    /// Reads the DER of a `SubjectPublicKeyInfo`.
    pub(super) fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let spki =
            SubjectPublicKeyInfoRef::from_der(der).map_err(|_| KeyError::Malformed("it is no SubjectPublicKeyInfo"))?;
        let raw = spki.subject_public_key.as_bytes().ok_or(KeyError::Malformed("its BIT STRING has unused bits"))?;
        let algorithm = algorithm(&spki, raw)?;
        check_raw(algorithm, raw)?;
        Ok(Self { algorithm, spki: der.to_vec(), raw: raw.to_vec() })
    }

    /// Whether it is an ECDSA key on the curve P-256, as most signers have.
    pub(super) fn is_p256(&self) -> bool {
        self.algorithm == Algorithm::EcdsaP256
    }

    /// Whether it is an RSA key.
    pub(super) fn is_rsa(&self) -> bool {
        matches!(self.algorithm, Algorithm::Rsa { .. })
    }

    /// Whether it is an Ed25519 key.
    pub(super) fn is_ed25519(&self) -> bool {
        self.algorithm == Algorithm::Ed25519
    }

    /// Whether the `sigstore` crate verifies all that cosign signs with such a key.
    pub(super) fn is_known_to_crate(&self) -> bool {
        matches!(self.algorithm, Algorithm::EcdsaP256 | Algorithm::EcdsaP384 | Algorithm::Rsa { .. })
    }

    fn schemes(&self) -> &'static [Scheme] {
        match self.algorithm {
            Algorithm::EcdsaP256 => &[Scheme::P256Sha256],
            Algorithm::EcdsaP384 => &[Scheme::P384Sha384, Scheme::P384Sha256],
            Algorithm::EcdsaP521 => &[Scheme::P521Sha512, Scheme::P521Sha256],
            Algorithm::Rsa { .. } => &[Scheme::RsaPkcs1Sha256, Scheme::RsaPssSha256],
            Algorithm::Ed25519 => &[Scheme::Ed25519ph, Scheme::Ed25519],
        }
    }
}

/// Two keys are the same when they verify the same: an RSA key may be encoded with NULL parameters or with none.
impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        (self.algorithm, &self.raw) == (other.algorithm, &other.raw)
    }
}

/// Algorithm and fingerprint, such as `ECDSA P-256 key SHA256:dbqUjGJC…`.
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.algorithm {
            Algorithm::EcdsaP256 => f.write_str("ECDSA P-256")?,
            Algorithm::EcdsaP384 => f.write_str("ECDSA P-384")?,
            Algorithm::EcdsaP521 => f.write_str("ECDSA P-521")?,
            Algorithm::Rsa { bits } => write!(f, "RSA {bits}")?,
            Algorithm::Ed25519 => f.write_str("Ed25519")?,
        }
        write!(f, " key SHA256:{}", self.hint())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn decode_pem(pem: &str) -> Result<Vec<u8>, KeyError> {
    let text = pem.trim();
    if text.is_empty() {
        return Err(KeyError::Empty);
    }
    let labels: Vec<&str> =
        text.split("-----BEGIN ").skip(1).map(|rest| rest.split("-----").next().unwrap_or_default()).collect();
    match labels.as_slice() {
        [] => return Err(KeyError::NotPem),
        labels if labels.iter().any(|label| label.contains("PRIVATE KEY")) => return Err(KeyError::PrivateKey),
        ["PUBLIC KEY"] => {}
        ["CERTIFICATE", ..] => return Err(KeyError::Certificate),
        [label] => return Err(KeyError::OtherBlock(foreign(label))),
        labels => return Err(KeyError::SeveralBlocks(labels.len())),
    }
    let body = text.strip_prefix(BEGIN).ok_or(KeyError::Junk)?;
    let (body, after) = body.split_once(END).ok_or(KeyError::Malformed("the PEM block has no end"))?;
    if !after.is_empty() {
        return Err(KeyError::Junk);
    }
    let base64: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(base64).map_err(|_| KeyError::Malformed("the PEM block is not base64"))
}

fn algorithm(spki: &SubjectPublicKeyInfoRef<'_>, raw: &[u8]) -> Result<Algorithm, KeyError> {
    let parameters = spki.algorithm.parameters;
    match spki.algorithm.oid {
        EC_PUBLIC_KEY => match spki.algorithm.parameters_oid() {
            Ok(P256) => Ok(Algorithm::EcdsaP256),
            Ok(P384) => Ok(Algorithm::EcdsaP384),
            Ok(P521) => Ok(Algorithm::EcdsaP521),
            Ok(SECP256K1) => Err(KeyError::Algorithm("ECDSA secp256k1".to_owned())),
            Ok(curve) => Err(KeyError::Algorithm(format!("ECDSA on curve {curve}"))),
            Err(_) => Err(KeyError::Malformed("the curve is not named by an object identifier")),
        },
        RSA if parameters.is_none_or(AnyRef::is_null) => Ok(Algorithm::Rsa { bits: modulus_bits(raw)? }),
        ED25519 if parameters.is_none() => Ok(Algorithm::Ed25519),
        RSA | ED25519 => Err(KeyError::Malformed("the algorithm has parameters that it can't have")),
        oid => Err(KeyError::Algorithm(format!("object identifier {oid}"))),
    }
}

fn modulus_bits(raw: &[u8]) -> Result<usize, KeyError> {
    let read = || -> spki::der::Result<usize> {
        let mut reader = SliceReader::new(raw)?;
        let modulus = reader.sequence(|inner| {
            let modulus: UintRef<'_> = inner.decode()?;
            let _exponent: UintRef<'_> = inner.decode()?;
            Ok(modulus)
        })?;
        reader.finish(())?;
        let bytes = modulus.as_bytes();
        let unused = bytes.first().map_or(0, |b| b.leading_zeros() as usize);
        Ok(bytes.len().saturating_mul(8).saturating_sub(unused))
    };
    let bits = read().map_err(|_| KeyError::Malformed("it is no PKCS#1 RSAPublicKey"))?;
    if RSA_BITS.contains(&bits) { Ok(bits) } else { Err(KeyError::RsaSize(bits)) }
}

/// The checks that turn bytes into a key: a point in its one encoding and on its curve, an odd modulus, a usable exponent.
fn check_raw(algorithm: Algorithm, raw: &[u8]) -> Result<(), KeyError> {
    let parses = |algorithm: &'static dyn VerificationAlgorithm| {
        ParsedPublicKey::new(algorithm, raw).map(drop).map_err(|_| KeyError::Malformed("it is not a valid key"))
    };
    let point = |algorithm: &'static dyn VerificationAlgorithm| match raw.first() {
        Some(4) => parses(algorithm),
        _ => Err(KeyError::Malformed("the point is not in uncompressed form")),
    };
    match algorithm {
        Algorithm::EcdsaP256 => point(&ECDSA_P256_SHA256_ASN1),
        Algorithm::EcdsaP384 => point(&ECDSA_P384_SHA384_ASN1),
        Algorithm::EcdsaP521 => point(&ECDSA_P521_SHA512_ASN1),
        Algorithm::Rsa { .. } => parses(&RSA_PKCS1_2048_8192_SHA256),
        Algorithm::Ed25519 => match raw.try_into().map(VerifyingKey::from_bytes) {
            Ok(Ok(key)) if !key.is_weak() => Ok(()),
            _ => Err(KeyError::Malformed("it is not a valid key")),
        },
    }
}

#[cfg(test)]
mod tests;
