//! What a registry listed and then can't be read: "could not find out", never "not there".

use std::collections::BTreeMap;
use std::pin::pin;

use sealgate::policy::{Defaults, Entry, PolicyCell, PolicySet};
use sealgate::registry::Quota;
use sealgate::signatures::RootsCell;
use sealgate::verifier::Engine;

use crate::support::registry::{Answer, Body, Gate, INDEX};
use crate::support::signer::{
    SigningKey, attestation_tag, bundle_referrer, edit, fallback_index, legacy_tag, payload, statement,
};
use crate::support::sigstore::{Content, Signing};
use crate::support::verifier::{NoCredentials, answer, policy, policy_with, question};

use super::*;

const SCAN: &str = "https://example.com/scan/v1";
const SECOND_PAGE: &str = "?from=1";

/// A policy whose every scan must be clean. It demands no signature.
fn all_scans_clean(key: &SigningKey) -> Entry {
    let demand = json!({"name": "scan", "predicateType": SCAN, "match": "All",
        "conditions": [{"cel": "predicate.clean"}]});
    policy_with("p", &["**"], &[key], &json!({"require": {"atLeast": 0}, "attestations": [demand]}))
}

fn scan(key: &SigningKey, digest: &Digest, clean: bool) -> Signing {
    numbered_scan(key, digest, clean, 0)
}

fn numbered_scan(key: &SigningKey, digest: &Digest, clean: bool, number: usize) -> Signing {
    let statement = edit(&statement(digest), "/predicateType", json!(SCAN));
    let predicate = json!({"clean": clean, "number": number});
    Signing::by_key(key, Content::statement(&edit(&statement, "/predicate", predicate)))
}

async fn verdict(registry: &TestRegistry, entry: Entry, image: &Pushed) -> &'static str {
    let policies = PolicyCell::default();
    policies.store(PolicySet::new(vec![entry], BTreeMap::new()));
    let client = client(&registry.settings());
    let engine = Engine::new(client, NoCredentials, policies, RootsCell::default(), Defaults::default());
    answer(&engine.verify(&question(&[&image.by_digest()])).await.remove(0))
}

/// A clean scan on the first page of referrers and one more on the second.
fn two_pages(key: &SigningKey, second_is_clean: bool) -> (TestRegistry, Pushed) {
    let registry = TestRegistry::builder().referrers_api_paged(1).start();
    let image = registry.push_image("acme/app", "v1");
    for (page, clean) in [true, second_is_clean].into_iter().enumerate() {
        let bundle = numbered_scan(key, &image.digest, clean, page).bundle();
        registry.put("acme/app", &bundle_referrer(&bundle, &image.manifest), None);
    }
    (registry, image)
}

#[tokio::test]
async fn reg_19_a_statement_on_a_page_that_fails_is_not_overlooked() {
    let key = SigningKey::new();
    let (clean, image) = two_pages(&key, true);
    assert_eq!(verdict(&clean, all_scans_clean(&key), &image).await, "ALLOW", "the twin: both pages are read");
    let (registry, image) = two_pages(&key, false);
    assert_eq!(verdict(&registry, all_scans_clean(&key), &image).await, "ATTESTATION_REFUSED");
    for (status, code) in [
        (400, "REGISTRY_ERROR"),
        (404, "REGISTRY_ERROR"),
        (405, "REGISTRY_ERROR"),
        (501, "REGISTRY_ERROR"),
        (410, "REGISTRY_ERROR"),
        (429, "REGISTRY_RATE_LIMITED"),
        (500, "REGISTRY_ERROR"),
        (204, "REGISTRY_PROTOCOL"),
    ] {
        registry.clear_rules();
        registry.answer(SECOND_PAGE, Answer::status(status));
        assert_eq!(verdict(&registry, all_scans_clean(&key), &image).await, code, "{status}");
    }
}

