//! The Sigstore bundle form (sigstore/protobuf-specs, `sigstore_bundle.proto`), versions 0.1 to 0.3.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::adapter::{self, Bundle, HashAlgorithm, MessageSignature, SignatureContent};
use super::claim::{Claim, Content, Message, Subject, blank, malformed};
use super::{Form, dsse, json};
use crate::domain::text::foreign;
use crate::domain::{Digest, Rejection};

/// Most log entries, timestamps and certificates of one bundle.
const MAX_ENTRIES: usize = 32;
const MAX_TIMESTAMPS: usize = 32;
const MAX_CERTIFICATES: usize = 10;
/// Most signatures under a checkpoint, those of witnesses included. Each that seems to be the log's is tried.
const MAX_CHECKPOINT_SIGNATURES: usize = 64;

/// Reads the structure of a bundle.
pub(super) fn read(bytes: &[u8]) -> Result<Claim<'static>, Rejection> {
    let document = json::parse(bytes).map_err(|e| malformed(&format!("the bundle: {e}")))?;
    // The crate takes one without for the oldest.
    if document.get("mediaType").is_none() {
        return Err(malformed("the bundle has no mediaType"));
    }
    from_document(document, Form::Bundle)
}

/// The same for a bundle that was parsed, or made from another form.
pub(super) fn from_document(document: Value, form: Form) -> Result<Claim<'static>, Rejection> {
    check(&document)?;
    let bundle = adapter::bundle(document).map_err(|e| malformed(&format!("the bundle: {e}")))?;
    let read = match &bundle.content {
        SignatureContent::DsseEnvelope(envelope) => dsse::read(envelope)?,
        SignatureContent::MessageSignature(signature) => message_signature(signature)?,
        _ => return Err(malformed("the bundle has content of an unknown kind")),
    };
    Ok(claim(form, read, bundle))
}

fn claim(form: Form, (content, message, signature): dsse::Read, bundle: Bundle) -> Claim<'static> {
    Claim { form, content, message, signature, bundle: Some(bundle), early: None }
}

/// What can be refused before anything is read.
pub(super) fn check(document: &Value) -> Result<(), Rejection> {
    check_alternatives(document)?;
    check_limits(document)?;
    check_kinds(document)
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

/// Before any of it is verified: a bundle that makes work without end is refused whole.
fn check_limits(document: &Value) -> Result<(), Rejection> {
    let lists = [
        ("log entries in the bundle", "/verificationMaterial/tlogEntries", MAX_ENTRIES),
        (
            "timestamps in the bundle",
            "/verificationMaterial/timestampVerificationData/rfc3161Timestamps",
            MAX_TIMESTAMPS,
        ),
        ("certificates in the chain", "/verificationMaterial/x509CertificateChain/certificates", MAX_CERTIFICATES),
    ];
    for (what, pointer, limit) in lists {
        let found = document.pointer(pointer).and_then(Value::as_array).map_or(0, Vec::len);
        if found > limit {
            return Err(Rejection::SignatureLimit { what, found, limit });
        }
    }
    let entries = document.pointer("/verificationMaterial/tlogEntries").and_then(Value::as_array);
    for entry in entries.into_iter().flatten() {
        let note = entry.pointer("/inclusionProof/checkpoint/envelope").and_then(Value::as_str).unwrap_or_default();
        let found = note.lines().filter(|line| line.trim_start().starts_with('\u{2014}')).count();
        if found > MAX_CHECKPOINT_SIGNATURES {
            let what = "signatures under a checkpoint";
            return Err(Rejection::SignatureLimit { what, found, limit: MAX_CHECKPOINT_SIGNATURES });
        }
    }
    let empty = document.pointer("/verificationMaterial/x509CertificateChain/certificates");
    match empty.and_then(Value::as_array) {
        Some(chain) if chain.is_empty() => Err(malformed("the bundle's certificate chain is empty")),
        _ => Ok(()),
    }
}

/// A log entry of a kind that nobody can verify makes the bundle unusable, and the reader should know which.
fn check_kinds(document: &Value) -> Result<(), Rejection> {
    const KNOWN: [(&str, &str); 4] =
        [("hashedrekord", "0.0.1"), ("hashedrekord", "0.0.2"), ("dsse", "0.0.1"), ("intoto", "0.0.2")];
    let entries = document.pointer("/verificationMaterial/tlogEntries").and_then(Value::as_array);
    for entry in entries.into_iter().flatten() {
        let text = |pointer| entry.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        match (text("/kindVersion/kind"), text("/kindVersion/version")) {
            known if KNOWN.contains(&known) => {}
            ("dsse", "0.0.2") => {
                return Err(Rejection::LogInvalid(
                    "it is of the kind dsse 0.0.2, which Rekor wrote for a while in 2025 and 2026 and has given up: \
                     sign again with a current client"
                        .to_owned(),
                ));
            }
            (kind, version) => {
                return Err(Rejection::LogInvalid(format!(
                    "it is of the unknown kind \"{}\"",
                    foreign(&format!("{kind} {version}"))
                )));
            }
        }
    }
    Ok(())
}

/// A signature over the artifact itself, as `cosign sign-blob` makes it.
fn message_signature(content: &MessageSignature) -> Result<dsse::Read, Rejection> {
    let named =
        content.message_digest.as_ref().ok_or_else(|| malformed("the message signature has no messageDigest"))?;
    let digest = match named.algorithm {
        HashAlgorithm::Sha2256 => Digest::from_hex(&hex::encode(named.digest.as_bytes())).ok(),
        _ => None,
    };
    let digest = digest.ok_or_else(|| malformed("the message signature's messageDigest is no SHA-256"))?;
    let signature = content.signature.as_bytes().to_vec();
    if signature.is_empty() {
        return Err(blank("the bundle's signature"));
    }
    let subjects = vec![Subject { digest, annotations: Map::new() }];
    let content = Content { subjects, predicate_type: None, has_predicate: false, payload: Arc::default() };
    Ok((content, Message::Digest(digest), signature))
}
