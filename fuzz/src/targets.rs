//! One function a target. The file is also a module of the integration tests.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sealgate::admission::review::Review;
use sealgate::domain::{Digest, DockerConfig, ImageReference, Pattern, Repository};
use sealgate::signatures::{
    Candidate, ContentDemand, Demand, LogRule, Origin, Place, PublicKey, SignerDemand, UntrustedContent, verify,
};

/// Reads a Sigstore bundle and verifies it for an image that nothing has signed.
pub fn bundle(input: &[u8]) {
    let key = include_str!("../seeds/bundle.pub");
    let key = PublicKey::from_pem(key).expect("the key of the seeds is valid");
    let image = ImageReference::parse("ghcr.io/org/app").expect("a valid reference").pin(b"nobody signed this");
    let origin = Origin { place: Place::ReferrersApi, manifest: Digest::of(b"manifest"), layer: 0 };
    let content = UntrustedContent::Bundle(input.to_vec());
    let candidate = Candidate { origin, blob: Digest::of(input), content };
    let none = BTreeMap::new();
    let signer = SignerDemand::Key { key: &key, root: None };
    let demand = Demand { signer, log: LogRule::WhenPresent, content: ContentDemand::Image { annotations: &none } };
    assert!(verify(&candidate, &image, demand, Timestamp::UNIX_EPOCH).is_err());
}

/// Reads a docker config and asks it for credentials: each is bound to the host that was asked for.
pub fn docker_config(input: &[u8]) {
    let Ok(config) = DockerConfig::parse(input, "seed") else { return };
    for image in ["docker.io/library/nginx", "ghcr.io/org/app", "registry.example:5000/a/b", "localhost/a"] {
        let repository = Repository::parse(image).expect("a valid repository");
        assert!(config.credentials(&repository).iter().all(|credential| credential.host == repository.host()));
    }
    assert!(config.problems().iter().all(|problem| !problem.contains(char::is_control)));
}

/// Reads a pattern from the first line and matches it with the image of the second.
pub fn pattern(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let (pattern, image) = text.split_once('\n').unwrap_or((text, "nginx"));
    let Ok(pattern) = Pattern::parse(pattern) else { return };
    assert_eq!(Pattern::parse(&pattern.to_string()).as_ref(), Ok(&pattern));
    let Ok(image) = ImageReference::parse(image) else { return };
    let matches = pattern.matches_repository(image.repository());
    if pattern.is_exact() {
        let name = pattern.to_string();
        let name = name.split('@').next().unwrap_or_default();
        assert_eq!(matches, name == image.repository().to_string());
    }
}

/// Reads the spec of a policy.
pub fn policy(input: &[u8]) {
    if let Ok(spec) = serde_json::from_slice(input) {
        let _ = sealgate::api::compile("seed", &spec);
    }
}

/// Reads an image reference: printing and pinning are idempotent, and the canonical form is canonical.
pub fn reference(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let Ok(image) = ImageReference::parse(text) else { return };
    let printed = image.to_string();
    assert_eq!(ImageReference::parse(&printed).map(|again| again.to_string()), Ok(printed));
    let digest = Digest::of(input);
    let pinned = image.with_digest(&digest);
    let again = ImageReference::parse(&pinned).expect("what is pinned can be read");
    assert_eq!(again, image.at(digest));
    assert_eq!(again.with_digest(&digest), pinned);
}

/// Reads an AdmissionReview. One that is accepted has a uid to answer to.
pub fn review(input: &[u8]) {
    if let Ok(review) = Review::read(input) {
        assert!(!review.uid.is_empty());
    }
}
