//! Tests of docker configs against the kubelet's rules.

use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::*;
use crate::domain::ImageReference;

fn auth(login: &str) -> String {
    STANDARD.encode(login)
}

fn parse(text: &str) -> DockerConfig {
    DockerConfig::parse(text.as_bytes(), "secret shop/regcred").unwrap()
}

/// A config with these keys, each with its own key as the password.
fn keyed(keys: &[&str]) -> DockerConfig {
    let auths: Map<_, _> =
        keys.iter().map(|&key| (key.to_owned(), serde_json::json!({ "username": "u", "password": key }))).collect();
    parse(&serde_json::json!({ "auths": auths }).to_string())
}

/// The passwords (or `token TOKEN`) that are found for an image, in order.
fn found(config: &DockerConfig, repository: &str) -> Vec<String> {
    let repository = Repository::parse(repository).unwrap();
    let credentials = config.credentials(&repository);
    credentials
        .into_iter()
        .map(|credential| {
            assert_eq!(credential.host, repository.host(), "bound to the host that is asked");
            assert_eq!(credential.source, "secret shop/regcred");
            match credential.login {
                Login::Basic { password, .. } => password.expose_secret().to_owned(),
                Login::IdentityToken(token) => format!("token {}", token.expose_secret()),
            }
        })
        .collect()
}

#[test]
fn net_14_wildcards_follow_the_rules_of_the_kubelet() {
    for (key, image, fits) in [
        ("ghcr.io", "ghcr.io/org/app", true),
        ("evil", "ghcr.io/org/app", false),
        ("*", "ghcr.io/org/app", false),
        ("*", "localhost/app", true),
        ("*.*", "ghcr.io/org/app", true),
        ("*.io", "ghcr.io/org/app", true),
        ("*.io", "a.ghcr.io/org/app", false),
        ("*.kubernetes.io", "kubernetes.io/app", false),
        ("*.kubernetes.io", "abc.kubernetes.io/app", true),
        ("*.kubernetes.io", "abc.def.kubernetes.io/app", false),
        ("*.*.kubernetes.io", "abc.def.kubernetes.io/app", true),
        ("prefix.*.io", "prefix.kubernetes.io/app", true),
        ("*-good.kubernetes.io", "prefix-good.kubernetes.io/app", true),
        ("*-good.kubernetes.io", "good.kubernetes.io/app", false),
        ("ghcr.io:*", "ghcr.io:8443/org/app", false),
        ("GHCR.io", "ghcr.io/org/app", false),
    ] {
        assert_eq!(!found(&keyed(&[key]), image).is_empty(), fits, "{key} {image}");
    }
}

#[test]
fn net_14_a_star_opens_no_registry_beside_the_one_that_is_named() {
    let config = keyed(&["https://index.docker.io/v1/", "*", "evil"]);
    assert_eq!(found(&config, "ghcr.io/org/app"), [""; 0]);
    assert_eq!(found(&config, "evil:5000/app"), [""; 0]);
    assert_eq!(found(&config, "nginx"), ["https://index.docker.io/v1/"]);
}

#[test]
fn net_05_hosts_and_ports_match_exactly() {
    let config = keyed(&["ghcr.io", "registry.example:5000"]);
    for other in
        ["ghcr.io.evil.test/a", "evilghcr.io/a", "ghcr.io:8443/a", "registry.example/a", "registry.example:5001/a"]
    {
        assert_eq!(found(&config, other), [""; 0], "{other}");
    }
    assert_eq!(found(&config, "ghcr.io/a"), ["ghcr.io"]);
    assert_eq!(found(&config, "ghcr.io:443/a"), ["ghcr.io"]);
    assert_eq!(found(&config, "registry.example:5000/a"), ["registry.example:5000"]);
    assert_eq!(found(&keyed(&["https://ghcr.io:443"]), "ghcr.io/a"), ["https://ghcr.io:443"]);
}

#[test]
fn keys_may_be_addresses_of_apis() {
    for key in [
        "https://ghcr.io",
        "http://ghcr.io",
        "https://ghcr.io/",
        "https://ghcr.io/v1/",
        "https://ghcr.io/v2/",
        "ghcr.io/v2/org",
    ] {
        assert_eq!(found(&keyed(&[key]), "ghcr.io/org/app"), [key]);
    }
    assert_eq!(found(&keyed(&["ghcr.io/v2/org"]), "ghcr.io/other/app"), [""; 0]);
}

