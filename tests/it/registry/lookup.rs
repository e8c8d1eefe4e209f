//! Where images and signatures are looked for, and in how many round trips.

use std::collections::BTreeMap;
use std::time::Duration;

use sealgate::policy::{Defaults, PolicyCell, PolicySet};
use sealgate::signatures::RootsCell;
use sealgate::verifier::Engine;

use crate::support::registry::{Answer, Body, Gate, INDEX};
use crate::support::signer::{SigningKey, payload};
use crate::support::verifier::{NoCredentials, answer, policy, question};

use super::*;

fn bundle(text: &str) -> serde_json::Value {
    json!({ "bundle": text })
}

#[tokio::test]
async fn every_place_is_looked_at() {
    for registry in [
        TestRegistry::start(),
        TestRegistry::builder().referrers_api().start(),
        TestRegistry::builder().referrers_api_paged(1).start(),
    ] {
        let image = registry.push_image("acme/app", "v1");
        let client = client(&registry.settings());
        let access = Access::default();
        assert_eq!(resolve(&client, &image.tagged("v1")).await.unwrap(), image.pinned());
        assert_eq!(resolve(&client, &image.tagged("v2")).await, Err(Fault::NotFound));
        assert!(client.exists(&image.pinned(), &access).await.unwrap());
        assert_eq!(evidence(&client, &image, &access).await, [], "unsigned, and every place has said so");

        let tag = image.signature_tag();
        registry.put("acme/app", &signer::legacy_tag(&[layer("a"), layer("b")]), Some(&tag));
        registry.put("acme/app", &signer::legacy_referrer(&[layer("c")], &image.manifest), None);
        registry.put("acme/app", &signer::bundle_referrer(&bundle("d"), &image.manifest), None);
        registry.put("acme/app", &signer::bundle_referrer(&bundle("e"), &image.manifest), None);
        let found = evidence(&client, &image, &access).await;
        assert_eq!(contents(&found), ["a", "b", "c", r#"{"bundle":"d"}"#, r#"{"bundle":"e"}"#]);
        assert_eq!(unread(&found), []);
    }
}

/// Fails instead of hanging when the client asks one after the other where it could ask side by side.
async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), work).await.expect("every generation of requests is asked at once")
}

async fn round_trips(registry: &TestRegistry, image: &Pushed, generations: &[&[&str]]) -> Vec<Evidence> {
    let client = client(&registry.settings());
    registry.lockstep(generations);
    let found = in_time(async {
        if generations[0] == ["/manifests/v1"] {
            assert_eq!(resolve(&client, &image.tagged("v1")).await.unwrap(), image.pinned());
        }
        evidence(&client, image, &Access::default()).await
    })
    .await;
    assert_eq!(registry.unforeseen(), [""; 0]);
    found
}

#[tokio::test]
async fn a_legacy_signature_takes_two_round_trips_and_three_by_tag() {
    for by_tag in [false, true] {
        let registry = TestRegistry::start();
        let image = registry.push_image("acme/app", "v1");
        let stored = signer::legacy_tag(&[layer("a"), layer("b")]);
        registry.put("acme/app", &stored, Some(&image.signature_tag()));

        let places = [image.signature_tag(), format!("/referrers/{}", image.digest), image.referrers_tag()];
        let places: Vec<&str> = places.iter().map(String::as_str).collect();
        let blobs = [Digest::of(b"a").to_string(), Digest::of(b"b").to_string()];
        let blobs: Vec<&str> = blobs.iter().map(String::as_str).collect();
        let all: [&[&str]; 3] = [&["/manifests/v1"], &places, &blobs];
        let found = round_trips(&registry, &image, if by_tag { &all } else { &all[1..] }).await;
        assert_eq!(contents(&found), ["a", "b"]);
    }
}

