//! A registry that lies, floods and stalls.

use std::time::Duration;

use crate::support::registry::{Answer, Body, Gate, INDEX, MANIFEST, Proxy};

use super::*;

const MIB: u64 = 1 << 20;
/// What the kernel may hold on the way, besides what the client has read.
const IN_FLIGHT: u64 = 24 * MIB;

fn endless() -> Body {
    Body::Endless(vec![b' '; 64 << 10])
}

async fn one_signature(registry: &TestRegistry) -> Pushed {
    let image = registry.push_image("acme/app", "v1");
    registry.put("acme/app", &signer::legacy_tag(&[layer("a")]), Some(&image.signature_tag()));
    registry.put("acme/app", &signer::bundle_referrer(&json!("b"), &image.manifest), None);
    let found = evidence(&client(&registry.settings()), &image, &Access::default()).await;
    assert_eq!(contents(&found), ["\"b\"", "a"]);
    image
}

#[tokio::test]
async fn reg_01_endless_bodies_are_cut_at_the_limit() {
    let registry = TestRegistry::builder().referrers_api().start();
    let image = one_signature(&registry).await;
    let client = client(&registry.settings());

    registry.rule("/manifests/v1", |_, _, stored| stored.body(endless()));
    let cause = unavailable(&client, &image.tagged("v1")).await;
    assert!(matches!(cause, Unavailable::RegistryLimit { limit, .. } if limit == 4 * MIB), "{cause}");
    registry.aborted(1).await;

    for (times, (pattern, place)) in
        [(".sig", Place::LegacyTag), ("/referrers/", Place::ReferrersApi), ("/blobs/sha256:ca978112", Place::LegacyTag)]
            .into_iter()
            .enumerate()
    {
        registry.clear_rules();
        registry.rule(pattern, |_, _, stored| stored.body(endless()));
        let found = evidence(&client, &image, &Access::default()).await;
        assert_eq!(unread(&found), [(place, "REGISTRY_LIMIT")], "{pattern}");
        registry.aborted(times + 2).await;
    }
    assert!(registry.bytes_sent() < 13 * MIB + 4 * IN_FLIGHT, "{} bytes", registry.bytes_sent());

    registry.clear_rules();
    registry.answer("/manifests/v1", Answer::status(500).body(endless()));
    assert_eq!(unavailable(&client, &image.tagged("v1")).await.code(), "REGISTRY_ERROR");
    registry.aborted(5).await;
}

#[tokio::test]
async fn reg_01_an_endless_token_is_cut_at_the_limit() {
    let registry = TestRegistry::builder().auth(Auth::bearer("u", "p")).start();
    let image = registry.push_image("acme/app", "v1");
    let client = client(&registry.settings());
    let access = access(&registry.host(), "u", "p");
    let reference = ImageReference::parse(&image.tagged("v1")).unwrap();
    registry.rule("/token", |_, _, stored| stored.body(endless()));
    let cause = client.resolve(&reference, &access).await.unwrap_err();
    assert!(
        matches!(&cause, Fault::Unavailable(Unavailable::RegistryLimit { limit, .. }) if *limit == 64 << 10),
        "{cause:?}"
    );
    registry.aborted(1).await;
    registry.clear_rules();
    assert_eq!(client.resolve(&reference, &access).await.unwrap(), image.pinned());
}

#[tokio::test]
async fn reg_02_false_content_lengths_are_refused() {
    let registry = TestRegistry::start();
    let image = registry.push_image("acme/app", "v1");
    let client = client(&registry.settings());
    let length = image.manifest.bytes.len() as u64;
    assert!(resolve(&client, &image.tagged("v1")).await.is_ok());

    let before = registry.bytes_sent();
    registry.rule("/manifests/v1", |_, _, stored| stored.body(endless()).length(10 << 30));
    assert_eq!(unavailable(&client, &image.tagged("v1")).await.code(), "REGISTRY_LIMIT");
    assert!(registry.bytes_sent() - before < IN_FLIGHT, "refused by its own word");

    registry.rule("/manifests/v1", move |_, _, stored| stored.length(length + 1));
    assert_eq!(unavailable(&client, &image.tagged("v1")).await.code(), "REGISTRY_UNREACHABLE");
    registry.rule("/manifests/v1", move |_, _, stored| stored.length(length - 1));
    assert_eq!(unavailable(&client, &image.tagged("v1")).await.code(), "REGISTRY_PROTOCOL");
    registry.rule("/manifests/v1", move |_, _, stored| stored.length(length));
    assert!(resolve(&client, &image.tagged("v1")).await.is_ok());
    registry.rule("/manifests/v1", |_, _, stored| {
        let body = Body::Chunked(stored.bytes().to_vec());
        stored.body(body)
    });
    assert!(resolve(&client, &image.tagged("v1")).await.is_ok(), "an honest answer in chunks");
}

