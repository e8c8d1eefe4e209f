//! Makes signatures in every form that cosign writes, as values that a test changes in one place: a payload, a statement or
//! a bundle is a [`Value`] until it is signed or stored, so a negative differs from its positive by one [`edit`].
//!
//! Keys are made when a test runs; no private key is stored anywhere.

#[path = "signer/stored.rs"]
mod stored;

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA256_ASN1_SIGNING,
    ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
    RSA_PSS_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signer as _;
use ed25519_dalek::pkcs8::EncodePublicKey;
use jiff::Timestamp;
use p256::ecdsa::signature::hazmat::PrehashSigner as _;
use sealgate::domain::{Digest, Finding, PinnedImage, Rejection};
use sealgate::signatures::{
    Candidate, ContentDemand, Demand, LogRule, Origin, Place, PublicKey, SignerDemand, UntrustedContent,
    VerifiedSignature, verify,
};
use serde_json::{Value, json};
use sha2::Digest as _;

use super::sigstore::HashAlgorithm;

pub use stored::{Blob, Stored, attestation_tag, bundle_referrer, fallback_index, legacy_referrer, legacy_tag};

/// The layer annotation that carries the base64 of a simple signing signature.
pub const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// The layer annotation that carries a certificate.
pub const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
/// The media type of bundles.
pub const BUNDLE_V03: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// The ways to sign; for each that a policy's key may be used in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    P256,
    P384,
    P521,
    P521Sha256,
    RsaPkcs1,
    RsaPss,
    Ed25519,
    Ed25519ph,
}

/// All of them, for tables.
pub const SCHEMES: [Scheme; 8] = [
    Scheme::P256,
    Scheme::P384,
    Scheme::P521,
    Scheme::P521Sha256,
    Scheme::RsaPkcs1,
    Scheme::RsaPss,
    Scheme::Ed25519,
    Scheme::Ed25519ph,
];

/// A private key that signs in one scheme.
#[derive(Clone)]
pub struct SigningKey {
    scheme: Scheme,
    pair: Arc<Pair>,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    /// Signs without randomness (RFC 6979).
    P256(p256::ecdsa::SigningKey),
    Rsa(Box<RsaKeyPair>),
    Ed25519(Box<ed25519_dalek::SigningKey>),
}

impl SigningKey {
    /// A new ECDSA P-256 key: what `cosign generate-key-pair` makes.
    pub fn new() -> Self {
        Self::generate(Scheme::P256)
    }

