//! DSSE envelopes with in-toto statements, as cosign 3 writes them into bundles.
//!
//! What is signed is the pre-authentication encoding of the raw payload bytes (secure-systems-lab/dsse, `protocol.md`), so
//! a payload that is written differently does not verify, whatever it means.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::Form;
use super::adapter::DsseEnvelope;
use super::claim::{Claim, Message, Signer, Subject, blank, malformed};
use super::json;
use crate::domain::text::foreign;
use crate::domain::{Digest, Rejection};

/// The payload type of in-toto statements.
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// The statement types that are read.
const STATEMENT_TYPES: [&str; 2] = ["https://in-toto.io/Statement/v0.1", "https://in-toto.io/Statement/v1"];
/// The predicate type that says "image signature".
const IMAGE_SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";

/// An in-toto statement (in-toto/attestation, `spec/v1/statement.md`).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    predicate_type: String,
    #[serde(default)]
    subject: Vec<Resource>,
}

/// A subject. cosign gives it no name.
#[derive(Deserialize)]
struct Resource {
    #[serde(default)]
    digest: BTreeMap<String, String>,
    #[serde(default)]
    annotations: Option<Map<String, Value>>,
}

/// Reads the structure of an envelope.
pub(super) fn read(envelope: &DsseEnvelope, signer: Signer) -> Result<Claim<'static>, Rejection> {
    if envelope.payload_type != PAYLOAD_TYPE {
        let found = &envelope.payload_type;
        return Err(malformed(&format!("the payload type is \"{found}\", expected \"{PAYLOAD_TYPE}\"")));
    }
    let statement: Statement = json::parse(envelope.payload.as_bytes())
        .and_then(serde_json::from_value)
        .map_err(|e| malformed(&format!("the in-toto statement: {e}")))?;
    if !STATEMENT_TYPES.contains(&statement.kind.as_str()) {
        return Err(malformed(&format!("\"{}\" is no known type of in-toto statement", statement.kind)));
    }
    if statement.predicate_type != IMAGE_SIGNATURE {
        return Err(Rejection::NotAnImageSignature { predicate_type: foreign(&statement.predicate_type) });
    }
    let signature = envelope.signature.sig.as_bytes();
    if signature.is_empty() {
        return Err(blank("the bundle's signature"));
    }
    Ok(Claim {
        form: Form::Bundle,
        subjects: subjects(statement.subject)?,
        signer,
        message: Message::Bytes(Cow::Owned(envelope.pae())),
        signature: signature.to_vec(),
    })
}

fn subjects(resources: Vec<Resource>) -> Result<Vec<Subject>, Rejection> {
    let subjects: Result<Vec<Subject>, Rejection> = resources
        .into_iter()
        .filter_map(|resource| {
            let hex = resource.digest.get("sha256")?;
            let digest = Digest::from_hex(hex).map_err(|e| malformed(&format!("the subject's digest \"{hex}\": {e}")));
            Some(digest.map(|digest| Subject { digest, annotations: resource.annotations.unwrap_or_default() }))
        })
        .collect();
    match subjects {
        Ok(subjects) if subjects.is_empty() => Err(malformed("the in-toto statement names no subject by SHA-256")),
        other => other,
    }
}