#[tokio::test]
async fn a_bundle_takes_three_round_trips_and_four_by_tag() {
    for (by_tag, builder) in [
        (false, TestRegistry::builder()),
        (true, TestRegistry::builder()),
        (true, TestRegistry::builder().referrers_api()),
    ] {
        let registry = builder.start();
        let image = registry.push_image("acme/app", "v1");
        let referrers = ["a", "b"].map(|text| signer::bundle_referrer(&bundle(text), &image.manifest));
        for referrer in &referrers {
            registry.put("acme/app", referrer, None);
        }
        let places = [image.signature_tag(), format!("/referrers/{}", image.digest), image.referrers_tag()];
        let places: Vec<&str> = places.iter().map(String::as_str).collect();
        let manifests = referrers.each_ref().map(|referrer| referrer.manifest.digest().to_string());
        let manifests: Vec<&str> = manifests.iter().map(String::as_str).collect();
        let blobs = ["a", "b"].map(|text| format!("/blobs/{}", Digest::of(bundle(text).to_string().as_bytes())));
        let blobs: Vec<&str> = blobs.iter().map(String::as_str).collect();
        let all: [&[&str]; 4] = [&["/manifests/v1"], &places, &manifests, &blobs];
        let found = round_trips(&registry, &image, if by_tag { &all } else { &all[1..] }).await;
        assert_eq!(contents(&found).len(), 2);
    }
}

#[tokio::test]
async fn reg_06_image_layers_are_never_fetched() {
    let registry = TestRegistry::start();
    let image = registry.push_image("acme/app", "v1");
    registry.put("acme/app", &signer::legacy_tag(&[layer("a")]), Some(&image.signature_tag()));
    let client = client(&registry.settings());
    resolve(&client, &image.tagged("v1")).await.unwrap();
    assert_eq!(contents(&evidence(&client, &image, &Access::default()).await), ["a"]);
    assert_eq!(registry.count("/blobs/"), 1);
    assert_eq!(registry.count(&format!("/blobs/{}", Digest::of(b"a"))), 1);
}

#[tokio::test]
async fn reg_08_no_more_than_64_signatures_are_handed_out() {
    for (there, too_many) in [(64, false), (65, true), (1000, true)] {
        let registry = TestRegistry::start();
        let image = registry.push_image("acme/app", "v1");
        let layers: Vec<SimpleSigning> = (0..there).map(|n| layer(&format!("{n:04}"))).collect();
        registry.put("acme/app", &signer::legacy_tag(&layers), Some(&image.signature_tag()));
        let found = evidence(&client(&registry.settings()), &image, &Access::default()).await;
        let expected: Vec<String> = (0..64).map(|n| format!("{n:04}")).collect();
        assert_eq!(contents(&found), expected, "the first ones, in the registry's order");
        assert_eq!(found.contains(&Evidence::TooMany { limit: 64 }), too_many, "{there}");
        assert_eq!(registry.count("/blobs/"), 64);
    }
}

#[tokio::test]
async fn reg_08_a_signature_counts_only_among_the_first_64() {
    let (key, policies) = (SigningKey::new(), PolicyCell::default());
    policies.store(PolicySet::new(vec![policy("p", &["**"], &[&key])], BTreeMap::new()));
    for (at, expected) in [(0, "ALLOW"), (63, "ALLOW"), (64, "TOO_MANY_SIGNATURES"), (999, "TOO_MANY_SIGNATURES")] {
        let registry = TestRegistry::start();
        let image = registry.push_image("acme/app", "v1");
        let mut layers: Vec<SimpleSigning> = (0..1000).map(|n| layer(&format!("{n:04}"))).collect();
        layers[at] = key.simple_signing(&payload(&image.digest));
        registry.put("acme/app", &signer::legacy_tag(&layers), Some(&image.signature_tag()));
        let client = client(&registry.settings());
        let engine = Engine::new(client, NoCredentials, policies.clone(), RootsCell::default(), Defaults::default());
        let verdict = engine.verify(&question(&[&image.tagged("v1")])).await.remove(0);
        assert_eq!(answer(&verdict), expected, "at {at}");
        assert!(verdict.report.examined.len() <= 64 && registry.count("/blobs/") <= 64);
    }
}

