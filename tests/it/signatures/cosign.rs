//! What the real cosign wrote (`tests/fixtures/images/make.sh`).

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sealgate::domain::{Class, Digest, ImageReference, PinnedImage};
use sealgate::signatures::{Candidate, Form, Origin, Place, PublicKey, UntrustedContent};
use serde_json::{Value, json};

use super::{Answer, allowed, denied, denied_as};
use crate::support::layouts::{LAYOUTS, Layout, public_key};
use crate::support::signer::{SIGNATURE, verify_by_key};

const BOTH: [Form; 2] = [Form::SimpleSigning, Form::Bundle];

/// Repository, key, and the forms in which its `v1` is signed by it.
const SIGNED: [(&str, &str, &[Form]); 9] = [
    ("annotated", "p256", &BOTH),
    ("bundle", "p256", &[Form::Bundle]),
    ("ed25519", "ed25519", &BOTH),
    ("legacy", "p256", &[Form::SimpleSigning]),
    ("legacy-referrer", "p256", &[Form::SimpleSigning]),
    ("p384", "p384", &BOTH),
    ("p521", "p521", &BOTH),
    ("rsa", "rsa", &BOTH),
    ("wrong-key", "other", &BOTH),
];

fn check(candidate: &Candidate, image: &PinnedImage, key: &PublicKey) -> Answer {
    verify_by_key(candidate, image, key, &BTreeMap::new())
}

#[test]
fn every_signature_of_cosign_verifies_with_its_key_and_no_other() {
    for (repository, key, forms) in SIGNED {
        let layout = Layout::read(repository);
        let image = layout.image("v1");
        let candidates = layout.candidates(&image);
        let found: Vec<Form> = candidates.iter().map(|c| check(c, &image, &public_key(key)).unwrap().form()).collect();
        assert_eq!(found, forms, "{repository}");
        for other in ["p256", "other", "p384", "p521", "rsa", "ed25519"].into_iter().filter(|other| *other != key) {
            for candidate in &candidates {
                denied_as(&check(candidate, &image, &public_key(other)), Class::BadSignature);
            }
        }
    }
}

#[test]
fn one_changed_byte_of_payload_or_signature_is_enough_to_refuse() {
    for (repository, key, _) in SIGNED {
        let layout = Layout::read(repository);
        let (image, key) = (layout.image("v1"), public_key(key));
        for candidate in layout.candidates(&image) {
            let parts = Parts::of(&candidate);
            allowed(&check(&parts.candidate(&candidate), &image, &key));
            for at in (0..parts.payload.len()).step_by(5) {
                let changed = Parts { payload: flipped(&parts.payload, at), ..parts.clone() };
                assert!(check(&changed.candidate(&candidate), &image, &key).is_err(), "{repository}: payload {at}");
            }
            for at in (0..parts.signature.len()).step_by(5) {
                let changed = Parts { signature: flipped(&parts.signature, at), ..parts.clone() };
                denied(&check(&changed.candidate(&candidate), &image, &key), "SIGNATURE_INVALID");
            }
        }
    }
}

#[test]
fn annotations_of_cosign_are_read_in_both_forms() {
    let layout = Layout::read("annotated");
    let (image, key) = (layout.image("v1"), public_key("p256"));
    let demand = |value: &str| BTreeMap::from([("env".to_owned(), value.to_owned())]);
    for candidate in layout.candidates(&image) {
        allowed(&verify_by_key(&candidate, &image, &key, &demand("prod")));
        let answer = verify_by_key(&candidate, &image, &key, &demand("dev"));
        denied(&answer, "ANNOTATION_MISMATCH");
        assert!(answer.unwrap_err().to_string().contains("says env=prod"));
    }
}

