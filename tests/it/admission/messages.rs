//! What people read, as it is: read these aloud.

use sealgate::admission::{Hook, PolicySource, Settings};
use sealgate::policy::Defaults;
use serde_json::{Value, json};

use crate::support::builders::{Review, deployment, pod};
use crate::support::signer::{edit, statement};
use crate::support::sigstore::{Content, Identity, Sigstore};
use crate::support::verifier::{keyless, legacy_signature};

use super::world::{World, digest, settings};

/// The text with the key of this test run named constantly.
fn text(world: &World, message: &str) -> String {
    message.replace(&world.key.public().to_string(), "ECDSA P-256 key SHA256:KEY")
}

async fn message(world: &World, containers: &[(&str, &str)]) -> String {
    let outcome = world.validate(&Review::create(&pod(containers))).await;
    assert!(!outcome.allowed);
    text(world, &outcome.message)
}

#[tokio::test]
async fn denials_say_what_was_looked_for_and_what_was_found() {
    let world = World::new();
    for (name, containers) in [
        ("unsigned", &[("web", "registry.example/unsigned/app:1")][..]),
        ("foreign_key", &[("web", "registry.example/foreign/app:1")]),
        ("not_found", &[("web", "registry.example/gone/app:1")]),
        ("unreachable", &[("web", "registry.example/down/app:1")]),
        ("bad_reference", &[("web", "Registry.Example/app")]),
        ("not_pinned", &[("web", "registry.example/signed/app:1")]),
        (
            "several",
            &[
                ("web", "registry.example/unsigned/app:1"),
                ("helper", "registry.example/unsigned/app:1"),
                ("cache", "registry.example/down/cache:2"),
            ],
        ),
    ] {
        insta::assert_snapshot!(name, message(&world, containers).await);
    }
}

#[tokio::test]
async fn denials_of_policies_that_need_no_signature() {
    let world = World::new();
    let of = |authority: Value| {
        json!({
            "match": {"images": ["registry.example/**"], "namespaces": ["shop"]}, "authorities": [authority],
        })
    };
    world.policies(&[("no-vendor", of(json!({"name": "nobody", "static": "Deny"})))]);
    insta::assert_snapshot!("static_deny", message(&world, &[("web", "registry.example/vendor/app:1")]).await);
    insta::assert_snapshot!("no_policy", message(&world, &[("web", "elsewhere.example/app:1")]).await);
    world.policies(&[("typo", json!({"match": {"images": ["registry.example/**"]}, "authoritys": []}))]);
    insta::assert_snapshot!("policy_error", message(&world, &[("web", "registry.example/vendor/app:1")]).await);
}

const STORED: &str = "registry.example/stored/app:1";
const PROVENANCE: &str = "https://slsa.dev/provenance/v1";

/// A world whose policy `ci-images` trusts a pipeline under the trusted root `corp`, with more members of its spec.
fn keyless_world(sigstore: &Sigstore, members: &Value) -> World {
    let world = World::new();
    let mut spec = json!({
        "match": {"images": ["registry.example/**"], "namespaces": ["shop"]},
        "authorities": [keyless("pipeline", &Identity::gitlab(), "corp")],
    });
    spec.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    world.policies(&[("ci-images", spec)]);
    world.trust("corp", Ok(sigstore));
    world
}

#[tokio::test]
async fn denials_of_keyless_policies_say_who_was_expected_and_who_signed() {
    let sigstore = Sigstore::new("corp");
    let world = keyless_world(&sigstore, &json!({}));
    let digest = digest(STORED);
    let signed =
        |sigstore: &Sigstore, identity: &Identity| sigstore.keyless(identity, Content::statement(&statement(&digest)));
    insta::assert_snapshot!("keyless_unsigned", message(&world, &[("web", STORED)]).await);
    let main = Identity::gitlab();
    for (name, candidate) in [
        ("keyless_other_branch", signed(&sigstore, &Identity::gitlab_at("feature")).bundle_candidate()),
        ("keyless_other_issuer", signed(&sigstore, &Identity::github()).bundle_candidate()),
        ("keyless_other_instance", signed(&Sigstore::new("other"), &main).bundle_candidate()),
        ("keyless_without_log", signed(&sigstore, &main).with(|it| it.entries.clear()).bundle_candidate()),
        ("keyless_by_key", legacy_signature(&world.key, &digest)),
    ] {
        world.store(&[candidate]);
        insta::assert_snapshot!(name, message(&world, &[("web", STORED)]).await);
    }
    world.trust("corp", Err("its metadata expired more than 72 hours ago"));
    insta::assert_snapshot!("keyless_without_root", message(&world, &[("web", STORED)]).await);
    world.trust("corp", Ok(&sigstore));
    world.store(&[signed(&sigstore, &main).bundle_candidate()]);
    let accepted = world.admit(&Review::create(&pod(&[("web", STORED)]))).await;
    accepted.1.admitted();
}

