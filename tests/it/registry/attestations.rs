//! Attestations in a registry: where they are looked for, how large they may be, and what they do to signatures beside them.

use std::collections::BTreeMap;

use sealgate::policy::{Defaults, Entry, PolicyCell, PolicySet};
use sealgate::registry::Limits;
use sealgate::signatures::RootsCell;
use sealgate::verifier::Engine;
use serde_json::Value;

use crate::support::registry::{Answer, Gate, MANIFEST};
use crate::support::signer::{SigningKey, attestation_tag, bundle_referrer, edit, legacy_tag, payload, statement};
use crate::support::sigstore::{Content, Signing};
use crate::support::verifier::{NoCredentials, answer, policy, policy_with, question};

use super::*;

const PROVENANCE: &str = "https://slsa.dev/provenance/v1";
const SBOM: &str = "https://spdx.dev/Document";

/// A policy that demands a signature, and provenance if it says so.
fn demanding(key: &SigningKey, demands: &Value) -> Entry {
    policy_with("p", &["**"], &[key], demands)
}

fn provenance_alone() -> Value {
    json!({"require": {"atLeast": 0}, "attestations": [{"name": "provenance", "predicateType": PROVENANCE}]})
}

/// A statement about an image with so many bytes in its predicate.
fn stated(key: &SigningKey, digest: &Digest, predicate_type: &str, bytes: usize) -> Signing {
    let statement = edit(&statement(digest), "/predicateType", json!(predicate_type));
    let statement = edit(&statement, "/predicate", json!({"text": "x".repeat(bytes)}));
    Signing::by_key(key, Content::statement(&statement))
}

async fn verdict(settings: &Settings, entry: Entry, image: &Pushed) -> &'static str {
    let policies = PolicyCell::default();
    policies.store(PolicySet::new(vec![entry], BTreeMap::new()));
    let engine = Engine::new(client(settings), NoCredentials, policies, RootsCell::default(), Defaults::default());
    answer(&engine.verify(&question(&[&image.tagged("v1")])).await.remove(0))
}

#[tokio::test]
async fn att_02_what_a_referrer_says_of_its_bundle_is_not_believed() {
    let key = SigningKey::new();
    for (says, is, expected) in [
        (PROVENANCE, SBOM, "NO_ATTESTATION"),
        (SBOM, PROVENANCE, "ALLOW"),
        ("https://sigstore.dev/cosign/sign/v1", PROVENANCE, "ALLOW"),
    ] {
        let registry = TestRegistry::builder().referrers_api().start();
        let image = registry.push_image("acme/app", "v1");
        let honest = bundle_referrer(&stated(&key, &image.digest, is, 1).bundle(), &image.manifest);
        let labelled = edit(&honest.document(), "/annotations/dev.sigstore.bundle.predicateType", json!(says));
        let labelled = edit(&labelled, "/artifactType", json!(says));
        registry.put("acme/app", &Stored::new(&labelled, honest.blobs.clone()), None);
        let entry = demanding(&key, &provenance_alone());
        assert_eq!(verdict(&registry.settings(), entry, &image).await, expected, "says {says}, is {is}");
    }
    // And a signature stays one.
    let registry = TestRegistry::builder().referrers_api().start();
    let image = registry.push_image("acme/app", "v1");
    let signed = bundle_referrer(&key.bundle(&statement(&image.digest)), &image.manifest);
    let labelled = edit(&signed.document(), "/annotations/dev.sigstore.bundle.predicateType", json!(SBOM));
    registry.put("acme/app", &Stored::new(&labelled, signed.blobs.clone()), None);
    assert_eq!(verdict(&registry.settings(), policy("p", &["**"], &[&key]), &image).await, "ALLOW");
}

#[tokio::test]
async fn att_11_an_attestation_is_refused_by_its_size_before_it_is_fetched() {
    let key = SigningKey::new();
    assert_eq!(Limits::default().attestation_bytes, 16 << 20);
    for form in ["bundle", "layer"] {
        let registry = TestRegistry::builder().referrers_api().start();
        let image = registry.push_image("acme/app", "v1");
        let signing = stated(&key, &image.digest, PROVENANCE, 100 << 10);
        let (stored, tag) = match form {
            "bundle" => (bundle_referrer(&signing.bundle(), &image.manifest), None),
            _ => (attestation_tag(&[signing.layer()]), Some(image.attestation_tag())),
        };
        registry.put("acme/app", &stored, tag.as_deref());
        let entry = || demanding(&key, &provenance_alone());
        let mut settings = registry.settings();
        assert_eq!(verdict(&settings, entry(), &image).await, "ALLOW", "{form}");
        settings.limits.attestation_bytes = 100 << 10;
        registry.clear_requests();
        assert_eq!(verdict(&settings, entry(), &image).await, "REGISTRY_LIMIT", "{form}");
        assert_eq!(registry.count("/blobs/"), 0, "{form}: by its own word");
    }
}

