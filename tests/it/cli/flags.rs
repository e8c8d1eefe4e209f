//! What the flags of `sealgate verify` ask for: each accepts what it should, and refuses what differs in that alone.

use std::fs;
use std::path::Path;

use sealgate::domain::{Digest, predicate};
use serde_json::{Value, json};

use super::failures::{GITHUB, PROVENANCE, SUBJECT, Stage, key, keyless_flags};
use super::{ACCEPTED, REJECTED, USAGE, code, complaint, out, run};
use crate::support::sigstore::x509::email;
use crate::support::sigstore::{Content, Identity, NOW, Pki, Signing};

#[test]
fn a_policy_that_is_hardly_meant_is_warned_about_once() {
    let stage = Stage::new("warnings");
    stage.sign(&[stage.keyless()]);
    let root = stage.path("trusted_root.json");
    let ask = |subject: &str| {
        let policy = json!({
            "apiVersion": "sealgate.dev/v1alpha1", "kind": "ClusterSignaturePolicy",
            "metadata": {"name": "ci"},
            "spec": {
                "match": {"images": ["**"]},
                "authorities": [{
                    "name": "ci",
                    "keyless": {"trustedRoot": "sigstore", "identities": [{"issuer": GITHUB, "subjectRegExp": subject}]},
                }],
            },
        });
        let policy = stage.file("policy.json", &policy.to_string());
        let image = stage.image.tagged("v1");
        let flags = ["verify", "--allow-http-registry", &image, &image, "--trusted-root", &root, "--policy", &policy];
        let output = run(&flags, "");
        assert_eq!(code(&output), ACCEPTED, "{}", out(&output));
        (policy, complaint(&output))
    };
    let (policy, warned) = ask(r"https://github.com/acme/app/\.github/workflows/release\.yml@refs/heads/main");
    let expected =
        format!("sealgate: warning: {policy}: policy ci: spec.authorities[0].keyless.identities[0].subjectRegExp");
    assert!(warned.starts_with(&expected), "{warned}");
    assert_eq!(warned.matches(&expected).count(), 1, "{warned}");
    assert_eq!(ask(r"https://github\.com/acme/app/\.github/workflows/release\.yml@refs/heads/main").1, "");
}

#[test]
fn an_accepted_attestation_tells_who_stated_it() {
    let stage = Stage::new("stated");
    stage.attest(&stage.sigstore.keyless(&Identity::github(), stage.provenance("b")));
    let root = stage.path("trusted_root.json");
    let flags = [&keyless_flags(&root)[..], &["--type", "slsaprovenance1"]].concat();
    let json = stage.ask(ACCEPTED, &[&flags[..], &["-o", "json"]].concat());
    let yaml = stage.ask(ACCEPTED, &[&flags[..], &["-o", "yaml"]].concat());
    let json: Value = serde_json::from_str(&json).unwrap();
    let yaml: Value = serde_saphyr::from_str(&yaml).unwrap();
    assert_eq!(json, yaml);
    let attestation = &json["images"][0]["policies"][0]["attestations"][0];
    assert_eq!(attestation["authority"], "keyless");
    assert_eq!(attestation["signature"]["identity"]["subject"], SUBJECT);
    assert_eq!(attestation["signature"]["identity"]["issuer"], GITHUB);
    assert_eq!(attestation["signature"]["logEntries"].as_array().unwrap().len(), 1);
    assert_eq!(attestation["signature"]["times"].as_array().unwrap().len(), 2);
    let table = stage.ask(ACCEPTED, &flags);
    assert!(table.contains(&format!("stated by {SUBJECT}, issuer {GITHUB} (authority keyless)")), "{table}");

    let refused = stage.ask(REJECTED, &["--key", &stage.path("cosign.pub"), "--type", "slsaprovenance1", "-o", "json"]);
    let refused: Value = serde_json::from_str(&refused).unwrap();
    let attestation = &refused["images"][0]["policies"][0]["attestations"][0];
    assert!(attestation["authority"].is_null() && attestation["signature"].is_null(), "{attestation}");
}