#[tokio::test]
async fn reg_08_no_more_than_64_referrers_are_looked_into() {
    let registry = TestRegistry::builder().referrers_api().start();
    let image = registry.push_image("acme/app", "v1");
    let referrer = |n: usize| signer::bundle_referrer(&bundle(&format!("{n:04}")), &image.manifest);
    for n in 0..64 {
        registry.put("acme/app", &referrer(n), None);
    }
    let client = client(&registry.settings());
    let found = evidence(&client, &image, &Access::default()).await;
    assert_eq!((contents(&found).len(), found.len()), (64, 64));

    registry.put("acme/app", &referrer(64), None);
    registry.clear_requests();
    let found = evidence(&client, &image, &Access::default()).await;
    assert!(found.contains(&Evidence::TooMany { limit: 64 }));
    assert_eq!(contents(&found).len(), 64);
    assert!(registry.requests().len() <= 3 + 64 + 64);
}

#[tokio::test]
async fn reg_08_junk_in_one_place_hides_nothing_in_another() {
    let junk = |n: usize| format!("{n:04}");
    for (there, too_many) in [(63, false), (64, true), (1000, true)] {
        let registry = TestRegistry::start();
        let image = registry.push_image("acme/app", "v1");
        let layers: Vec<SimpleSigning> = (0..there).map(|n| layer(&junk(n))).collect();
        registry.put("acme/app", &signer::legacy_tag(&layers), Some(&image.signature_tag()));
        let referrer = signer::bundle_referrer(&bundle("good"), &image.manifest);
        registry.put("acme/app", &referrer, None);
        // The referrer's manifest comes when the junk is being read already.
        let reading = Gate::closed();
        let held = reading.clone();
        registry.rule(&referrer.manifest.digest().to_string(), move |_, _, stored| stored.hold(&held));
        registry.rule(&format!("/blobs/{}", Digest::of(junk(0).as_bytes())), move |_, _, stored| {
            reading.open();
            stored
        });
        let found = in_time(evidence(&client(&registry.settings()), &image, &Access::default())).await;
        let mut expected: Vec<String> = (0..63).map(junk).collect();
        expected.push(bundle("good").to_string());
        assert_eq!(contents(&found), expected, "{there}");
        assert_eq!(found.contains(&Evidence::TooMany { limit: 64 }), too_many, "{there}");
        assert_eq!(registry.count("/blobs/"), 64);
    }
}

#[tokio::test]
async fn reg_08_junk_behind_the_referrers_tag_hides_nothing_in_the_api() {
    let registry = TestRegistry::builder().referrers_api().start();
    let image = registry.push_image("acme/app", "v1");
    let good = signer::bundle_referrer(&bundle("good"), &image.manifest);
    registry.put("acme/app", &good, None);
    let junk: Vec<Stored> =
        (0..100).map(|n| signer::bundle_referrer(&bundle(&n.to_string()), &image.manifest)).collect();
    let listed: Vec<&Stored> = junk.iter().collect();
    registry.put_manifest("acme/app", &signer::fallback_index(&listed), Some(&image.referrers_tag()));
    // The API answers when the junk is being looked into already.
    let looking = Gate::closed();
    let held = looking.clone();
    registry.rule("/referrers/", move |_, _, stored| stored.hold(&held));
    registry.rule(&junk[0].manifest.digest().to_string(), move |_, _, stored| {
        looking.open();
        stored
    });
    let found = in_time(evidence(&client(&registry.settings()), &image, &Access::default())).await;
    assert_eq!(contents(&found), [bundle("good").to_string()]);
    assert!(found.contains(&Evidence::TooMany { limit: 64 }));
}

