//! One function a target. The file is also a module of the integration tests.

#[path = "targets/evidence.rs"]
mod evidence;
#[path = "targets/path.rs"]
mod path;
#[path = "targets/registry.rs"]
mod registry;
#[path = "targets/set.rs"]
mod set;
#[path = "targets/trust.rs"]
mod trust;

use std::path::Path;

use sealgate::admission::review::Review;
use sealgate::domain::{Digest, DockerConfig, IdentityParts, IdentityPattern, ImageReference, Pattern, Repository};
use sealgate::policy::{Condition, Facts, Refusal};
use sealgate::signatures::Signatory;
use serde_json::Value;

pub use evidence::{annotations, bundle, certificate, checkpoint, dsse, statement, timestamp};
pub use path::path;
pub use registry::manifest;
pub use set::evidence;
pub use trust::{trusted_root, tuf};

/// The bytes of the image that the good signatures are about.
const MANIFEST: &[u8] = b"an image manifest";
/// When all is verified, in Unix seconds: a minute after the good signatures were made.
const NOW: i64 = 1_751_328_060;

/// Reads an expression in CEL and evaluates it for a predicate, which follows after NUL: always with the same answer.
pub fn condition(input: &[u8]) {
    let (source, predicate) = input.split_at(input.iter().position(|byte| *byte == 0).unwrap_or(input.len()));
    let Ok(source) = str::from_utf8(source) else { return };
    let Ok(condition) = Condition::cel(source, None) else { return };
    assert_eq!(condition.source(), source);
    let predicate: Value = serde_json::from_slice(predicate.get(1..).unwrap_or_default()).unwrap_or_default();
    let predicate_type = "https://example.org/predicate".to_owned();
    let statement = serde_json::json!({"predicateType": predicate_type, "predicate": predicate});
    let signer = Signatory::Key("a key".to_owned());
    let answer = || condition.check(&Facts::new(&statement, &evidence::image(), &signer, "ci"), &|| false);
    let first = answer();
    assert_eq!(first, answer());
    if let Err(Refusal::Refused(text) | Refusal::Failed(text)) = first {
        assert!(!text.contains(char::is_control), "{text:?}");
    }
}

/// Reads a file of `--policies` and `verify --policy`: documents of every kind. A message about one has no control characters.
pub fn documents(input: &[u8]) {
    if let Err(error) = sealgate::files::parse_file(Path::new("seed"), input) {
        assert!(!error.to_string().contains(char::is_control), "{error}");
    }
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

/// Reads an expression from the first line and matches it with the subject of the second. Whoever matches is named by a
/// letter or digit at least.
pub fn subject(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let (source, subject) = text.split_once('\n').unwrap_or((text, ""));
    let parts = IdentityParts { subject_reg_exp: Some(source.to_owned()), ..IdentityParts::default() };
    let Ok(pattern) = IdentityPattern::certificate(parts) else { return };
    assert!(!pattern.to_string().contains(char::is_control));
    assert!(pattern.warnings().iter().all(|warning| !warning.contains(char::is_control)));
    let subjects = pattern.subject();
    assert!(!subjects.matches(subject) || subject.contains(|c: char| c.is_ascii_alphanumeric()));
}

/// Reads the settings.
pub fn settings(input: &[u8]) {
    if let Err(error) = sealgate::config::Config::from_yaml(input) {
        assert!(!error.to_string().contains(char::is_control), "{error}");
    }
}

/// Reads an AdmissionReview. One that is accepted has a uid to answer to.
pub fn review(input: &[u8]) {
    if let Ok(review) = Review::read(input) {
        assert!(!review.uid.is_empty());
    }
}
