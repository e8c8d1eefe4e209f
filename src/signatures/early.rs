//! Log entries of the kind `intoto 0.0.1`, which cosign before 2.2 made for attestations. They lie beside layers only, and the
//! `sigstore` crate does not know them.
//!
//! Such an entry does not repeat the signature. It has the hash of the whole layer, so that it is about the signature in there.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::adapter::{self, LoggedVerifier, TransparencyLogEntry, logged_verifier};
use super::claim::{Claim, malformed};
use super::key::PublicKey;
use super::log::{By, invalid};
use crate::domain::{Digest, Rejection};

/// An entry, with the layer that it must be about.
#[derive(Clone, Debug)]
pub(super) struct EarlyEntry {
    /// As another kind: where it lies in its log does not depend on what is in it.
    pub(super) entry: TransparencyLogEntry,
    /// The SHA-256 of the layer.
    pub(super) layer: Digest,
}

/// The body (sigstore/rekor, `intoto_v0_0_1_schema.json`).
#[derive(Deserialize)]
struct Body {
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    content: Content,
    public_key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    hash: Hash,
    payload_hash: Hash,
}

#[derive(Deserialize)]
struct Hash {
    algorithm: String,
    value: String,
}

/// Takes the entry of a layer out of the bundle that the layer was rewritten as, where it is of this kind.
pub(super) fn take(bundle: &mut Value, layer: Digest) -> Result<Option<EarlyEntry>, Rejection> {
    let entries = bundle.pointer_mut("/verificationMaterial/tlogEntries").and_then(Value::as_array_mut);
    let early = json!({"kind": "intoto", "version": "0.0.1"});
    let is_early = |entry: &Value| entry.get("kindVersion") == Some(&early);
    let Some(mut entry) = entries.and_then(|entries| entries.pop_if(|entry| is_early(entry))) else { return Ok(None) };
    set(&mut entry, "kindVersion", json!({"kind": "intoto", "version": "0.0.2"}));
    // Version 0.1 demands an entry.
    set(bundle, "mediaType", "application/vnd.dev.sigstore.bundle+json;version=0.2".into());
    let entry = adapter::entry(entry).map_err(|e| malformed(&format!("the log entry: {e}")))?;
    Ok(Some(EarlyEntry { entry, layer }))
}

fn set(object: &mut Value, member: &str, value: Value) {
    if let Value::Object(members) = object {
        members.insert(member.to_owned(), value);
    }
}

impl EarlyEntry {
    /// Whether the entry is about this very signature:
    ///
    /// 1. its body is what its kind promises;
    /// 2. it has the hash of the layer that the signature is in, and that of the payload;
    /// 3. its verifier is the signer's key, or the signer's certificate.
    pub(super) fn check_subject(&self, claim: &Claim<'_>, by: By<'_>) -> Result<(), Rejection> {
        // 1.
        let body: Body = serde_json::from_slice(self.entry.canonicalized_body.as_bytes())
            .map_err(|_| invalid("its body can't be read"))?;
        // 2.
        let is = |hash: &Hash, digest: &Digest| hash.algorithm == "sha256" && hash.value == digest.hex();
        let Content { hash, payload_hash } = &body.spec.content;
        if !is(hash, &self.layer) || !is(payload_hash, &Digest::of(&claim.content.payload)) {
            return Err(invalid("it is about something else"));
        }
        // 3.
        let pem = STANDARD.decode(&body.spec.public_key).ok();
        let same = match (pem.as_deref().and_then(logged_verifier), by) {
            (Some(LoggedVerifier::Key(der)), By::Key(key)) => PublicKey::from_spki(&der).as_ref() == Ok(key),
            (Some(LoggedVerifier::Certificate(logged)), By::Certificate(der)) => logged == der,
            _ => false,
        };
        if same { Ok(()) } else { Err(invalid("it is about a signature by somebody else")) }
    }
}