#[tokio::test]
async fn reg_09_referrers_end_after_five_pages() {
    let registry = TestRegistry::builder().referrers_api_paged(1).start();
    let image = registry.push_image("acme/app", "v1");
    for n in 0..5 {
        registry.put("acme/app", &signer::bundle_referrer(&bundle(&n.to_string()), &image.manifest), None);
    }
    let client = client(&registry.settings());
    let found = evidence(&client, &image, &Access::default()).await;
    assert_eq!((contents(&found).len(), found.len()), (5, 5), "five pages are read");

    registry.put("acme/app", &signer::bundle_referrer(&bundle("5"), &image.manifest), None);
    registry.clear_requests();
    let found = evidence(&client, &image, &Access::default()).await;
    assert!(found.contains(&Evidence::TooMany { limit: 64 }), "a sixth is there");
    assert_eq!(contents(&found).len(), 5);
    assert_eq!(registry.count("/referrers/"), 5);

    let itself = format!("</v2/acme/app/referrers/{}>; rel=\"next\"", image.digest);
    registry.rule("/referrers/", move |_, _, stored| stored.header("Link", &itself));
    registry.clear_requests();
    let found = evidence(&client, &image, &Access::default()).await;
    assert_eq!(unread(&found), [(Place::ReferrersApi, "REGISTRY_PROTOCOL")], "a page that leads to itself never ends");
    assert_eq!(registry.count("/referrers/"), 1);

    let endless = format!("/v2/acme/app/referrers/{}", image.digest);
    registry.rule("/referrers/", move |_, nth, stored| {
        let fresh = Body::Bytes([stored.bytes(), " ".repeat(nth).as_bytes()].concat());
        stored.body(fresh).header("Link", &format!("<{endless}?n={nth}>; rel=next"))
    });
    registry.clear_requests();
    let found = evidence(&client, &image, &Access::default()).await;
    assert!(found.contains(&Evidence::TooMany { limit: 64 }));
    assert_eq!(registry.count("/referrers/"), 5);
}

#[tokio::test]
async fn reg_09_the_next_page_is_on_the_same_host_and_path() {
    let registry = TestRegistry::builder().referrers_api_paged(1).start();
    let stranger = TestRegistry::builder().referrers_api().start();
    let image = registry.push_image("acme/app", "v1");
    registry.put("acme/app", &signer::bundle_referrer(&bundle("a"), &image.manifest), None);
    let mut settings = registry.settings();
    settings.hosts.extend(stranger.settings().hosts);
    let client = client(&settings);
    let path = format!("/v2/acme/app/referrers/{}", image.digest);
    let refused = [
        format!("{}{path}", stranger.url()),
        format!("//{}{path}", stranger.host()),
        format!("/v2/acme/other/referrers/{}", image.digest),
        format!("{path}/../../../../v2/_catalog"),
        format!("http://user:pass@{}{path}?n=1", registry.host()),
        "file:///etc/passwd".to_owned(),
    ];
    for link in refused {
        let header = format!("<{link}>; rel=\"next\"");
        registry.rule("/referrers/", move |_, _, stored| stored.header("Link", &header));
        let found = evidence(&client, &image, &Access::default()).await;
        assert_eq!(unread(&found), [(Place::ReferrersApi, "REGISTRY_PROTOCOL")], "{link}");
        assert_eq!(contents(&found).len(), 1, "what was listed counts");
    }
    assert_eq!(stranger.connections(), 0);
    for link in [format!("{path}?n=1"), format!("{}{path}?n=1", registry.url()), "?n=1".to_owned()] {
        let header = format!("<{link}>; rel=\"next\"");
        let second = signer::fallback_index(&[]).bytes;
        registry.rule("/referrers/", move |_, nth, stored| match nth {
            0 => stored.header("Link", &header),
            _ => Answer::ok(INDEX, second.clone()),
        });
        registry.clear_requests();
        let found = evidence(&client, &image, &Access::default()).await;
        assert_eq!((unread(&found).len(), registry.count("/referrers/")), (0, 2), "{link}");
    }
}

