//! What is signed, and what logs record of it: the bodies of Rekor's entries.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::hash::HashAlgorithm;
use super::log::Generation;
use crate::support::signer::{Scheme, pem};

/// The payload type of in-toto statements.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";

/// What is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// These bytes: an artifact, or a simple signing payload.
    Message(Vec<u8>),
    /// The payload of a DSSE envelope.
    Envelope {
        /// Its type.
        payload_type: String,
        /// The bytes.
        payload: Vec<u8>,
    },
}

impl Content {
    /// An in-toto statement in an envelope.
    pub fn statement(statement: &Value) -> Self {
        Self::Envelope { payload_type: IN_TOTO.to_owned(), payload: statement.to_string().into_bytes() }
    }

    /// A simple signing payload.
    pub fn simple_signing(payload: &Value) -> Self {
        Self::Message(payload.to_string().into_bytes())
    }

    /// The bytes under the signature: for an envelope its pre-authentication encoding (DSSE, protocol.md).
    pub fn message(&self) -> Vec<u8> {
        match self {
            Self::Message(bytes) => bytes.clone(),
            Self::Envelope { payload_type, payload } => {
                let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
                [head.as_bytes(), payload].concat()
            }
        }
    }
}

/// The kinds of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `hashedrekord` 0.0.1
    HashedRekord,
    /// `dsse` 0.0.1
    Dsse,
    /// `intoto` 0.0.2, of the first generation
    Intoto,
    /// `intoto` 0.0.1, which cosign before 2.2 made beside layers
    EarlyIntoto,
    /// `hashedrekord` 0.0.2, of the second generation
    HashedRekordV2,
    /// `dsse` 0.0.2, which early logs of the second generation had
    DsseV2,
}

impl Kind {
    /// What cosign sends.
    pub fn natural(generation: Generation, content: &Content) -> Self {
        match (generation, content) {
            (Generation::V1, Content::Message(_)) => Self::HashedRekord,
            (Generation::V1, Content::Envelope { .. }) => Self::Dsse,
            (Generation::V2, _) => Self::HashedRekordV2,
        }
    }
}

/// The public half of what signed.
#[derive(Clone, Debug)]
pub enum Verifier {
    /// DER of a certificate.
    Certificate(Vec<u8>),
    /// DER of an SPKI.
    PublicKey(Vec<u8>),
}

impl Verifier {
    /// Its PEM.
    pub fn pem(&self) -> String {
        match self {
            Self::Certificate(der) => pem("CERTIFICATE", der),
            Self::PublicKey(der) => pem("PUBLIC KEY", der),
        }
    }

    fn v2(&self, scheme: Scheme) -> Value {
        let details = key_details(scheme);
        match self {
            Self::Certificate(der) => {
                json!({"keyDetails": details, "x509Certificate": {"rawBytes": STANDARD.encode(der)}})
            }
            Self::PublicKey(der) => json!({"keyDetails": details, "publicKey": {"rawBytes": STANDARD.encode(der)}}),
        }
    }
}

/// A signature with what it was made over and what made it.
#[derive(Clone, Debug)]
pub struct Signed {
    /// What was signed.
    pub content: Content,
    /// The signature.
    pub signature: Vec<u8>,
    /// What verifies it.
    pub verifier: Verifier,
    /// How it was made.
    pub scheme: Scheme,
}

impl Signed {
    /// The body of an entry that records it.
    pub fn body(&self, kind: Kind) -> Value {
        let signature = STANDARD.encode(&self.signature);
        let verifier = STANDARD.encode(self.verifier.pem());
        let hash = HashAlgorithm::of(self.scheme);
        let digest = hash.digest(&self.content.message());
        let payload = match &self.content {
            Content::Message(bytes) => bytes,
            Content::Envelope { payload, .. } => payload,
        };
        let payload_hash = json!({"algorithm": "sha256", "value": hex::encode(HashAlgorithm::Sha256.digest(payload))});
        let envelope = HashAlgorithm::Sha256.digest(self.envelope().to_string().as_bytes());
        let envelope_hash = json!({"algorithm": "sha256", "value": hex::encode(envelope)});
        match kind {
            Kind::HashedRekord => json!({"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": {
                "data": {"hash": {"algorithm": hash.rekor_name(), "value": hex::encode(digest)}},
                "signature": {"content": signature, "publicKey": {"content": verifier}},
            }}),
            Kind::Dsse => json!({"apiVersion": "0.0.1", "kind": "dsse", "spec": {
                "envelopeHash": envelope_hash, "payloadHash": payload_hash,
                "signatures": [{"signature": signature, "verifier": verifier}],
            }}),
            Kind::Intoto => json!({"apiVersion": "0.0.2", "kind": "intoto", "spec": {"content": {
                "envelope": {
                    "payloadType": self.payload_type(),
                    // Base64 of the base64: Rekor's `intoto` always had it so.
                    "signatures": [{"publicKey": verifier, "sig": STANDARD.encode(signature)}],
                },
                "hash": envelope_hash, "payloadHash": payload_hash,
            }}}),
            Kind::EarlyIntoto => json!({"apiVersion": "0.0.1", "kind": "intoto", "spec": {
                "content": {"hash": envelope_hash, "payloadHash": payload_hash}, "publicKey": verifier,
            }}),
            Kind::HashedRekordV2 => {
                json!({"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": {"hashedRekordV002": {
                    "data": {"algorithm": hash.bundle_name(), "digest": STANDARD.encode(digest)},
                    "signature": {"content": signature, "verifier": self.verifier.v2(self.scheme)},
                }}})
            }
            Kind::DsseV2 => json!({"apiVersion": "0.0.2", "kind": "dsse", "spec": {"dsseV002": {
                "payloadHash": {"algorithm": "SHA2_256", "digest": STANDARD.encode(HashAlgorithm::Sha256.digest(payload))},
                "signatures": [{"content": signature, "verifier": self.verifier.v2(self.scheme)}],
            }}}),
        }
    }

    /// The DSSE envelope around it.
    pub fn envelope(&self) -> Value {
        let payload = match &self.content {
            Content::Message(bytes) => bytes,
            Content::Envelope { payload, .. } => payload,
        };
        json!({
            "payload": STANDARD.encode(payload),
            "payloadType": self.payload_type(),
            "signatures": [{"sig": STANDARD.encode(&self.signature)}],
        })
    }

    fn payload_type(&self) -> &str {
        match &self.content {
            Content::Message(_) => IN_TOTO,
            Content::Envelope { payload_type, .. } => payload_type,
        }
    }
}

/// The names of `PublicKeyDetails` in sigstore/protobuf-specs.
pub fn key_details(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::P256 => "PKIX_ECDSA_P256_SHA_256",
        Scheme::P384 => "PKIX_ECDSA_P384_SHA_384",
        Scheme::P521 => "PKIX_ECDSA_P521_SHA_512",
        Scheme::P521Sha256 => "PKIX_ECDSA_P521_SHA_256",
        Scheme::RsaPkcs1 => "PKIX_RSA_PKCS1V15_2048_SHA256",
        Scheme::RsaPss => "PKIX_RSA_PSS_2048_SHA256",
        Scheme::Ed25519 => "PKIX_ED25519",
        Scheme::Ed25519ph => "PKIX_ED25519_PH",
    }
}