#[tokio::test]
async fn reg_19_a_signature_on_a_page_that_fails_is_not_missing() {
    let key = SigningKey::new();
    for (second, expected) in
        [(200, "ALLOW"), (400, "REGISTRY_ERROR"), (404, "REGISTRY_ERROR"), (501, "REGISTRY_ERROR")]
    {
        let registry = TestRegistry::builder().referrers_api_paged(1).start();
        let image = registry.push_image("acme/app", "v1");
        let scan = scan(&key, &image.digest, true).bundle();
        registry.put("acme/app", &bundle_referrer(&scan, &image.manifest), None);
        registry.put("acme/app", &bundle_referrer(&key.bundle(&statement(&image.digest)), &image.manifest), None);
        registry.rule(SECOND_PAGE, move |_, _, stored| if second == 200 { stored } else { Answer::status(second) });
        assert_eq!(verdict(&registry, policy("p", &["**"], &[&key]), &image).await, expected, "{second}");
    }
}

/// Pages that say that they go on, and do so with what was there before.
#[tokio::test]
async fn reg_19_a_page_that_comes_again_hides_nothing() {
    let key = SigningKey::new();
    let (registry, image) = two_pages(&key, false);
    let path = format!("/v2/acme/app/referrers/{}", image.digest);
    let first = registry.stored(&path).bytes().to_vec();
    let to = |query: &str| format!("<{path}{query}>; rel=\"next\"");

    let itself = to(SECOND_PAGE);
    registry.rule(SECOND_PAGE, move |_, _, stored| stored.header("Link", &itself));
    // The page that does not satisfy is read before it leads to itself.
    assert_eq!(verdict(&registry, all_scans_clean(&key), &image).await, "ATTESTATION_REFUSED");

    for (case, link) in [("the same page without end", None), ("and then to another", Some(to("?from=2")))] {
        registry.clear_rules();
        let again = first.clone();
        registry.rule(SECOND_PAGE, move |_, _, _| {
            let answer = Answer::ok(INDEX, again.clone());
            link.iter().fold(answer, |answer, link| answer.header("Link", link))
        });
        assert_eq!(verdict(&registry, all_scans_clean(&key), &image).await, "REGISTRY_PROTOCOL", "{case}");
    }
    registry.clear_rules();
    let back = to("");
    let empty = fallback_index(&[]).bytes;
    registry.rule(SECOND_PAGE, move |_, _, _| Answer::ok(INDEX, empty.clone()).header("Link", &back));
    assert_eq!(verdict(&registry, all_scans_clean(&key), &image).await, "REGISTRY_PROTOCOL", "back to the first");
}

#[tokio::test]
async fn reg_19_a_page_that_ends_early_leaves_it_unknown() {
    let key = SigningKey::new();
    let (registry, image) = two_pages(&key, false);
    for (page, most) in [("/referrers/", 10), (SECOND_PAGE, 10), (SECOND_PAGE, 0)] {
        registry.clear_rules();
        registry.rule(page, move |_, _, stored| {
            let bytes = stored.bytes().to_vec();
            stored.body(Body::Cut(bytes, most))
        });
        assert_eq!(verdict(&registry, all_scans_clean(&key), &image).await, "REGISTRY_UNREACHABLE", "{page}");
    }
}

/// One thing that is listed answers 404; the twin is the same with everything there.
#[tokio::test]
async fn reg_19_a_listed_manifest_or_blob_that_is_gone_leaves_it_unknown() {
    let key = SigningKey::new();
    for with_api in [true, false] {
        let builder = TestRegistry::builder();
        let registry = if with_api { builder.referrers_api().start() } else { builder.start() };
        let image = registry.push_image("acme/app", "v1");
        let referrer = bundle_referrer(&key.bundle(&statement(&image.digest)), &image.manifest);
        registry.put("acme/app", &referrer, None);
        let signed = policy("p", &["**"], &[&key]);
        assert_eq!(verdict(&registry, signed.clone(), &image).await, "ALLOW");
        for gone in [format!("/manifests/{}", referrer.manifest.digest()), "/blobs/".to_owned()] {
            registry.clear_rules();
            registry.answer(&gone, Answer::status(404));
            assert_eq!(verdict(&registry, signed.clone(), &image).await, "REGISTRY_PROTOCOL", "{with_api} {gone}");
        }
    }
}

