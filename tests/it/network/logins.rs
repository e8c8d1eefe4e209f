//! Several logins for one registry.

use sealgate::verifier::ports::Place;

use crate::registry::unread;
use crate::support::registry::{Gate, MANIFEST};

use super::*;

/// These users, all with the password `hunter2`.
fn users(registry: &TestRegistry, names: &[&str]) -> Access {
    let credentials = names.iter().flat_map(|name| access(&registry.host(), name, "hunter2").credentials).collect();
    Access { credentials, problems: Vec::new() }
}

/// While the referrers refuse all logins, the other places wait; then they are asked with each login in turn, whatever the
/// referrers said to it.
#[tokio::test]
async fn a_path_that_is_closed_spoils_no_login_for_the_others() {
    for auth in [Auth::basic("good", "hunter2"), Auth::bearer("good", "hunter2")] {
        for closed in [true, false] {
            let registry = TestRegistry::builder().auth(auth.clone()).start();
            let image = registry.push_image("acme/app", "v1");
            registry.put("acme/app", &signer::legacy_tag(&[layer("a")]), Some(&image.signature_tag()));
            let client = client(&registry.settings());
            let access = users(&registry, &["good", "bad"]);
            if closed {
                let asked_with_all = Gate::closed();
                let held = asked_with_all.clone();
                registry.rule("/manifests/", move |_, _, stored| stored.hold(&held));
                let last = if matches!(auth, Auth::Basic { .. }) { 3 } else { 2 };
                registry.rule("/referrers/", move |_, nth, stored| {
                    if nth == last {
                        asked_with_all.open();
                    }
                    if nth == 0 { stored } else { Answer::status(403) }
                });
            }
            let found = evidence(&client, &image, &access).await;
            assert_eq!(contents(&found), ["a"]);
            let expected = [(Place::ReferrersApi, "REGISTRY_UNAUTHORIZED")];
            assert_eq!(unread(&found), if closed { &expected[..] } else { &[] });

            registry.clear_requests();
            assert_eq!(resolve_with(&client, &image.tagged("v1"), &access).await, Ok(image.pinned()));
            assert_eq!(registry.requests().len(), 1, "what was let in is remembered, what was refused is not");
        }
    }
}

#[tokio::test]
async fn a_registry_may_change_what_it_wants_to_see() {
    let registry = TestRegistry::builder().auth(Auth::bearer("u", "hunter2")).start();
    let image = registry.push_image("acme/app", "v1");
    let client = client(&registry.settings());
    let access = users(&registry, &["u"]);
    let manifest = image.manifest_text();
    registry.rule("/manifests/", move |request, _, _| match request.header("authorization") {
        Some(shown) if shown.starts_with("Basic ") => Answer::ok(MANIFEST, manifest.clone()),
        _ => Answer::status(401).header("WWW-Authenticate", "Basic realm=\"test\""),
    });
    assert_eq!(resolve_with(&client, &image.tagged("v1"), &access).await, Ok(image.pinned()));
    registry.clear_rules();
    for _ in 0..2 {
        assert_eq!(resolve_with(&client, &image.tagged("v1"), &access).await, Ok(image.pinned()));
    }
    registry.rule("/manifests/", |_, nth, _| match nth % 2 {
        0 => Answer::status(401).header("WWW-Authenticate", "Basic realm=\"test\""),
        _ => Answer::status(401).header("WWW-Authenticate", "Basic realm=\"test\", Bearer realm=\"/token\""),
    });
    assert_eq!(refused(&client, &image.tagged("v1"), &access).await.code(), "REGISTRY_UNAUTHORIZED", "and it ends");
}

#[tokio::test]
async fn no_more_than_eight_logins_are_tried_for_one_question() {
    let bad = ["b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8", "b9"];
    let after = |bad: &[&'static str]| [bad, &["good"]].concat();
    for (names, tried) in
        [(after(&bad[..7]), None), (after(&[["b1"; 8], ["b2"; 8]].concat()), None), (after(&bad), Some(8))]
    {
        let registry = TestRegistry::builder().auth(Auth::basic("good", "hunter2")).start();
        let image = registry.push_image("acme/app", "v1");
        let client = client(&registry.settings());
        let found = resolve_with(&client, &image.tagged("v1"), &users(&registry, &names)).await;
        let Some(tried) = tried else {
            assert_eq!(found, Ok(image.pinned()), "{names:?}");
            continue;
        };
        let Err(Fault::Unavailable(cause)) = found else { panic!("{found:?}") };
        let message = cause.to_string();
        assert!(!message.contains("shop"), "{message}");
        assert_eq!(registry.requests().len(), 1 + tried + 1, "with nothing, with each, anonymously");
    }
}
