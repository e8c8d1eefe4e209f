//! The simple signing form: the layer is the signed payload, its annotations carry the signature.
//!
//! Written by cosign up to 2.x, and by 3.x with `--new-bundle-format=false` (cosign, `specs/SIGNATURE_SPEC.md`).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use super::claim::{Claim, Content, Message, Subject, blank, malformed};
use super::{Form, adapter, json, material};
use crate::domain::{Digest, Rejection};

/// The layer annotation with the base64 of the signature.
const SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";
/// The only `critical.type` that cosign writes and reads.
const PAYLOAD_TYPE: &str = "cosign container image signature";

/// The payload. Inside `critical` every member must be known, so that no other spelling of a name can mean something to
/// another reader. The reference at signing time is not compared: images are copied with their signatures.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    critical: Critical,
    #[serde(default)]
    optional: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Critical {
    #[serde(rename = "identity")]
    _identity: IgnoredAny,
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

/// Reads the structure of a layer and its annotations.
pub(super) fn read<'a>(payload: &'a [u8], annotations: &BTreeMap<String, String>) -> Result<Claim<'a>, Rejection> {
    let signature = signature(annotations)?;
    let parsed: Payload = json::parse(payload)
        .and_then(serde_json::from_value)
        .map_err(|e| malformed(&format!("the simple signing payload: {e}")))?;
    if parsed.critical.kind != PAYLOAD_TYPE {
        let found = parsed.critical.kind;
        return Err(malformed(&format!("critical.type is \"{found}\", expected \"{PAYLOAD_TYPE}\"")));
    }
    let digest = Digest::parse(&parsed.critical.image.digest)
        .map_err(|e| malformed(&format!("docker-manifest-digest is \"{}\": {e}", parsed.critical.image.digest)))?;
    let content = Content {
        subjects: vec![Subject { digest, annotations: parsed.optional.unwrap_or_default() }],
        predicate_type: None,
        has_predicate: false,
        payload: Arc::default(),
    };
    let bundle = if material::is_bare(annotations) { None } else { Some(bundle(payload, &signature, annotations)?) };
    let message = Message::Bytes(Cow::Borrowed(payload));
    Ok(Claim { form: Form::SimpleSigning, content, message, signature, bundle, early: None })
}

/// The same signature as a bundle: over the layer's bytes, with what the annotations say of it.
fn bundle(
    payload: &[u8],
    signature: &[u8],
    annotations: &BTreeMap<String, String>,
) -> Result<adapter::Bundle, Rejection> {
    let digest = STANDARD.encode(Digest::of(payload).as_bytes());
    let message = json!({
        "messageDigest": {"algorithm": "SHA2_256", "digest": digest},
        "signature": STANDARD.encode(signature),
    });
    let content = Map::from_iter([("messageSignature".to_owned(), message)]);
    let document = material::bundle(annotations, content)?;
    super::bundle::check(&document)?;
    adapter::bundle(document).map_err(|e| malformed(&format!("the layer's annotations: {e}")))
}

fn signature(annotations: &BTreeMap<String, String>) -> Result<Vec<u8>, Rejection> {
    match annotations.get(SIGNATURE_ANNOTATION) {
        Some(text) if !text.trim().is_empty() => {
            STANDARD.decode(text).map_err(|e| malformed(&format!("the annotation {SIGNATURE_ANNOTATION}: {e}")))
        }
        _ => Err(blank(&format!("the layer's annotation {SIGNATURE_ANNOTATION}"))),
    }
}
