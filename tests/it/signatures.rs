//! Signatures in every form and by every kind of key, each wrong in one place at a time.

use std::collections::BTreeMap;

use sealgate::domain::{Class, Digest, ImageReference, PinnedImage, Rejection};
use sealgate::signatures::{Candidate, Demand, Form, PublicKey, VerifiedSignature, verify};
use serde_json::{Value, json};

use crate::support::signer::{self, SCHEMES, SigningKey, bundle_candidate, edit, payload, remove, statement};

fn image() -> PinnedImage {
    pinned("registry.example/app", b"an image manifest")
}

fn pinned(repository: &str, manifest: &[u8]) -> PinnedImage {
    ImageReference::parse(repository).unwrap().pin(manifest)
}

fn digest() -> Digest {
    *image().digest()
}

fn check(candidate: &Candidate, key: &PublicKey) -> Result<VerifiedSignature, Rejection> {
    verify(candidate, &image(), Demand { key, annotations: &BTreeMap::new() })
}

#[test]
fn every_scheme_verifies_in_both_forms_and_not_with_another_key() {
    for scheme in SCHEMES {
        let (key, other) = (SigningKey::generate(scheme), SigningKey::generate(scheme));
        let legacy = key.simple_signing(&payload(&digest())).candidate();
        let verified = check(&legacy, &key.public()).unwrap();
        assert_eq!((verified.form(), verified.key()), (Form::SimpleSigning, key.public().to_string().as_str()));
        assert_eq!(check(&legacy, &other.public()).unwrap_err().code(), "SIGNATURE_INVALID", "{scheme:?}");

        let bundle = key.bundle(&statement(&digest()));
        assert_eq!(check(&bundle_candidate(&bundle), &key.public()).unwrap().form(), Form::Bundle);
        assert_eq!(check(&bundle_candidate(&bundle), &other.public()).unwrap_err().code(), "SIGNER_MISMATCH");
        let unnamed = edit(&bundle, "/verificationMaterial/publicKey/hint", json!(""));
        assert!(check(&bundle_candidate(&unnamed), &key.public()).is_ok());
        assert_eq!(check(&bundle_candidate(&unnamed), &other.public()).unwrap_err().code(), "SIGNATURE_INVALID");
    }
}
