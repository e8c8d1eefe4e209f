//! One signature to be made, in any form: who signs what, and what evidence lies beside it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sealgate::signatures::{Candidate, UntrustedContent};
use serde_json::{Value, json};
use x509_cert::Certificate;
use x509_cert::der::Encode;

use super::body::{Content, Signed, Verifier};
use super::edit::Edit;
use super::fulcio::CodeSigning;
use super::hash::HashAlgorithm;
use super::log::Entry;
use super::timestamp::Timestamp;
use super::x509::certificate_pem;
use crate::support::signer::{CERTIFICATE, SIGNATURE, SigningKey, SimpleSigning, bundle_candidate, candidate};

/// The annotation with the promise of a log.
pub const BUNDLE: &str = "dev.sigstore.cosign/bundle";
/// The annotation with the certificates that follow the signer's.
pub const CHAIN: &str = "dev.sigstore.cosign/chain";
/// The annotation with a timestamp.
pub const TIMESTAMP: &str = "dev.sigstore.cosign/rfc3161timestamp";

/// A signature that is to be made. Plain data: clone it, change one field, and make it again.
#[derive(Clone)]
pub struct Signing {
    /// The key that signs.
    pub key: SigningKey,
    /// Its certificate; `None` for a bare key.
    pub certificate: Option<CodeSigning>,
    /// What is signed.
    pub content: Content,
    /// The entries of logs, in their order.
    pub entries: Vec<Entry>,
    /// The timestamps, in their order.
    pub timestamps: Vec<Timestamp>,
    /// The version of bundles.
    pub version: Version,
    /// Changes the signature before logs and timestamp authorities see it.
    pub edit_signature: Edit<Vec<u8>>,
    /// Changes the finished bundle.
    pub edit_bundle: Edit<Value>,
    /// Changes the finished annotations of a layer.
    pub edit_annotations: Edit<BTreeMap<String, String>>,
}

/// The versions of the bundle format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V01,
    V02,
    V03,
}

impl Version {
    /// The media type of such bundles.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::V01 => "application/vnd.dev.sigstore.bundle+json;version=0.1",
            Self::V02 => "application/vnd.dev.sigstore.bundle+json;version=0.2",
            Self::V03 => "application/vnd.dev.sigstore.bundle.v0.3+json",
        }
    }
}

impl Signing {
    /// By a bare key, with no evidence beside it.
    pub fn by_key(key: &SigningKey, content: Content) -> Self {
        Self {
            key: key.clone(),
            certificate: None,
            content,
            entries: Vec::new(),
            timestamps: Vec::new(),
            version: Version::V03,
            edit_signature: Edit::default(),
            edit_bundle: Edit::default(),
            edit_annotations: Edit::default(),
        }
    }

    /// By a certificate, with no evidence beside it.
    pub fn by_certificate(key: &SigningKey, certificate: CodeSigning, content: Content) -> Self {
        Self { certificate: Some(certificate), ..Self::by_key(key, content) }
    }

