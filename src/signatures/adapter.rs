//! The one place that names the `sigstore` crate (docs/adr/0001-sigstore-crate.md): bundles cross it as JSON, keys and
//! signatures as bytes, and none of its types leave this folder.

pub(super) use ::sigstore::crypto::SigningScheme;
pub(super) use ::sigstore::types::{
    DsseEnvelope, HashAlgorithm, MessageSignature, SignatureContent, VerificationMaterialContent,
};

use ::sigstore::Verifier;
use ::sigstore::crypto::VerificationKey;
use ::sigstore::trust_root::TrustedRoot;
use ::sigstore::types::{Bundle, DerPublicKey, SignatureBytes};
use serde_json::Value;

use super::trust::TrustError;
use crate::domain::text::foreign;

/// A trusted root as the crate has prepared it.
pub(super) struct Anchors {
    #[expect(dead_code, reason = "certificates are verified in the next step")]
    verifier: Verifier,
}

impl Anchors {
    pub(super) fn from_json(text: &str) -> Result<Self, TrustError> {
        let root = TrustedRoot::from_json(text).map_err(|e| TrustError::Unreadable(foreign(&e.to_string())))?;
        let verifier = Verifier::new(&root).map_err(|e| TrustError::Unusable(foreign(&e.to_string())))?;
        Ok(Self { verifier })
    }
}

/// Reads a bundle as strictly as the crate does: known media type, one signature in an envelope, canonical base64, log
/// entries of known kinds.
pub(super) fn bundle(document: Value) -> Result<Bundle, serde_json::Error> {
    serde_json::from_value(document)
}

/// Whether the key (DER of its SPKI) signed the message.
pub(super) fn verifies(scheme: SigningScheme, spki: &[u8], message: &[u8], signature: &[u8]) -> bool {
    key(scheme, spki).is_some_and(|key| key.verify(message, &SignatureBytes::from_bytes(signature)).is_ok())
}

/// Whether the key signed the message that has this digest, in a scheme over that hash.
pub(super) fn verifies_digest(scheme: SigningScheme, spki: &[u8], digest: &[u8], signature: &[u8]) -> bool {
    key(scheme, spki).is_some_and(|key| key.verify_prehashed(digest, &SignatureBytes::from_bytes(signature)).is_ok())
}

fn key(scheme: SigningScheme, spki: &[u8]) -> Option<VerificationKey> {
    VerificationKey::from_spki_with_scheme(&DerPublicKey::from_bytes(spki), scheme).ok()
}
