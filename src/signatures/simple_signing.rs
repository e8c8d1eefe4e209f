//! The simple signing form: the layer is the signed payload, its annotations carry the signature.
//!
//! Written by cosign up to 2.x, and by 3.x with `--new-bundle-format=false` (cosign, `specs/SIGNATURE_SPEC.md`).

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::Form;
use super::claim::{Claim, Message, Signer, Subject, blank, malformed};
use super::json;
use crate::domain::{Digest, Rejection};

/// The layer annotation with the base64 of the signature.
const SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";
/// The layer annotation with the PEM of the signer's certificate.
const CERTIFICATE_ANNOTATION: &str = "dev.sigstore.cosign/certificate";
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
    let certificate = annotations.get(CERTIFICATE_ANNOTATION).is_some_and(|c| !c.trim().is_empty());
    Ok(Claim {
        form: Form::SimpleSigning,
        subjects: vec![Subject { digest, annotations: parsed.optional.unwrap_or_default() }],
        signer: if certificate { Signer::Certificate } else { Signer::Key { hint: None } },
        message: Message::Bytes(Cow::Borrowed(payload)),
        signature,
    })
}

fn signature(annotations: &BTreeMap<String, String>) -> Result<Vec<u8>, Rejection> {
    match annotations.get(SIGNATURE_ANNOTATION) {
        Some(text) if !text.trim().is_empty() => {
            STANDARD.decode(text).map_err(|e| malformed(&format!("the annotation {SIGNATURE_ANNOTATION}: {e}")))
        }
        _ => Err(blank(&format!("the layer's annotation {SIGNATURE_ANNOTATION}"))),
    }
}