    /// A new key for a scheme.
    pub fn generate(scheme: Scheme) -> Self {
        let pair = match scheme {
            Scheme::P256 => Pair::Ecdsa(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap()),
            Scheme::P384 => Pair::Ecdsa(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).unwrap()),
            Scheme::P521 => Pair::Ecdsa(EcdsaKeyPair::generate(&ECDSA_P521_SHA512_ASN1_SIGNING).unwrap()),
            Scheme::P521Sha256 => Pair::Ecdsa(EcdsaKeyPair::generate(&ECDSA_P521_SHA256_ASN1_SIGNING).unwrap()),
            Scheme::RsaPkcs1 | Scheme::RsaPss => Pair::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())),
            Scheme::Ed25519 | Scheme::Ed25519ph => {
                let mut seed = [0; 32];
                aws_lc_rs::rand::fill(&mut seed).unwrap();
                Pair::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(&seed)))
            }
        };
        Self { scheme, pair: Arc::new(pair) }
    }

    /// The ECDSA P-256 key of this name: the same in each run, with the same signatures.
    pub fn seeded(name: &str) -> Self {
        let pair = p256::ecdsa::SigningKey::from_bytes(&sha2::Sha256::digest(name)).unwrap();
        Self { scheme: Scheme::P256, pair: Arc::new(Pair::P256(pair)) }
    }

    /// The Ed25519 key of this name: the same in each run.
    pub fn seeded_ed25519(name: &str) -> Self {
        let pair = ed25519_dalek::SigningKey::from_bytes(&sha2::Sha256::digest(name).into());
        Self { scheme: Scheme::Ed25519, pair: Arc::new(Pair::Ed25519(Box::new(pair))) }
    }

    /// The scheme it signs in.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The DER of the public key.
    pub fn spki(&self) -> Vec<u8> {
        match &*self.pair {
            Pair::Ecdsa(pair) => pair.public_key().as_der().unwrap().as_ref().to_vec(),
            Pair::P256(pair) => pair.verifying_key().to_public_key_der().unwrap().as_bytes().to_vec(),
            Pair::Rsa(pair) => pair.public_key().as_der().unwrap().as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.verifying_key().to_public_key_der().unwrap().as_bytes().to_vec(),
        }
    }

    /// The public key as it is written into a policy.
    pub fn pem(&self) -> String {
        pem("PUBLIC KEY", &self.spki())
    }

    /// The public key as a policy has it.
    pub fn public(&self) -> PublicKey {
        PublicKey::from_pem(&self.pem()).unwrap()
    }

    /// The signature over a message by a key of P-256 that has a name, or by an RSA key, with another hash than its scheme has.
    pub fn sign_over(&self, hash: HashAlgorithm, message: &[u8]) -> Vec<u8> {
        match &*self.pair {
            Pair::P256(pair) => {
                let signature: p256::ecdsa::Signature = pair.sign_prehash(&hash.digest(message)).unwrap();
                signature.to_der().as_bytes().to_vec()
            }
            Pair::Rsa(pair) => {
                let encoding = match hash {
                    HashAlgorithm::Sha384 => &RSA_PKCS1_SHA384,
                    HashAlgorithm::Sha512 => &RSA_PKCS1_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &SystemRandom::new(), message, &mut signature).unwrap();
                signature
            }
            Pair::Ecdsa(_) | Pair::Ed25519(_) => panic!("a key of this kind signs in its scheme alone"),
        }
    }

    /// The signature over a message.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match (&*self.pair, self.scheme) {
            (Pair::Ecdsa(pair), _) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            (Pair::P256(pair), _) => {
                let signature: p256::ecdsa::DerSignature = pair.sign(message);
                signature.as_bytes().to_vec()
            }
            (Pair::Rsa(pair), scheme) => {
                let encoding = if scheme == Scheme::RsaPss { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut signature).unwrap();
                signature
            }
            (Pair::Ed25519(pair), Scheme::Ed25519ph) => {
                pair.sign_prehashed(sha2::Sha512::new_with_prefix(message), None).unwrap().to_vec()
            }
            (Pair::Ed25519(pair), _) => pair.sign(message).to_vec(),
        }
    }

    /// A simple signing layer: these very bytes, signed.
    pub fn simple_signing_bytes(&self, payload: &[u8]) -> SimpleSigning {
        let signature = STANDARD.encode(self.sign(payload));
        SimpleSigning { payload: payload.to_vec(), annotations: BTreeMap::from([(SIGNATURE.to_owned(), signature)]) }
    }

    /// A simple signing layer over a payload such as [`payload`].
    pub fn simple_signing(&self, payload: &Value) -> SimpleSigning {
        self.simple_signing_bytes(payload.to_string().as_bytes())
    }

    /// A bundle with a statement such as [`statement`].
    pub fn bundle(&self, statement: &Value) -> Value {
        self.bundle_bytes("application/vnd.in-toto+json", statement.to_string().as_bytes())
    }

    /// A bundle with any payload.
    pub fn bundle_bytes(&self, payload_type: &str, payload: &[u8]) -> Value {
        let mut encoded = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
        encoded.extend_from_slice(payload);
        json!({
            "mediaType": BUNDLE_V03,
            "verificationMaterial": {"publicKey": {"hint": self.public().hint()}},
            "dsseEnvelope": {
                "payload": STANDARD.encode(payload),
                "payloadType": payload_type,
                "signatures": [{"sig": STANDARD.encode(self.sign(&encoded))}],
            },
        })
    }

    /// A bundle with a signature over the manifest itself, as `cosign sign-blob manifest.json` makes it.
    pub fn message_bundle(&self, manifest: &[u8]) -> Value {
        json!({
            "mediaType": BUNDLE_V03,
            "verificationMaterial": {"publicKey": {"hint": self.public().hint()}},
            "messageSignature": {
                "messageDigest": {"algorithm": "SHA2_256", "digest": STANDARD.encode(Digest::of(manifest).as_bytes())},
                "signature": STANDARD.encode(self.sign(manifest)),
            },
        })
    }
}

