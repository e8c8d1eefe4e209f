//! What a stranger reads when an image is not accepted: every kind of failure, run for real, as a reviewed text.

use std::fs;
use std::path::{Path, PathBuf};

use sealgate::domain::Digest;
use serde_json::{Value, json};

use super::{ACCEPTED, REJECTED, UNDECIDED, USAGE, code, complaint, out, run};
use crate::support::registry::{Answer, Auth, Pushed, TestRegistry};
use crate::support::signer::{self, SigningKey, attestation_tag, legacy_tag, statement};
use crate::support::sigstore::{Content, Identity, NOW, Signing, Sigstore};

pub(super) const GITHUB: &str = "https://token.actions.githubusercontent.com";
pub(super) const SUBJECT: &str = "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main";
pub(super) const PROVENANCE: &str = "https://slsa.dev/provenance/v1";

/// An image in a registry of its own, with files beside it.
pub(super) struct Stage {
    folder: PathBuf,
    registry: TestRegistry,
    pub(super) image: Pushed,
    pub(super) sigstore: Sigstore,
}

impl Stage {
    pub(super) fn new(name: &str) -> Self {
        Self::with(name, Auth::Open)
    }

    fn with(name: &str, auth: Auth) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("failures").join(name);
        fs::create_dir_all(&folder).unwrap();
        let registry = TestRegistry::builder().auth(auth).start();
        let image = registry.push_image("acme/app", "v1");
        let sigstore = Sigstore::new("acme");
        fs::write(folder.join("cosign.pub"), key().pem()).unwrap();
        fs::write(folder.join("trusted_root.json"), sigstore.trusted_root().json().to_string()).unwrap();
        Self { folder, registry, image, sigstore }
    }

    fn digest(&self) -> Digest {
        *self.image.pinned().digest()
    }

    pub(super) fn file(&self, name: &str, content: &str) -> String {
        fs::write(self.folder.join(name), content).unwrap();
        self.folder.join(name).display().to_string()
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// Signs the image in layers at the tag `.sig`.
    pub(super) fn sign(&self, signings: &[Signing]) {
        let layers: Vec<_> = signings.iter().map(Signing::layer).collect();
        self.registry.put("acme/app", &legacy_tag(&layers), Some(&self.image.signature_tag()));
    }

    pub(super) fn attest(&self, signing: &Signing) {
        let tag = self.image.attestation_tag();
        self.registry.put("acme/app", &attestation_tag(&[signing.layer()]), Some(&tag));
    }

    pub(super) fn content(&self) -> Content {
        Content::simple_signing(&signer::payload(&self.digest()))
    }

    pub(super) fn keyless(&self) -> Signing {
        self.sigstore.keyless(&Identity::github(), self.content())
    }

    pub(super) fn provenance(&self, builder: &str) -> Content {
        Content::statement(&json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": "acme/app", "digest": {"sha256": self.digest().hex()}}],
            "predicateType": PROVENANCE,
            "predicate": {"runDetails": {"builder": {"id": builder}}},
        }))
    }

    fn policy(&self, condition: &str) -> String {
        let policy = json!({
            "apiVersion": "sealgate.dev/v1alpha1", "kind": "ClusterSignaturePolicy",
            "metadata": {"name": "provenance"},
            "spec": {
                "match": {"images": ["**"]},
                "authorities": [{"name": "ci-key", "key": {"publicKey": key().pem()}}],
                "require": {"atLeast": 0},
                "attestations": [{
                    "name": "built-by-us", "predicateType": PROVENANCE,
                    "conditions": [{"cel": condition, "message": "built by an unknown builder"}],
                }],
            },
        });
        self.file("policy.json", &policy.to_string())
    }

    /// The words of a person: `verify` with these arguments and the image.
    pub(super) fn ask(&self, expected: i32, arguments: &[&str]) -> String {
        self.ask_about(expected, &self.image.tagged("v1"), arguments)
    }

    pub(super) fn ask_about(&self, expected: i32, image: &str, arguments: &[&str]) -> String {
        let output = run(&[&["verify", "--allow-insecure-registry", image], arguments].concat(), "");
        let said = format!("{}{}", complaint(&output), out(&output));
        assert_eq!(code(&output), expected, "{said}");
        self.plain(&said)
    }

    /// What differs from run to run, by name.
    fn plain(&self, said: &str) -> String {
        let said = said.replace(&self.registry.host(), "registry.test");
        let said = said.replace(&format!("{}/", self.folder.display()), "");
        let said = said.replace(&self.digest().to_string(), "sha256:IMAGE");
        let said = regex::Regex::new("sha256-[0-9a-f]{8}").unwrap().replace_all(&said, "sha256-HEX").into_owned();
        let time = regex::Regex::new("(?m)^[0-9-]{10}T[0-9:.]{8,}Z").unwrap();
        let said = time.replace_all(&said, "TIME").into_owned();
        let manifest = regex::Regex::new("sha256:[0-9a-f]{12,64}").unwrap();
        manifest.replace_all(&said, "sha256:HEX").into_owned()
    }
}

