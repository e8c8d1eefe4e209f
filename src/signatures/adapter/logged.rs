//! What the body of a log entry says, the same for all kinds of entries.

use ::sigstore::rekor::RekorEntryBody;
use ::sigstore::types::{DerCertificate, DerPublicKey, HashAlgorithm, TransparencyLogEntry};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What was logged.
#[derive(Debug)]
pub(in crate::signatures) struct Logged {
    /// Of what.
    pub(in crate::signatures) hashed: Hashed,
    /// The signature.
    pub(in crate::signatures) signature: Vec<u8>,
    /// With what it verifies.
    pub(in crate::signatures) verifier: Verifier,
}

/// What was hashed into an entry.
#[derive(Debug)]
pub(in crate::signatures) enum Hashed {
    /// The message that was signed.
    Message(HashAlgorithm, Vec<u8>),
    /// The payload of the envelope, by SHA-256.
    Payload(Vec<u8>),
}

/// With what a logged signature verifies, DER.
#[derive(Debug)]
pub(in crate::signatures) enum Verifier {
    /// A certificate.
    Certificate(Vec<u8>),
    /// A public key.
    Key(Vec<u8>),
}

impl Logged {
    /// Reads the body of an entry; nothing where it is not what its kind promises.
    pub(in crate::signatures) fn read(entry: &TransparencyLogEntry) -> Option<Self> {
        match RekorEntryBody::parse(&entry.canonicalized_body, entry.kind_version).ok()? {
            RekorEntryBody::HashedRekordV001(body) => {
                let hash = body.spec.data.hash;
                Some(Self {
                    hashed: Hashed::Message(hash.algorithm, hex::decode(hash.value.as_str()).ok()?),
                    signature: body.spec.signature.content.as_bytes().to_vec(),
                    verifier: pem(body.spec.signature.public_key.content.as_bytes())?,
                })
            }
            RekorEntryBody::HashedRekordV002(body) => {
                let logged = body.spec.hashed_rekord_v002;
                let verifier = match (logged.signature.verifier.x509_certificate, logged.signature.verifier.public_key)
                {
                    (Some(certificate), None) => Verifier::Certificate(certificate.raw_bytes.as_bytes().to_vec()),
                    (None, Some(key)) => Verifier::Key(key.raw_bytes.as_bytes().to_vec()),
                    _ => return None,
                };
                Some(Self {
                    hashed: Hashed::Message(logged.data.algorithm, logged.data.digest.as_bytes().to_vec()),
                    signature: logged.signature.content.as_bytes().to_vec(),
                    verifier,
                })
            }
            RekorEntryBody::DsseV001(body) => {
                let [signature] = body.spec.signatures.as_slice() else { return None };
                let hash = body.spec.payload_hash;
                let is_sha256 = hash.algorithm == HashAlgorithm::Sha2256;
                Some(Self {
                    hashed: Hashed::Payload(hex::decode(&hash.value).ok().filter(|_| is_sha256)?),
                    signature: signature.signature.as_bytes().to_vec(),
                    verifier: pem(signature.verifier.as_bytes())?,
                })
            }
            RekorEntryBody::IntotoV002(body) => {
                let content = body.spec.content;
                let [signature] = content.envelope.signatures.as_slice() else { return None };
                let is_sha256 = content.payload_hash.algorithm == HashAlgorithm::Sha2256;
                Some(Self {
                    hashed: Hashed::Payload(
                        hex::decode(content.payload_hash.value.as_str()).ok().filter(|_| is_sha256)?,
                    ),
                    // Encoded twice.
                    signature: STANDARD.decode(signature.sig.as_bytes()).ok()?,
                    verifier: pem(signature.public_key.as_bytes())?,
                })
            }
            _ => None,
        }
    }
}

fn pem(bytes: &[u8]) -> Option<Verifier> {
    let text = std::str::from_utf8(bytes).ok()?;
    match DerCertificate::from_pem(text) {
        Ok(certificate) => Some(Verifier::Certificate(certificate.as_bytes().to_vec())),
        Err(_) => DerPublicKey::from_pem(text).ok().map(|key| Verifier::Key(key.as_bytes().to_vec())),
    }
}
