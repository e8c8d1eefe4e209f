//! The example policies, each with an image that it accepts and with one that it refuses.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use sealgate::domain::Digest;
use sealgate::files;
use sealgate::signatures::{Candidate, TrustedRoots};
use serde_json::{Value, json};

use crate::support::signer::{SigningKey, edit, now, payload, statement};
use crate::support::sigstore::x509::email;
use crate::support::sigstore::{Content, Identity, Pki, Sigstore};
use crate::support::verifier::{World, answer, legacy_signature};

const PROVENANCE: &str = "https://slsa.dev/provenance/v1";

/// A world with this example as its policy. `own` stands for the public instances, and for GitHub's; the blocks of PEM are
/// replaced by these, in their order.
fn world(example: &str, own: &Sigstore, pem: &[String]) -> World {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/policies").join(example);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("examples");
    fs::create_dir_all(&folder).unwrap();
    let own_keys = folder.join(example);
    fs::write(&own_keys, with_pem(&fs::read_to_string(path).unwrap(), pem)).unwrap();
    let world = World::default();
    world.policies.store(files::load(&own_keys).unwrap().policies);
    let (sigstore, github) = (own.trusted_root().material(), own.github_trusted_root().material());
    let roots = [("sigstore".to_owned(), Ok(sigstore)), ("github".to_owned(), Ok(github))];
    world.roots.store(TrustedRoots::new(BTreeMap::from(roots)));
    world
}

fn with_pem(example: &str, pem: &[String]) -> String {
    let (mut lines, mut pem, mut inside) = (Vec::new(), pem.iter(), false);
    for line in example.lines() {
        let indent = &line[..line.len() - line.trim_start().len()];
        if line.contains("-----BEGIN ") {
            inside = true;
            let block = pem.next().expect("a block for each in the example");
            lines.extend(block.trim().lines().map(|line| format!("{indent}{line}")));
        }
        if !inside {
            lines.push(line.to_owned());
        }
        inside &= !line.contains("-----END ");
    }
    assert!(pem.next().is_none(), "as many blocks as the example has");
    lines.join("\n")
}

/// What the example says of an image that is signed by these.
async fn said(world: &World, image: &str, signed: impl FnOnce(&Digest) -> Vec<Candidate>) -> &'static str {
    let digest = world.registry.push(&format!("{image}:v1"), image.as_bytes());
    world.registry.sign(image, digest, &signed(&digest));
    answer(&world.ask_one(&format!("{image}:v1")).await)
}

/// An identity whose token says something else in one place.
fn identity(usual: &Identity, claims: &[(&str, &str)]) -> Identity {
    let mut token = usual.token.clone();
    for (name, value) in claims {
        token[*name] = json!(value);
    }
    Identity::from_token(&token)
}

fn keyless(own: &Sigstore, identity: &Identity, digest: &Digest) -> Candidate {
    own.keyless(identity, Content::statement(&statement(digest))).bundle_candidate()
}

fn provenance(digest: &Digest, builder: &str, source: &str) -> Content {
    let predicate = json!({
        "buildDefinition": {"resolvedDependencies": [{"uri": source}]},
        "runDetails": {"builder": {"id": builder}},
    });
    let typed: Value = edit(&statement(digest), "/predicateType", json!(PROVENANCE));
    Content::statement(&edit(&typed, "/predicate", predicate))
}

#[tokio::test]
async fn built_on_github() {
    let (own, image) = (Sigstore::new("own"), "ghcr.io/acme/app");
    let world = world("keyless-github.yaml", &own, &[]);
    let by = |git_ref: &str, id: &str| identity(&Identity::github_at(git_ref), &[("repository_id", id)]);
    for (signer, expected) in [
        (by("refs/tags/v1.2.3", "123456789"), "ALLOW"),
        (by("refs/heads/main", "123456789"), "IDENTITY_MISMATCH"),
        (by("refs/tags/v1.2.3", "1"), "IDENTITY_MISMATCH"),
    ] {
        assert_eq!(said(&world, image, |digest| vec![keyless(&own, &signer, digest)]).await, expected, "{signer:?}");
    }
}

