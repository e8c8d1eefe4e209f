//! Where requests go and what they carry: redirects, addresses, TLS, credentials.

use std::net::SocketAddr;
use std::sync::Arc;

use futures::StreamExt;
use sealgate::domain::{Credential, ImageReference, Login, PinnedImage, Unavailable};
use sealgate::registry::{Client, HostSettings, Resolver, Roots, Settings, SettingsError};
use sealgate::telemetry::Metrics;
use sealgate::verifier::ports::{Access, Evidence, Fault, Registry, Scope};

use crate::registry::{access, client, contents, evidence, layer, resolve, unavailable};
use crate::support::registry::{Answer, Auth, Names, TestCa, TestRegistry};
use crate::support::signer;

#[path = "network/logins.rs"]
mod logins;

async fn resolve_with(client: &Client, reference: &str, access: &Access) -> Result<PinnedImage, Fault> {
    client.resolve(&ImageReference::parse(reference).unwrap(), access).await
}

async fn refused(client: &Client, reference: &str, access: &Access) -> Unavailable {
    match resolve_with(client, reference, access).await {
        Err(Fault::Unavailable(cause)) => cause,
        other => panic!("{other:?}"),
    }
}

fn with_names(settings: &Settings, names: &Names) -> Client {
    Client::with_resolver(settings, Metrics::new(), names.clone()).unwrap()
}

/// Settings for several registries at once.
fn together(registries: &[&TestRegistry]) -> Settings {
    let mut settings = registries[0].settings();
    for registry in registries {
        settings.hosts.extend(registry.settings().hosts);
    }
    settings
}

#[tokio::test]
async fn net_01_at_most_three_redirects() {
    let ca = TestCa::new();
    let registry = TestRegistry::builder().tls(&ca, &[]).start();
    let image = registry.push_image("acme/app", "v1");
    registry.put("acme/app", &signer::legacy_tag(&[layer("a")]), Some(&image.signature_tag()));
    let client = client(&registry.settings());
    for (hops, arrives) in [(1, true), (3, true), (4, false)] {
        for kind in ["manifests", "blobs"] {
            registry.clear_rules();
            registry.clear_requests();
            registry.rule(&format!("/{kind}/"), move |request, _, stored| {
                let (path, done) = request.target.split_once("?hop=").unwrap_or((&request.target, "0"));
                let done: usize = done.parse().unwrap();
                if done < hops { Answer::redirect(&format!("{path}?hop={}", done + 1)) } else { stored }
            });
            // The store knows no query.
            let served = if kind == "manifests" {
                resolve(&client, &image.tagged("v1")).await == Ok(image.pinned())
            } else {
                contents(&evidence(&client, &image, &Access::default()).await) == ["a"]
            };
            assert_eq!(served, arrives, "{hops} hops to {kind}");
            assert!(registry.count(&format!("/{kind}/")) <= 4);
        }
    }
    registry.clear_rules();
    registry.rule("/manifests/v1", |request, _, _| Answer::redirect(&request.target));
    registry.clear_requests();
    assert_eq!(unavailable(&client, &image.tagged("v1")).await.code(), "REGISTRY_PROTOCOL");
    assert_eq!(registry.requests().len(), 4, "a loop ends");
}

#[tokio::test]
async fn net_01_token_servers_do_not_redirect() {
    let registry = TestRegistry::builder().auth(Auth::bearer("u", "hunter2")).start();
    let elsewhere = TestRegistry::start();
    let image = registry.push_image("acme/app", "v1");
    let client = client(&together(&[&registry, &elsewhere]));
    let access = access(&registry.host(), "u", "hunter2");
    let target = format!("{}/token", elsewhere.url());
    registry.rule("/token", move |_, _, _| Answer::redirect(&target));
    assert_eq!(refused(&client, &image.tagged("v1"), &access).await.code(), "REGISTRY_PROTOCOL");
    assert_eq!(elsewhere.connections(), 0);
    registry.clear_rules();
    assert_eq!(resolve_with(&client, &image.tagged("v1"), &access).await, Ok(image.pinned()));
}