#[test]
fn a_tag_that_moved_away_from_its_signed_digest_is_unsigned() {
    let layout = Layout::read("moved");
    let (moved, signed) = (layout.image("v1"), layout.pinned(&layout.untagged[0]));
    assert!(layout.candidates(&moved).is_empty());
    let [signature] = layout.candidates(&signed).try_into().unwrap();
    allowed(&check(&signature, &signed, &public_key("p256")));
    denied(&check(&signature, &moved, &public_key("p256")), "DIGEST_MISMATCH");
}

#[test]
fn an_attestation_is_no_image_signature() {
    let layout = Layout::read("attested");
    let image = layout.image("v1");
    let [attestation] = layout.candidates(&image).try_into().unwrap();
    let answer = check(&attestation, &image, &public_key("p256"));
    denied(&answer, "NO_SIGNATURE");
    assert!(answer.unwrap_err().to_string().contains("https://slsa.dev/provenance/"));
}

#[test]
fn an_unsigned_image_has_no_candidates() {
    let layout = Layout::read("unsigned");
    assert!(layout.candidates(&layout.image("v1")).is_empty());
}

#[test]
fn the_set_of_layouts_is_complete() {
    for name in LAYOUTS {
        assert!(Layout::read(name).tags.contains_key("v1"), "{name}");
    }
}

#[test]
fn a_blob_signature_over_the_manifest_counts() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/signatures/real");
    let manifest = fs::read(folder.join("manifest.json")).unwrap();
    let bundle = fs::read(folder.join("manifest.sigstore.json")).unwrap();
    let origin = Origin { place: Place::FallbackTag, manifest: Digest::of(b""), layer: 0 };
    let candidate = Candidate { origin, blob: Digest::of(&bundle), content: UntrustedContent::Bundle(bundle) };
    let repository = ImageReference::parse("registry.example/bundle").unwrap();
    allowed(&check(&candidate, &repository.pin(&manifest), &public_key("p256")));
    denied(&check(&candidate, &repository.pin(b"another"), &public_key("p256")), "DIGEST_MISMATCH");
    denied(&check(&candidate, &repository.pin(&manifest), &public_key("other")), "SIGNER_MISMATCH");
}

/// The two things in a candidate that are signed and sign.
#[derive(Clone)]
struct Parts {
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl Parts {
    fn of(candidate: &Candidate) -> Self {
        match &candidate.content {
            UntrustedContent::SimpleSigning { payload, annotations } => {
                Self { payload: payload.clone(), signature: STANDARD.decode(&annotations[SIGNATURE]).unwrap() }
            }
            UntrustedContent::Bundle(bytes) => {
                let bundle: Value = serde_json::from_slice(bytes).unwrap();
                let field = |pointer| STANDARD.decode(bundle.pointer(pointer).unwrap().as_str().unwrap()).unwrap();
                Self { payload: field("/dsseEnvelope/payload"), signature: field("/dsseEnvelope/signatures/0/sig") }
            }
            UntrustedContent::Envelope { .. } => panic!("no layout has an attestation behind a tag"),
        }
    }

    fn candidate(&self, original: &Candidate) -> Candidate {
        let content = match &original.content {
            UntrustedContent::SimpleSigning { annotations, .. } => {
                let mut annotations = annotations.clone();
                annotations.insert(SIGNATURE.to_owned(), STANDARD.encode(&self.signature));
                UntrustedContent::SimpleSigning { payload: self.payload.clone(), annotations }
            }
            UntrustedContent::Bundle(bytes) => {
                let mut bundle: Value = serde_json::from_slice(bytes).unwrap();
                bundle["dsseEnvelope"]["payload"] = json!(STANDARD.encode(&self.payload));
                bundle["dsseEnvelope"]["signatures"][0]["sig"] = json!(STANDARD.encode(&self.signature));
                UntrustedContent::Bundle(bundle.to_string().into_bytes())
            }
            UntrustedContent::Envelope { .. } => panic!("no layout has an attestation behind a tag"),
        };
        Candidate { content, ..original.clone() }
    }
}

fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    bytes
}