#[tokio::test]
async fn reg_19_a_listed_layer_behind_a_tag_that_is_gone_leaves_it_unknown() {
    let key = SigningKey::new();
    let registry = TestRegistry::start();
    let image = registry.push_image("acme/app", "v1");
    let signature = key.simple_signing(&payload(&image.digest));
    registry.put("acme/app", &legacy_tag(&[signature]), Some(&image.signature_tag()));
    let layer = scan(&key, &image.digest, true).layer();
    registry.put("acme/app", &attestation_tag(&[layer]), Some(&image.attestation_tag()));
    for (entry, tag) in
        [(policy("p", &["**"], &[&key]), image.signature_tag()), (all_scans_clean(&key), image.attestation_tag())]
    {
        registry.clear_rules();
        assert_eq!(verdict(&registry, entry.clone(), &image).await, "ALLOW", "{tag}");
        registry.answer("/blobs/", Answer::status(404));
        assert_eq!(verdict(&registry, entry.clone(), &image).await, "REGISTRY_PROTOCOL", "{tag}");
        registry.clear_rules();
        registry.answer(&tag, Answer::status(404));
        assert!(verdict(&registry, entry, &image).await.starts_with("NO_"), "a tag that is not there is not there");
    }
}

#[tokio::test]
async fn reg_19_a_scan_that_is_gone_is_not_taken_for_clean() {
    let key = SigningKey::new();
    let registry = TestRegistry::builder().referrers_api().start();
    let image = registry.push_image("acme/app", "v1");
    let [clean, dirty] = [true, false].map(|clean| scan(&key, &image.digest, clean));
    let dirty = bundle_referrer(&dirty.bundle(), &image.manifest);
    registry.put("acme/app", &bundle_referrer(&clean.bundle(), &image.manifest), None);
    assert_eq!(verdict(&registry, all_scans_clean(&key), &image).await, "ALLOW");
    registry.put("acme/app", &dirty, None);
    assert_eq!(verdict(&registry, all_scans_clean(&key), &image).await, "ATTESTATION_REFUSED");
    let blob = dirty.blobs.last().unwrap().digest();
    for gone in [format!("/manifests/{}", dirty.manifest.digest()), format!("/blobs/{blob}")] {
        registry.clear_rules();
        registry.answer(&gone, Answer::status(404));
        assert_eq!(verdict(&registry, all_scans_clean(&key), &image).await, "REGISTRY_PROTOCOL", "{gone}");
    }
}

#[tokio::test]
async fn net_19_a_list_that_there_is_no_memory_for_leaves_it_unknown() {
    let key = SigningKey::new();
    let registry = TestRegistry::start();
    let [first, second] = ["first", "second"].map(|tag| {
        let image = registry.push_image(&format!("acme/{tag}"), tag);
        let mut signature = key.simple_signing(&payload(&image.digest));
        signature.annotations.insert("comment".into(), "x".repeat(40 << 10));
        registry.put(&image.repository, &legacy_tag(&[signature]), Some(&image.signature_tag()));
        image
    });
    let mut settings = registry.settings();
    settings.limits.lists = Quota { all: 64, host: 64, kept: 0 };
    let policies = PolicyCell::default();
    policies.store(PolicySet::new(vec![policy("p", &["**"], &[&key])], BTreeMap::new()));
    let engine = Engine::new(client(&settings), NoCredentials, policies, RootsCell::default(), Defaults::default());
    let ask = async |image: &Pushed| answer(&engine.verify(&question(&[&image.by_digest()])).await.remove(0));

    let gate = Gate::closed();
    registry.answer("/acme/first/blobs/", Answer::status(404).hold(&gate));
    let mut held = pin!(ask(&first));
    let refused = async {
        // By then the list of the first image is held.
        registry.requested("/acme/first/blobs/").await;
        ask(&second).await
    };
    tokio::select! {
        answer = &mut held => panic!("{answer}"),
        answer = refused => assert_eq!(answer, "OVERLOADED"),
    }
    gate.open();
    assert_eq!(held.await, "REGISTRY_PROTOCOL", "its signature is gone");
    assert_eq!(ask(&second).await, "ALLOW");
}