#[tokio::test]
async fn net_03_credentials_go_to_token_servers_of_the_same_house_only() {
    let ca = TestCa::new();
    let evil = TestRegistry::builder().tls(&ca, &["evil.test"]).auth(Auth::bearer("u", "hunter2")).start();
    let start = |realm: Option<String>| {
        let users = vec!["u:hunter2".to_owned()];
        let auth = Auth::Bearer { users, public: Vec::new(), realm };
        TestRegistry::builder().tls(&ca, &["registry.test", "auth.registry.test", "tokens.test"]).auth(auth).start()
    };
    let refused_realms = [
        "https://evil.test/token".to_owned(),
        "https://registry.test.evil.test/token".to_owned(),
        format!("https://127.0.0.1:{}/token", evil.address().port()),
        "https://169.254.169.254/token".to_owned(),
        "http://registry.test/token".to_owned(),
        "https://u:p@registry.test/token".to_owned(),
        "https://2130706433/token".to_owned(),
        "file:///etc/passwd".to_owned(),
        String::new(),
    ];
    for realm in refused_realms {
        let registry = start(Some(realm.clone()));
        registry.push_image("acme/app", "v1");
        let names = Names::new()
            .with("registry.test", &[registry.address()])
            .with("evil.test", &[evil.address()])
            .with("registry.test.evil.test", &[evil.address()]);
        let settings = registry.settings_as(&["registry.test", "evil.test", "registry.test.evil.test"]);
        let client = with_names(&settings, &names);
        let cause = refused(&client, "registry.test/acme/app:v1", &access("registry.test", "u", "hunter2")).await;
        assert_eq!(cause.code(), "REGISTRY_UNAUTHORIZED", "{realm}");
        assert!(!registry.saw("hunter2"), "{realm}");
        assert_eq!(evil.connections(), 0, "{realm}");
        assert_eq!(names.asked(), ["registry.test"], "{realm}");
    }

    for (realm, named) in [
        ("https://registry.test/token", None),
        ("https://auth.registry.test/token", None),
        ("https://tokens.test/token", Some("tokens.test")),
    ] {
        let registry = start(Some(realm.to_owned()));
        let image = registry.push_image("acme/app", "v1");
        let hosts = ["registry.test", "auth.registry.test", "tokens.test"];
        let names = hosts.iter().fold(Names::new(), |names, host| names.with(host, &[registry.address()]));
        let mut settings = registry.settings_as(&hosts);
        let own = settings.hosts.get_mut("registry.test").unwrap();
        own.token_hosts.extend(named.map(str::to_owned));
        let client = with_names(&settings, &names);
        let found = resolve_with(&client, "registry.test/acme/app:v1", &access("registry.test", "u", "hunter2")).await;
        assert_eq!(found.unwrap().digest(), &image.digest, "{realm}");
        assert!(registry.saw("hunter2"));
    }
}

#[tokio::test]
async fn net_04_plain_http_is_spoken_only_where_it_is_configured() {
    let registry = TestRegistry::start();
    let image = registry.push_image("acme/app", "v1");
    assert_eq!(resolve(&client(&registry.settings()), &image.tagged("v1")).await, Ok(image.pinned()));

    let mut settings = registry.settings();
    settings.hosts.get_mut(&registry.host()).unwrap().plain_http = false;
    registry.clear_requests();
    assert_eq!(unavailable(&client(&settings), &image.tagged("v1")).await.code(), "REGISTRY_TLS");
    assert_eq!(registry.requests().len(), 0, "no plain request was made");

    let other = settings.hosts.remove(&registry.host()).unwrap();
    settings.hosts.insert("127.0.0.1:1".to_owned(), HostSettings { plain_http: true, ..other });
    assert!(resolve(&client(&settings), &image.tagged("v1")).await.is_err(), "for another port");
    assert_eq!(registry.requests().len(), 0);
}

#[tokio::test]
async fn http_2_is_not_spoken_with_a_registry_that_would() {
    let ca = TestCa::new();
    // This registry speaks HTTP/1.1 alone, whatever was agreed on: where it can choose HTTP/2, nothing would be understood.
    for (offered, answers) in [(["h2", "http/1.1"].as_slice(), true), (&["http/1.1"], true), (&["h2"], false)] {
        let mut config = Arc::unwrap_or_clone(ca.server(&["127.0.0.1"]));
        config.alpn_protocols = offered.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let registry = TestRegistry::builder().tls(&ca, &[]).tls_config(Arc::new(config)).start();
        let image = registry.push_image("acme/app", "v1");
        assert_eq!(resolve(&client(&registry.settings()), &image.tagged("v1")).await.is_ok(), answers, "{offered:?}");
    }
}

