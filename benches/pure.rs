//! The pure parts of a review, one by one, and beside them what the `sigstore` crate alone takes for the same bundle.
//!
//! What has a limit is set against it at the end: at least compare within one run, absolute times are those of the machine.
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

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use criterion::{Criterion, criterion_group};
use jiff::Timestamp;
use sealgate::admission::review::Review;
use sealgate::api;
use sealgate::domain::{Digest, IdentityParts, IdentityPattern, ImageReference, PinnedImage};
use sealgate::policy::condition::{Condition, Facts};
use sealgate::policy::{PolicySet, govern, select};
use sealgate::signatures::{
    Candidate, CertificateRoots, ContentDemand, Demand, LogRule, SignerDemand, VerifiedSignature, verify,
};
use serde_json::{Value, json};
use sigstore::trust_root::TrustedRoot;
use sigstore::types::{Artifact, Bundle, Sha256Hash};
use sigstore::{VerificationPolicy, Verifier};

#[path = "../tests/support.rs"]
mod support;

use support::builders::{self, pod};
use support::signer::{SigningKey, payload, statement};
use support::sigstore::x509::{email, extension};
use support::sigstore::{Authority, CodeSigning, Content, Identity, NOW, Profile, Signing, Sigstore};

const IMAGE: &str = "registry.gitlab.com/acme/app:1.4.2";
const MANIFEST: &[u8] = b"an image manifest";
const PROVENANCE: &str = "https://slsa.dev/provenance/v1";

const BARE: &str = "keyless bundle, the crate alone";
const PRIMITIVE: &str = "ECDSA P-256, the primitive alone";
const KEYLESS: &str = "keyless bundle";
const CHAIN: &str = "chain of an own PKI, the longest and largest";
const KEY_BUNDLE: &str = "bundle by a key, no log";
const KEY_LAYER: &str = "layer by a key, no log";
const SELECT: &str = "policies: select among 1000";
const CONDITION: &str = "condition: check";

fn main() {
    benches();
    limits();
}

criterion_group!(benches, references, policies, reviews, keyless, chains, keys, conditions);

fn references(c: &mut Criterion) {
    c.bench_function("reference: parse", |b| b.iter(|| ImageReference::parse(black_box(IMAGE)).unwrap()));
}