#[tokio::test]
async fn reg_09_no_page_is_lost() {
    let registry = TestRegistry::builder().referrers_api_paged(1).start();
    let image = registry.push_image("acme/app", "v1");
    registry.put("acme/app", &signer::bundle_referrer(&bundle("a"), &image.manifest), None);
    let second = signer::bundle_referrer(&bundle("b"), &image.manifest);
    registry.put_manifest("acme/app", &second.manifest, None);
    registry.put_blob("acme/app", bundle("b").to_string().as_bytes());
    let index = signer::fallback_index(&[&second]).bytes;
    let client = client(&registry.settings());
    let own = format!("GET /v2/acme/app/referrers/{}", image.digest);
    for (links, readable) in [
        (vec!["<?page=1>; rel=\"first\"", "<?page=2>; rel=\"next\""], true),
        (vec!["<?page=1>; rel=\"first\", <?page=2>; rel=\"next\""], true),
        (vec!["<?page=2>; rel=\"last next\""], true),
        (vec!["?page=2; rel=\"next\""], false),
        (vec!["<?page=2; rel=\"next\""], false),
        (vec!["<?page=1>; rel=\"first\"", "nonsense"], false),
        (vec!["<?page=2>; rel=\"next\"", "<?page=3>; rel=\"next\""], false),
    ] {
        registry.clear_rules();
        let shown: Vec<String> = links.iter().map(|link| (*link).to_owned()).collect();
        registry.rule(&own, move |_, _, stored| {
            shown.iter().fold(stored.without("Link"), |answer, link| answer.and_header("Link", link))
        });
        registry.answer("page=2", Answer::ok(INDEX, index.clone()));
        let found = evidence(&client, &image, &Access::default()).await;
        if readable {
            assert_eq!((contents(&found).len(), unread(&found)), (2, vec![]), "{links:?}");
        } else {
            assert_eq!(unread(&found), [(Place::ReferrersApi, "REGISTRY_PROTOCOL")], "{links:?}");
            assert_eq!(contents(&found).len(), 1, "what was listed counts");
        }
    }
}