#[tokio::test]
async fn att_11_an_sbom_of_100_mib_is_refused_at_16() {
    let key = SigningKey::new();
    for (bytes, refused) in [(16 << 20, false), ((16 << 20) + 1, true), (100 << 20, true)] {
        let registry = TestRegistry::builder().referrers_api().start();
        let image = registry.push_image("acme/app", "v1");
        let stored = bundle_referrer(&stated(&key, &image.digest, PROVENANCE, 1).bundle(), &image.manifest);
        let large = edit(&stored.document(), "/layers/0/size", json!(bytes));
        registry.put("acme/app", &Stored::new(&large, stored.blobs.clone()), None);
        let answer = verdict(&registry.settings(), demanding(&key, &provenance_alone()), &image).await;
        // The size is not that of what is there: what is fetched for it breaks the protocol.
        assert_eq!(answer, if refused { "REGISTRY_LIMIT" } else { "REGISTRY_PROTOCOL" }, "{bytes}");
        assert_eq!(registry.count("/blobs/"), usize::from(!refused), "{bytes}");
    }
}

#[tokio::test]
async fn att_11_a_large_attestation_is_read_where_one_is_demanded() {
    let key = SigningKey::new();
    let registry = TestRegistry::builder().referrers_api().start();
    let image = registry.push_image("acme/app", "v1");
    let large = stated(&key, &image.digest, PROVENANCE, 5 << 20).bundle();
    registry.put("acme/app", &bundle_referrer(&large, &image.manifest), None);
    assert_eq!(verdict(&registry.settings(), demanding(&key, &provenance_alone()), &image).await, "ALLOW");
    registry.clear_requests();
    let by_key = || policy("p", &["**"], &[&key]);
    assert_eq!(
        verdict(&registry.settings(), by_key(), &image).await,
        "NO_SIGNATURE",
        "it says that it is no signature"
    );
    assert_eq!(registry.count("/blobs/"), 0, "and is not fetched for one");
    registry.put("acme/app", &bundle_referrer(&key.bundle(&statement(&image.digest)), &image.manifest), None);
    assert_eq!(verdict(&registry.settings(), by_key(), &image).await, "ALLOW");
}

/// A statement about an image whose predicate is a list of so many small objects, by nobody whom a policy knows.
fn crowded(digest: &Digest, objects: usize) -> Value {
    let list = vec![json!({"a": 0}); objects];
    let statement = edit(&statement(digest), "/predicate", json!({"list": list}));
    Signing::by_key(&SigningKey::new(), Content::statement(&statement)).bundle()
}

#[tokio::test]
async fn dos_20_what_takes_more_memory_than_there_is_leaves_it_unknown_and_nothing_else() {
    let key = SigningKey::new();
    // By a stranger, and in no larger a text: what fits is judged, what does not is not known.
    for (objects, expected) in [(1000, "SIGNER_MISMATCH"), (100_000, "DOCUMENT_LIMIT")] {
        let registry = TestRegistry::builder().referrers_api().start();
        let image = registry.push_image("acme/app", "v1");
        registry.put("acme/app", &bundle_referrer(&crowded(&image.digest, objects), &image.manifest), None);
        let by_key = || policy("p", &["**"], &[&key]);
        assert_eq!(verdict(&registry.settings(), by_key(), &image).await, expected, "{objects}");
        // Beside a good signature it does no harm.
        let signature = bundle_referrer(&key.bundle(&statement(&image.digest)), &image.manifest);
        registry.put("acme/app", &signature, None);
        assert_eq!(verdict(&registry.settings(), by_key(), &image).await, "ALLOW", "{objects}");
    }
}

#[tokio::test]
async fn att_11_what_is_too_large_and_does_not_say_that_it_is_no_signature_leaves_it_open() {
    let key = SigningKey::new();
    let large = |image: &Pushed| {
        let bundle = stated(&key, &image.digest, SBOM, 5 << 20).bundle();
        bundle_referrer(&bundle, &image.manifest)
    };
    let annotation = "/annotations/dev.sigstore.bundle.predicateType";
    for (says, expected) in [
        (Some(json!(SBOM)), "NO_SIGNATURE"),
        (Some(json!("https://sigstore.dev/cosign/sign/v1")), "REGISTRY_LIMIT"),
        (None, "REGISTRY_LIMIT"),
    ] {
        let registry = TestRegistry::builder().referrers_api().start();
        let image = registry.push_image("acme/app", "v1");
        let stored = large(&image);
        let document = match &says {
            Some(says) => edit(&stored.document(), annotation, says.clone()),
            None => signer::remove(&stored.document(), annotation),
        };
        registry.put("acme/app", &Stored::new(&document, stored.blobs.clone()), None);
        assert_eq!(verdict(&registry.settings(), policy("p", &["**"], &[&key]), &image).await, expected, "{says:?}");
    }
}