#[test]
fn a_root_without_logs_demands_a_timestamp_and_one_with_logs_an_entry() {
    let stage = Stage::new("root-without-logs");
    let with_logs = stage.path("trusted_root.json");
    let root = stage.file("github.json", &stage.sigstore.github_trusted_root().json().to_string());
    let good = stage.sigstore.github(&Identity::github(), stage.content());
    stage.sign(std::slice::from_ref(&good));
    stage.ask(ACCEPTED, &keyless_flags(&root));
    stage.sign(&[good.with(|it| it.timestamps.clear())]);
    let said = stage.ask(REJECTED, &keyless_flags(&root));
    assert!(!said.contains("LOG_REQUIRED"), "{said}");

    let timestamped = stage.keyless().with(|it| it.entries.clear());
    stage.sign(&[timestamped]);
    let said = stage.ask(REJECTED, &keyless_flags(&with_logs));
    assert!(said.contains("LOG_REQUIRED"), "{said}");
    stage.ask(ACCEPTED, &[&keyless_flags(&with_logs)[..], &["--insecure-ignore-tlog"]].concat());
}

#[test]
fn an_own_pki_counts_by_its_roots() {
    let stage = Stage::new("own-pki");
    let root = stage.path("trusted_root.json");
    let pki = Pki::new("own", NOW);
    let own = stage.file("own.pem", &pki.root_pem());
    let other = stage.file("other.pem", &Pki::new("other", NOW).root_pem());
    let signing = pki.signing(email("dev@acme.test"), stage.content()).with(|it| {
        it.timestamps.push(stage.sigstore.timestamp());
    });
    stage.sign(&[signing]);
    let ask = |expected: i32, roots: &str, subject: &str| {
        let flags = ["--ca-roots", roots, "--certificate-identity", subject, "--trusted-root", &root];
        stage.ask(expected, &[&flags[..], &["--insecure-ignore-tlog"]].concat())
    };
    ask(ACCEPTED, &own, "dev@acme.test");
    ask(REJECTED, &other, "dev@acme.test");
    ask(REJECTED, &own, "ops@acme.test");
}

#[test]
fn the_claims_of_workflows_are_compared() {
    let stage = Stage::new("workflow-claims");
    stage.sign(&[stage.keyless()]);
    let root = stage.path("trusted_root.json");
    for (flag, right, wrong) in [
        ("--certificate-github-workflow-repository", "acme/app", "acme/other"),
        ("--certificate-github-workflow-ref", "refs/heads/main", "refs/heads/other"),
        ("--certificate-github-workflow-trigger", "push", "pull_request"),
    ] {
        stage.ask(ACCEPTED, &[&keyless_flags(&root)[..], &[flag, right]].concat());
        let said = stage.ask(REJECTED, &[&keyless_flags(&root)[..], &[flag, wrong]].concat());
        assert!(said.contains("IDENTITY_MISMATCH"), "{flag}: {said}");
    }
    let flags = keyless_flags(&root);
    let said = stage.ask(USAGE, &[&flags[..], &["--certificate-github-workflow-name", "release"]].concat());
    assert!(said.contains("--certificate-identity"), "{said}");
}

#[test]
fn a_statement_about_a_file_counts_by_its_digest_and_type() {
    let stage = Stage::new("bundle-statement");
    let bytes = b"hello\n";
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "app", "digest": {"sha256": Digest::of(bytes).hex()}}],
        "predicateType": PROVENANCE,
        "predicate": {},
    });
    let bundle = Signing::by_key(&key(), Content::statement(&statement)).bundle();
    let bundle = stage.file("app.sigstore.json", &bundle.to_string());
    let own = stage.path("cosign.pub");
    let flags = ["--key", &own, "--bundle", &bundle];
    let digest = Digest::of(bytes).to_string();
    stage.ask_about(ACCEPTED, &digest, &flags);
    stage.ask_about(ACCEPTED, &digest, &[&flags[..], &["--type", "slsaprovenance1"]].concat());
    stage.ask_about(REJECTED, &digest, &[&flags[..], &["--type", "spdxjson"]].concat());
    stage.ask_about(REJECTED, &Digest::of(b"hallo\n").to_string(), &flags);
}

#[test]
fn the_page_about_attestations_has_the_short_names_of_the_program() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/how-to/attestations.md");
    let page = fs::read_to_string(page).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix("` |")?.split_once("` | `"));
    let mut told: Vec<_> = rows.flat_map(|(names, uri)| names.split("`, `").map(move |name| (name, uri))).collect();
    told.sort_unstable();
    assert_eq!(told, predicate::SHORT_NAMES);
}
