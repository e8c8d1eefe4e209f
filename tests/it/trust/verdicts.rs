//! What trusted roots decide: verdicts of the engine over the roots that a keeper keeps.

use std::collections::BTreeMap;
use std::sync::Arc;

use sealgate::domain::{Digest, IdentityParts, IdentityPattern, Pattern};
use sealgate::policy::{Authority, Defaults, Entry, Mode, Policy, PolicyCell, PolicyParts, PolicySet, Require, Trust};
use sealgate::verifier::Engine;

use super::*;
use crate::support::signer::{SigningKey, statement};
use crate::support::sigstore::{Content, Identity, Signing, Sigstore};
use crate::support::verifier::{FakeRegistry, NoCredentials, answer, question, signature};

/// The keyless policy is about this image, the one with a key about the other.
const APP: &str = "registry.example/app";
const TOOL: &str = "registry.example/tool";

/// A policy about one repository.
fn policy(repository: &str, trust: Trust) -> Entry {
    let policy = Policy::new(PolicyParts {
        name: repository.into(),
        mode: Mode::Enforce,
        images: vec![Pattern::parse(repository).unwrap()],
        exclude_images: Vec::new(),
        namespaces: Vec::new(),
        namespace_selector: sealgate::policy::LabelSelector::default(),
        authorities: vec![Authority { name: "ci".into(), trust }],
        require: Require { at_least: 1, of: vec![0] },
        annotations: BTreeMap::new(),
        signature_repository: None,
        log: None,
        attestations: Vec::new(),
    });
    Entry::Valid(Arc::new(policy.unwrap()))
}

fn keyless(root: &str) -> Trust {
    let Identity { subject, issuer, .. } = Identity::github();
    let parts = IdentityParts { issuer: Some(issuer), subject: Some(subject), ..IdentityParts::default() };
    Trust::Keyless { root: root.into(), identities: vec![IdentityPattern::keyless(parts).unwrap()] }
}

/// The verdict on an image with one signature.
async fn verdict(
    cell: &RootsCell,
    entry: Entry,
    make: impl FnOnce(&Digest) -> sealgate::signatures::Candidate,
) -> String {
    let image = entry.name().to_string();
    let (registry, policies) = (FakeRegistry::default(), PolicyCell::default());
    policies.store(PolicySet::new(vec![entry], BTreeMap::new()));
    let digest = registry.push(&format!("{image}:v1"), b"image");
    registry.sign(&image, digest, &[make(&digest)]);
    let engine = Engine::new(registry, NoCredentials, policies, cell.clone(), Defaults::default());
    answer(&engine.verify(&question(&[&format!("{image}:v1")])).await.remove(0)).to_owned()
}

fn signing(sigstore: &Sigstore, digest: &Digest) -> Signing {
    sigstore.keyless(&Identity::github(), Content::statement(&statement(digest)))
}

#[tokio::test]
async fn flt_13_an_expired_root_denies_what_is_keyless_and_nothing_else() {
    let sigstore = Sigstore::new("a");
    let mut world =
        World::with(TufRepository::new(&sigstore.trusted_root().json().to_string()), Settings::default()).await;
    world.mirror.serve(world.repository.publish_with(|role, signed| {
        if role == "timestamp" {
            signed["expires"] = "2026-11-02T00:00:00Z".into();
        }
    }));
    world.refresh().await;
    let key = SigningKey::new();
    let by_key = || Trust::Key { key: key.public(), root: None };
    let ask = async |cell: &RootsCell| {
        let keyless =
            verdict(cell, policy(APP, keyless("own")), |digest| signing(&sigstore, digest).bundle_candidate());
        (keyless.await, verdict(cell, policy(TOOL, by_key()), |digest| signature(&key, digest)).await)
    };
    assert_eq!(ask(&world.cell).await, ("ALLOW".to_owned(), "ALLOW".to_owned()), "the twin in time");

    world.mirror.server.answer("", crate::support::registry::Answer::status(503));
    world.after(24 + 71).await;
    assert_eq!(ask(&world.cell).await, ("ALLOW".to_owned(), "ALLOW".to_owned()), "within the grace");
    world.after(2).await;
    assert_eq!(ask(&world.cell).await, ("TRUSTED_ROOT_UNAVAILABLE".to_owned(), "ALLOW".to_owned()));
}

#[tokio::test]
async fn tuf_09_certificates_of_one_instance_do_not_count_with_logs_of_another() {
    let [a, b] = ["a", "b"].map(Sigstore::new);
    let inline = |name: &str, sigstore: &Sigstore| WantedRoot {
        name: name.to_owned(),
        generation: 1,
        source: Ok(RootSource::Inline(Arc::from(sigstore.trusted_root().json().to_string()))),
    };
    let cell = RootsCell::default();
    let mut keeper = Keeper::new(Settings::default(), cell.clone(), Metrics::new()).unwrap();
    keeper.take(&Wanted { roots: vec![inline("a", &a), inline("b", &b)], ..Wanted::default() }, start()).await;
    keeper.publish(start());

    let ask = async |root: &str, change: &dyn Fn(&mut Signing)| {
        let make = |digest: &Digest| signing(&a, digest).with(change).bundle_candidate();
        verdict(&cell, policy(APP, keyless(root)), make).await
    };
    assert_eq!(ask("a", &|_| {}).await, "ALLOW", "the twin is of one instance");
    for (what, answer) in [
        ("the policy trusts the other instance", ask("b", &|_| {}).await),
        ("the log is the other's", ask("a", &|it| it.entries = vec![b.entry()]).await),
        ("the timestamp is the other's", ask("a", &|it| it.timestamps = vec![b.timestamp()]).await),
        ("log and timestamp are the other's", {
            ask("a", &|it| (it.entries, it.timestamps) = (vec![b.entry()], vec![b.timestamp()])).await
        }),
        ("and the policy trusts that one", {
            ask("b", &|it| (it.entries, it.timestamps) = (vec![b.entry()], vec![b.timestamp()])).await
        }),
    ] {
        assert_ne!(answer, "ALLOW", "{what}");
        assert!(!answer.contains("UNAVAILABLE"), "{what}: {answer}");
    }
}

#[tokio::test]
async fn flt_22_a_root_that_never_was_good_denies_its_own_policies_and_no_others() {
    let sigstore = Sigstore::new("a");
    let good = RootSource::Inline(Arc::from(sigstore.trusted_root().json().to_string()));
    let roots = [("good", Ok(good)), ("bad", Err("spec.inline: is no trusted root".to_owned()))];
    let roots = roots.map(|(name, source)| WantedRoot { name: name.to_owned(), generation: 1, source });
    let cell = RootsCell::default();
    let mut keeper = Keeper::new(Settings::default(), cell.clone(), Metrics::new()).unwrap();
    keeper.take(&Wanted { roots: roots.to_vec(), ..Wanted::default() }, start()).await;
    keeper.publish(start());
    let ask = async |root: &str| {
        verdict(&cell, policy(APP, keyless(root)), |digest| signing(&sigstore, digest).bundle_candidate()).await
    };
    assert_eq!(ask("good").await, "ALLOW");
    assert_eq!(ask("bad").await, "TRUSTED_ROOT_UNAVAILABLE");
    assert_eq!(ask("nobody").await, "TRUSTED_ROOT_UNAVAILABLE");
}
