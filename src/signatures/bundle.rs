//! The Sigstore bundle form (sigstore/protobuf-specs, `sigstore_bundle.proto`), versions 0.1 to 0.3.
//!
//! Log entries and timestamps beside a key signature are parsed with the rest and otherwise ignored: nothing here says that
//! they were checked.

use serde_json::{Map, Value};

use super::Form;
use super::adapter::{self, HashAlgorithm, MessageSignature, SignatureContent, VerificationMaterialContent};
use super::claim::{Claim, Message, Signer, Subject, blank, malformed};
use super::{dsse, json};
use crate::domain::{Digest, Rejection};

/// Reads the structure of a bundle.
pub(super) fn read(bytes: &[u8]) -> Result<Claim<'static>, Rejection> {
    let document = json::parse(bytes).map_err(|e| malformed(&format!("the bundle: {e}")))?;
    check_alternatives(&document)?;
    let bundle = adapter::bundle(document).map_err(|e| malformed(&format!("the bundle: {e}")))?;
    let signer = match bundle.verification_material.content {
        VerificationMaterialContent::PublicKey(key) => Signer::Key { hint: Some(key.hint).filter(|h| !h.is_empty()) },
        _ => Signer::Certificate,
    };
    match bundle.content {
        SignatureContent::DsseEnvelope(envelope) => dsse::read(&envelope, signer),
        SignatureContent::MessageSignature(signature) => read_message_signature(signature, signer),
        _ => Err(malformed("the bundle has content of an unknown kind")),
    }
}

/// A oneof of the schema must have one member: which of two counted would be the reader's choice. An empty list of
/// signatures is no signature at all, which is another answer than a broken one.
fn check_alternatives(document: &Value) -> Result<(), Rejection> {
    let one_of = |parent: Option<&Value>, names: &[&str]| {
        let members = |object: &Map<String, Value>| names.iter().filter(|name| object.contains_key(**name)).count();
        parent.and_then(Value::as_object).map(members) == Some(1)
    };
    if !one_of(Some(document), &["dsseEnvelope", "messageSignature"]) {
        return Err(malformed("the bundle: expected exactly one of dsseEnvelope and messageSignature"));
    }
    if !one_of(document.get("verificationMaterial"), &["certificate", "publicKey", "x509CertificateChain"]) {
        return Err(malformed("the bundle: expected exactly one of certificate, publicKey and x509CertificateChain"));
    }
    let signatures = document.pointer("/dsseEnvelope/signatures").and_then(Value::as_array);
    if signatures.is_some_and(Vec::is_empty) {
        return Err(blank("the bundle's list of signatures"));
    }
    Ok(())
}

/// A signature over the manifest itself, as `cosign sign-blob` makes it.
fn read_message_signature(content: MessageSignature, signer: Signer) -> Result<Claim<'static>, Rejection> {
    let named = content.message_digest.ok_or_else(|| malformed("the message signature has no messageDigest"))?;
    let digest = match named.algorithm {
        HashAlgorithm::Sha2256 => Digest::from_hex(&hex::encode(named.digest.as_bytes())).ok(),
        _ => None,
    };
    let digest = digest.ok_or_else(|| malformed("the message signature's messageDigest is no SHA-256"))?;
    let signature = content.signature.into_bytes();
    if signature.is_empty() {
        return Err(blank("the bundle's signature"));
    }
    Ok(Claim {
        form: Form::Bundle,
        subjects: vec![Subject { digest, annotations: Map::new() }],
        signer,
        message: Message::Manifest,
        signature,
    })
}