#[tokio::test]
async fn net_04_only_trusted_certificates_are_accepted() {
    let ca = TestCa::new();
    let good = TestRegistry::builder().tls(&ca, &[]).start();
    let image = good.push_image("acme/app", "v1");
    assert_eq!(resolve(&client(&good.settings()), &image.tagged("v1")).await, Ok(image.pinned()));

    let mut settings = good.settings();
    settings.hosts.get_mut(&good.host()).unwrap().ca = Some(TestCa::new().pem().into_bytes());
    assert_eq!(unavailable(&client(&settings), &image.tagged("v1")).await.code(), "REGISTRY_TLS", "another CA");

    for config in
        [TestCa::self_signed_server(&["127.0.0.1"]), ca.expired_server(&["127.0.0.1"]), ca.server(&["other.test"])]
    {
        let bad = TestRegistry::builder().tls(&ca, &[]).tls_config(config).start();
        let image = bad.push_image("acme/app", "v1");
        let first = unavailable(&client(&bad.settings()), &image.tagged("v1")).await;
        assert_eq!(first.code(), "REGISTRY_TLS", "{first}");
        assert_eq!(unavailable(&client(&bad.settings()), &image.tagged("v1")).await, first, "the same words each time");
        assert_eq!(bad.requests().len(), 0);
    }
}

