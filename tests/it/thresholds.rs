//! How many have signed: whoever signs counts once, through however many authorities.

use std::collections::BTreeMap;

use sealgate::api::compile;
use sealgate::domain::{Digest, ImageReference};
use sealgate::policy::{Defaults, Mode, PolicyCell, PolicySet};
use sealgate::signatures::{Candidate, RootsCell, TrustedRoots};
use sealgate::verifier::Engine;
use serde_json::{Value, json};

use crate::support::signer::{SigningKey, statement};
use crate::support::sigstore::x509::email;
use crate::support::sigstore::{Content, Identity, NOW, Pki, Signing, Sigstore, Version};
use crate::support::verifier::{FakeRegistry, NoCredentials, question};

const MANIFEST: &[u8] = b"an image";

/// The verdict of a policy that demands two, about an image with these signatures.
async fn answer(sigstore: &Sigstore, authorities: &[Value], candidates: &[Candidate]) -> &'static str {
    let authority = |(i, trust): (usize, &Value)| {
        let mut authority = trust.clone();
        authority["name"] = json!(format!("a{i}"));
        authority
    };
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

fn keyless(identity: &Value) -> Value {
    json!({"keyless": {"trustedRoot": "instance", "identities": [identity]}})
}

fn certificate(roots: &str, identity: &Value) -> Value {
    json!({"certificate": {"roots": roots, "trustedRoot": "instance", "identities": [identity]}})
}

#[tokio::test]
async fn cry_44_one_signature_is_one_signer_for_keyless_and_own_pki() {
    let sigstore = Sigstore::new("a");
    let content = Content::statement(&statement(&digest()));
    let (main, release) = (Identity::gitlab_at("main"), Identity::gitlab_at("release"));
    let named = |identity: &Identity| json!({"issuer": identity.issuer, "subject": identity.subject});
    let roots = sigstore.fulcio.pem() + &sigstore.root.pem();
    let signed = |identity: &Identity| sigstore.keyless(identity, content.clone()).bundle_candidate();
    let one = [keyless(&named(&main)), certificate(&roots, &named(&main))];
    assert_eq!(answer(&sigstore, &one, &[signed(&main)]).await, "SIGNER_MISMATCH");
    let two = [keyless(&named(&main)), certificate(&roots, &named(&release))];
    assert_eq!(answer(&sigstore, &two, &[signed(&main), signed(&release)]).await, "ALLOW");
}

#[tokio::test]
async fn cry_44_one_key_pair_is_one_signer_however_it_is_certified() {
    let sigstore = Sigstore::new("a");
    let content = Content::statement(&statement(&digest()));
    let (key, other) = (SigningKey::seeded("one key"), SigningKey::seeded("another key"));
    let pki = Pki::new("own", NOW);
    let bare = Signing::by_key(&key, content.clone()).bundle_candidate();
    let certified = |key: &SigningKey, name: &str| {
        let signing = pki.signing(email(name), content.clone()).with(|it| {
            it.key = key.clone();
            it.version = Version::V02;
            it.timestamps.push(sigstore.timestamp());
        });
        signing.bundle_candidate()
    };
    let by_key = json!({"key": {"publicKey": key.pem()}});
    let named = |name: &str| certificate(&pki.root_pem(), &json!({"subject": name}));
    let (ada, bob) = ("ada@acme.test", "bob@acme.test");
    for (authorities, candidates, expected) in [
        ([by_key.clone(), named(ada)], [bare.clone(), certified(&key, ada)], "SIGNER_MISMATCH"),
        ([by_key, named(ada)], [bare, certified(&other, ada)], "ALLOW"),
        ([named(ada), named(bob)], [certified(&key, ada), certified(&key, bob)], "SIGNER_MISMATCH"),
        ([named(ada), named(bob)], [certified(&key, ada), certified(&other, bob)], "ALLOW"),
    ] {
        assert_eq!(answer(&sigstore, &authorities, &candidates).await, expected);
    }
}

#[tokio::test]
async fn cry_44_the_order_in_which_signatures_arrive_decides_nothing() {
    let sigstore = Sigstore::new("a");
    let content = Content::statement(&statement(&digest()));
    let (key, other) = (SigningKey::seeded("one key"), SigningKey::seeded("another key"));
    let pki = Pki::new("own", NOW);
    let certified = |key: &SigningKey| {
        let signing = pki.signing(email("ada@acme.test"), content.clone()).with(|it| {
            it.key = key.clone();
            it.version = Version::V02;
            it.timestamps.push(sigstore.timestamp());
        });
        signing.bundle_candidate()
    };
    let named = certificate(&pki.root_pem(), &json!({"subject": "ada@acme.test"}));
    let authorities = [json!({"key": {"publicKey": key.pem()}}), named];
    // She has signed with the key of the other authority, and with one of her own.
    let (bare, with_it, with_her_own) =
        (Signing::by_key(&key, content.clone()).bundle_candidate(), certified(&key), certified(&other));
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let arriving = order.map(|at| [&bare, &with_it, &with_her_own][at].clone());
        assert_eq!(answer(&sigstore, &authorities, &arriving).await, "ALLOW", "{order:?}");
    }
    assert_eq!(answer(&sigstore, &authorities, &[bare, with_it]).await, "SIGNER_MISMATCH");
}

fn digest() -> Digest {
    *ImageReference::parse("registry.example/app").unwrap().pin(MANIFEST).digest()
}

#[tokio::test]
async fn cry_22_one_signer_counts_once_through_several_authorities() {
    let sigstore = Sigstore::new("a");
    let content = Content::statement(&statement(&digest()));
    let signed = |identity: &Identity| sigstore.keyless(identity, content.clone()).bundle_candidate();
    let (main, release) = (Identity::gitlab_at("main"), Identity::gitlab_at("release"));
    let exact = |identity: &Identity| keyless(&json!({"issuer": identity.issuer, "subject": identity.subject}));
    let any = |pattern: &str| keyless(&json!({"issuer": main.issuer, "subjectRegExp": pattern}));
    let overlapping = [any(r"https://gitlab\.com/acme/app//.*"), any(r"https://gitlab\.com/acme/.*@refs/heads/.*")];

    // Two signatures by one signer are one signer, and so is one signature that fits two authorities.
    assert_eq!(answer(&sigstore, &overlapping, &[signed(&main)]).await, "SIGNER_MISMATCH");
    assert_eq!(answer(&sigstore, &overlapping, &[signed(&main), signed(&main)]).await, "SIGNER_MISMATCH");
    assert_eq!(answer(&sigstore, &[exact(&main), exact(&release)], &[signed(&main)]).await, "IDENTITY_MISMATCH");
    let both = [signed(&main), signed(&release)];
    assert_eq!(answer(&sigstore, &[exact(&main), exact(&release)], &both).await, "ALLOW");
}
