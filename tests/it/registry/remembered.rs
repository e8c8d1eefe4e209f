//! What was learned from a registry: remembered when it has let a request in, and never in the way of asking again.

use crate::support::registry::Answer;

use super::*;

async fn resolve_with(client: &Client, image: &Pushed, access: &Access) -> Result<PinnedImage, Fault> {
    client.resolve(&ImageReference::parse(&image.tagged("v1")).unwrap(), access).await
}

fn code(found: &Result<PinnedImage, Fault>) -> &'static str {
    match found {
        Ok(_) => "ok",
        Err(Fault::NotFound) => "not found",
        Err(Fault::Unavailable(cause)) => cause.code(),
    }
}

/// Challenges that can't be answered: the next question is asked all the same, as if nothing had been.
#[tokio::test]
async fn reg_20_a_challenge_that_leads_nowhere_is_not_remembered() {
    let odd: [(&str, Answer); 5] = [
        ("REGISTRY_UNAUTHORIZED", Answer::challenge("https://authn.other.test/token")),
        ("REGISTRY_UNAUTHORIZED", Answer::challenge("http://login.portal.test/token")),
        ("REGISTRY_UNAUTHORIZED", Answer::challenge("nonsense")),
        ("REGISTRY_ERROR", Answer::challenge("OWN/gone")),
        ("REGISTRY_UNAUTHORIZED", Answer::status(401)),
    ];
    for with_login in [false, true] {
        for (expected, answer) in &odd {
            let registry = TestRegistry::start();
            let image = registry.push_image("acme/app", "v1");
            let other = registry.push_image("team/two", "v1");
            let client = client(&registry.settings());
            let access = if with_login { access(&registry.host(), "u", "hunter2") } else { Access::default() };
            assert_eq!(resolve_with(&client, &image, &access).await, Ok(image.pinned()));
            let own = answer.headers.iter().map(|(_, value)| value.replace("OWN", &registry.url())).next();
            let answer = own.iter().fold(answer.clone(), |answer, own| answer.header("WWW-Authenticate", own));
            registry.answer("/token", Answer::status(500));
            registry.answer("/gone", Answer::status(500));
            registry.answer("/manifests/", answer.clone());
            assert_eq!(code(&resolve_with(&client, &image, &access).await), *expected, "{answer:?}");

            registry.clear_rules();
            registry.clear_requests();
            for image in [&image, &other] {
                assert_eq!(resolve_with(&client, image, &access).await, Ok(image.pinned()), "{answer:?}");
            }
            assert_eq!(registry.requests().len(), 2, "each was asked, once");
        }
    }
}

#[tokio::test]
async fn reg_20_one_repository_says_nothing_about_another() {
    let registry = TestRegistry::builder().auth(Auth::bearer("u", "hunter2")).start();
    let image = registry.push_image("acme/app", "v1");
    let broken = registry.push_image("broken/app", "v1");
    let client = client(&registry.settings());
    let access = access(&registry.host(), "u", "hunter2");
    registry.answer("/broken/app/", Answer::challenge("https://authn.other.test/token"));
    for _ in 0..2 {
        assert_eq!(code(&resolve_with(&client, &broken, &access).await), "REGISTRY_UNAUTHORIZED");
        assert_eq!(resolve_with(&client, &image, &access).await, Ok(image.pinned()));
    }
}

/// A registry that names one token server, then another; the old one fails in every way.
#[tokio::test]
async fn reg_20_a_token_server_that_moves_is_followed() {
    for gone in [Answer::status(500), Answer::status(404), Answer::hang_up(), Answer::ok("text/html", "<html>")] {
        let registry = TestRegistry::start();
        let image = registry.push_image("acme/app", "v1");
        let client = client(&registry.settings());
        let demand = |token: &'static str, realm: &'static str| {
            let url = registry.url();
            registry.rule("/manifests/", move |request, _, stored| {
                let shown = request.header("authorization");
                if shown == Some(&format!("Bearer {token}")) {
                    stored
                } else {
                    Answer::challenge(&format!("{url}/{realm}"))
                }
            });
        };
        let issue = |token: &str| Answer::ok("application/json", format!(r#"{{"token":"{token}","expires_in":3600}}"#));
        demand("first", "old");
        registry.answer("GET /old", issue("first"));
        assert_eq!(resolve_with(&client, &image, &Access::default()).await, Ok(image.pinned()));
        registry.clear_requests();
        assert_eq!(resolve_with(&client, &image, &Access::default()).await, Ok(image.pinned()));
        assert_eq!(registry.requests().len(), 1, "what let it in is shown before it is asked for");

        demand("second", "new");
        registry.answer("GET /old", gone);
        registry.answer("GET /new", issue("second"));
        for _ in 0..2 {
            assert_eq!(resolve_with(&client, &image, &Access::default()).await, Ok(image.pinned()));
        }
    }
}

/// What was remembered makes a registry answer with an error: it is asked once more with nothing, and then not again.
#[tokio::test]
async fn reg_20_an_error_with_a_remembered_login_is_asked_again_without() {
    for auth in [Auth::basic("u", "hunter2"), Auth::bearer("u", "hunter2")] {
        for (status, again) in [(400, true), (401, true), (403, true), (500, true), (404, false), (429, false)] {
            let registry = TestRegistry::builder().auth(auth.clone()).start();
            let image = registry.push_image("acme/app", "v1");
            let client = client(&registry.settings());
            let access = access(&registry.host(), "u", "hunter2");
            assert_eq!(resolve_with(&client, &image, &access).await, Ok(image.pinned()));

            // From now on everybody may read, and a login is an error.
            let manifest = image.manifest.clone();
            registry.rule("/manifests/", move |request, _, _| match request.header("authorization") {
                Some(_) => Answer::status(status),
                None => Answer::ok(&manifest.media_type, manifest.bytes.clone()),
            });
            registry.clear_requests();
            let found = resolve_with(&client, &image, &access).await;
            assert_eq!(found.is_ok(), again, "{status}: {found:?}");
            assert_eq!(registry.count("/manifests/"), if again { 2 } else { 1 }, "{status}");
            if again {
                assert!(resolve_with(&client, &image, &access).await.is_ok());
                assert_eq!(registry.count("/manifests/"), 3, "{status}: it was forgotten");
            }
        }
    }
}

/// A token that was bought and not accepted is not shown to the next question.
#[tokio::test]
async fn reg_20_what_did_not_let_a_request_in_is_not_shown_unasked() {
    let registry = TestRegistry::builder().auth(Auth::bearer("u", "hunter2")).start();
    let image = registry.push_image("acme/app", "v1");
    let client = client(&registry.settings());
    let access = access(&registry.host(), "u", "hunter2");
    registry.rule("/manifests/", |request, _, stored| match request.header("authorization") {
        Some(_) => Answer::status(503),
        None => stored,
    });
    for _ in 0..2 {
        registry.clear_requests();
        assert_eq!(code(&resolve_with(&client, &image, &access).await), "REGISTRY_ERROR");
        assert_eq!(registry.requests()[0].header("authorization"), None);
    }
    registry.clear_rules();
    assert_eq!(resolve_with(&client, &image, &access).await, Ok(image.pinned()));
}