#[tokio::test]
async fn reg_15_a_referrer_counts_only_for_its_own_subject() {
    for builder in [TestRegistry::builder(), TestRegistry::builder().referrers_api()] {
        let registry = builder.start();
        let image = registry.push_image("acme/app", "v1");
        let other = registry.push_image("acme/app", "v2");
        let own = signer::bundle_referrer(&bundle("own"), &image.manifest);
        let foreign = signer::bundle_referrer(&bundle("foreign"), &other.manifest);
        let mut none = foreign.document();
        none.as_object_mut().unwrap().remove("subject");
        let none = Stored::new(&none, foreign.blobs.clone());
        for stored in [&own, &foreign, &none] {
            registry.put("acme/app", stored, None);
        }
        let listed = signer::fallback_index(&[&foreign, &none]);
        registry.put_manifest("acme/app", &listed, Some(&image.referrers_tag()));
        let client = client(&registry.settings());
        let index = listed.bytes.clone();
        registry.rule("/referrers/", move |_, _, _| Answer::ok(INDEX, index.clone()));
        assert_eq!(evidence(&client, &image, &Access::default()).await, []);

        registry.put_manifest("acme/app", &signer::fallback_index(&[&foreign, &own]), Some(&image.referrers_tag()));
        assert_eq!(contents(&evidence(&client, &image, &Access::default()).await), [r#"{"bundle":"own"}"#]);
    }
}

#[tokio::test]
async fn reg_15_what_the_index_says_about_types_does_not_matter() {
    let registry = TestRegistry::start();
    let image = registry.push_image("acme/app", "v1");
    let own = signer::bundle_referrer(&bundle("own"), &image.manifest);
    registry.put("acme/app", &own, None);
    let client = client(&registry.settings());
    for lie in ["application/vnd.oci.empty.v1+json", "text/plain", "application/spdx+json", ""] {
        let mut index: serde_json::Value = serde_json::from_slice(&signer::fallback_index(&[&own]).bytes).unwrap();
        index["manifests"][0]["artifactType"] = json!(lie);
        let index = Blob::new(INDEX, index.to_string());
        registry.put_manifest("acme/app", &index, Some(&image.referrers_tag()));
        assert_eq!(contents(&evidence(&client, &image, &Access::default()).await).len(), 1, "{lie}");
    }

    let mut document = own.document();
    document["layers"][0]["mediaType"] = json!("application/octet-stream");
    let no_bundle = Stored::new(&document, own.blobs.clone());
    registry.put("acme/app", &no_bundle, None);
    registry.put_manifest("acme/app", &signer::fallback_index(&[&no_bundle]), Some(&image.referrers_tag()));
    assert_eq!(evidence(&client, &image, &Access::default()).await, [], "no layer of it is a bundle");
}

#[tokio::test]
async fn reg_16_places_are_united_and_a_referrer_in_both_counts_once() {
    let registry = TestRegistry::builder().referrers_api().start();
    let image = registry.push_image("acme/app", "v1");
    let [both, tag_only, api_only] =
        ["both", "tag", "api"].map(|text| signer::bundle_referrer(&bundle(text), &image.manifest));
    let client = client(&registry.settings());

    registry.put("acme/app", &tag_only, None);
    let (none, some) = (signer::fallback_index(&[]), signer::fallback_index(&[&tag_only]));
    registry.put_manifest("acme/app", &some, Some(&image.referrers_tag()));
    registry.answer("/referrers/", Answer::ok(INDEX, none.bytes));
    let found = evidence(&client, &image, &Access::default()).await;
    assert_eq!((contents(&found).len(), found.len()), (1, 1), "the API knows none, the tag knows one");

    for stored in [&both, &api_only] {
        registry.put("acme/app", stored, None);
    }
    registry.answer("/referrers/", Answer::ok(INDEX, signer::fallback_index(&[&both, &api_only]).bytes));
    let index = signer::fallback_index(&[&both, &tag_only]);
    registry.put_manifest("acme/app", &index, Some(&image.referrers_tag()));
    let found = evidence(&client, &image, &Access::default()).await;
    assert_eq!((contents(&found).len(), found.len()), (3, 3));
    assert_eq!(registry.count(&both.manifest.digest().to_string()), 1);
}

#[tokio::test]
async fn a_registry_without_the_referrers_api_has_said_so() {
    let registry = TestRegistry::start();
    let image = registry.push_image("acme/app", "v1");
    let client = client(&registry.settings());
    for status in [400, 404, 405, 501] {
        registry.answer("/referrers/", Answer::status(status));
        assert_eq!(evidence(&client, &image, &Access::default()).await, [], "{status}");
    }
    for (status, code) in [
        (401, "REGISTRY_UNAUTHORIZED"),
        (403, "REGISTRY_UNAUTHORIZED"),
        (410, "REGISTRY_ERROR"),
        (429, "REGISTRY_RATE_LIMITED"),
        (500, "REGISTRY_ERROR"),
        (503, "REGISTRY_ERROR"),
        (204, "REGISTRY_PROTOCOL"),
    ] {
        registry.answer("/referrers/", Answer::status(status));
        let found = evidence(&client, &image, &Access::default()).await;
        assert_eq!(unread(&found), [(Place::ReferrersApi, code)], "{status}");
    }
}

#[tokio::test]
async fn signatures_may_lie_in_another_repository() {
    let registry = TestRegistry::start();
    let image = registry.push_image("acme/app", "v1");
    registry.put("acme/signatures", &signer::legacy_tag(&[layer("a")]), Some(&image.signature_tag()));
    let client = client(&registry.settings());
    assert_eq!(evidence(&client, &image, &Access::default()).await, []);
    let at = sealgate::domain::Repository::parse(&format!("{}/acme/signatures", registry.host())).unwrap();
    let found: Vec<Evidence> =
        client.evidence(&image.pinned(), &at, Scope::Signatures, &Access::default()).collect().await;
    assert_eq!(contents(&found), ["a"]);
}