#[test]
fn a_path_is_a_prefix_and_the_longest_comes_first() {
    let config = keyed(&[
        "gitlab.example",
        "gitlab.example/acme",
        "gitlab.example/acme/app",
        "*.example",
        "gitlab.example/other",
    ]);
    assert_eq!(
        found(&config, "gitlab.example/acme/app"),
        ["gitlab.example/acme/app", "gitlab.example/acme", "gitlab.example", "*.example"]
    );
    assert_eq!(found(&config, "gitlab.example/x"), ["gitlab.example", "*.example"]);
    assert_eq!(found(&keyed(&["gitlab.example/acme/"]), "gitlab.example/acme-evil/x"), [""; 0]);
}

#[test]
fn docker_hub_has_the_keys_that_the_kubelet_knows() {
    for key in [
        "docker.io",
        "https://docker.io",
        "docker.io/library",
        "index.docker.io",
        "https://index.docker.io/v1/",
        "registry-1.docker.io",
    ] {
        assert_eq!(found(&keyed(&[key]), "nginx"), [key]);
        assert_eq!(found(&keyed(&[key]), "ghcr.io/library/nginx"), [""; 0]);
    }
    let config = keyed(&["https://index.docker.io/v1/", "docker.io"]);
    assert_eq!(found(&config, "nginx"), ["docker.io"], "the fallback is only for want of a better one");
    assert_eq!(found(&keyed(&["docker.io/acme", "index.docker.io"]), "nginx"), ["index.docker.io"]);
}

