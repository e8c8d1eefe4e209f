//! Bundles over artifacts.

use std::fs;
use std::path::Path;

use sealgate::domain::{Digest, Finding};
use sealgate::signatures::{Artifact, LogRule, PublicKey, SignerDemand, VerifiedArtifact, verify_artifact};
use serde_json::Value;

use super::{Case, identity, judge, material, now, public_good, root};
use crate::support::corpora::corpora;

pub(super) const BEACON: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
pub(super) const GITHUB: &str = "https://token.actions.githubusercontent.com";

fn told(answer: Result<VerifiedArtifact, Finding>) -> Result<String, Finding> {
    answer.map(|verified| verified.signer.to_string())
}

/// The cases of sigstore-conformance (`verify-bundle`), each by the artifact and by its digest.
#[test]
#[ignore = "needs SEALGATE_CORPORA"]
fn cry_00_sigstore_conformance() {
    let folder = corpora("sigstore-conformance");
    let mut cases = Vec::new();
    let mut folders: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    for path in folders.into_iter().filter(|path| path.is_dir()) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let artifact = fs::read(path.join("artifact")).or_else(|_| fs::read(folder.join("a.txt"))).unwrap();
        let digest = Digest::of(&artifact);
        for (how, artifact) in [("by path", Artifact::Bytes(&artifact)), ("by digest", Artifact::Digest(&digest))] {
            cases.push(Case {
                corpus: "sigstore-conformance",
                name: format!("{name} {how}"),
                accept: !name.ends_with("_fail"),
                note: "",
                answer: conformance(&path, artifact),
            });
        }
    }
    judge(&cases);
}

fn conformance(path: &Path, artifact: Artifact<'_>) -> Result<String, Finding> {
    let read = |file: &str| fs::read_to_string(path.join(file)).ok();
    let root = read("trusted_root.json").map_or_else(public_good, |json| material(&json));
    let bundle = fs::read(path.join("bundle.sigstore.json")).unwrap();
    let key = read("key.pub").map(|pem| PublicKey::from_pem(&pem).unwrap());
    let subject = read("identity").unwrap_or_else(|| BEACON.to_owned());
    let issuer = read("issuer").unwrap_or_else(|| GITHUB.to_owned());
    let identities = identity(subject.trim(), Some(issuer.trim()));
    let signer = match &key {
        Some(key) => SignerDemand::Key { key, root: Some(&root) },
        None => SignerDemand::Keyless { root: &root, identities: &identities },
    };
    told(verify_artifact(&bundle, artifact, signer, LogRule::Required, None, now()))
}

/// Bundles of the releases of `CPython`; and none of them under another digest, identity or issuer.
#[test]
#[ignore = "needs SEALGATE_CORPORA"]
fn cry_37_cpython_releases() {
    let folder = corpora("cpython");
    let described: Value = serde_json::from_slice(&fs::read(folder.join("cases.json")).unwrap()).unwrap();
    let (root, mut cases) = (public_good(), Vec::new());
    for case in described.as_array().unwrap() {
        let text = |field: &str| case[field].as_str().unwrap();
        let bundle = fs::read(folder.join(text("file"))).unwrap();
        let digest = Digest::from_hex(text("digest")).unwrap();
        let other = Digest::of(b"another release");
        let ask = |digest: &Digest, subject: &str, issuer: &str| {
            let signer = SignerDemand::Keyless { root: &root, identities: &identity(subject, Some(issuer)) };
            told(verify_artifact(&bundle, Artifact::Digest(digest), signer, LogRule::Required, None, now()))
        };
        let (subject, issuer) = (text("identity"), text("issuer"));
        let mut add = |what: &str, accept, answer| {
            let name = format!("{} {what}", text("name"));
            cases.push(Case { corpus: "cpython", name, accept, note: "", answer });
        };
        add("as released", true, ask(&digest, subject, issuer));
        add("another digest", false, ask(&other, subject, issuer));
        add("another identity", false, ask(&digest, "mallory@python.org", issuer));
        add("another issuer", false, ask(&digest, subject, "https://issuer.example"));
    }
    judge(&cases);
}

/// Bundles of other clients' tests, under each root that cosign was asked about.
#[test]
#[ignore = "needs SEALGATE_CORPORA"]
fn cry_00_bundles_of_other_clients() {
    let folder = corpora("sigstore-bundles");
    let described: Value = serde_json::from_slice(&fs::read(folder.join("index.json")).unwrap()).unwrap();
    let roots = [
        ("prod", public_good()),
        ("staging", root("staging.multi-intermediate.json")),
        ("github", root("gh-attestation-trusted-root.1.sigstore-java.json")),
        ("scaffolding", root("scaffolding.json")),
        ("spy-tsa", root("spy-tsa-root.json")),
    ];
    let mut cases = Vec::new();
    for case in described.as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let bundle = fs::read(folder.join(name).join("bundle.json")).unwrap();
        let text = |field: &str| case[field].as_str().filter(|text| !text.is_empty()).unwrap_or("none");
        let subject = text("san").split_once(':').map_or("nobody", |(_, name)| name);
        // OpenSSL prints the type of an otherName before it.
        let subject = subject.rsplit("::").next().unwrap().trim();
        let identities = identity(subject, case["oidc"].as_str());
        let digest = subject_digest(case).unwrap_or_else(|| Digest::of(name.as_bytes()));
        for (key, root) in &roots {
            let Some(recorded) = case["cosign311"].get(key).and_then(Value::as_str) else { continue };
            let rule = if *key == "github" { LogRule::WhenPresent } else { LogRule::Required };
            let signer = SignerDemand::Keyless { root, identities: &identities };
            let answer = told(verify_artifact(&bundle, Artifact::Digest(&digest), signer, rule, None, now()));
            let name = format!("{name} under {key}");
            cases.push(Case { corpus: "sigstore-bundles", name, accept: recorded == "OK", note: "", answer });
        }
    }
    judge(&cases);
}

fn subject_digest(case: &Value) -> Option<Digest> {
    let subjects = case["subjects"].as_array()?;
    subjects.iter().find_map(|s| (s[1] == "sha256").then(|| Digest::from_hex(s[2].as_str()?).ok()).flatten())
}