pub(super) fn key() -> SigningKey {
    SigningKey::seeded("of the team")
}

pub(super) fn keyless_flags(root: &str) -> Vec<&str> {
    let identity = ["--certificate-identity", SUBJECT, "--certificate-oidc-issuer", GITHUB];
    [&identity[..], &["--trusted-root", root]].concat()
}

/// Asks, and compares what is said with the reviewed text of that name.
macro_rules! reads {
    ($name:literal, $said:expr) => {
        insta::assert_snapshot!($name.replace(", ", " ").replace(' ', "_"), $said)
    };
}

#[test]
fn keys() {
    let stage = Stage::new("keys");
    let (own, root) = (stage.path("cosign.pub"), stage.path("trusted_root.json"));
    reads!("unsigned", stage.ask(REJECTED, &["--key", &own]));
    stage.sign(&[Signing::by_key(&key(), stage.content())]);
    reads!("accepted by key", stage.ask(ACCEPTED, &["--key", &own]));
    let other = stage.file("other.pub", &SigningKey::seeded("of another team").pem());
    reads!("wrong key", stage.ask(REJECTED, &["--key", &other]));
    reads!("signed with a key, asked with an identity", stage.ask(REJECTED, &keyless_flags(&root)));
    reads!("annotation differs", stage.ask(REJECTED, &["--key", &own, "-a", "env=prod"]));
    reads!("log entry missing", stage.ask(REJECTED, &["--key", &own, "--trusted-root", &root]));
    let again = stage.registry.push_image("acme/app", "v1");
    assert_ne!(again.pinned().digest(), stage.image.pinned().digest());
    reads!("tag moved", stage.ask(REJECTED, &["--key", &own]));
}

#[test]
fn bundle_by_another_key() {
    let stage = Stage::new("bundle-key");
    let bundle = SigningKey::seeded("of another team").bundle(&statement(&stage.digest()));
    let manifest = signer::Blob::new("application/vnd.oci.image.manifest.v1+json", stage.image.manifest_text());
    stage.registry.put("acme/app", &signer::bundle_referrer(&bundle, &manifest), None);
    reads!("bundle by another key", stage.ask(REJECTED, &["--key", &stage.path("cosign.pub")]));
}