#[tokio::test]
async fn reg_02_trailers_are_refused() {
    let registry = TestRegistry::start();
    let image = registry.push_image("acme/app", "v1");
    let client = client(&registry.settings());
    let text = image.manifest_text();
    for (trailers, refused) in [
        (String::new(), false),
        (format!("Docker-Content-Digest: {}\r\n", image.digest), true),
        ("Content-Length: 1\r\n".to_owned(), true),
        (format!("Content-Type: {INDEX}\r\n"), true),
        ("X-Many: x\r\n".repeat(100_000), true),
    ] {
        registry.answer(
            "/manifests/v1",
            Answer::raw(format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {MANIFEST}\r\nTransfer-Encoding: chunked\r\n\r\n\
                 {:x}\r\n{text}\r\n0\r\n{trailers}\r\n",
                text.len()
            )),
        );
        let found = resolve(&client, &image.tagged("v1")).await;
        assert_eq!(found == Ok(image.pinned()), !refused, "{trailers:.40}: {found:?}");
    }
}

#[tokio::test]
async fn reg_03_compressed_answers_are_refused() {
    let registry = TestRegistry::start();
    let image = one_signature(&registry).await;
    let client = client(&registry.settings());
    for encoding in ["gzip", "zstd", "br", "deflate", "gzip, gzip"] {
        registry.clear_rules();
        registry.rule("/manifests/v1", move |_, _, stored| stored.header("Content-Encoding", encoding));
        assert_eq!(unavailable(&client, &image.tagged("v1")).await.code(), "REGISTRY_PROTOCOL", "{encoding}");
        registry.rule(".sig", move |_, _, stored| stored.header("Content-Encoding", encoding));
        let found = evidence(&client, &image, &Access::default()).await;
        assert_eq!(unread(&found), [(Place::LegacyTag, "REGISTRY_PROTOCOL")]);
    }
    registry.rule("/manifests/v1", |_, _, stored| stored.header("Content-Encoding", "identity"));
    assert!(resolve(&client, &image.tagged("v1")).await.is_ok());
    assert!(registry.requests().iter().all(|request| request.header("accept-encoding") == Some("identity")));
}

#[tokio::test]
async fn reg_05_a_signature_is_refused_by_its_declared_size() {
    let registry = TestRegistry::start();
    let image = registry.push_image("acme/app", "v1");
    let client = client(&registry.settings());
    let honest = signer::legacy_tag(&[layer("a")]);
    for (size, blobs, code) in [
        (json!(1), 1, None),
        (json!(0), 1, Some("REGISTRY_LIMIT")),
        (json!(2), 1, Some("REGISTRY_PROTOCOL")),
        (json!((64 << 10) + 1), 0, Some("REGISTRY_LIMIT")),
        (json!(1_u64 << 63), 0, Some("REGISTRY_LIMIT")),
        (json!(-1), 0, Some("REGISTRY_PROTOCOL")),
        (json!(1.5), 0, Some("REGISTRY_PROTOCOL")),
        (json!("1"), 0, Some("REGISTRY_PROTOCOL")),
        (serde_json::Value::Null, 0, Some("REGISTRY_PROTOCOL")),
    ] {
        let document = signer::edit(&honest.document(), "/layers/0/size", size.clone());
        registry.put("acme/app", &Stored::new(&document, honest.blobs.clone()), Some(&image.signature_tag()));
        registry.clear_requests();
        let found = evidence(&client, &image, &Access::default()).await;
        let expected: Vec<_> = code.map(|code| (Place::LegacyTag, code)).into_iter().collect();
        assert_eq!(unread(&found), expected, "{size}");
        assert_eq!(contents(&found).len(), usize::from(code.is_none()));
        assert_eq!(registry.count("/blobs/"), blobs, "{size}: looked at before it is fetched");
    }

    let document = signer::edit(&honest.document(), "/layers/0/size", json!(100));
    registry.put("acme/app", &Stored::new(&document, honest.blobs.clone()), Some(&image.signature_tag()));
    registry.rule("/blobs/", |_, _, stored| stored.body(endless()));
    let found = evidence(&client, &image, &Access::default()).await;
    assert!(matches!(&found[..], [Evidence::Unread { cause: Unavailable::RegistryLimit { limit: 100, .. }, .. }]));
    registry.aborted(1).await;
}

