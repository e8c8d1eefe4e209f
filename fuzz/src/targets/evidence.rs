//! Signatures: the input is one part of a good signature, all other parts are good, so that the part is truly looked at.
//!
//! What is verified must say what the good signature says: nothing else was ever signed.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sealgate::domain::{Digest, IdentityParts, IdentityPattern, ImageReference, PinnedImage};
use sealgate::signatures::{
    Candidate, CertificateRoots, ContentDemand, Demand, LogRule, Origin, Place, PublicKey, SignerDemand, TrustMaterial,
    UntrustedContent, VerifiedSignature, verify,
};
use serde_json::{Value, json};

use super::{MANIFEST, NOW};

const LAYER: [&str; 5] = [
    "dev.cosignproject.cosign/signature",
    "dev.sigstore.cosign/certificate",
    "dev.sigstore.cosign/chain",
    "dev.sigstore.cosign/bundle",
    "dev.sigstore.cosign/rfc3161timestamp",
];
const CERTIFICATE: &str = "/verificationMaterial/certificate/rawBytes";
const CHECKPOINT: &str = "/verificationMaterial/tlogEntries/0/inclusionProof/checkpoint/envelope";
const TIMESTAMP: &str = "/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp";
const PAYLOAD: &str = "/dsseEnvelope/payload";

/// Good signatures, and what they are verified with.
struct Good {
    root: TrustMaterial,
    own: CertificateRoots,
    key: PublicKey,
    github: Vec<IdentityPattern>,
    developer: Vec<IdentityPattern>,
    /// Keyless, with entries of Rekor v1 and v2.
    keyless: [Value; 2],
    /// By a certificate of an own PKI.
    by_own: Value,
}

static GOOD: LazyLock<Good> = LazyLock::new(|| {
    let bundle = |text| serde_json::from_str(text).expect("the material is JSON");
    let identity = |issuer: Option<&str>, subject: &str| {
        let (issuer, subject) = (issuer.map(str::to_owned), Some(subject.to_owned()));
        vec![
            IdentityPattern::certificate(IdentityParts { issuer, subject, ..Default::default() }).expect("an identity"),
        ]
    };
    let good = Good {
        root: TrustMaterial::from_json(include_str!("../../material/trusted_root.json")).expect("a trusted root"),
        own: CertificateRoots::from_pem(include_str!("../../material/own.pem")).expect("roots"),
        key: PublicKey::from_pem(include_str!("../../material/key.pem")).expect("a key"),
        github: identity(
            Some("https://token.actions.githubusercontent.com"),
            "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main",
        ),
        developer: identity(None, "dev@acme.test"),
        keyless: [
            bundle(include_str!("../../material/bundle.json")),
            bundle(include_str!("../../material/bundle-v2.json")),
        ],
        by_own: bundle(include_str!("../../material/own.json")),
    };
    // With a part of something that is refused anyhow, nothing would be looked at.
    let whole = |bundle: &Value| UntrustedContent::Bundle(bundle.to_string().into_bytes());
    let [first, second] = good.keyless.each_ref().map(|it| ask(whole(it), good.keyless(), LogRule::Required));
    let third = ask(whole(&good.by_own), good.own(), LogRule::WhenPresent);
    assert!(first.is_some() && second.is_some() && third.is_some(), "the material is good");
    good
});

impl Good {
    fn keyless(&self) -> SignerDemand<'_> {
        SignerDemand::Keyless { root: &self.root, identities: &self.github }
    }

    fn own(&self) -> SignerDemand<'_> {
        SignerDemand::Certificate { roots: &self.own, root: None, identities: &self.developer }
    }

    fn key(&self) -> SignerDemand<'_> {
        SignerDemand::Key { key: &self.key, root: None }
    }
}

