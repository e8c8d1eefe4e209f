//! What the body of a log entry says, the same for all kinds of entries.

use ::sigstore::rekor::RekorEntryBody;
use ::sigstore::types::{DerCertificate, DerPublicKey, HashAlgorithm, KindVersion, TransparencyLogEntry};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

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
    /// Reads the body of an entry; nothing where it is not what its kind promises, or says that it is of another kind.
    pub(in crate::signatures) fn read(entry: &TransparencyLogEntry) -> Option<Self> {
        let named: Named = serde_json::from_slice(entry.canonicalized_body.as_bytes()).ok()?;
        if (named.kind.as_str(), named.api_version.as_str())
            != (entry.kind_version.kind(), entry.kind_version.version())
        {
            return None;
        }
        if entry.kind_version == KindVersion::HashedRekordV002 {
            let body: HashedRekordV002 = serde_json::from_slice(entry.canonicalized_body.as_bytes()).ok()?;
            return body.spec.hashed_rekord_v002.logged();
        }
        match RekorEntryBody::parse(&entry.canonicalized_body, entry.kind_version).ok()? {
            RekorEntryBody::HashedRekordV001(body) => {
                let hash = body.spec.data.hash;
                Some(Self {
                    hashed: Hashed::Message(hash.algorithm, hex::decode(hash.value.as_str()).ok()?),
                    signature: body.spec.signature.content.as_bytes().to_vec(),
                    verifier: pem(body.spec.signature.public_key.content.as_bytes())?,
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

/// What every body says of itself.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    kind: String,
    api_version: String,
}

/// `hashedrekord` 0.0.2 (sigstore/rekor-tiles, `api/proto/rekor/v2/hashedrekord.proto`). The crate reads those by P-256 only.
#[derive(Deserialize)]
struct HashedRekordV002 {
    spec: HashedRekordV002Spec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HashedRekordV002Spec {
    hashed_rekord_v002: HashedRekordV002Data,
}

#[derive(Deserialize)]
struct HashedRekordV002Data {
    data: HashedRekordV002Digest,
    signature: HashedRekordV002Signature,
}

#[derive(Deserialize)]
struct HashedRekordV002Digest {
    algorithm: HashAlgorithm,
    digest: String,
}

#[derive(Deserialize)]
struct HashedRekordV002Signature {
    content: String,
    verifier: HashedRekordV002Verifier,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HashedRekordV002Verifier {
    key_details: String,
    x509_certificate: Option<Raw>,
    public_key: Option<Raw>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    raw_bytes: String,
}

impl HashedRekordV002Data {
    fn logged(self) -> Option<Logged> {
        let base64 = |text: &str| STANDARD.decode(text).ok();
        let Self { data, signature } = self;
        let verifier = match (&signature.verifier.x509_certificate, &signature.verifier.public_key) {
            (Some(certificate), None) => Verifier::Certificate(base64(&certificate.raw_bytes)?),
            (None, Some(key)) => Verifier::Key(base64(&key.raw_bytes)?),
            _ => return None,
        };
        let is_scheme_over_digest = hash_of(&signature.verifier.key_details).is_none_or(|hash| hash == data.algorithm);
        is_scheme_over_digest.then_some(Logged {
            hashed: Hashed::Message(data.algorithm, base64(&data.digest)?),
            signature: base64(&signature.content)?,
            verifier,
        })
    }
}

/// The hash in the name of a scheme, such as `PKIX_ECDSA_P384_SHA_384` (sigstore/protobuf-specs, `PublicKeyDetails`).
fn hash_of(scheme: &str) -> Option<HashAlgorithm> {
    match scheme {
        name if name.ends_with("SHA_256") || name.ends_with("SHA256") => Some(HashAlgorithm::Sha2256),
        name if name.ends_with("SHA_384") => Some(HashAlgorithm::Sha2384),
        name if name.ends_with("SHA_512") || name.ends_with("ED25519_PH") => Some(HashAlgorithm::Sha2512),
        _ => None,
    }
}

/// A certificate or a key in PEM.
pub(in crate::signatures) fn pem(bytes: &[u8]) -> Option<Verifier> {
    let text = std::str::from_utf8(bytes).ok()?;
    match DerCertificate::from_pem(text) {
        Ok(certificate) => Some(Verifier::Certificate(certificate.as_bytes().to_vec())),
        Err(_) => DerPublicKey::from_pem(text).ok().map(|key| Verifier::Key(key.as_bytes().to_vec())),
    }
}