#[test]
fn net_04_bad_ca_files_stop_the_start() {
    let bad =
        [b"".to_vec(), b"nonsense".to_vec(), b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".into()];
    for pem in bad {
        let settings = Settings { roots: Roots::Pem(pem.clone()), ..Settings::default() };
        let error = Client::new(&settings, Metrics::new()).unwrap_err();
        assert!(matches!(error, SettingsError::Certificates { .. }), "{error}");
    }
    let roots = Roots::Pem(TestCa::new().pem().into_bytes());
    assert!(Client::new(&Settings { roots: roots.clone(), ..Settings::default() }, Metrics::new()).is_ok());
    let hosts = [("user@host/path".to_owned(), HostSettings::default())].into();
    let error = Client::new(&Settings { roots, hosts, ..Settings::default() }, Metrics::new()).unwrap_err();
    assert!(matches!(error, SettingsError::Host(_)), "{error}");
}

#[tokio::test]
async fn net_05_credentials_stay_with_their_host_and_port() {
    let ca = TestCa::new();
    let hosts = ["ghcr.io", "ghcr.io.evil.test", "evilghcr.io", "ghcr.io.evil.test:8443"];
    let registry = TestRegistry::builder().tls(&ca, &hosts).auth(Auth::basic("u", "hunter2")).start();
    let other = TestRegistry::builder().tls(&ca, &hosts).auth(Auth::basic("u", "hunter2")).start();
    let image = registry.push_image("acme/app", "v1");
    other.push_image("acme/app", "v1");
    let names = Names::new()
        .with("ghcr.io", &[registry.address()])
        .with("ghcr.io.evil.test", &[other.address()])
        .with("evilghcr.io", &[other.address()]);
    let other_port = format!("ghcr.io:{}", other.address().port());
    let settings = registry.settings_as(&["ghcr.io", "ghcr.io.evil.test", "evilghcr.io", &other_port]);
    let client = with_names(&settings, &names);
    let access = access("ghcr.io", "u", "hunter2");
    let own = resolve_with(&client, "ghcr.io/acme/app:v1", &access).await.unwrap();
    assert_eq!(own.digest(), &image.digest);
    assert!(registry.saw("hunter2"));

    for reference in ["ghcr.io.evil.test/acme/app:v1", "evilghcr.io/acme/app:v1"] {
        assert_eq!(refused(&client, reference, &access).await.code(), "REGISTRY_UNAUTHORIZED", "{reference}");
    }
    names.set("ghcr.io", &[other.address()]);
    let reference = format!("{other_port}/acme/app:v1");
    assert_eq!(refused(&client, &reference, &access).await.code(), "REGISTRY_UNAUTHORIZED");
    assert!(other.requests().len() >= 3);
    assert!(!other.saw("hunter2"));
}

#[tokio::test]
async fn net_05_a_redirect_takes_no_credentials_along() {
    let ca = TestCa::new();
    let realm = Some("https://registry.test/token".to_owned());
    let tokens = Auth::Bearer { users: vec!["u:hunter2".to_owned()], public: Vec::new(), realm };
    for auth in [Auth::basic("u", "hunter2"), tokens] {
        let registry = TestRegistry::builder().tls(&ca, &["registry.test"]).auth(auth).start();
        let store = TestRegistry::builder().tls(&ca, &["store.test"]).start();
        let image = registry.push_image("acme/app", "v1");
        store.put_manifest("acme/app", &image.manifest, Some("v1"));
        let names = Names::new().with("registry.test", &[registry.address()]).with("store.test", &[store.address()]);
        let client = with_names(&registry.settings_as(&["registry.test", "store.test"]), &names);
        let access = access("registry.test", "u", "hunter2");
        registry.rule("/manifests/", |request, _, stored| match stored.status {
            200 => Answer::redirect(&format!("https://store.test{}", request.target)),
            _ => stored,
        });
        let found = resolve_with(&client, "registry.test/acme/app:v1", &access).await.unwrap();
        assert_eq!(found.digest(), &image.digest);
        assert!(registry.requests().iter().any(|request| request.header("authorization").is_some()));
        assert!(store.requests().iter().all(|request| request.header("authorization").is_none()));
        assert!(!store.saw("hunter2"));

        // The store asks for a password itself: it is not told.
        let before = registry.requests().len();
        store.answer("/manifests/", Answer::status(401).header("WWW-Authenticate", "Basic realm=\"store\""));
        let cause = refused(&client, "registry.test/acme/app:v1", &access).await;
        assert_eq!(cause.code(), "REGISTRY_UNAUTHORIZED");
        assert!(!store.saw("hunter2"));
        assert_eq!(registry.requests().len(), before + 1);
    }
}

#[tokio::test]
async fn net_06_redirects_to_internal_addresses_are_refused() {
    let ca = TestCa::new();
    let registry = TestRegistry::builder().tls(&ca, &["registry.test"]).start();
    let inside = TestRegistry::start();
    let image = registry.push_image("acme/app", "v1");
    let names =
        Names::new().with("registry.test", &[registry.address()]).with("kubernetes.default.svc", &[inside.address()]);
    let client = with_names(&registry.settings_as(&["registry.test"]), &names);
    let reference = "registry.test/acme/app:v1";
    let port = inside.address().port();
    for (target, code) in [
        ("http://169.254.169.254/latest/meta-data".to_owned(), "REGISTRY_PROTOCOL"),
        ("https://169.254.169.254/latest/meta-data".to_owned(), "ADDRESS_BLOCKED"),
        ("https://[fd00:ec2::254]/".to_owned(), "ADDRESS_BLOCKED"),
        ("https://10.0.0.1/".to_owned(), "ADDRESS_BLOCKED"),
        ("https://kubernetes.default.svc/".to_owned(), "ADDRESS_BLOCKED"),
        (format!("https://127.0.0.1:{port}/"), "ADDRESS_BLOCKED"),
        (format!("http://127.0.0.1:{port}/"), "REGISTRY_PROTOCOL"),
        ("file:///etc/passwd".to_owned(), "REGISTRY_PROTOCOL"),
        ("gopher://127.0.0.1/".to_owned(), "REGISTRY_PROTOCOL"),
        ("https://".to_owned(), "REGISTRY_PROTOCOL"),
        ("https://user:pass@registry.test/".to_owned(), "REGISTRY_PROTOCOL"),
    ] {
        registry.answer("/manifests/", Answer::redirect(&target));
        assert_eq!(refused(&client, reference, &Access::default()).await.code(), code, "{target}");
    }
    assert_eq!(inside.connections(), 0);
    registry.rule("/manifests/", |request, nth, stored| match nth {
        0 => Answer::redirect(&format!("https://registry.test{}", request.target)),
        _ => stored,
    });
    let found = resolve_with(&client, reference, &Access::default()).await.unwrap();
    assert_eq!(found.digest(), &image.digest);
}

#[tokio::test]
async fn net_07_every_resolved_address_is_checked() {
    let ca = TestCa::new();
    let registry = TestRegistry::builder().tls(&ca, &["registry.test"]).start();
    registry.push_image("acme/app", "v1");
    let roots = Roots::Pem(ca.pem().into_bytes());
    let settings = Settings { roots, ..Settings::default() };
    let inside = registry.address();
    let public: SocketAddr = "192.88.98.1:443".parse().unwrap();
    let blocked: Vec<Vec<SocketAddr>> = vec![
        vec![inside],
        vec![public, inside],
        vec!["0.0.0.0:0".parse().unwrap()],
        vec!["[::]:0".parse().unwrap()],
        vec!["[::ffff:169.254.169.254]:0".parse().unwrap()],
        vec!["[64:ff9b::a9fe:a9fe]:0".parse().unwrap()],
    ];
    for addresses in blocked {
        let names = Names::new().with("registry.test", &addresses);
        let client = with_names(&settings, &names);
        let cause = refused(&client, "registry.test/acme/app:v1", &Access::default()).await;
        assert_eq!(cause.code(), "ADDRESS_BLOCKED", "{addresses:?}");
    }
    for literal in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "0.0.0.0", "192.168.1.1:5000"] {
        let cause = refused(&client(&settings), &format!("{literal}/acme/app:v1"), &Access::default()).await;
        assert_eq!(cause.code(), "ADDRESS_BLOCKED", "{literal}");
    }
    for odd in ["https://2130706433/", "https://0177.0.0.1/", "https://0x7f.1/", "https://[::ffff:7f00:1]/"] {
        let names = Names::new().with("registry.test", &[registry.address()]);
        let client = with_names(&registry.settings_as(&["registry.test"]), &names);
        registry.answer("/manifests/", Answer::redirect(odd));
        let cause = refused(&client, "registry.test/acme/app:v1", &Access::default()).await;
        assert_eq!(cause.code(), "ADDRESS_BLOCKED", "{odd}");
    }
    assert!(registry.connections() <= 4);

    registry.clear_rules();
    let names = Names::new().with("registry.test", &[registry.address()]);
    let client = with_names(&registry.settings_as(&["registry.test"]), &names);
    assert!(resolve_with(&client, "registry.test/acme/app:v1", &Access::default()).await.is_ok());
}