#[tokio::test]
async fn reg_11_header_bombs_end_the_connection() {
    let registry = TestRegistry::start();
    let image = registry.push_image("acme/app", "v1");
    let mut settings = registry.settings();
    settings.timeouts.first_byte = Duration::from_millis(300);
    let client = client(&settings);
    let many = "X-Many: x\r\n".repeat(100_000);
    let bombs = [
        format!("HTTP/1.1 200 OK\r\n{many}\r\n"),
        format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1 << 20)),
        format!("HTTP/1.1 {}\r\n", "2".repeat(1 << 20)),
        "\0\0\0".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx".to_owned(),
    ];
    for bomb in bombs {
        registry.answer("/manifests/v1", Answer::raw(bomb.clone()));
        let cause = unavailable(&client, &image.tagged("v1")).await;
        assert!(
            matches!(cause, Unavailable::RegistryProtocol { .. } | Unavailable::RegistryUnreachable { .. }),
            "{bomb:.40}: {cause}"
        );
    }
    let early = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(100_000);
    registry.answer("/manifests/v1", Answer::raw(early));
    assert!(resolve(&client, &image.tagged("v1")).await.is_err(), "nothing but early hints");
    registry.clear_rules();
    assert!(resolve(&client, &image.tagged("v1")).await.is_ok());
}

#[tokio::test]
async fn reg_12_type_confusion_is_refused() {
    let registry = TestRegistry::start();
    let image = registry.push_image("acme/app", "v1");
    let client = client(&registry.settings());
    let document: serde_json::Value = serde_json::from_slice(&image.manifest.bytes).unwrap();
    let both = signer::edit(&document, "/manifests", json!([]));
    let cases: Vec<(&str, String)> = vec![
        (MANIFEST, both.to_string()),
        (INDEX, image.manifest_text()),
        (MANIFEST, signer::edit(&document, "/mediaType", json!(INDEX)).to_string()),
        (MANIFEST, signer::edit(&document, "/mediaType", json!("application/x")).to_string()),
        (MANIFEST, signer::edit(&document, "/schemaVersion", json!(1)).to_string()),
        ("application/vnd.docker.distribution.manifest.v1+prettyjws", image.manifest_text()),
        ("application/json", image.manifest_text()),
        ("text/html", image.manifest_text()),
    ];
    for (content_type, body) in cases {
        registry.answer("/manifests/v1", Answer::ok(content_type, body.clone()));
        assert_eq!(
            unavailable(&client, &image.tagged("v1")).await.code(),
            "REGISTRY_PROTOCOL",
            "{content_type} {body}"
        );
    }
    registry.answer("/manifests/v1", Answer::ok(MANIFEST, image.manifest_text()));
    assert_eq!(resolve(&client, &image.tagged("v1")).await.unwrap(), image.pinned());
}

#[tokio::test]
async fn reg_17_only_a_200_is_a_success_and_only_a_404_an_absence() {
    let registry = TestRegistry::start();
    let image = registry.push_image("acme/app", "v1");
    let client = client(&registry.settings());
    let body = image.manifest_text();
    let with = |status: u16| Answer::ok(MANIFEST, body.clone()).with_status(status);
    for (answer, code) in [
        (Answer::ok("text/html", "<html>sign in</html>"), "REGISTRY_PROTOCOL"),
        (Answer::status(204), "REGISTRY_PROTOCOL"),
        (with(206), "REGISTRY_PROTOCOL"),
        (with(201), "REGISTRY_PROTOCOL"),
        (with(300), "REGISTRY_PROTOCOL"),
        (with(304), "REGISTRY_PROTOCOL"),
        (with(400), "REGISTRY_ERROR"),
        (with(401), "REGISTRY_UNAUTHORIZED"),
        (with(403), "REGISTRY_UNAUTHORIZED"),
        (with(410), "REGISTRY_ERROR"),
        (with(429), "REGISTRY_RATE_LIMITED"),
        (with(500), "REGISTRY_ERROR"),
        (with(503), "REGISTRY_ERROR"),
    ] {
        registry.answer("/manifests/", answer.clone());
        assert_eq!(unavailable(&client, &image.tagged("v1")).await.code(), code, "{answer:?}");
        let places: Vec<_> = unread(&evidence(&client, &image, &Access::default()).await);
        assert!(
            places.contains(&(Place::LegacyTag, code)) && places.contains(&(Place::FallbackTag, code)),
            "{places:?}"
        );
    }
    registry.answer("/manifests/", with(404));
    assert_eq!(resolve(&client, &image.tagged("v1")).await, Err(Fault::NotFound), "its body says otherwise");
    assert_eq!(evidence(&client, &image, &Access::default()).await, []);
    registry.answer("/manifests/v1", with(200));
    assert_eq!(resolve(&client, &image.tagged("v1")).await.unwrap(), image.pinned());
}

