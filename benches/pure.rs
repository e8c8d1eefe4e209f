//! The pure parts of a review, one by one.
#![allow(
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_in_result,
    clippy::unwrap_used,
    reason = "a bench may fail loudly, and so may the helpers that it shares with the tests"
)]

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use sealgate::admission::review::Review;
use sealgate::api;
use sealgate::domain::{Digest, ImageReference};
use sealgate::policy::{PolicySet, govern, select};
use serde_json::json;

#[path = "../tests/support.rs"]
mod support;

use support::builders::{self, pod};
use support::signer::{SigningKey, payload, verify_by_key};

const IMAGE: &str = "registry.gitlab.com/acme/app:1.4.2";

fn references(c: &mut Criterion) {
    c.bench_function("reference: parse", |b| b.iter(|| ImageReference::parse(black_box(IMAGE)).unwrap()));
}

fn policies(c: &mut Criterion) {
    let pem = SigningKey::new().pem();
    let entries = (0..1000).map(|n| {
        let authority = json!({"name": "key", "key": {"publicKey": pem}});
        let images = [format!("registry.gitlab.com/team-{n}/**"), format!("*.example/{n}/*/app")];
        api::compile(&format!("policy-{n}"), &json!({"match": {"images": images}, "authorities": [authority]}))
    });
    let set = PolicySet::new(entries.collect(), BTreeMap::new());
    let image = ImageReference::parse(IMAGE).unwrap();
    c.bench_function("policies: select among 1000", |b| {
        b.iter(|| select(&govern(&set, "shop").unwrap(), black_box(&image), None));
    });
}

fn reviews(c: &mut Criterion) {
    let mut object = pod(&[("web", IMAGE), ("proxy", "registry.gitlab.com/acme/proxy:2")]);
    object["metadata"]["managedFields"] = (0..100).map(|n| json!({"f:name": {"f:key": {".": {}, "f:x": n}}})).collect();
    let body = builders::Review::create(&object).bytes();
    c.bench_function(&format!("review: read {} bytes", body.len()), |b| {
        b.iter(|| Review::read(black_box(&body)).unwrap());
    });
}

fn signatures(c: &mut Criterion) {
    let key = SigningKey::new();
    let image = ImageReference::parse(IMAGE).unwrap().pin(b"manifest");
    let candidate = key.simple_signing(&payload(&Digest::of(b"manifest"))).candidate();
    let (public, annotations) = (key.public(), BTreeMap::new());
    c.bench_function("signature: verify ECDSA P-256", |b| {
        b.iter(|| verify_by_key(black_box(&candidate), &image, &public, &annotations).unwrap());
    });
}

criterion_group!(benches, references, policies, reviews, signatures);
criterion_main!(benches);