/// A Sigstore bundle.
pub fn bundle(input: &[u8]) {
    let good = &*GOOD;
    let document = || serde_json::from_slice(input).unwrap_or_default();
    let when_present = [good.own(), good.key()].map(|signer| (signer, LogRule::WhenPresent));
    for (signer, log) in [(good.keyless(), LogRule::Required)].into_iter().chain(when_present) {
        if ask(UntrustedContent::Bundle(input.to_vec()), signer, log).is_some() {
            // A message signature is over the image itself.
            let said = decoded(&document(), PAYLOAD);
            assert!(said.is_none() || said == decoded(&good.keyless[0], PAYLOAD));
        }
    }
}

/// The payload of a `.sig` layer and its annotations, parted by NUL: payload, signature, certificate, chain, log entry,
/// timestamp.
pub fn annotations(input: &[u8]) {
    let mut parts = input.split(|byte| *byte == 0);
    let payload = parts.next().unwrap_or_default().to_vec();
    let texts = parts.filter_map(|part| str::from_utf8(part).ok()).map(str::to_owned);
    let annotations: BTreeMap<_, _> = LAYER.map(str::to_owned).into_iter().zip(texts).collect();
    let content = UntrustedContent::SimpleSigning { payload: payload.clone(), annotations: annotations.clone() };
    for (signer, log) in [(GOOD.keyless(), LogRule::Required), (GOOD.key(), LogRule::WhenPresent)] {
        if ask(content.clone(), signer, log).is_some() {
            assert_eq!(payload, include_bytes!("../../material/payload.json"));
        }
    }
    let content = UntrustedContent::Envelope { envelope: payload.clone(), annotations };
    if ask(content, GOOD.own(), LogRule::WhenPresent).is_some() {
        let document = serde_json::from_slice(&payload).unwrap_or_default();
        assert_eq!(decoded(&document, "/payload"), decoded(&GOOD.by_own, PAYLOAD));
    }
}

/// A DSSE envelope, as a layer behind the tag `.att`.
pub fn dsse(input: &[u8]) {
    let content = UntrustedContent::Envelope { envelope: input.to_vec(), annotations: BTreeMap::new() };
    if ask(content, GOOD.key(), LogRule::WhenPresent).is_some() {
        let document = serde_json::from_slice(input).unwrap_or_default();
        assert_eq!(decoded(&document, "/payload"), decoded(&GOOD.keyless[0], PAYLOAD));
    }
}

/// A certificate in DER: as that of the signer, under Fulcio and under an own PKI, and as a root.
pub fn certificate(input: &[u8]) {
    let good = &*GOOD;
    for (bundle, signer) in
        [(&good.keyless[0], good.keyless()), (&good.keyless[1], good.keyless()), (&good.by_own, good.own())]
    {
        if ask(with(bundle, CERTIFICATE, STANDARD.encode(input)), signer, LogRule::WhenPresent).is_some() {
            assert_eq!(Some(input.to_vec()), decoded(bundle, CERTIFICATE));
        }
    }
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(input));
    let _ = CertificateRoots::from_pem(&pem);
    if let Ok(text) = str::from_utf8(input) {
        let _ = CertificateRoots::from_pem(text);
        let _ = PublicKey::from_pem(text);
    }
}

/// The checkpoint of a log, a signed note.
pub fn checkpoint(input: &[u8]) {
    let Ok(note) = str::from_utf8(input) else { return };
    let text = |note: &str| note.split_once("\n\n").map(|(text, _)| text.to_owned());
    for bundle in &GOOD.keyless {
        if ask(with(bundle, CHECKPOINT, note.to_owned()), GOOD.keyless(), LogRule::Required).is_some() {
            assert_eq!(text(note), bundle.pointer(CHECKPOINT).and_then(Value::as_str).and_then(text));
        }
    }
}

