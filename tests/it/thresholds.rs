//! How many have signed: whoever signs counts once, through however many authorities.

use std::collections::BTreeMap;

use sealgate::api::compile;
use sealgate::domain::{Digest, ImageReference};
use sealgate::policy::{Defaults, Mode, PolicyCell, PolicySet};
use sealgate::signatures::{Candidate, RootsCell, TrustedRoots};
use sealgate::verifier::Engine;
use serde_json::{Value, json};

use crate::support::signer::statement;
use crate::support::sigstore::{Content, Identity, Sigstore};
use crate::support::verifier::{FakeRegistry, NoCredentials, question};

const MANIFEST: &[u8] = b"an image";

/// The verdict of a policy that demands two, about an image with these signatures.
async fn answer(sigstore: &Sigstore, authorities: &[Value], candidates: &[Candidate]) -> &'static str {
    let authority = |(i, identity): (usize, &Value)| json!({"name": format!("a{i}"), "keyless": {"trustedRoot": "instance", "identities": [identity]}});
    let spec = json!({
        "match": {"images": ["**"]},
        "authorities": authorities.iter().enumerate().map(authority).collect::<Vec<_>>(),
        "require": {"atLeast": 2},
    });
    let (registry, policies, roots) = (FakeRegistry::default(), PolicyCell::default(), RootsCell::default());
    let digest = registry.push("registry.example/app:1", MANIFEST);
    registry.sign("registry.example/app", digest, candidates);
    policies.store(PolicySet::new(vec![compile("two", &spec)], BTreeMap::new()));
    let material = sigstore.trusted_root().material();
    roots.store(TrustedRoots::new([("instance".to_owned(), Ok(material))].into()));
    let engine = Engine::new(registry, NoCredentials, policies, roots, Defaults::default());
    let verdict = engine.verify(&question(&["registry.example/app:1"])).await.remove(0);
    verdict.findings(Mode::Enforce).first().map_or("ALLOW", |(_, finding)| finding.code())
}

#[tokio::test]
async fn cry_22_one_signer_counts_once_through_several_authorities() {
    let sigstore = Sigstore::new("a");
    let digest: Digest = *ImageReference::parse("registry.example/app").unwrap().pin(MANIFEST).digest();
    let signed =
        |identity: &Identity| sigstore.keyless(identity, Content::statement(&statement(&digest))).bundle_candidate();
    let (main, release) = (Identity::gitlab_at("main"), Identity::gitlab_at("release"));
    let exact = |identity: &Identity| json!({"issuer": identity.issuer, "subject": identity.subject});
    let any = |pattern: &str| json!({"issuer": main.issuer, "subjectRegExp": pattern});
    let overlapping = [any(r"https://gitlab\.com/acme/app//.*"), any(r"https://gitlab\.com/acme/.*@refs/heads/.*")];

    // Two signatures by one signer are one signer, and so is one signature that fits two authorities.
    assert_eq!(answer(&sigstore, &overlapping, &[signed(&main)]).await, "SIGNER_MISMATCH");
    assert_eq!(answer(&sigstore, &overlapping, &[signed(&main), signed(&main)]).await, "SIGNER_MISMATCH");
    assert_eq!(answer(&sigstore, &[exact(&main), exact(&release)], &[signed(&main)]).await, "IDENTITY_MISMATCH");
    let both = [signed(&main), signed(&release)];
    assert_eq!(answer(&sigstore, &[exact(&main), exact(&release)], &both).await, "ALLOW");
}