#[tokio::test]
async fn denials_of_attestations_say_which_one_and_what_it_lacks() {
    let sigstore = Sigstore::new("corp");
    let demand = json!([{
        "name": "provenance", "predicateType": PROVENANCE,
        "conditions": [{"cel": "predicate.builder.id == 'ours'", "message": "built by an unknown builder"}],
    }]);
    let world = keyless_world(&sigstore, &json!({"attestations": demand}));
    let digest = digest(STORED);
    let by_ci = |statement: &Value| sigstore.keyless(&Identity::gitlab(), Content::statement(statement));
    let stated = |predicate_type: &str, predicate: Value| {
        let typed = edit(&statement(&digest), "/predicateType", json!(predicate_type));
        by_ci(&edit(&typed, "/predicate", predicate)).bundle_candidate()
    };
    let signed = by_ci(&statement(&digest)).bundle_candidate();
    let ours = json!({"builder": {"id": "ours"}});
    for (name, candidates) in [
        ("attestation_missing", vec![signed.clone()]),
        ("attestation_of_another_type", vec![signed.clone(), stated("https://spdx.dev/Document", json!({}))]),
        ("attestation_refused", vec![signed.clone(), stated(PROVENANCE, json!({"builder": {"id": "theirs"}}))]),
        ("attestation_without_the_field", vec![signed.clone(), stated(PROVENANCE, json!({}))]),
        ("attestation_without_signature", vec![stated(PROVENANCE, ours.clone())]),
        ("attestation_and_signature_missing", vec![]),
    ] {
        world.store(&candidates);
        insta::assert_snapshot!(name, message(&world, &[("web", STORED)]).await);
    }
    world.store(&[signed, stated(PROVENANCE, ours)]);
    let accepted = world.admit(&Review::create(&pod(&[("web", STORED)]))).await;
    accepted.1.admitted();
}

#[tokio::test]
async fn the_command_brings_the_trusted_roots_that_only_the_cluster_has() {
    let sigstore = Sigstore::new("corp");
    for (root, expected) in [
        ("corp", "To reproduce: kubectl get csigpol/ci-images troot/corp -o yaml | sealgate verify "),
        ("sigstore", "To reproduce: kubectl get csigpol ci-images -o yaml | sealgate verify "),
    ] {
        let world = keyless_world(&sigstore, &json!({}));
        world.policies(&[(
            "ci-images",
            json!({
                "match": {"images": ["registry.example/**"], "namespaces": ["shop"]},
                "authorities": [keyless("pipeline", &Identity::gitlab(), root)],
            }),
        )]);
        world.trust(root, Ok(&sigstore));
        let denial = message(&world, &[("web", STORED)]).await;
        assert!(denial.contains(expected), "{denial}");
    }
}

#[tokio::test]
async fn without_a_cluster_the_command_names_the_folder() {
    let policies = PolicySource::Folder("examples/demo".into());
    let world = World::with(Settings { policies, ..settings() }, Defaults::default());
    insta::assert_snapshot!("folder", message(&world, &[("web", "registry.example/unsigned/app:1")]).await);
}

#[tokio::test]
async fn the_command_speaks_plain_http_where_sealgate_does() {
    let plain_http = ["registry.example".to_owned()].into();
    let world = World::with(Settings { plain_http, ..settings() }, Defaults::default());
    let denial = message(&world, &[("web", "registry.example/unsigned/app:1")]).await;
    assert!(denial.ends_with("verify registry.example/unsigned/app:1 --policy - --allow-http-registry"), "{denial}");
    let denial = message(&world, &[("web", "elsewhere.example/unsigned/app:1")]).await;
    assert!(denial.ends_with("verify elsewhere.example/unsigned/app:1 --policy -"), "{denial}");
}

#[tokio::test]
async fn warnings_are_one_line() {
    let world = World::new();
    let mut policy = world.policy();
    policy["mode"] = json!("Warn");
    world.policies(&[("trial", policy)]);
    let outcome = world.validate(&Review::create(&pod(&[("web", "registry.example/unsigned/app:1")]))).await;
    let warning = &outcome.admitted().warnings[0];
    let start = "sealgate: container \"web\": image \"registry.example/unsigned/app:1\" is not signed as policy \"trial\" demands \
                 [NO_SIGNATURE]: authority \"ci-key\" looked for a signature by ";
    assert!(warning.starts_with(start), "{warning}");
    let template = Review::create(&deployment(&[("web", ""), ("istio-proxy", "auto")]));
    let outcome = world.ask(Hook::ValidateWorkloads, &template).await;
    insta::assert_snapshot!("template_notes", outcome.admitted().warnings.join("\n"));
}

#[tokio::test]
async fn identical_causes_have_identical_messages() {
    let world = World::new();
    let of = |name: &str, uid: &str| {
        let mut object = pod(&[("web", "registry.example/unsigned/app:1")]);
        object["metadata"]["name"] = json!(name);
        Review::create(&object).with("uid", uid)
    };
    let first = world.validate(&of("web-5d9c-aaaaa", "1")).await;
    let second = world.validate(&of("web-5d9c-bbbbb", "2")).await;
    assert_eq!(first.message, second.message);
}

#[tokio::test]
async fn the_readme_shows_a_real_denial() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let readme = readme.split_whitespace().collect::<Vec<_>>().join(" ");
    let denial = message(&World::new(), &[("web", "registry.example/unsigned/app:1")]).await;
    let (before, after) = denial.split_once("SHA256:KEY").unwrap();
    assert!(
        readme.contains(&format!("denied the request: {before}SHA256:")),
        "the README does not begin with: {before}"
    );
    assert!(readme.contains(&format!("={after} ```")), "the README does not go on with: {after}");
}