    /// The same with a change.
    #[must_use]
    pub fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut changed = self.clone();
        change(&mut changed);
        changed
    }

    /// The certificate, for a change.
    pub fn leaf(&mut self) -> &mut CodeSigning {
        self.certificate.as_mut().expect("it signs with a certificate")
    }

    /// The first entry, for a change.
    pub fn entry(&mut self) -> &mut Entry {
        self.entries.first_mut().expect("it has an entry")
    }

    /// The first timestamp, for a change.
    pub fn timestamp(&mut self) -> &mut Timestamp {
        self.timestamps.first_mut().expect("it has a timestamp")
    }

    /// The certificate as it is issued.
    pub fn issued(&self) -> Option<Certificate> {
        Some(self.certificate.as_ref()?.issue(&self.key))
    }

    /// The signature alone.
    pub fn signed(&self) -> Signed {
        let verifier = match self.issued() {
            Some(certificate) => Verifier::Certificate(certificate.to_der().unwrap()),
            None => Verifier::PublicKey(self.key.spki()),
        };
        let mut signature = self.key.sign(&self.content.message());
        self.edit_signature.apply(&mut signature);
        Signed { content: self.content.clone(), signature, verifier, scheme: self.key.scheme() }
    }

    /// As a bundle: an envelope or a message signature, as the content is.
    pub fn bundle(&self) -> Value {
        let signed = self.signed();
        let entries: Vec<Value> = self.entries.iter().map(|entry| entry.record(&signed).bundle_entry()).collect();
        let timestamps: Vec<Value> = self.stamps(&signed).map(|stamp| json!({"signedTimestamp": stamp})).collect();
        let mut material = self.material(&signed.verifier);
        if !entries.is_empty() {
            material["tlogEntries"] = json!(entries);
        }
        if !timestamps.is_empty() {
            material["timestampVerificationData"] = json!({"rfc3161Timestamps": timestamps});
        }
        let mut bundle = json!({"mediaType": self.version.media_type(), "verificationMaterial": material});
        match &signed.content {
            Content::Envelope { .. } => bundle["dsseEnvelope"] = signed.envelope(),
            Content::Message(bytes) => {
                let hash = HashAlgorithm::of(signed.scheme);
                bundle["messageSignature"] = json!({
                    "messageDigest": {"algorithm": hash.bundle_name(), "digest": STANDARD.encode(hash.digest(bytes))},
                    "signature": STANDARD.encode(&signed.signature),
                });
            }
        }
        self.edit_bundle.apply(&mut bundle);
        bundle
    }

    /// As a layer of cosign 2: of `sha256-<hex>.sig` for a message, of `sha256-<hex>.att` for an envelope. Only one entry and
    /// one timestamp have a place there.
    pub fn layer(&self) -> SimpleSigning {
        let signed = self.signed();
        let mut annotations = BTreeMap::new();
        let payload = match &signed.content {
            Content::Message(bytes) => {
                annotations.insert(SIGNATURE.to_owned(), STANDARD.encode(&signed.signature));
                bytes.clone()
            }
            Content::Envelope { payload, .. } => {
                annotations.insert(SIGNATURE.to_owned(), String::new());
                let statement: Option<Value> = serde_json::from_slice(payload).ok();
                let predicate_type = statement.as_ref().and_then(|statement| statement["predicateType"].as_str());
                annotations.extend(predicate_type.map(|kind| ("predicateType".to_owned(), kind.to_owned())));
                signed.envelope().to_string().into_bytes()
            }
        };
        if let Some(certificate) = &self.certificate {
            annotations.insert(CERTIFICATE.to_owned(), signed.verifier.pem());
            annotations.insert(CHAIN.to_owned(), certificate.presented.iter().map(certificate_pem).collect());
        }
        if let Some(entry) = self.entries.first() {
            annotations.insert(BUNDLE.to_owned(), entry.record(&signed).annotation().to_string());
        }
        if let Some(stamp) = self.stamps(&signed).next() {
            annotations.insert(TIMESTAMP.to_owned(), json!({"SignedRFC3161Timestamp": stamp}).to_string());
        }
        self.edit_annotations.apply(&mut annotations);
        SimpleSigning { payload, annotations }
    }

    /// The layer as the registry adapter would hand it to the verifier.
    pub fn layer_candidate(&self) -> Candidate {
        let SimpleSigning { payload, annotations } = self.layer();
        let blob = payload.clone();
        let content = match self.content {
            Content::Message(_) => UntrustedContent::SimpleSigning { payload, annotations },
            Content::Envelope { .. } => UntrustedContent::Envelope { envelope: payload, annotations },
        };
        candidate(&blob, content)
    }

    /// The bundle as the registry adapter would hand it to the verifier.
    pub fn bundle_candidate(&self) -> Candidate {
        bundle_candidate(&self.bundle())
    }

    fn stamps(&self, signed: &Signed) -> impl Iterator<Item = String> {
        self.timestamps.iter().map(|timestamp| STANDARD.encode(timestamp.stamp(&signed.signature)))
    }

    fn material(&self, verifier: &Verifier) -> Value {
        match (verifier, self.version) {
            (Verifier::PublicKey(_), _) => json!({"publicKey": {"hint": self.key.public().hint()}}),
            (Verifier::Certificate(der), Version::V03) => json!({"certificate": {"rawBytes": STANDARD.encode(der)}}),
            (Verifier::Certificate(der), Version::V01 | Version::V02) => {
                let presented = self.certificate.iter().flat_map(|certificate| &certificate.presented);
                let above = presented.map(|certificate| certificate.to_der().unwrap());
                let chain: Vec<Value> = [der.clone()]
                    .into_iter()
                    .chain(above)
                    .map(|der| json!({"rawBytes": STANDARD.encode(der)}))
                    .collect();
                json!({"x509CertificateChain": {"certificates": chain}})
            }
        }
    }
}
