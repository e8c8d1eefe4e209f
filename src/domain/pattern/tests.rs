//! Tests of patterns: what each means, what it must not catch, and what is refused with advice.

use super::*;
use crate::domain::ImageReference;

fn matches(pattern: &str, image: &str) -> bool {
    let pattern = Pattern::parse(pattern).unwrap_or_else(|e| panic!("{pattern}: {e}"));
    let image = ImageReference::parse(image).unwrap_or_else(|e| panic!("{image}: {e}"));
    pattern.matches_repository(image.repository())
}

fn refusal(pattern: &str) -> String {
    match Pattern::parse(pattern) {
        Ok(pattern) => panic!("{pattern} is accepted"),
        Err(e) => e.to_string(),
    }
}

#[test]
fn ref_05_punycode_host_needs_its_literal_name() {
    let image = "xn--ghr-7cd.io/org/app";
    assert!(matches("xn--ghr-7cd.io/org/**", image));
    assert!(!matches("ghcr.io/org/**", image));
    assert!(!matches("*.io/org/**", image));
    assert!(matches("*.io/org/**", "ghcr.io/org/app"));
    // `**` alone makes no statement about names: it is every image.
    assert!(matches("**", image));
}

#[test]
fn ref_06_short_names_of_docker_hub_are_seen_in_full() {
    for image in
        ["nginx", "library/nginx", "docker.io/nginx", "index.docker.io/library/nginx", "docker.io/library/nginx:1"]
    {
        for pattern in ["docker.io/library/nginx", "docker.io/library/*", "docker.io/**", "docker.io/*/nginx"] {
            assert!(matches(pattern, image), "{pattern} {image}");
        }
        assert!(!matches("docker.io/acme/**", image), "{image}");
    }
}

#[test]
fn ref_07_names_that_only_look_like_docker_hub_do_not_match() {
    assert!(!matches("docker.io/**", "docker.io.evil.com/library/nginx"));
    assert!(!matches("docker.io/**", "evil.com/docker.io/library/nginx"));
    assert!(!matches("docker.io/**", "evildocker.io/library/nginx"));
    assert!(matches("docker.io/**", "docker.io/library/nginx"));
    for alias in ["registry-1.docker.io", "index.docker.io", "registry.hub.docker.com"] {
        assert!(matches("docker.io/**", &format!("{alias}/library/nginx")));
        assert!(matches(&format!("{alias}/library/nginx"), "nginx"), "an alias in a pattern is folded too");
    }
    assert!(!matches("registry-2.docker.io/**", "registry-1.docker.io/library/nginx"));
}

#[test]
fn ref_07_wildcards_over_other_names_of_docker_hub_are_refused() {
    assert!(refusal("*.docker.io/library/*").contains("write docker.io"));
    assert!(matches("*.docker.example/library/*", "hub.docker.example/library/nginx"));
}

#[test]
fn ref_08_a_pattern_without_host_is_refused_with_advice() {
    assert!(refusal("nginx*").ends_with("write docker.io/library/nginx*"));
    assert!(refusal("acme/app").ends_with("write docker.io/acme/app"));
    assert!(refusal("ghcr.io").contains("names a repository"));
    assert!(matches("docker.io/library/nginx*", "nginx"));
    assert!(matches("docker.io/library/nginx*", "nginx-debug"));
    assert!(!matches("docker.io/library/nginx*", "evil/nginx"));
}

#[test]
fn ref_09_wildcards_stay_where_they_are_written() {
    assert!(!matches("*.trusted.example.com/*", "attacker.com/x.trusted.example.com/y"));
    assert!(!matches("*.trusted.example.com/*", "attacker.com/x.trusted.example.com"));
    assert!(matches("*.trusted.example.com/*", "x.trusted.example.com/y"));
    assert!(!matches("*.trusted.example.com/*", "x.y.trusted.example.com/y"), "one label, not two");
    assert!(!matches("*.trusted.example.com/*", "trusted.example.com/y"), "one label, not none");
    assert!(!matches("ghcr.io/org/*", "ghcr.io/org/a/b"));
    assert!(matches("ghcr.io/org/*", "ghcr.io/org/a"));
    assert!(matches("ghcr.io/org/**", "ghcr.io/org/a/b"));
    assert!(!matches("ghcr.io/org/**", "ghcr.io/org-evil/a"));
    assert!(!matches("ghcr.io/org/**", "ghcr.io/organisation/a"));
}

