//! How signatures lie in a registry: manifests, layers and indexes, byte for byte in cosign's shapes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sealgate::domain::Digest;
use serde_json::{Value, json};

use super::{BUNDLE_V03, SimpleSigning};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const ENVELOPE: &str = "application/vnd.dsse.envelope.v1+json";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// Bytes with their media type.
#[derive(Clone, Debug)]
pub struct Blob {
    /// The media type.
    pub media_type: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// A manifest with the blobs that it lists.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The manifest.
    pub manifest: Blob,
    /// Config and layers.
    pub blobs: Vec<Blob>,
}

impl Blob {
    /// A blob.
    pub fn new(media_type: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self { media_type: media_type.to_owned(), bytes: bytes.into() }
    }

    /// Its digest.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// Its descriptor.
    pub fn descriptor(&self) -> Value {
        json!({"mediaType": self.media_type, "size": self.bytes.len(), "digest": self.digest().to_string()})
    }
}

impl Stored {
    /// A manifest made from a document.
    pub fn new(manifest: &Value, blobs: Vec<Blob>) -> Self {
        let media_type = manifest["mediaType"].as_str().unwrap_or(MANIFEST);
        Self { manifest: Blob::new(media_type, manifest.to_string()), blobs }
    }

    /// The manifest as a document, to be changed and stored again with [`Self::new`].
    pub fn document(&self) -> Value {
        serde_json::from_slice(&self.manifest.bytes).unwrap()
    }
}

/// The manifest at the tag `sha256-<hex>.sig`: one layer a signature.
pub fn legacy_tag(signatures: &[SimpleSigning]) -> Stored {
    tag_of(SIMPLE_SIGNING, signatures)
}

/// The manifest at the tag `sha256-<hex>.att`: one layer an attestation.
pub fn attestation_tag(attestations: &[SimpleSigning]) -> Stored {
    tag_of(ENVELOPE, attestations)
}

fn tag_of(media_type: &str, signatures: &[SimpleSigning]) -> Stored {
    let config = Blob::new("application/vnd.oci.image.config.v1+json", "{}");
    let (layers, mut blobs) = layers(media_type, signatures);
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": config.descriptor(), "layers": layers,
    });
    blobs.push(config);
    Stored::new(&manifest, blobs)
}

/// Simple signing layers in a referrer (`--registry-referrers-mode=oci-1-1`): the config's media type says what it is.
pub fn legacy_referrer(signatures: &[SimpleSigning], subject: &Blob) -> Stored {
    let config = Blob::new("application/vnd.dev.cosign.artifact.sig.v1+json", "{}");
    let (layers, mut blobs) = layers(SIMPLE_SIGNING, signatures);
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": config.descriptor(), "layers": layers,
        "subject": subject.descriptor(),
    });
    blobs.push(config);
    Stored::new(&manifest, blobs)
}

/// A bundle in a referrer, as cosign 3 stores it.
pub fn bundle_referrer(bundle: &Value, subject: &Blob) -> Stored {
    let config = Blob::new(EMPTY, "{}");
    let layer = Blob::new(BUNDLE_V03, bundle.to_string());
    let mut config_descriptor = config.descriptor();
    config_descriptor["artifactType"] = json!(BUNDLE_V03);
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": BUNDLE_V03, "config": config_descriptor,
        "layers": [layer.descriptor()],
        "annotations": bundle_annotations(bundle),
        "subject": subject.descriptor(),
    });
    Stored::new(&manifest, vec![config, layer])
}

fn bundle_annotations(bundle: &Value) -> Value {
    if bundle["messageSignature"].is_object() {
        return json!({"dev.sigstore.bundle.content": "message-signature"});
    }
    let payload = bundle["dsseEnvelope"]["payload"].as_str().and_then(|text| STANDARD.decode(text).ok());
    let statement: Option<Value> = payload.and_then(|payload| serde_json::from_slice(&payload).ok());
    let predicate_type = statement.as_ref().and_then(|statement| statement["predicateType"].as_str());
    json!({
        "dev.sigstore.bundle.content": "dsse-envelope",
        "dev.sigstore.bundle.predicateType": predicate_type.unwrap_or("https://sigstore.dev/cosign/sign/v1"),
    })
}

/// The index at the tag `sha256-<hex>` (also the shape of the referrers API's answer), with cosign's entries: the artifact
/// type is that of the config, which says nothing.
pub fn fallback_index(referrers: &[&Stored]) -> Blob {
    let entries: Vec<Value> = referrers
        .iter()
        .map(|referrer| {
            let mut entry = referrer.manifest.descriptor();
            entry["artifactType"] = referrer.document()["config"]["mediaType"].clone();
            entry
        })
        .collect();
    let media_type = "application/vnd.oci.image.index.v1+json";
    Blob::new(media_type, json!({"schemaVersion": 2, "mediaType": media_type, "manifests": entries}).to_string())
}

fn layers(media_type: &str, signatures: &[SimpleSigning]) -> (Vec<Value>, Vec<Blob>) {
    signatures
        .iter()
        .map(|signature| {
            let blob = Blob::new(media_type, signature.payload.clone());
            let mut layer = blob.descriptor();
            layer["annotations"] = json!(signature.annotations);
            (layer, blob)
        })
        .unzip()
}
