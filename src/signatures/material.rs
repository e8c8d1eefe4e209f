//! What lies beside a legacy signature, rewritten as the verification material of a bundle, so that every form is held to the
//! same checks (cosign, `specs/SIGNATURE_SPEC.md`; sigstore/protobuf-specs, `sigstore_bundle.proto`).
//!
//! | annotation of the layer | in the bundle |
//! |---|---|
//! | `dev.sigstore.cosign/certificate`, `…/chain` | `x509CertificateChain`, the signer's first |
//! | `dev.sigstore.cosign/bundle` | the one entry of `tlogEntries`, with a promise and no proof |
//! | `dev.sigstore.cosign/rfc3161timestamp` | the one timestamp of `timestampVerificationData` |
//!
//! An annotation that is there and can't be read makes the whole signature unreadable: none is ever left out in silence.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::claim::malformed;
use super::json;
use crate::domain::Rejection;

const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
const CHAIN: &str = "dev.sigstore.cosign/chain";
const LOG_ENTRY: &str = "dev.sigstore.cosign/bundle";
const TIMESTAMP: &str = "dev.sigstore.cosign/rfc3161timestamp";

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// What Rekor answered when the signature was logged (sigstore/cosign, `bundle.RekorBundle`).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct LogEntry {
    signed_entry_timestamp: String,
    payload: LogPayload,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LogPayload {
    body: String,
    integrated_time: i64,
    log_index: i64,
    #[serde(rename = "logID")]
    log_id: String,
}

/// The kind of a log entry.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    kind: String,
    api_version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Timestamp {
    #[serde(rename = "SignedRFC3161Timestamp")]
    signed: String,
}

/// A bundle around content, with what the annotations say of it. `content` has the one member that is the signature.
pub(super) fn bundle(
    annotations: &BTreeMap<String, String>,
    mut content: Map<String, Value>,
) -> Result<Value, Rejection> {
    let mut material = Map::new();
    match certificates(annotations)? {
        chain if chain.is_empty() => material.insert("publicKey".into(), json!({"hint": ""})),
        chain => material.insert("x509CertificateChain".into(), json!({"certificates": chain})),
    };
    let entry = present(annotations, LOG_ENTRY).map(log_entry).transpose()?;
    // Version 0.1 demands the promise that legacy entries have; 0.2 demands a proof of whatever entries there are.
    let version = if entry.is_some() { "0.1" } else { "0.2" };
    material.insert("tlogEntries".into(), entry.into_iter().collect());
    if let Some(text) = present(annotations, TIMESTAMP) {
        let timestamp: Timestamp = read(TIMESTAMP, text)?;
        let timestamps = json!({"rfc3161Timestamps": [{"signedTimestamp": timestamp.signed}]});
        material.insert("timestampVerificationData".into(), timestamps);
    }
    content.insert("mediaType".into(), format!("application/vnd.dev.sigstore.bundle+json;version={version}").into());
    content.insert("verificationMaterial".into(), material.into());
    Ok(content.into())
}

/// Whether anything but a bare signature is there.
pub(super) fn is_bare(annotations: &BTreeMap<String, String>) -> bool {
    [CERTIFICATE, CHAIN, LOG_ENTRY, TIMESTAMP].iter().all(|name| present(annotations, name).is_none())
}

/// An annotation that says something; cosign writes some that are empty.
fn present<'a>(annotations: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    annotations.get(name).map(String::as_str).filter(|text| !text.trim().is_empty())
}

fn read<T: for<'de> Deserialize<'de>>(name: &str, text: &str) -> Result<T, Rejection> {
    json::parse(text.as_bytes())
        .and_then(serde_json::from_value)
        .map_err(|e| malformed(&format!("the annotation {name}: {e}")))
}

fn log_entry(text: &str) -> Result<Value, Rejection> {
    let LogEntry { signed_entry_timestamp, payload } = read(LOG_ENTRY, text)?;
    let broken = |what: &str| malformed(&format!("the annotation {LOG_ENTRY}: {what}"));
    let body = STANDARD.decode(&payload.body).map_err(|_| broken("the body is not base64"))?;
    let kind: Kind = serde_json::from_slice(&body).map_err(|_| broken("the body has no kind"))?;
    let log = hex::decode(&payload.log_id).ok().filter(|log| hex::encode(log) == payload.log_id);
    let log = log.ok_or_else(|| broken("the logID is not hexadecimal in lower case"))?;
    Ok(json!({
        "logIndex": payload.log_index.to_string(),
        "logId": {"keyId": STANDARD.encode(log)},
        "kindVersion": {"kind": kind.kind, "version": kind.api_version},
        "integratedTime": payload.integrated_time.to_string(),
        "inclusionPromise": {"signedEntryTimestamp": signed_entry_timestamp},
        "canonicalizedBody": payload.body,
    }))
}

/// The signer's certificate and those of the authorities above it.
fn certificates(annotations: &BTreeMap<String, String>) -> Result<Vec<Value>, Rejection> {
    let mut all = Vec::new();
    for name in [CERTIFICATE, CHAIN] {
        let Some(pem) = present(annotations, name) else { continue };
        let certificates =
            decode(pem).ok_or_else(|| malformed(&format!("the annotation {name} is no PEM certificate")))?;
        if name == CERTIFICATE && certificates.len() != 1 {
            return Err(malformed(&format!(
                "the annotation {name} has {} certificates, expected one",
                certificates.len()
            )));
        }
        all.extend(certificates);
    }
    if present(annotations, CHAIN).is_some() && present(annotations, CERTIFICATE).is_none() {
        return Err(malformed(&format!("there is an annotation {CHAIN} without {CERTIFICATE}")));
    }
    Ok(all)
}

fn decode(pem: &str) -> Option<Vec<Value>> {
    let mut certificates = Vec::new();
    let mut rest = pem.trim();
    while !rest.is_empty() {
        let (body, after) = rest.strip_prefix(BEGIN)?.split_once(END)?;
        let base64: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        STANDARD.decode(&base64).ok()?;
        certificates.push(json!({"rawBytes": base64}));
        rest = after.trim_start();
    }
    Some(certificates)
}