#[test]
fn identities() {
    let stage = Stage::new("identities");
    let root = stage.path("trusted_root.json");
    stage.sign(&[stage.keyless()]);
    let flags = keyless_flags(&root);
    reads!("accepted by identity", stage.ask(ACCEPTED, &flags));
    reads!("signed keyless, asked with a key", stage.ask(REJECTED, &["--key", &stage.path("cosign.pub")]));
    let with = |from: &str, to: &'static str| -> Vec<&str> {
        flags.iter().map(|flag| if *flag == from { to } else { flag }).collect()
    };
    reads!("wrong issuer", stage.ask(REJECTED, &with(GITHUB, "https://gitlab.com")));
    let tag = "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1";
    reads!("wrong subject", stage.ask(REJECTED, &with(SUBJECT, tag)));
    let claim = [&flags[..], &["--certificate-claim", "sourceRepositoryIdentifier=4242"]].concat();
    reads!("claims differ", stage.ask(REJECTED, &claim));
    reads!("another instance of Sigstore", stage.ask(REJECTED, &flags[..4]));
}

#[test]
fn evidence() {
    let stage = Stage::new("evidence");
    let flags_root = stage.path("trusted_root.json");
    let flags = keyless_flags(&flags_root);
    let good = stage.keyless();
    let ask = |signing: Signing| {
        stage.sign(&[signing]);
        stage.ask(REJECTED, &flags)
    };
    reads!(
        "log entry of another signature",
        ask(good.with(|it| {
            let other = stage.sigstore.keyless(&Identity::github(), Content::Message(b"another".to_vec()));
            it.entry().about = Some(Box::new(other));
        }))
    );
    reads!(
        "certificate expired when it signed",
        ask(good.with(|it| {
            it.timestamp().time = NOW + 7200;
            it.entry().integrated_time = NOW + 7200;
        }))
    );
    let future = Sigstore::at("acme", 4_102_444_800);
    let root = stage.file("future.json", &future.trusted_root().json().to_string());
    stage.sign(&[future.keyless(&Identity::github(), stage.content())]);
    reads!("timestamp in the future", stage.ask(REJECTED, &keyless_flags(&root)));
    reads!("no log entry", ask(good.with(|it| it.entries.clear())));
}

#[test]
fn malformed() {
    let stage = Stage::new("malformed");
    let manifest = signer::Blob::new("application/vnd.oci.image.manifest.v1+json", stage.image.manifest_text());
    let stored =
        signer::bundle_referrer(&json!({"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json"}), &manifest);
    stage.registry.put("acme/app", &stored, None);
    reads!("malformed bundle", stage.ask(REJECTED, &["--key", &stage.path("cosign.pub")]));
}

#[test]
fn attestations() {
    let stage = Stage::new("attestations");
    let own = stage.path("cosign.pub");
    let flags = ["--key", own.as_str(), "--type", "slsaprovenance1"];
    reads!("attestation missing", stage.ask(REJECTED, &flags));
    stage.attest(&Signing::by_key(&key(), stage.provenance("https://builder.example")));
    reads!("accepted by attestation", stage.ask(ACCEPTED, &flags));
    reads!("attestation of another type", stage.ask(REJECTED, &["--key", &own, "--type", "spdxjson"]));
    let policy = |builder: &str| stage.policy(&format!("predicate.runDetails.builder.id == '{builder}'"));
    reads!("accepted by condition", stage.ask(ACCEPTED, &["--policy", &policy("https://builder.example")]));
    reads!("condition refuses", stage.ask(REJECTED, &["--policy", &policy("https://other.example")]));
    let broken = stage.policy("predicate.buildDefinition.buildType == 'x'");
    reads!("condition fails", stage.ask(REJECTED, &["--policy", &broken]));
}

#[test]
fn registries() {
    let stage = Stage::new("registries");
    let flags = ["--key", &stage.path("cosign.pub")];
    let missing = stage.image.tagged("v2");
    reads!("image not there", stage.ask_about(REJECTED, &missing, &flags));
    reads!("registry away", stage.ask_about(UNDECIDED, "127.0.0.1:1/acme/app:v1", &flags));
    stage.registry.answer("/manifests/", Answer::status(503));
    reads!("registry out of order", stage.ask(UNDECIDED, &flags));
    let locked = Stage::with("locked", Auth::basic("ci", "hunter2"));
    reads!("registry wants a login", locked.ask(UNDECIDED, &["--key", &locked.path("cosign.pub")]));
}

