//! Signatures in every form and by every kind of key, each wrong in one place at a time.

mod cosign;
mod encodings;
mod evidence;
mod keys;
mod payloads;

use std::collections::BTreeMap;

use sealgate::domain::{Class, Digest, ImageReference, PinnedImage, Rejection};
use sealgate::signatures::{Candidate, PublicKey, VerifiedSignature};

use crate::support::signer::verify_by_key;

/// The image under test.
fn image() -> PinnedImage {
    ImageReference::parse("registry.example/app").unwrap().pin(MANIFEST)
}

/// The bytes of its manifest.
const MANIFEST: &[u8] = b"an image manifest";

fn digest() -> Digest {
    *image().digest()
}

type Answer = Result<VerifiedSignature, Rejection>;

/// Verifies for the image under test, without annotations.
fn check(candidate: &Candidate, key: &PublicKey) -> Answer {
    verify_by_key(candidate, &image(), key, &BTreeMap::new())
}

/// The same with one annotation demanded.
fn check_annotated(candidate: &Candidate, key: &PublicKey, (name, value): (&str, &str)) -> Answer {
    let annotations = BTreeMap::from([(name.to_owned(), value.to_owned())]);
    verify_by_key(candidate, &image(), key, &annotations)
}

#[track_caller]
fn allowed(answer: &Answer) {
    assert!(answer.is_ok(), "{answer:?}");
}

#[track_caller]
fn denied(answer: &Answer, code: &str) {
    match answer {
        Ok(verified) => panic!("verified: {verified:?}"),
        Err(rejection) => assert_eq!(rejection.code(), code, "{rejection}"),
    }
}

#[track_caller]
fn denied_as(answer: &Answer, class: Class) {
    match answer {
        Ok(verified) => panic!("verified: {verified:?}"),
        Err(rejection) => assert_eq!(rejection.class(), class, "{rejection}"),
    }
}