#[tokio::test]
async fn net_07_a_name_that_changes_is_checked_again() {
    let ca = TestCa::new();
    let registry = TestRegistry::builder().tls(&ca, &["registry.test"]).start();
    let names = Names::new();
    let roots = Roots::Pem(ca.pem().into_bytes());
    let client = with_names(&Settings { roots, ..Settings::default() }, &names);
    let cause = refused(&client, "registry.test/acme/app:v1", &Access::default()).await;
    assert_eq!(cause.code(), "REGISTRY_UNREACHABLE", "not known yet");
    names.set("registry.test", &[registry.address()]);
    let cause = refused(&client, "registry.test/acme/app:v1", &Access::default()).await;
    assert_eq!(cause.code(), "ADDRESS_BLOCKED");
    assert_eq!(registry.connections(), 0);
}

#[tokio::test]
async fn net_08_an_allowed_private_registry_opens_itself_alone() {
    let registry = TestRegistry::start();
    let neighbour = TestRegistry::start();
    let image = registry.push_image("acme/app", "v1");
    let other = neighbour.push_image("acme/app", "v1");
    let client = client(&registry.settings());
    assert_eq!(resolve(&client, &image.tagged("v1")).await, Ok(image.pinned()));
    assert_eq!(unavailable(&client, &other.tagged("v1")).await.code(), "ADDRESS_BLOCKED", "another port");

    for (target, code) in [
        (format!("https://{}/x", neighbour.host()), "ADDRESS_BLOCKED"),
        ("https://10.1.2.4/".to_owned(), "ADDRESS_BLOCKED"),
        ("https://10.1.2.4:5000/".to_owned(), "ADDRESS_BLOCKED"),
        (format!("{}/x", neighbour.url()), "REGISTRY_PROTOCOL"),
    ] {
        registry.answer("/manifests/", Answer::redirect(&target));
        assert_eq!(unavailable(&client, &image.tagged("v1")).await.code(), code, "{target}");
    }
    registry.rule("/manifests/", |request, nth, stored| match nth {
        0 => Answer::redirect(&request.target),
        _ => stored,
    });
    assert_eq!(resolve(&client, &image.tagged("v1")).await, Ok(image.pinned()), "to itself it may redirect");
    assert_eq!(neighbour.connections(), 0);
}