#[tokio::test]
async fn toc_01_a_tag_is_asked_for_once() {
    let registry = TestRegistry::start();
    let a = registry.push_image("acme/app", "v1");
    let b = registry.push_image("acme/app", "v1");
    registry.put("acme/app", &signer::legacy_tag(&[layer("of a")]), Some(&a.signature_tag()));
    let alternating = [a.manifest.bytes.clone(), b.manifest.bytes.clone()];
    registry.rule("/manifests/v1", move |_, nth, _| Answer::ok(MANIFEST, alternating[nth % 2].clone()));
    let client = client(&registry.settings());
    let access = Access::default();
    for (image, signatures) in [(&a, 1), (&b, 0)] {
        registry.clear_requests();
        let pinned = resolve(&client, &image.tagged("v1")).await.unwrap();
        assert_eq!(pinned, image.pinned());
        let found: Vec<Evidence> =
            client.evidence(&pinned, pinned.repository(), Scope::Signatures, &access).collect().await;
        assert_eq!(contents(&found).len(), signatures, "only what belongs to the digest that was seen");
        assert_eq!(registry.count("/manifests/v1"), 1);
    }
}

#[tokio::test]
async fn toc_02_only_the_hash_of_the_body_counts() {
    let registry = TestRegistry::start();
    let a = registry.push_image("acme/app", "v1");
    let b = registry.push_image("acme/app", "v2");
    let client = client(&registry.settings());
    let (digest, bytes) = (a.digest.to_string(), b.manifest.bytes.clone());
    registry.rule("/manifests/v1", move |_, _, _| {
        Answer::ok(MANIFEST, bytes.clone()).header("Docker-Content-Digest", &digest)
    });
    assert_eq!(unavailable(&client, &a.tagged("v1")).await.code(), "REGISTRY_PROTOCOL");

    registry.rule("/manifests/v1", |_, _, stored| stored.without("Docker-Content-Digest"));
    assert_eq!(resolve(&client, &a.tagged("v1")).await.unwrap(), a.pinned(), "the header is not needed");

    let access = Access::default();
    assert_eq!(client.exists(&a.pinned(), &access).await, Ok(true));
    registry.rule(&format!("/manifests/{}", a.digest), |_, _, stored| {
        stored.without("Docker-Content-Digest").flip_byte(30)
    });
    assert_eq!(client.exists(&a.pinned(), &access).await.unwrap_err().code(), "REGISTRY_PROTOCOL");

    registry.put("acme/app", &signer::legacy_tag(&[layer("payload")]), Some(&a.signature_tag()));
    assert_eq!(contents(&evidence(&client, &a, &access).await), ["payload"]);
    registry.rule("/blobs/", |_, _, stored| stored.flip_byte(3));
    assert_eq!(unread(&evidence(&client, &a, &access).await), [(Place::LegacyTag, "REGISTRY_PROTOCOL")]);
}

#[tokio::test]
async fn toc_03_nothing_is_asked_by_head() {
    let registry = TestRegistry::start();
    let a = registry.push_image("acme/app", "v1");
    let b = registry.push_image("acme/app", "v2");
    let other = b.digest.to_string();
    registry.rule("HEAD ", move |_, _, _| Answer::status(200).header("Docker-Content-Digest", &other));
    let client = client(&registry.settings());
    assert_eq!(resolve(&client, &a.tagged("v1")).await.unwrap(), a.pinned());
    assert!(client.exists(&a.pinned(), &Access::default()).await.unwrap());
    evidence(&client, &a, &Access::default()).await;
    assert!(registry.requests().iter().all(|request| request.method == "GET"));
}

#[tokio::test]
async fn toc_04_a_moved_tag_is_seen_at_once() {
    let registry = TestRegistry::start();
    let a = registry.push_image("acme/app", "v1");
    let client = client(&registry.settings());
    assert_eq!(resolve(&client, &a.tagged("v1")).await.unwrap(), a.pinned());
    let b = registry.push_image("acme/app", "v1");
    assert_eq!(resolve(&client, &a.tagged("v1")).await.unwrap(), b.pinned());
    registry.tag("acme/app", "v1", &a.digest);
    assert_eq!(resolve(&client, &a.tagged("v1")).await.unwrap(), a.pinned());
}