/// 1000 policies, each of which accepts 50 identities by expressions.
fn policies(c: &mut Criterion) {
    let document = |n: usize| {
        let expression = |i| json!({"issuer": "https://gitlab.com", "subjectRegExp": format!("https://gitlab\\.com/team-{n}/app-{i}(-[a-z]+)*//\\.gitlab-ci\\.yml@refs/tags/v[0-9]+\\.[0-9]+")});
        let identities: Vec<Value> = (0..50).map(expression).collect();
        let images = [format!("registry.gitlab.com/team-{n}/**"), format!("*.example/{n}/*/app")];
        json!({"match": {"images": images}, "authorities": [{"name": "ci", "keyless": {"identities": identities}}]})
    };
    let documents: Vec<Value> = (0..1000).map(document).collect();
    let read = || documents.iter().enumerate().map(|(n, it)| api::compile(&format!("policy-{n}"), it)).collect();
    c.benchmark_group("policies").sample_size(10).bench_function("read 1000 of 50 expressions", |b| {
        b.iter(|| PolicySet::new(read(), BTreeMap::new()));
    });
    let set = PolicySet::new(read(), BTreeMap::new());
    let image = ImageReference::parse("registry.gitlab.com/team-500/app:1").unwrap();
    c.bench_function(SELECT, |b| {
        b.iter(|| select(&govern(&set, "shop", None).unwrap().unwrap(), black_box(&image), None));
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

/// A bundle with a certificate, a receipt, an entry of Rekor v1 and a timestamp.
fn keyless(c: &mut Criterion) {
    let sigstore = Sigstore::new("bench");
    let signing = sigstore.keyless(&Identity::gitlab(), Content::statement(&statement(&Digest::of(MANIFEST))));
    let text = signing.bundle().to_string();
    let root = sigstore.trusted_root().json().to_string();

    let verifier = Verifier::new(&TrustedRoot::from_json(&root).unwrap()).unwrap();
    let digest = *Digest::of(MANIFEST).as_bytes();
    let policy = VerificationPolicy::new(Identity::gitlab().subject, Identity::gitlab().issuer);
    c.bench_function(BARE, |b| {
        b.iter(|| {
            let bundle = Bundle::from_json(black_box(&text)).unwrap();
            verifier.verify(Artifact::from(Sha256Hash::new(digest)), &bundle, &policy).unwrap()
        });
    });

    let (root, identities, candidate) = (sigstore.trusted_root().material(), pipeline(), signing.bundle_candidate());
    let signer = SignerDemand::Keyless { root: &root, identities: &identities };
    c.bench_function(KEYLESS, |b| b.iter(|| ask(black_box(&candidate), signer, LogRule::Required, None)));
}

/// The identity of the pipeline that signs here.
fn pipeline() -> [IdentityPattern; 1] {
    let Identity { issuer, subject, .. } = Identity::gitlab();
    let parts = IdentityParts { issuer: Some(issuer), subject: Some(subject), ..IdentityParts::default() };
    [IdentityPattern::certificate(parts).unwrap()]
}

/// As many authorities as are followed, each as large as may be, under none that is trusted, though it has the name of the one that is.
fn chains(c: &mut Criterion) {
    let profile = |name: &str| {
        let mut profile = Profile { basic_constraints: Some((true, None)), ..Profile::intermediate(name, NOW) };
        profile.extensions.extend((0..60).map(|at| extension(&format!("1.2.3.4.{at}"), false, &[0; 220])));
        profile
    };
    let trusted = Authority::root(&SigningKey::seeded("trusted"), &Profile::root("bench root", NOW));
    let mut authorities = vec![Authority::root(&SigningKey::seeded("other"), &Profile::root("bench root", NOW))];
    for number in 0..6 {
        let name = format!("authority {number}");
        authorities.push(authorities[number].child(&SigningKey::seeded(&name), &profile(&name)));
    }
    let mut leaf = CodeSigning::own(&authorities[6], vec![email("dev@acme.test")], NOW);
    leaf.presented = authorities.iter().skip(1).rev().map(|authority| authority.certificate.clone()).collect();
    let content = Content::statement(&statement(&Digest::of(MANIFEST)));
    let candidate = Signing::by_certificate(&SigningKey::seeded("leaf"), leaf, content).layer_candidate();
    let identities = [];
    let refused = |roots: &Authority| {
        let roots = CertificateRoots::from_pem(&roots.pem()).unwrap();
        let signer = SignerDemand::Certificate { roots: &roots, root: None, identities: &identities };
        let annotations = BTreeMap::new();
        let demand =
            Demand { signer, log: LogRule::Ignored, content: ContentDemand::Image { annotations: &annotations } };
        let now = Timestamp::from_second(NOW + 60).unwrap();
        verify(black_box(&candidate), &image(), demand, now).unwrap_err()
    };
    assert_eq!(refused(&trusted).code(), "TRUST_ROOT_MISMATCH");
    c.bench_function(CHAIN, |b| b.iter(|| refused(&trusted)));
}

fn keys(c: &mut Criterion) {
    let key = SigningKey::seeded("bench");
    let public = key.public();
    let signer = SignerDemand::Key { key: &public, root: None };
    let digest = Digest::of(MANIFEST);
    let (spki, signature) = (key.spki(), key.sign(MANIFEST));
    let point = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &spki[spki.len() - 65..]);
    c.bench_function(PRIMITIVE, |b| b.iter(|| point.verify(black_box(MANIFEST), &signature).unwrap()));
    let bundle = Signing::by_key(&key, Content::statement(&statement(&digest))).bundle_candidate();
    c.bench_function(KEY_BUNDLE, |b| b.iter(|| ask(black_box(&bundle), signer, LogRule::Ignored, None)));
    let layer = key.simple_signing(&payload(&digest)).candidate();
    c.bench_function(KEY_LAYER, |b| b.iter(|| ask(black_box(&layer), signer, LogRule::Ignored, None)));
}

/// A condition on the provenance of a build with 100 dependencies.
fn conditions(c: &mut Criterion) {
    let dependency = |n| json!({"uri": format!("git+https://gitlab.com/acme/part-{n}"), "digest": {"gitCommit": "0"}});
    let dependencies: Vec<Value> = (0..100).map(dependency).collect();
    let mut provenance = statement(&Digest::of(MANIFEST));
    provenance["predicateType"] = json!(PROVENANCE);
    provenance["predicate"] = json!({
        "buildDefinition": {"buildType": "https://gitlab.com/ci/v1", "resolvedDependencies": dependencies},
        "runDetails": {"builder": {"id": "https://gitlab.com/gitlab-org/gitlab-runner"}},
    });
    let sigstore = Sigstore::new("bench");
    let signing = sigstore.keyless(&Identity::gitlab(), Content::statement(&provenance));
    let (root, identities) = (sigstore.trusted_root().material(), pipeline());
    let signer = SignerDemand::Keyless { root: &root, identities: &identities };
    let attestation = ask(&signing.bundle_candidate(), signer, LogRule::Required, Some(PROVENANCE));
    let said = attestation.statement().unwrap().document().unwrap();
    for (name, expression) in [
        (
            CONDITION,
            "predicate.runDetails.builder.id == 'https://gitlab.com/gitlab-org/gitlab-runner' \
             && signer.claims.sourceRepositoryRef == 'refs/heads/main'",
        ),
        (
            "condition: look through 100 dependencies",
            "predicate.buildDefinition.resolvedDependencies.exists(d, d.uri == 'git+https://gitlab.com/acme/part-99')",
        ),
    ] {
        let condition = Condition::cel(expression, None).unwrap();
        let facts = || Facts::new(&said, &image(), attestation.signer(), "ci");
        c.bench_function(&format!("{name}, with its facts"), |b| {
            b.iter(|| condition.check(&facts(), &|| false).unwrap());
        });
        let facts = facts();
        c.bench_function(name, |b| b.iter(|| condition.check(black_box(&facts), &|| false).unwrap()));
    }
}

fn image() -> PinnedImage {
    ImageReference::parse(IMAGE).unwrap().pin(MANIFEST)
}

fn ask(candidate: &Candidate, signer: SignerDemand<'_>, log: LogRule, predicate: Option<&str>) -> VerifiedSignature {
    let annotations = BTreeMap::new();
    let content = match predicate {
        Some(predicate_type) => ContentDemand::Attestation { predicate_type },
        None => ContentDemand::Image { annotations: &annotations },
    };
    let now = Timestamp::from_second(NOW + 3600).unwrap();
    verify(candidate, &image(), Demand { signer, log, content }, now).unwrap()
}

/// What was measured, beside what it may take.
fn limits() {
    let limits = [
        (KEYLESS, "500.0 µs", 500.0),
        (CHAIN, "5.0 ms", 5000.0),
        (KEY_BUNDLE, "60.0 µs", 60.0),
        (KEY_LAYER, "60.0 µs", 60.0),
        (SELECT, "200.0 µs", 200.0),
        (CONDITION, "30.0 µs", 30.0),
    ];
    let Some(measured) = limits.iter().map(|(name, ..)| microseconds(name)).collect::<Option<Vec<f64>>>() else {
        return; // Only some of them ran.
    };
    println!("{:<45} {:>10}   limit", "", "median");
    for ((name, limit, most), took) in limits.into_iter().zip(&measured) {
        println!("{name:<45} {took:>7.1} µs   {limit}{}", if *took > most { "   OVER" } else { "" });
    }
    if let Some(bare) = microseconds(BARE) {
        let times = measured[0] / bare;
        println!(
            "{:<45} {times:>7.2}      2.20{}",
            format!("{KEYLESS} / {BARE}"),
            if times > 2.2 { "   OVER" } else { "" }
        );
    }
}

/// The median that criterion has kept.
fn microseconds(name: &str) -> Option<f64> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), std::path::PathBuf::from);
    let folder = name.replace(':', "_");
    let kept = std::fs::read(target.join("criterion").join(folder).join("new/estimates.json")).ok()?;
    let estimates: Value = serde_json::from_slice(&kept).ok()?;
    Some(estimates["median"]["point_estimate"].as_f64()? / 1000.0)
}
