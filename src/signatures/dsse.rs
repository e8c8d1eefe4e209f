//! DSSE envelopes with in-toto statements, as cosign writes them into bundles and behind the tag `.att`.
//!
//! What is signed is the pre-authentication encoding of the raw payload bytes (secure-systems-lab/dsse, `protocol.md`), so
//! a payload that is written differently does not verify, whatever it means.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::adapter::DsseEnvelope;
use super::claim::{Claim, Content, Message, Subject, blank, malformed};
use super::{Form, Statement, bundle, early, json, material};
use crate::domain::text::foreign;
use crate::domain::{Digest, Rejection};

/// The payload type of in-toto statements.
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// The statement types that are read.
const STATEMENT_TYPES: [&str; 2] = ["https://in-toto.io/Statement/v0.1", "https://in-toto.io/Statement/v1"];
/// Most subjects of a statement, and most digests of a subject.
const MAX_SUBJECTS: usize = 1024;
const MAX_DIGESTS: usize = 32;

/// What an envelope or a message signature says, what was signed, and the signature.
pub(super) type Read = (Content, Message<'static>, Vec<u8>);

/// An in-toto statement (in-toto/attestation, `spec/v1/statement.md`). The predicate is left alone until somebody wants it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header<'a> {
    #[serde(rename = "_type")]
    kind: String,
    predicate_type: String,
    #[serde(borrow)]
    subject: &'a RawValue,
    #[serde(borrow, default, deserialize_with = "present")]
    predicate: Option<&'a RawValue>,
}

/// A subject. cosign gives it no name.
#[derive(Deserialize)]
struct Resource {
    #[serde(default)]
    digest: BTreeMap<String, String>,
    #[serde(default)]
    annotations: Option<Map<String, Value>>,
}

/// Reads a layer with an envelope and what its annotations say of it.
pub(super) fn read_layer(envelope: &[u8], annotations: &BTreeMap<String, String>) -> Result<Claim<'static>, Rejection> {
    let layer = Digest::of(envelope);
    let envelope = json::parse(envelope).map_err(|e| malformed(&format!("the DSSE envelope: {e}")))?;
    let content = Map::from_iter([("dsseEnvelope".to_owned(), envelope)]);
    let mut document = material::bundle(annotations, content)?;
    let early = early::take(&mut document, layer)?;
    Ok(Claim { early, ..bundle::from_document(document, Form::Envelope)? })
}

/// Reads the structure of an envelope.
pub(super) fn read(envelope: &DsseEnvelope) -> Result<Read, Rejection> {
    if envelope.payload_type != PAYLOAD_TYPE {
        let found = &envelope.payload_type;
        return Err(malformed(&format!("the payload type is \"{found}\", expected \"{PAYLOAD_TYPE}\"")));
    }
    let payload = envelope.payload.as_bytes();
    let unreadable = |e: serde_json::Error| malformed(&format!("the in-toto statement: {e}"));
    // The crate builds all of a statement before it verifies anything.
    json::check_large(payload).map_err(unreadable)?;
    let header: Header<'_> = serde_json::from_slice(payload).map_err(unreadable)?;
    if !STATEMENT_TYPES.contains(&header.kind.as_str()) {
        return Err(malformed(&format!("\"{}\" is no known type of in-toto statement", header.kind)));
    }
    if header.predicate.is_some_and(|predicate| !predicate.get().starts_with('{')) {
        return Err(malformed("the in-toto statement's predicate is no object"));
    }
    let signature = envelope.signature.sig.as_bytes();
    if signature.is_empty() {
        return Err(blank("the bundle's signature"));
    }
    let subjects = json::parse(header.subject.get().as_bytes()).map_err(unreadable)?;
    let content = Content {
        subjects: self::subjects(subjects)?,
        predicate_type: Some(header.predicate_type),
        has_predicate: header.predicate.is_some(),
        payload: payload.into(),
    };
    Ok((content, Message::Bytes(Cow::Owned(envelope.pae())), signature.to_vec()))
}

/// The statement of a claim that has been verified.
pub(super) fn statement(content: &Content) -> Result<Statement, Rejection> {
    if !content.has_predicate {
        return Err(malformed("the in-toto statement has no predicate"));
    }
    Ok(Statement { payload: content.payload.clone() })
}

/// All of a statement, read.
pub(super) fn document(payload: &[u8]) -> Result<Value, Rejection> {
    json::parse_large(payload).map_err(|e| malformed(&format!("the in-toto statement: {e}")))
}

/// A member that is there, even if it is `null`.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// The subjects that are named by SHA-256, of which there must be one. Those that are named by other digests only are some
/// other thing; one without any digest is none, and the statement that has it means nothing (in-toto/attestation, `spec/v1`).
fn subjects(listed: Value) -> Result<Vec<Subject>, Rejection> {
    let Value::Array(listed) = listed else {
        return Err(malformed("the in-toto statement's subject is no list"));
    };
    let limit = |what, found, limit| Err(Rejection::SignatureLimit { what, found, limit });
    if listed.len() > MAX_SUBJECTS {
        return limit("subjects in the statement", listed.len(), MAX_SUBJECTS);
    }
    let mut subjects = Vec::new();
    for resource in listed {
        let resource: Resource = serde_json::from_value(resource)
            .map_err(|e| malformed(&format!("the in-toto statement's subject: {e}")))?;
        if resource.digest.len() > MAX_DIGESTS {
            return limit("digests of a subject", resource.digest.len(), MAX_DIGESTS);
        }
        if resource.digest.is_empty() {
            return Err(malformed("the in-toto statement has a subject without a digest"));
        }
        let Some(hex) = resource.digest.get("sha256") else { continue };
        let digest =
            Digest::from_hex(hex).map_err(|e| malformed(&format!("the subject's digest \"{}\": {e}", foreign(hex))))?;
        subjects.push(Subject { digest, annotations: resource.annotations.unwrap_or_default() });
    }
    if subjects.is_empty() {
        return Err(malformed("the in-toto statement names no subject by SHA-256"));
    }
    Ok(subjects)
}