#[test]
fn ref_09_a_wildcard_that_could_leave_the_organisation_is_refused() {
    for (pattern, instead) in [
        ("ghcr.io/org*", "write ghcr.io/org/** "),
        ("ghcr.io/org-*/app", "write ghcr.io/org/** "),
        ("ghcr.io/*org/app", "write ghcr.io/NAME/** "),
        ("*.example.com:5000/o*/app", "write *.example.com:5000/o/** "),
    ] {
        assert!(refusal(pattern).contains(instead), "{}", refusal(pattern));
    }
    assert!(matches("ghcr.io/*/app", "ghcr.io/org/app"));
}

#[test]
fn ref_10_the_default_port_is_folded_in_patterns_too() {
    assert!(matches("ghcr.io:443/a/b", "ghcr.io/a/b"));
    assert!(matches("ghcr.io/a/b", "ghcr.io:443/a/b"));
    assert!(matches("*.io:443/a/b", "ghcr.io/a/b"));
    assert!(!matches("ghcr.io/a/b", "ghcr.io:8443/a/b"));
    assert!(matches("registry:443/a/b", "registry:443/a/b"));
    assert!(matches("*:443/a/b", "registry:443/a/b"));
    assert!(!matches("*:443/a/b", "registry:5000/a/b"));
    assert!(!matches("registry:443/a/b", "registry/a/b"));
    assert!(!matches("*.io/a/b", "ghcr.io:8443/a/b"));
    assert!(matches("*.io:8443/a/b", "ghcr.io:8443/a/b"));
    assert!(matches("*:5000/a/b", "registry:5000/a/b"));
    assert!(!matches("*:5000/a/b", "registry.example:5000/a/b"));
}

#[test]
fn everything_is_everything() {
    for image in ["nginx", "ghcr.io/a/b/c/d", "localhost:5000/x", "10.0.0.1:5000/x"] {
        assert!(matches("**", image), "{image}");
    }
    assert!(!Pattern::parse("**").unwrap().is_exact());
}

#[test]
fn double_star_at_the_end_needs_a_segment_and_in_the_middle_none() {
    assert!(!matches("ghcr.io/org/**", "ghcr.io/org"));
    assert!(matches("ghcr.io/org/**", "ghcr.io/org/a"));
    assert!(matches("ghcr.io/**", "ghcr.io/a"));
    assert!(matches("ghcr.io/org/**/app", "ghcr.io/org/app"));
    assert!(matches("ghcr.io/org/**/app", "ghcr.io/org/a/b/app"));
    assert!(!matches("ghcr.io/org/**/app", "ghcr.io/org/a/b/other"));
    assert!(matches("ghcr.io/**/app", "ghcr.io/app"));
    assert!(matches("ghcr.io/**/b/**/c", "ghcr.io/b/b/c/b/c"));
    assert!(!matches("ghcr.io/**/b/**/c", "ghcr.io/a/c"));
    assert!(!matches("ghcr.io/**/b/**", "ghcr.io/a/b"));
    assert!(matches("ghcr.io/**/b/**", "ghcr.io/b/b"), "the first b serves, the second is below it");
}

#[test]
fn partial_wildcards_in_later_segments() {
    assert!(matches("ghcr.io/org/app-*", "ghcr.io/org/app-one"));
    assert!(!matches("ghcr.io/org/app-*", "ghcr.io/org/app"));
    assert!(!matches("ghcr.io/org/app-*", "ghcr.io/org/app-one/two"));
    assert!(matches("ghcr.io/org/*-app-*", "ghcr.io/org/my-app-app-x"));
    assert!(!matches("ghcr.io/org/*-app-*", "ghcr.io/org/my-app"));
    assert!(!matches("ghcr.io/org/a*a", "ghcr.io/org/a"), "head and tail may not share a letter");
    assert!(matches("ghcr.io/org/a*a", "ghcr.io/org/aa"));
    assert!(!matches("ghcr.io/org/a*b*a", "ghcr.io/org/aa"));
}

#[test]
fn hostile_patterns_end_in_time_that_does_not_explode() {
    let image = format!("ghcr.io/{}b", "a/".repeat(100));
    assert!(!matches(&format!("ghcr.io/{}c", "**/a/".repeat(40)), &image));
    let image = format!("ghcr.io/org/{}", "a".repeat(200));
    assert!(!matches(&format!("ghcr.io/org/{}b", "*a".repeat(100)), &image));
    assert!(matches(&format!("ghcr.io/org/{}", "*a".repeat(100)), &image));
}