/// A timestamp token (RFC 3161).
pub fn timestamp(input: &[u8]) {
    for bundle in &GOOD.keyless {
        let proven = |content| Some(ask(content, GOOD.keyless(), LogRule::Required)?.proof().times.clone());
        if let Some(times) = proven(with(bundle, TIMESTAMP, STANDARD.encode(input))) {
            assert_eq!(Some(times), proven(UntrustedContent::Bundle(bundle.to_string().into_bytes())));
        }
    }
}

/// An in-toto statement that somebody who is trusted has signed. It is about the image only if it names it.
pub fn statement(input: &[u8]) {
    let [key, signature] = signed(input);
    let envelope = json!({
        "payloadType": "application/vnd.in-toto+json",
        "payload": STANDARD.encode(input),
        "signatures": [{"sig": STANDARD.encode(signature)}],
    });
    let key = PublicKey::from_pem(str::from_utf8(&key).expect("PEM")).expect("a key");
    let content =
        UntrustedContent::Envelope { envelope: envelope.to_string().into_bytes(), annotations: BTreeMap::new() };
    let signer = SignerDemand::Key { key: &key, root: None };
    let document: Value = serde_json::from_slice(input).unwrap_or_default();
    let predicate_type = document.get("predicateType").and_then(Value::as_str).unwrap_or_default();
    let attestation = ContentDemand::Attestation { predicate_type };
    let annotations = BTreeMap::new();
    for demand in [attestation, ContentDemand::Image { annotations: &annotations }] {
        let demand = Demand { signer, log: LogRule::Ignored, content: demand };
        let Some(verified) = answer(content.clone(), demand) else { continue };
        let digest = image().digest().hex();
        let subjects = document.get("subject").and_then(Value::as_array).expect("a statement has subjects");
        assert!(subjects.iter().any(|subject| subject.pointer("/digest/sha256") == Some(&json!(digest))));
        assert!(verified.statement().is_none_or(|statement| statement.document().is_ok_and(|found| found == document)));
    }
}

/// The public key as PEM, and its signature of the statement.
fn signed(payload: &[u8]) -> [Vec<u8>; 2] {
    use ed25519_dalek::Signer as _;

    let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let kind = "application/vnd.in-toto+json";
    let mut message = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    message.extend_from_slice(payload);
    let mut spki = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00".to_vec();
    spki.extend_from_slice(key.verifying_key().as_bytes());
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(spki));
    [pem.into_bytes(), key.sign(&message).to_bytes().to_vec()]
}

/// Whether it is a signature of the image.
fn ask(content: UntrustedContent, signer: SignerDemand<'_>, log: LogRule) -> Option<VerifiedSignature> {
    let annotations = BTreeMap::new();
    answer(content, Demand { signer, log, content: ContentDemand::Image { annotations: &annotations } })
}

/// What is refused says so with a code that is not "internal error".
fn answer(content: UntrustedContent, demand: Demand<'_>) -> Option<VerifiedSignature> {
    let origin = Origin { place: Place::ReferrersApi, manifest: Digest::of(b"manifest"), layer: 0 };
    let candidate = Candidate { origin, blob: Digest::of(b"blob"), content };
    let now = Timestamp::from_second(NOW).expect("a time");
    match verify(&candidate, &image(), demand, now) {
        Ok(verified) => Some(verified),
        Err(finding) => {
            assert_ne!(finding.code(), "INTERNAL_ERROR", "{finding:?}");
            None
        }
    }
}

pub(super) fn image() -> PinnedImage {
    ImageReference::parse("ghcr.io/org/app").expect("a valid reference").pin(MANIFEST)
}

/// The bundle with another value in one place.
fn with(bundle: &Value, place: &str, value: String) -> UntrustedContent {
    let mut bundle = bundle.clone();
    *bundle.pointer_mut(place).expect("the material has it") = value.into();
    UntrustedContent::Bundle(bundle.to_string().into_bytes())
}

fn decoded(document: &Value, place: &str) -> Option<Vec<u8>> {
    STANDARD.decode(document.pointer(place)?.as_str()?).ok()
}