#[test]
fn logins_are_read_from_all_their_fields() {
    for (entry, logins) in [
        (format!(r#"{{"auth":"{}"}}"#, auth("u:p:w")), vec!["p:w"]),
        (format!(r#"{{"auth":"{}"}}"#, STANDARD_NO_PAD.encode("u:pw")), vec!["pw"]),
        (format!(r#"{{"auth":"{}","username":"x","password":"y"}}"#, auth("u:pw")), vec!["pw"]),
        (r#"{"username":"u","password":"pw","email":"e"}"#.to_owned(), vec!["pw"]),
        (r#"{"identitytoken":"t"}"#.to_owned(), vec!["token t"]),
        (format!(r#"{{"auth":"{}","identitytoken":"t"}}"#, auth("u:")), vec!["token t"]),
        (format!(r#"{{"auth":"{}","identitytoken":"t"}}"#, auth("u:pw")), vec!["pw", "token t"]),
        (r#"{"auth":"","username":"u","password":"pw","registrytoken":"r"}"#.to_owned(), vec!["pw"]),
    ] {
        let config = parse(&format!(r#"{{"auths":{{"ghcr.io":{entry}}}}}"#));
        assert_eq!(found(&config, "ghcr.io/a"), logins, "{entry}");
        assert_eq!(config.problems(), [""; 0], "{entry}");
    }
}

#[test]
fn both_forms_of_the_file_are_read() {
    let entry = format!(r#"{{"auth":"{}"}}"#, auth("u:pw"));
    assert_eq!(found(&parse(&format!(r#"{{"auths":{{"ghcr.io":{entry}}},"HttpHeaders":{{}}}}"#)), "ghcr.io/a"), ["pw"]);
    assert_eq!(found(&parse(&format!(r#"{{"ghcr.io":{entry}}}"#)), "ghcr.io/a"), ["pw"]);
    for empty in ["{}", r#"{"auths":{}}"#, r#"{"auths":null}"#, r#"{"credsStore":"desktop"}"#] {
        let config = parse(empty);
        assert_eq!((found(&config, "ghcr.io/a").len(), config.problems().len()), (0, 0), "{empty}");
    }
}

#[test]
fn net_14_a_malformed_entry_is_left_out_by_name_and_the_others_count() {
    for (key, entry) in [
        ("bad.example", r#"{"auth":"!!!"}"#.to_owned()),
        ("bad.example", format!(r#"{{"auth":"{}"}}"#, auth("no colon"))),
        ("bad.example", format!(r#"{{"auth":"{}"}}"#, STANDARD.encode(b"u:\xff"))),
        ("bad.example", r#"{"auth":7}"#.to_owned()),
        ("bad.example", r#"{"username":"canary"}"#.to_owned()),
        ("bad.example", "{}".to_owned()),
        ("bad.example", r#""canary""#.to_owned()),
        ("user:canary@bad.example", r#"{"username":"u","password":"p"}"#.to_owned()),
        ("bad.example:99999", r#"{"username":"u","password":"p"}"#.to_owned()),
        ("bad.example:p", r#"{"username":"u","password":"p"}"#.to_owned()),
        ("bad.example/*", r#"{"username":"u","password":"p"}"#.to_owned()),
        ("b\\u00e4d.example", r#"{"username":"u","password":"p"}"#.to_owned()),
        ("https://", r#"{"username":"u","password":"p"}"#.to_owned()),
        ("", r#"{"username":"u","password":"p"}"#.to_owned()),
        ("[::1]:5000", r#"{"username":"u","password":"p"}"#.to_owned()),
    ] {
        let good = format!(r#""good.example":{{"auth":"{}"}}"#, auth("u:pw"));
        let config = parse(&format!(r#"{{"auths":{{{good},"{key}":{entry}}}}}"#));
        assert_eq!(config.problems().len(), 1, "{key} {entry}");
        assert!(config.problems()[0].starts_with("secret shop/regcred: entry \""), "{:?}", config.problems());
        assert_eq!(found(&config, "good.example/a"), ["pw"]);
        assert_eq!(found(&config, "bad.example/a"), [""; 0]);
    }
}

#[test]
fn net_14_problems_and_debug_output_repeat_no_secret() {
    let config = parse(&format!(
        r#"{{"auths":{{"a.example":{{"auth":"{}"}},"b.example":{{"identitytoken":"canary"}},"c.example":{{"auth":"canary!"}},"u:canary@d.example":{{"password":"canary","username":"u"}}}}}}"#,
        auth("u:canary")
    ));
    let shown = format!("{config:?} {:?}", config.credentials(&Repository::parse("a.example/x").unwrap()));
    assert!(!shown.contains("canary") && !shown.contains(&auth("u:canary")), "{shown}");
    assert!(shown.contains("a.example"));
}

#[test]
fn net_14_size_and_number_of_entries_are_bounded() {
    let entries = |n: usize| {
        let entries: Vec<_> = (0..n).map(|i| format!(r#""h{i}.example":{{"username":"u","password":"p"}}"#)).collect();
        format!(r#"{{"auths":{{{}}}}}"#, entries.join(","))
    };
    let of = |text: &str| DockerConfig::parse(text.as_bytes(), "s").map(|config| config.0.entries.len());
    assert_eq!(of(&entries(256)), Ok(256));
    assert_eq!(of(&entries(257)), Err(DockerConfigError::TooManyEntries { source_name: "s".into(), found: 257 }));
    assert!(matches!(of(&entries(10_000)), Err(DockerConfigError::TooLarge { .. })));
    let padded = |n: usize| format!("{}{}", entries(1), " ".repeat(n - entries(1).len()));
    assert_eq!(of(&padded(64 << 10)), Ok(1));
    assert_eq!(
        of(&padded((64 << 10) + 1)),
        Err(DockerConfigError::TooLarge { source_name: "s".into(), found: (64 << 10) + 1 })
    );
}

#[test]
fn net_14_what_is_no_docker_config_is_refused_without_repeating_it() {
    for text in
        ["", "canary", "[]", "null", r#"{"auths":[]}"#, r#"{"auths":"canary"}"#, "{\"auths\":{\"a\":", "\u{feff}{}"]
    {
        let error = DockerConfig::parse(text.as_bytes(), "secret shop/regcred").unwrap_err();
        assert_eq!(error, DockerConfigError::Malformed { source_name: "secret shop/regcred".into() }, "{text}");
        assert!(!error.to_string().contains("canary"));
    }
    assert!(DockerConfig::parse(&[0xff, 0xfe], "s").is_err());
    assert!(DockerConfig::parse("[".repeat(60_000).as_bytes(), "s").is_err());
    assert!(DockerConfig::parse(b"{}", "s").is_ok());
}

#[test]
fn dos_21_long_logins_are_left_out_and_one_repository_has_no_more_than_its_part() {
    let repository = ImageReference::parse("registry.example/acme/app").unwrap();
    let logins = |entries: &[(&str, usize)]| {
        let entry = |(key, length): &(&str, usize)| {
            format!(r#""{key}":{{"username":"u","password":"{}"}}"#, "p".repeat(*length))
        };
        let entries: Vec<_> = entries.iter().map(entry).collect();
        let json = format!(r#"{{"auths":{{{}}}}}"#, entries.join(","));
        let config = DockerConfig::parse(json.as_bytes(), "secret shop/regcred").unwrap();
        assert!(config.memory() >= json.len());
        (config.credentials(repository.repository()).len(), config.problems().to_vec())
    };
    let (found, problems) = logins(&[("registry.example", MAX_LOGIN)]);
    assert_eq!((found, problems.len()), (0, 1));
    assert!(problems[0].contains("has a login of more than 8 KiB"), "{problems:?}");
    assert_eq!(logins(&[("registry.example", MAX_LOGIN - 1)]), (1, Vec::new()));
    let four = [
        ("registry.example/acme/app", 3 << 10),
        ("registry.example/acme", 3 << 10),
        ("registry.example", 3 << 10),
        ("*.example", 9),
    ];
    assert_eq!(logins(&four), (2, Vec::new()), "the best matches alone");
}