#[tokio::test]
async fn net_11_only_what_the_caller_gave_is_ever_sent() {
    let registry = TestRegistry::builder().auth(Auth::bearer("u", "hunter2")).start();
    let image = registry.push_image("acme/app", "v1");
    registry.put("acme/app", &signer::legacy_tag(&[layer("a")]), Some(&image.signature_tag()));
    let client = client(&registry.settings());
    let access = access(&registry.host(), "u", "hunter2");
    assert_eq!(resolve_with(&client, &image.tagged("v1"), &access).await, Ok(image.pinned()));
    let found: Vec<Evidence> =
        client.evidence(&image.pinned(), &image.canonical_repository(), Scope::Signatures, &access).collect().await;
    assert_eq!(contents(&found), ["a"]);
    let allowed = ["accept", "accept-encoding", "authorization", "host", "user-agent"];
    for request in registry.requests() {
        for (name, value) in &request.headers {
            assert!(allowed.contains(&name.as_str()), "{name}: {value}");
        }
        let shown = request.header("authorization").unwrap_or_default();
        let token_request = request.target.starts_with("/token");
        assert!(
            shown.is_empty() || shown.starts_with(if token_request { "Basic " } else { "Bearer user-" }),
            "{shown}"
        );
        assert_eq!(request.body, "");
    }
}

#[tokio::test]
async fn logins_are_tried_in_order_and_anonymous_access_last() {
    let users = vec!["good:hunter2".to_owned()];
    for auth in [
        Auth::Basic { users: users.clone() },
        Auth::Bearer { users, public: vec!["acme/public".to_owned()], realm: None },
    ] {
        let with_tokens = matches!(auth, Auth::Bearer { .. });
        let registry = TestRegistry::builder().auth(auth).start();
        let image = registry.push_image("acme/app", "v1");
        let public = registry.push_image("acme/public", "v1");
        let client = client(&registry.settings());
        let mut both = access(&registry.host(), "bad", "wrong");
        both.credentials.extend(access(&registry.host(), "good", "hunter2").credentials);
        assert_eq!(resolve_with(&client, &image.tagged("v1"), &both).await, Ok(image.pinned()));

        registry.clear_requests();
        assert_eq!(resolve_with(&client, &image.tagged("v1"), &both).await, Ok(image.pinned()));
        assert_eq!(registry.requests().len(), 1, "what worked is remembered");

        let mut bad = access(&registry.host(), "bad", "wrong");
        bad.problems.push("secret shop/other: not found".to_owned());
        let cause = refused(&client, &image.tagged("v1"), &bad).await;
        let message = cause.to_string();
        for secret in ["bad", "other", "not found", "wrong"] {
            assert!(!message.contains(secret), "{message}");
        }
        let anonymous = resolve(&client, &image.tagged("v1")).await;
        assert!(matches!(anonymous, Err(Fault::Unavailable(Unavailable::RegistryUnauthorized { .. }))));
        if with_tokens {
            assert_eq!(resolve_with(&client, &public.tagged("v1"), &bad).await, Ok(public.pinned()));
        }
    }
}

#[tokio::test]
async fn tokens_are_asked_for_once_and_never_shared() {
    let registry = TestRegistry::builder().auth(Auth::bearer("u", "hunter2")).start();
    let image = registry.push_image("acme/app", "v1");
    registry.put("acme/app", &signer::bundle_referrer(&serde_json::json!("b"), &image.manifest), None);
    let client = client(&registry.settings());
    let own = access(&registry.host(), "u", "hunter2");
    for _ in 0..2 {
        let found: Vec<Evidence> =
            client.evidence(&image.pinned(), &image.canonical_repository(), Scope::Signatures, &own).collect().await;
        assert_eq!(contents(&found), ["\"b\""]);
    }
    assert_eq!(registry.count("/token"), 1, "by three requests side by side, twice");
    assert_eq!(registry.count("/token?scope=repository%3Aacme%2Fapp%3Apull&service=test"), 1);
    assert!(resolve(&client, &image.tagged("v1")).await.is_err(), "another's token is not for everyone");

    registry.rule("/v2/", |request, nth, stored| match nth {
        0 => Answer::challenge(&format!("http://{}/token", request.header("host").unwrap())),
        _ => stored,
    });
    assert!(
        resolve_with(&client, &image.tagged("v1"), &own).await.is_ok(),
        "a token that was withdrawn is asked for again"
    );
}