#[tokio::test]
async fn a_connection_that_was_closed_is_tried_once_more() {
    let registry = TestRegistry::start();
    let image = registry.push_image("acme/app", "v1");
    let client = client(&registry.settings());
    registry.rule("/manifests/v1", |_, nth, stored| if nth == 0 { Answer::hang_up() } else { stored });
    assert!(resolve(&client, &image.tagged("v1")).await.is_ok());
    assert_eq!(registry.count("/manifests/v1"), 2);

    registry.clear_requests();
    registry.answer("/manifests/v1", Answer::hang_up());
    assert_eq!(unavailable(&client, &image.tagged("v1")).await.code(), "REGISTRY_UNREACHABLE");
    assert_eq!(registry.count("/manifests/v1"), 2, "and no more than once");
}

#[tokio::test]
async fn a_cut_answer_is_no_answer() {
    let registry = TestRegistry::start();
    let proxy = Proxy::to(registry.address());
    let image = registry.push_image("acme/app", "v1");
    let host = proxy.address().to_string();
    let client = client(&registry.settings_as(&[&host]));
    let reference = format!("{host}/acme/app:v1");
    assert_eq!(resolve(&client, &reference).await.unwrap().digest(), &image.digest);

    let cut = TestRegistry::start();
    let image = cut.push_image("acme/app", "v1");
    cut.rule("/manifests/v1", |_, _, stored| {
        let bytes = stored.bytes().to_vec();
        let most = bytes.len() - 1;
        stored.body(Body::Cut(bytes, most))
    });
    let client = super::client(&cut.settings());
    assert_eq!(unavailable(&client, &image.tagged("v1")).await.code(), "REGISTRY_UNREACHABLE");

    proxy.refuse(true);
    let client = super::client(&registry.settings_as(&[&host]));
    assert_eq!(unavailable(&client, &reference).await.code(), "REGISTRY_UNREACHABLE");
    assert!(proxy.connections() > 1);
}

#[tokio::test]
async fn everything_about_one_image_has_a_budget() {
    let registry = TestRegistry::start();
    let image = one_signature(&registry).await;
    let before = registry.bytes_sent();
    evidence(&client(&registry.settings()), &image, &Access::default()).await;
    let needed = registry.bytes_sent() - before;
    for (budget, enough) in [(needed, true), (needed / 2, false)] {
        let mut settings = registry.settings();
        settings.limits.image_bytes = budget;
        let found = evidence(&client(&settings), &image, &Access::default()).await;
        let limits = unread(&found).iter().filter(|(_, code)| *code == "REGISTRY_LIMIT").count();
        assert_eq!(limits == 0, enough, "{found:?}");
    }
}

#[tokio::test]
async fn silence_and_stalls_are_timeouts() {
    let registry = TestRegistry::start();
    let image = registry.push_image("acme/app", "v1");
    let mut settings = registry.settings();
    settings.timeouts.first_byte = Duration::from_millis(100);
    settings.timeouts.idle = Duration::from_millis(100);
    let client = client(&settings);
    let gate = Gate::closed();
    let held = gate.clone();
    registry.rule("/manifests/v1", move |_, _, stored| stored.hold(&held));
    assert_eq!(unavailable(&client, &image.tagged("v1")).await.code(), "REGISTRY_TIMEOUT");
    let held = gate.clone();
    registry.rule("/manifests/v1", move |_, _, stored| {
        let bytes = stored.bytes().to_vec();
        stored.body(Body::Stall(bytes, 10, held.clone()))
    });
    assert_eq!(unavailable(&client, &image.tagged("v1")).await.code(), "REGISTRY_TIMEOUT");
    gate.open();
    assert_eq!(resolve(&client, &image.tagged("v1")).await, Ok(image.pinned()));
}

#[tokio::test]
async fn a_held_proxy_passes_on_when_it_is_opened() {
    let registry = TestRegistry::start();
    let image = registry.push_image("acme/app", "v1");
    let proxy = Proxy::to(registry.address());
    let gate = Gate::closed();
    proxy.hold(Some(&gate));
    let host = proxy.address().to_string();
    let client = client(&registry.settings_as(&[&host]));
    let reference = format!("{host}/acme/app:v1");
    let open = async { gate.open() };
    let (found, ()) = futures::join!(resolve(&client, &reference), open);
    assert_eq!(found.unwrap().digest(), &image.digest);

    proxy.cut_after(Some(20));
    let client = super::client(&registry.settings_as(&[&host]));
    assert_eq!(unavailable(&client, &reference).await.code(), "REGISTRY_UNREACHABLE");
}