/// A layer of the simple signing form.
#[derive(Clone, Debug)]
pub struct SimpleSigning {
    /// The bytes of the layer.
    pub payload: Vec<u8>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

impl SimpleSigning {
    /// As the registry adapter would hand it to the verifier.
    pub fn candidate(&self) -> Candidate {
        candidate(
            &self.payload,
            UntrustedContent::SimpleSigning { payload: self.payload.clone(), annotations: self.annotations.clone() },
        )
    }
}

/// A bundle as the registry adapter would hand it to the verifier.
pub fn bundle_candidate(bundle: &Value) -> Candidate {
    let bytes = bundle.to_string().into_bytes();
    candidate(&bytes.clone(), UntrustedContent::Bundle(bytes))
}

/// What was found in a blob, as the registry adapter would hand it to the verifier.
pub fn candidate(blob: &[u8], content: UntrustedContent) -> Candidate {
    let origin = Origin { place: Place::LegacyTag, manifest: Digest::of(b"a manifest"), layer: 0 };
    Candidate { origin, blob: Digest::of(blob), content }
}

/// The simple signing payload for an image.
pub fn payload(digest: &Digest) -> Value {
    json!({
        "critical": {
            "identity": {"docker-reference": "registry.example/app"},
            "image": {"docker-manifest-digest": digest.to_string()},
            "type": "cosign container image signature",
        },
        "optional": null,
    })
}

/// The in-toto statement with which cosign 3 signs an image.
pub fn statement(digest: &Digest) -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": digest.hex()}, "annotations": {}}],
        "predicateType": "https://sigstore.dev/cosign/sign/v1",
        "predicate": {},
    })
}

/// The document with the value at a JSON pointer replaced, added to its object, or appended to its array (`/-`).
pub fn edit(document: &Value, pointer: &str, value: Value) -> Value {
    let mut document = document.clone();
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    match document.pointer_mut(parent).unwrap() {
        Value::Object(members) => {
            members.insert(member.replace("~1", "/"), value);
        }
        Value::Array(items) if member == "-" => items.push(value),
        Value::Array(items) => items[member.parse::<usize>().unwrap()] = value,
        other => panic!("{pointer} leads into {other}"),
    }
    document
}

/// The document without the member at a JSON pointer.
pub fn remove(document: &Value, pointer: &str) -> Value {
    let mut document = document.clone();
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    document.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(&member.replace("~1", "/")).unwrap();
    document
}

/// A PEM block.
pub fn pem(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let lines: Vec<&str> = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// The time of all tests that verify without a clock: 21 November 2026.
pub fn now() -> Timestamp {
    "2026-11-21T00:00:00Z".parse().unwrap()
}

/// Verifies for one key, with whatever lies beside the signature only compared with it.
pub fn verify_by_key(
    candidate: &Candidate,
    image: &PinnedImage,
    key: &PublicKey,
    annotations: &BTreeMap<String, String>,
) -> Result<VerifiedSignature, Rejection> {
    let signer = SignerDemand::Key { key, root: None };
    let demand = Demand { signer, log: LogRule::WhenPresent, content: ContentDemand::Image { annotations } };
    verify(candidate, image, demand, now()).map_err(|finding| match finding {
        Finding::Rejected(rejection) => rejection,
        Finding::Unavailable(cause) => panic!("nothing is asked for: {cause}"),
    })
}