#[test]
fn a_digest_is_kept_apart() {
    let digest = Digest::of(b"x");
    let pattern = Pattern::parse(&format!("ghcr.io/org/app@{digest}")).unwrap();
    assert_eq!(pattern.digest(), Some(&digest));
    assert!(pattern.is_exact());
    assert!(pattern.matches_repository(&Repository::parse("ghcr.io/org/app").unwrap()));
    let everywhere = Pattern::parse(&format!("**@{digest}")).unwrap();
    assert_eq!((everywhere.digest(), everywhere.is_exact()), (Some(&digest), false));
    for bad in ["ghcr.io/org/app@", "ghcr.io/org/app@sha512:00", "ghcr.io/org/app@sha256:*", "**@sha256:00"] {
        assert!(matches!(Pattern::parse(bad), Err(PatternError::Digest(_))), "{bad}");
    }
}

#[test]
fn the_text_is_canonical_and_parses_to_the_same_pattern() {
    let digest = Digest::of(b"x");
    for (written, canonical) in [
        ("**", "**".to_owned()),
        ("ghcr.io:443/a/**", "ghcr.io/a/**".to_owned()),
        ("index.docker.io/library/*", "docker.io/library/*".to_owned()),
        ("*.example.com:443/**/app-*", "*.example.com/**/app-*".to_owned()),
        ("*.*.example.com:8443/*", "*.*.example.com:8443/*".to_owned()),
        ("localhost/a", "localhost/a".to_owned()),
        ("10.0.0.*:5000/a", "10.0.0.*:5000/a".to_owned()),
        (&format!("registry.hub.docker.com/acme/app@{digest}"), format!("docker.io/acme/app@{digest}")),
    ] {
        let pattern = Pattern::parse(written).unwrap();
        assert_eq!(pattern.to_string(), canonical);
        assert_eq!(Pattern::parse(&canonical).unwrap(), pattern);
    }
}

#[test]
fn exact_is_only_what_has_no_wildcard() {
    for (pattern, exact) in [
        ("ghcr.io/org/app", true),
        ("docker.io/library/nginx", true),
        ("ghcr.io/org/*", false),
        ("ghcr.io/org/**", false),
        ("*.io/org/app", false),
        ("ghcr.io/org/ap*", false),
    ] {
        assert_eq!(Pattern::parse(pattern).unwrap().is_exact(), exact, "{pattern}");
    }
}

#[test]
fn what_could_never_match_is_refused() {
    for (pattern, says) in [
        ("", "blank"),
        (" \t", "blank"),
        ("https://ghcr.io/a", "no scheme"),
        ("GHCR.io/a/b", "lower case"),
        ("ghcr.io/A/b", "other characters"),
        ("ghcr.io/a/b ", "other characters"),
        ("ghcr.io/a//b", "surplus slash"),
        ("ghcr.io/a/", "surplus slash"),
        ("/a/b", "registry host"),
        ("ghcr.io/a/-b", "is in no repository name"),
        ("ghcr.io/a/b__-c", "is in no repository name"),
        ("ghcr.io/a/b**", "whole segment"),
        ("ghcr.io/a/***", "whole segment"),
        ("ghcr.io/a/**/**", "same as one"),
        ("**/a", "** alone"),
        ("**.io/a/b", "one * a label"),
        ("gh*.io/a/b", "one whole label"),
        ("*/a/b", "** alone"),
        ("ghcr.io:*/a/b", "write the port"),
        ("ghcr.io:99999/a", "valid port"),
        ("ghcr.io./a/b", "not a valid host"),
        ("*.0.1/a", "four decimal numbers"),
        ("[::1]:5000/a", "IPv6"),
        ("docker.io/nginx", "write docker.io/library/nginx"),
        ("docker.io/*", "write docker.io/library/* or docker.io/**"),
        ("ghcr.io/a/b:v1", "no tag"),
        ("ghcr.io/a/b:*", "no tag"),
        ("ghcr.io/a/b:v1@sha256:", "64 lower-case"),
        ("ghcr.io/\u{043e}rg/**", "other characters"),
    ] {
        assert!(refusal(pattern).contains(says), "{pattern}: {}", refusal(pattern));
    }
    let of_length = |n: usize| Pattern::parse(&format!("ghcr.io/{}", "a".repeat(n - 8)));
    assert!(of_length(MAX_NAME).is_ok());
    assert_eq!(of_length(MAX_NAME + 1), Err(PatternError::TooLong));
    assert_eq!(Pattern::parse(&" ".repeat(10 << 20)), Err(PatternError::TooLong));
}

#[test]
fn refusals_repeat_no_control_characters() {
    let said = refusal("ghcr.io/a\u{1b}[31m\n\u{202e}b/c");
    assert!(said.chars().all(|c| c.is_ascii_graphic() || c == ' '), "{said:?}");
}
