//! Real signatures by key from other projects' test data, against what cosign answers.

use std::collections::BTreeMap;
use std::fs;

use sealgate::domain::{Digest, ImageReference, PinnedImage};
use sealgate::signatures::{Candidate, Origin, Place, PublicKey, UntrustedContent};
use serde_json::Value;

use crate::support::corpora::corpora;
use crate::support::signer::{SIGNATURE, verify_by_key};

/// Every case with a key. The log entry that one of them has is not looked at, so nothing here says that it was; the cases
/// with a certificate need a trusted root and belong to keyless verification.
#[test]
#[ignore = "needs SEALGATE_CORPORA"]
fn our_answers_about_key_signatures_are_those_of_cosign() {
    let folder = corpora("cosign-legacy-sigs");
    let (mut accepted, mut refused) = (0, 0);
    for case in fs::read_dir(&folder).unwrap() {
        let case = case.unwrap().path();
        let read = |name: &str| fs::read(case.join(name)).ok();
        let Some(pem) = read("key.pub") else { continue };
        let description: Value = serde_json::from_slice(&read("case.json").unwrap()).unwrap();
        let payload = read("payload.json").unwrap();
        let signature = String::from_utf8(read("signature.b64").unwrap()).unwrap();
        let annotations = BTreeMap::from([(SIGNATURE.to_owned(), signature.trim().to_owned())]);
        let candidate = Candidate {
            origin: Origin { place: Place::LegacyTag, manifest: Digest::of(b""), layer: 0 },
            blob: Digest::of(&payload),
            content: UntrustedContent::SimpleSigning { payload, annotations },
        };
        let key = PublicKey::from_pem(&String::from_utf8(pem).unwrap()).unwrap();
        let image = image(read("manifest.json"), &description);
        let answer = verify_by_key(&candidate, &image, &key, &BTreeMap::new());
        let expected = description["cosign311_offline"] == "accept";
        assert_eq!(answer.is_ok(), expected, "{}: {answer:?}", case.display());
        *if expected { &mut accepted } else { &mut refused } += 1;
    }
    assert!(accepted > 0 && refused > 0, "{accepted} accepted, {refused} refused");
}

/// The image whose manifest lies beside the signature, else the one that the case names.
fn image(manifest: Option<Vec<u8>>, description: &Value) -> PinnedImage {
    let repository = ImageReference::parse("registry.example/app").unwrap();
    match manifest {
        Some(bytes) => repository.pin(&bytes),
        None => {
            repository.at(Digest::parse(description["manifest_digest"].as_str().unwrap()).unwrap()).pinned().unwrap()
        }
    }
}