#[tokio::test]
async fn refresh_tokens_are_exchanged() {
    let auth = Auth::Bearer { users: vec!["refresh-me".to_owned()], public: Vec::new(), realm: None };
    let registry = TestRegistry::builder().auth(auth).start();
    let image = registry.push_image("acme/app", "v1");
    let login = |token: &str| Access {
        credentials: vec![Credential {
            host: registry.host(),
            login: Login::IdentityToken(token.to_owned().into()),
            source: "secret shop/regcred".to_owned(),
        }],
        problems: Vec::new(),
    };
    let client = client(&registry.settings());
    assert_eq!(resolve_with(&client, &image.tagged("v1"), &login("refresh-me")).await, Ok(image.pinned()));
    assert_eq!(refused(&client, &image.tagged("v1"), &login("wrong")).await.code(), "REGISTRY_UNAUTHORIZED");
}

#[tokio::test]
async fn odd_tokens_are_refused() {
    let registry = TestRegistry::builder().auth(Auth::bearer("u", "hunter2")).start();
    let image = registry.push_image("acme/app", "v1");
    let access = access(&registry.host(), "u", "hunter2");
    let long = "x".repeat(16 << 10);
    for (answer, accepted) in [
        (r#"{"token":"TOKEN"}"#.to_owned(), true),
        (r#"{"access_token":"TOKEN"}"#.to_owned(), true),
        (r#"{"token":"TOKEN","access_token":"TOKEN","expires_in":1e99}"#.to_owned(), true),
        (r#"{"token":"TOKEN","expires_in":-1}"#.to_owned(), true),
        (r#"{"token":"TOKEN","expires_in":"soon"}"#.to_owned(), true),
        (r#"{"token":"TOKEN","access_token":"other"}"#.to_owned(), false),
        (r#"{"token":"TOKEN","token":"TOKEN"}"#.to_owned(), false),
        (r#"{"token":"TOKEN\r\nX-Evil: 1"}"#.to_owned(), false),
        (r#"{"token":"TOK EN"}"#.to_owned(), false),
        (r#"{"token":""}"#.to_owned(), false),
        (r#"{"token":"","access_token":""}"#.to_owned(), false),
        (r#"{"token":null,"access_token":""}"#.to_owned(), false),
        (format!(r#"{{"token":"{long}x"}}"#), false),
        ("{}".to_owned(), false),
        ("<html>".to_owned(), false),
    ] {
        registry.clear_rules();
        registry.rule("/token", move |_, _, stored| {
            let issued: serde_json::Value = serde_json::from_slice(stored.bytes()).unwrap();
            let text = answer.replace("TOKEN", issued["token"].as_str().unwrap());
            Answer::ok("application/json", text)
        });
        let client = client(&registry.settings());
        let found = resolve_with(&client, &image.tagged("v1"), &access).await;
        assert_eq!(found.is_ok(), accepted, "{found:?}");
        assert!(!registry.saw("X-Evil"));
    }
}

#[tokio::test]
async fn reg_21_an_empty_token_field_beside_a_full_one_is_no_token() {
    let registry = TestRegistry::builder().auth(Auth::bearer("u", "hunter2")).start();
    let image = registry.push_image("acme/app", "v1");
    let access = access(&registry.host(), "u", "hunter2");
    for (empty, other, accepted) in [
        (r#""""#, "token", true),
        ("null", "token", true),
        (r#""""#, "access_token", true),
        ("null", "access_token", true),
        (r#""another""#, "token", false),
        (r#""another""#, "access_token", false),
    ] {
        registry.rule("/token", move |_, _, stored| {
            let issued: serde_json::Value = serde_json::from_slice(stored.bytes()).unwrap();
            let first = if other == "token" { "access_token" } else { "token" };
            Answer::ok("application/json", format!(r#"{{"{first}":{empty},"{other}":{}}}"#, issued["token"]))
        });
        let found = resolve_with(&client(&registry.settings()), &image.tagged("v1"), &access).await;
        assert_eq!(found.is_ok(), accepted, "{empty} beside {other}: {found:?}");
    }
}

/// The resolver is part of the public interface, and tests elsewhere rely on names that are not known.
#[tokio::test]
async fn unknown_names_are_unreachable() {
    assert!(Names::new().resolve("registry.test").await.is_err());
}