#[tokio::test]
async fn the_attestation_tag_costs_a_request_only_where_attestations_are_demanded() {
    let key = SigningKey::new();
    let registry = TestRegistry::start();
    let image = registry.push_image("acme/app", "v1");
    let layer = stated(&key, &image.digest, PROVENANCE, 1).layer();
    registry.put("acme/app", &attestation_tag(&[layer]), Some(&image.attestation_tag()));
    let both = json!({"attestations": [{"name": "provenance", "predicateType": PROVENANCE}]});
    for (entry, expected, tag) in [
        (policy("p", &["**"], &[&key]), "NO_SIGNATURE", 0),
        (demanding(&key, &both), "NO_SIGNATURE", 1),
        (demanding(&key, &provenance_alone()), "ALLOW", 1),
    ] {
        registry.clear_requests();
        assert_eq!(verdict(&registry.settings(), entry, &image).await, expected);
        assert_eq!(registry.count(&image.attestation_tag()), tag);
        assert_eq!(registry.count("/manifests/"), 3 + tag);
    }
}

#[tokio::test]
async fn an_attestation_takes_three_round_trips_by_tag() {
    let key = SigningKey::new();
    let registry = TestRegistry::start();
    let image = registry.push_image("acme/app", "v1");
    let layer = stated(&key, &image.digest, PROVENANCE, 1).layer();
    let blob = format!("/blobs/{}", Digest::of(&layer.payload));
    registry.put("acme/app", &attestation_tag(&[layer]), Some(&image.attestation_tag()));
    let places =
        [image.signature_tag(), image.attestation_tag(), format!("/referrers/{}", image.digest), image.referrers_tag()];
    let places: Vec<&str> = places.iter().map(String::as_str).collect();
    registry.lockstep(&[&["/manifests/v1"], &places, &[&blob]]);
    let settings = registry.settings();
    let asked = verdict(&settings, demanding(&key, &provenance_alone()), &image);
    let limit = std::time::Duration::from_secs(20);
    let answer = tokio::time::timeout(limit, asked).await.expect("every generation of requests is asked at once");
    assert_eq!((answer, registry.unforeseen().len()), ("ALLOW", 0));
}

#[tokio::test]
async fn reg_08_a_long_history_of_attestations_hides_no_signature() {
    let key = SigningKey::new();
    let both = json!({"attestations": [{"name": "provenance", "predicateType": PROVENANCE}]});
    for (history, expected) in [(1, "ALLOW"), (200, "ALLOW")] {
        let registry = TestRegistry::start();
        let image = registry.push_image("acme/app", "v1");
        let signed = legacy_tag(&[key.simple_signing(&payload(&image.digest))]);
        registry.put("acme/app", &signed, Some(&image.signature_tag()));
        let layers: Vec<SimpleSigning> =
            (0..history).map(|n| stated(&key, &image.digest, PROVENANCE, n).layer()).collect();
        registry.put("acme/app", &attestation_tag(&layers), Some(&image.attestation_tag()));
        // The signature comes last.
        let reading = Gate::closed();
        let held = reading.clone();
        registry.rule(&image.signature_tag(), move |_, _, stored| stored.hold(&held));
        registry.rule("/blobs/", move |_, _, stored| {
            reading.open();
            stored
        });
        assert_eq!(verdict(&registry.settings(), demanding(&key, &both), &image).await, expected, "{history}");
    }
}

#[tokio::test]
async fn reg_07_lists_beyond_their_limits_are_told_as_that() {
    let registry = TestRegistry::start();
    let image = registry.push_image("acme/app", "v1");
    let document: Value = serde_json::from_slice(&image.manifest.bytes).unwrap();
    let layer = document["config"].clone();
    let client = client(&registry.settings());
    for (layers, annotations, code) in [
        (1000, 0, None),
        (1001, 0, Some("REGISTRY_LIMIT")),
        (50_000, 0, Some("REGISTRY_LIMIT")),
        (1, 256, None),
        (1, 50_000, Some("REGISTRY_LIMIT")),
    ] {
        let names = (0..annotations).map(|n| (n.to_string(), json!("")));
        let layer = edit(&layer, "/annotations", Value::Object(names.collect()));
        // Shorter than the limit on bytes: the number decides.
        let layer = if annotations == 0 { json!({"digest": layer["digest"], "size": 1}) } else { layer };
        let body = edit(&document, "/layers", json!(vec![layer; layers])).to_string();
        registry.answer("/manifests/v1", Answer::ok(MANIFEST, body));
        match code {
            None => assert!(resolve(&client, &image.tagged("v1")).await.is_ok(), "{layers} {annotations}"),
            Some(code) => {
                let cause = unavailable(&client, &image.tagged("v1")).await;
                assert_eq!((cause.code(), cause.class().as_str()), (code, "limit-exceeded"), "{layers} {annotations}");
            }
        }
    }
}