#[test]
fn too_many_signatures() {
    let stage = Stage::new("too-many");
    let other = SigningKey::seeded("of another team");
    let layers = (0..65).map(|i| {
        let mut payload: Value = signer::payload(&stage.digest());
        payload["optional"] = json!({"n": i.to_string()});
        other.simple_signing(&payload)
    });
    let layers: Vec<_> = layers.collect();
    stage.registry.put("acme/app", &legacy_tag(&layers), Some(&stage.image.signature_tag()));
    let said = stage.ask(REJECTED, &["--key", &stage.path("cosign.pub")]);
    let head: Vec<&str> = said.lines().take(8).collect();
    reads!("too many signatures", head.join("\n"));
}

#[test]
fn policies() {
    let stage = Stage::new("policies");
    let text = fs::read_to_string(stage.policy("true")).unwrap();
    let typo = stage.file("typo.json", &text.replace("authorities\":[{", "authoritys\":[{"));
    reads!("policy with a typo", stage.ask(USAGE, &["--policy", &typo]));
    let mut unknown: Value = serde_json::from_str(&text).unwrap();
    unknown["spec"]["authorities"][0] = json!({
        "name": "ci",
        "keyless": {"trustedRoot": "corp", "identities": [{"issuer": GITHUB, "subject": SUBJECT}]},
    });
    stage.attest(&stage.sigstore.keyless(&Identity::github(), stage.provenance("b")));
    let unknown = stage.file("unknown.json", &unknown.to_string());
    reads!("trusted root unknown", stage.ask(UNDECIDED, &["--policy", &unknown]));
}

#[test]
fn usage() {
    let stage = Stage::new("usage");
    let (own, root) = (stage.path("cosign.pub"), stage.path("trusted_root.json"));
    let private = stage.file("cosign.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    let junk = stage.file("junk.pub", "hello\n");
    let ask = |arguments: &[&str]| stage.ask(USAGE, arguments);
    reads!("no such file", ask(&["--key", "/nonexistent/cosign.pub"]));
    reads!("not a PEM", ask(&["--key", &junk]));
    reads!("private key", ask(&["--key", &private]));
    reads!("identity without issuer", ask(&["--certificate-identity", SUBJECT]));
    reads!("issuer by regexp", ask(&["--certificate-identity", SUBJECT, "--certificate-oidc-issuer-regexp", "x"]));
    let regexp = ["--certificate-identity-regexp", "https://github\\.com/(acme", "--certificate-oidc-issuer", GITHUB];
    reads!("regexp does not parse", ask(&regexp));
    reads!("both policy and key", ask(&["--policy", &root, "--key", &own]));
    reads!("trusted root is none", ask(&[&keyless_flags(&own)[..]].concat()));
    reads!("unknown type", ask(&["--key", &own, "--type", "sbom"]));
}

#[test]
fn bundles() {
    let stage = Stage::new("bundles");
    let root = stage.path("trusted_root.json");
    let artifact = stage.file("app.txt", "hello\n");
    let signing = stage.sigstore.keyless(&Identity::github(), Content::Message(b"hello\n".to_vec()));
    let bundle = stage.file("app.sigstore.json", &signing.bundle().to_string());
    let flags = [&keyless_flags(&root)[..], &["--bundle", &bundle]].concat();
    reads!("accepted file", stage.ask_about(ACCEPTED, &artifact, &flags));
    let digest = Digest::of(b"hello\n").to_string();
    assert!(stage.ask_about(ACCEPTED, &digest, &flags).starts_with("ACCEPTED"));
    let other = stage.file("other.txt", "hallo\n");
    reads!("another file", stage.ask_about(REJECTED, &other, &flags));
    let by_key = ["--key", &stage.path("cosign.pub"), "--bundle", &bundle];
    reads!("file asked with a key", stage.ask_about(REJECTED, &artifact, &by_key));
}
