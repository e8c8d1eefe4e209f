//! The reference parser against Docker's own, over recorded references of many projects; and its properties over anything.

use std::fs;

use proptest::prelude::*;
use sealgate::domain::{Digest, ImageReference};
use serde::Deserialize;

use crate::support::corpora::corpora;

/// What was recorded for one string.
#[derive(Deserialize)]
struct Case {
    input: String,
    #[serde(rename = "distribution_ParseDockerRef")]
    docker: Docker,
    #[serde(rename = "distribution_ParseNormalizedNamed")]
    normalized: Docker,
}

/// An answer of `distribution/reference`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Docker {
    #[serde(default, rename = "error")]
    error: String,
    domain: String,
    path: String,
    tag: String,
    digest: String,
}

fn corpus() -> Vec<Case> {
    let text = fs::read(corpora("references.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// Host and path before our aliases and the port 443 are folded. `index.docker.io` is Docker's own alias.
fn written(reference: &ImageReference) -> (&str, &str) {
    let (host, path) = reference.name().split_once('/').unwrap();
    (if host == "index.docker.io" { "docker.io" } else { host }, path)
}

#[test]
#[ignore = "needs SEALGATE_CORPORA"]
fn ref_17_nothing_is_accepted_that_docker_refuses() {
    let corpus = corpus();
    let refused: Vec<_> = corpus.iter().filter(|case| !case.docker.error.is_empty()).collect();
    assert!(refused.len() > 30, "the corpus has {} refused references", refused.len());
    for case in refused {
        assert!(ImageReference::parse(&case.input).is_err(), "{:?}: {}", case.input, case.docker.error);
    }
}

#[test]
#[ignore = "needs SEALGATE_CORPORA"]
fn ref_17_what_both_accept_both_read_alike() {
    let corpus = corpus();
    let mut both = 0;
    for case in corpus.iter().filter(|case| case.docker.error.is_empty()) {
        let Ok(ours) = ImageReference::parse(&case.input) else { continue };
        both += 1;
        assert_eq!(written(&ours), (case.docker.domain.as_str(), case.docker.path.as_str()), "{:?}", case.input);
        assert_eq!(ours.digest().map(Digest::to_string).unwrap_or_default(), case.docker.digest, "{:?}", case.input);
        // `ParseDockerRef` drops a tag beside a digest.
        assert_eq!(ours.tag().unwrap_or_default(), case.normalized.tag, "{:?}", case.input);
    }
    assert!(both > 50, "{both} references are read by both");
}

/// What is narrower here is narrower for a reason: no other reference that Docker accepts is lost.
#[test]
#[ignore = "needs SEALGATE_CORPORA"]
fn ref_17_what_docker_accepts_and_we_refuse_is_one_of_these() {
    for case in corpus().iter().filter(|case| case.docker.error.is_empty()) {
        let Err(error) = ImageReference::parse(&case.input) else { continue };
        let host = case.input.split('/').next().unwrap();
        let expected = case.input.contains("@sha512:")
            || case.input.contains("@sha384:")
            || host.contains('[')
            || host.bytes().any(|b| b.is_ascii_uppercase())
            || host.contains(":0")
            || case.input.starts_with("sha256:")
            || host.split(':').next().unwrap().rsplit('.').next().unwrap().bytes().all(|b| b.is_ascii_digit());
        assert!(expected, "{:?}: {error}", case.input);
    }
}

/// Strings that are nearly references: the parts that the grammar knows, and what does not belong there.
fn nearly_a_reference() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        8 => "[a-z0-9]{1,4}",
        4 => prop::sample::select(vec!["/", ":", "@", ".", "_", "__", "-", "--", "//", "://"]).prop_map(str::to_owned),
        2 => prop::sample::select(vec![
            "docker.io/", "index.docker.io/", "registry-1.docker.io/", "library/", "ghcr.io/", "ghcr.io:443/", "localhost/",
            "localhost:5000/", "127.0.0.1/", ":latest", "sha256:", "[::1]:5000/",
        ]).prop_map(str::to_owned),
        1 => "[a-f0-9]{64}".prop_map(|hex| format!("@sha256:{hex}")),
        1 => "\\PC",
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ref_17_any_string_is_answered(text in any::<String>()) {
        let _ = ImageReference::parse(&text);
    }

    #[test]
    fn ref_18_printing_and_reading_come_back(text in nearly_a_reference()) {
        let Ok(reference) = ImageReference::parse(&text) else { return Ok(()) };
        let printed = reference.to_string();
        let again = ImageReference::parse(&printed);
        prop_assert_eq!(again.as_ref().map(ToString::to_string), Ok(printed.clone()));
        let again = again.unwrap();
        prop_assert_eq!(again.repository(), reference.repository());
        prop_assert_eq!(again.tag(), reference.tag());
        prop_assert_eq!(again.digest(), reference.digest());
        prop_assert!(printed.is_ascii() && !printed.contains(":443/"));
    }

    #[test]
    fn ref_18_pinning_is_idempotent(text in nearly_a_reference(), bytes in any::<[u8; 4]>()) {
        let Ok(reference) = ImageReference::parse(&text) else { return Ok(()) };
        let digest = Digest::of(&bytes);
        let pinned = reference.with_digest(&digest);
        let again = ImageReference::parse(&pinned);
        prop_assert_eq!(again.as_ref(), Ok(&reference.at(digest)));
        prop_assert_eq!(again.unwrap().with_digest(&digest), pinned);
    }
}