#[tokio::test]
async fn built_on_gitlab() {
    let (own, image) = (Sigstore::new("own"), "registry.gitlab.com/acme/app/web");
    let world = world("keyless-gitlab.yaml", &own, &[]);
    for (signer, expected) in [(Identity::gitlab(), "ALLOW"), (Identity::gitlab_at("feature"), "IDENTITY_MISMATCH")] {
        assert_eq!(said(&world, image, |digest| vec![keyless(&own, &signer, digest)]).await, expected);
    }
}

#[tokio::test]
async fn attested_by_github() {
    let (own, image) = (Sigstore::new("own"), "ghcr.io/acme-private/app");
    let world = world("github-attestations.yaml", &own, &[]);
    let by = |git_ref: &str| {
        let job = format!("acme-private/app/.github/workflows/release.yml@{git_ref}");
        identity(&Identity::github_at(git_ref), &[("job_workflow_ref", &job)])
    };
    for (signer, expected) in [(by("refs/heads/main"), "ALLOW"), (by("refs/heads/other"), "NO_ATTESTATION")] {
        let signed = |digest: &Digest| {
            let content = provenance(digest, "https://github.com/actions/runner", "git+https://github.com/acme");
            vec![own.github(&signer, content).bundle_candidate()]
        };
        assert_eq!(said(&world, image, signed).await, expected);
    }
}

#[tokio::test]
async fn with_provenance() {
    const BUILDER: &str = "https://gitlab.com/gitlab-org/gitlab-runner";
    const SOURCE: &str = "git+https://gitlab.com/acme/shop";
    let (own, image) = (Sigstore::new("own"), "registry.gitlab.com/acme/shop/web");
    let world = world("provenance.yaml", &own, &[]);
    let config = "gitlab.com/acme/shop//.gitlab-ci.yml@refs/heads/main";
    let pipeline = identity(&Identity::gitlab(), &[("ci_config_ref_uri", config)]);
    for (builder, source, expected) in [
        (BUILDER, SOURCE, "ALLOW"),
        ("https://evil.test/runner", SOURCE, "ATTESTATION_REFUSED"),
        (BUILDER, "git+https://gitlab.com/evil/shop", "ATTESTATION_REFUSED"),
    ] {
        let signed = |digest: &Digest| {
            let attestation = own.keyless(&pipeline, provenance(digest, builder, source));
            vec![keyless(&own, &pipeline, digest), attestation.bundle_candidate()]
        };
        assert_eq!(said(&world, image, signed).await, expected, "{builder} {source}");
    }
}

#[tokio::test]
async fn two_of_three() {
    let (own, image) = (Sigstore::new("own"), "registry.gitlab.com/acme/payments/api");
    let [alice, bob] = ["alice", "bob"].map(SigningKey::seeded);
    let world = world("two-of-three.yaml", &own, &[alice.pem(), bob.pem()]);
    let config = "gitlab.com/acme/payments//.gitlab-ci.yml@refs/heads/main";
    let pipeline = identity(&Identity::gitlab(), &[("ci_config_ref_uri", config)]);
    let ci = |digest: &Digest| keyless(&own, &pipeline, digest);
    assert_eq!(said(&world, image, |it| vec![ci(it), legacy_signature(&alice, it)]).await, "ALLOW");
    let both = |it: &Digest| vec![legacy_signature(&bob, it), legacy_signature(&alice, it)];
    assert_eq!(said(&world, image, both).await, "ALLOW");
    let twice = |it: &Digest| vec![legacy_signature(&alice, it), legacy_signature(&alice, it)];
    assert_ne!(said(&world, image, twice).await, "ALLOW");
    assert_ne!(said(&world, image, |it| vec![ci(it)]).await, "ALLOW");
}

#[tokio::test]
async fn signed_by_our_pki() {
    let (own, image) = (Sigstore::new("own"), "registry.acme.example/app");
    let [ours, other] = ["ours", "other"].map(|name| Pki::new(name, now().as_second()));
    let world = world("own-pki.yaml", &own, &[ours.root_pem()]);
    for (pki, name, expected) in [
        (&ours, "release@acme.example", "ALLOW"),
        (&ours, "somebody@acme.example", "IDENTITY_MISMATCH"),
        (&other, "release@acme.example", "TRUST_ROOT_MISMATCH"),
    ] {
        let signed = |digest: &Digest| {
            let content = Content::simple_signing(&payload(digest));
            vec![pki.signing(email(name), content).layer_candidate()]
        };
        assert_eq!(said(&world, image, signed).await, expected, "{name}");
    }
}
