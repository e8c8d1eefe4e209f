//! The program as a person runs it: answers, exit codes, generated pages, start and stop.

#[path = "cli/client_ca.rs"]
mod client_ca;
#[path = "cli/failures.rs"]
mod failures;
#[path = "cli/flags.rs"]
mod flags;
#[path = "cli/log.rs"]
mod log;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::registry::{Auth, TestRegistry};
use crate::support::signer::{self, SigningKey};

const ACCEPTED: i32 = 0;
const REJECTED: i32 = 1;
const USAGE: i32 = 2;
const UNDECIDED: i32 = 3;

/// A folder of one test, and a registry whose image `acme/app:v1` has a signature by `key`.
struct World {
    folder: PathBuf,
    registry: TestRegistry,
    key: SigningKey,
    image: String,
}

impl World {
    fn new(test: &str) -> Self {
        Self::with(test, Auth::Open)
    }

    fn with(test: &str, auth: Auth) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
        fs::create_dir_all(&folder).unwrap();
        let (registry, key) = (TestRegistry::builder().auth(auth).start(), SigningKey::new());
        let image = registry.push_image("acme/app", "v1");
        let signature = key.simple_signing(&signer::payload(image.pinned().digest()));
        registry.put("acme/app", &signer::legacy_tag(&[signature]), Some(&image.signature_tag()));
        fs::write(folder.join("cosign.pub"), key.pem()).unwrap();
        let image = image.tagged("v1");
        Self { folder, registry, key, image }
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.folder.join(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    fn key_file(&self) -> String {
        self.folder.join("cosign.pub").display().to_string()
    }

    fn policy(&self, key: &SigningKey, namespaces: &[&str]) -> String {
        serde_json::json!({
            "apiVersion": "sealgate.dev/v1alpha1", "kind": "ClusterSignaturePolicy",
            "metadata": { "name": "ci-images", "uid": "x", "resourceVersion": "7" },
            "spec": {
                "match": { "images": [format!("{}/**", self.registry.host())], "namespaces": namespaces },
                "authorities": [{ "name": "ci-key", "key": { "publicKey": key.pem() } }],
            },
            "status": { "conditions": [] },
        })
        .to_string()
    }

    fn verify(&self, arguments: &[&str]) -> Output {
        let arguments = [&["verify", "--allow-http-registry", &self.image], arguments].concat();
        run(&arguments, "")
    }
}

fn run(arguments: &[&str], input: &str) -> Output {
    let mut child = program(arguments).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealgate"));
    command.args(arguments).env("HOME", "/nonexistent").env_remove("DOCKER_CONFIG").env_remove("COSIGN_REPOSITORY");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn complaint(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn verify_with_the_right_key_accepts_and_with_another_rejects() {
    let world = World::new("verify-key");
    let accepted = world.verify(&["--key", &world.key_file()]);
    assert_eq!((code(&accepted), complaint(&accepted).as_str()), (ACCEPTED, ""));
    assert!(out(&accepted).starts_with("ACCEPTED  "), "{}", out(&accepted));

    let other = world.file("other.pub", &SigningKey::new().pem());
    let rejected = world.verify(&["--key", &other]);
    assert_eq!(code(&rejected), REJECTED);
    assert!(out(&rejected).contains("SIGNATURE_INVALID"), "{}", out(&rejected));
}

#[test]
fn verify_reads_what_kubectl_prints() {
    let world = World::new("verify-policy");
    let policy = world.policy(&world.key, &["shop"]);
    let list = format!(r#"{{"apiVersion": "v1", "kind": "List", "items": [{policy}]}}"#);
    for input in [&policy, &list] {
        let arguments = ["verify", "--allow-http-registry", "--policy", "-", "-o", "json", &world.image];
        let output = run(&arguments, input);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(code(&output), ACCEPTED, "{report}");
        assert_eq!(report["images"][0]["verdict"], "accepted");
        assert_eq!(report["images"][0]["policies"][0]["authorities"][0]["name"], "ci-key");
        assert_eq!(report["images"][0]["found"][0]["answers"][0]["counts"], true);
    }
}

#[test]
fn verify_for_a_namespace_counts_only_what_governs_it() {
    let world = World::new("verify-namespace");
    let policy = world.file("policy.json", &world.policy(&SigningKey::new(), &["shop"]));
    assert_eq!(code(&world.verify(&["--policy", &policy])), REJECTED);
    assert_eq!(code(&world.verify(&["--policy", &policy, "--namespace", "shop"])), REJECTED);
    assert_eq!(code(&world.verify(&["--policy", &policy, "--namespace", "elsewhere"])), ACCEPTED);
}

#[test]
fn verify_says_that_it_could_not_find_out() {
    let world = World::new("verify-unavailable");
    world.registry.answer("/manifests/", crate::support::registry::Answer::status(503));
    let output = world.verify(&["--key", &world.key_file(), "-o", "yaml"]);
    assert_eq!(code(&output), UNDECIDED);
    assert!(out(&output).contains("REGISTRY_ERROR"), "{}", out(&output));
    world.registry.clear_rules();
    assert_eq!(code(&world.verify(&["--key", &world.key_file()])), ACCEPTED);
}

#[test]
fn verify_speaks_no_plain_http_unless_told() {
    let world = World::new("verify-http");
    let output = run(&["verify", "--key", &world.key_file(), &world.image], "");
    assert_eq!(code(&output), UNDECIDED);
    assert!(out(&output).contains("REGISTRY_TLS"), "{}", out(&output));
    assert!(world.registry.requests().is_empty());
}

#[test]
fn verify_uses_the_credentials_of_docker() {
    let world = World::with("verify-docker", Auth::basic("ci", "hunter2"));
    let refused = world.verify(&["--key", &world.key_file()]);
    assert_eq!(code(&refused), UNDECIDED);
    assert!(complaint(&refused).contains("tried anonymous access"), "{}", complaint(&refused));
    let config =
        format!(r#"{{"auths": {{"{}": {{"username": "ci", "password": "hunter2"}}}}}}"#, world.registry.host());
    world.file("config.json", &config);
    let arguments = ["verify", "--allow-http-registry", "--key", &world.key_file(), &world.image];
    let output = program(&arguments).env("DOCKER_CONFIG", &world.folder).stdin(Stdio::null()).output().unwrap();
    assert_eq!((code(&output), complaint(&output).as_str()), (ACCEPTED, ""), "{}", out(&output));
}

#[test]
fn verify_wants_annotations_in_the_signed_payload() {
    let world = World::new("verify-annotation");
    let output = world.verify(&["--key", &world.key_file(), "-a", "env=prod"]);
    assert_eq!(code(&output), REJECTED);
    assert!(out(&output).contains("ANNOTATION_MISMATCH"), "{}", out(&output));
}

#[test]
fn wrong_usage_is_one_clear_line_and_its_own_exit_code() {
    let world = World::new("usage");
    let empty = world.file("empty.yaml", "# nothing\n");
    let private = world.file(
        "cosign.key",
        "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n",
    );
    for (arguments, expected) in [
        (vec!["--key", "/nonexistent/cosign.pub"], "/nonexistent/cosign.pub: can't be read"),
        (vec!["--key", &private], "is a private key"),
        (vec!["--policy", &empty], "there is no ClusterSignaturePolicy in it"),
        (vec!["--policy", "/nonexistent"], "/nonexistent: can't be read"),
    ] {
        let output = world.verify(&arguments);
        let complaint = complaint(&output);
        assert_eq!(code(&output), USAGE, "{arguments:?}");
        assert!(complaint.starts_with("sealgate: ") && complaint.contains(expected), "{complaint}");
        assert_eq!(complaint.lines().count(), 1, "{complaint}");
    }
    assert_eq!(code(&world.verify(&[])), USAGE, "neither --key nor --policy");
    assert_eq!(code(&run(&["no-such-command"], "")), USAGE);
}

#[test]
fn a_policy_folder_that_cannot_be_read_stops_the_start() {
    let world = World::new("serve-broken");
    let good = world.policy(&world.key, &[]);
    world.file("broken.json", &good.replace("authorities", "authoritys"));
    let arguments = ["serve", "--policies", world.folder.to_str().unwrap(), "--listen", "127.0.0.1:0"];
    let output = run(&[&arguments[..], &["--admin-listen", "127.0.0.1:0"]].concat(), "");
    assert_eq!(code(&output), USAGE);
    let complaint = complaint(&output);
    assert!(complaint.contains("broken.json") && complaint.contains("authoritys"), "{complaint}");
}

#[test]
fn the_pages_of_the_reference_are_current() {
    for page in ["cli", "configuration", "limits", "metrics", "policy", "trusted-root"] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/reference/{page}.md"));
        let written = fs::read_to_string(&file).unwrap_or_default();
        assert!(written == out(&run(&["generate", "docs", page], "")), "{} is old: make generate", file.display());
    }
}

#[test]
fn completions_and_manual_know_the_flags() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = out(&run(&["generate", "completions", shell], ""));
        assert!(script.contains("certificate-identity") && script.contains("completions"), "{shell}");
    }
    let manual = out(&run(&["generate", "man"], ""));
    assert!(manual.contains("certificate\\-identity") && manual.contains("SEALGATE VERIFY"), "{manual}");
}

#[test]
fn generated_webhooks_follow_the_reach() {
    let enforcing = out(&run(&["generate", "webhooks"], ""));
    let observing = out(&run(&["generate", "webhooks", "--observe"], ""));
    assert_eq!(enforcing.matches("failurePolicy: Fail").count(), 2, "{enforcing}");
    assert_eq!(observing.matches("failurePolicy: Fail").count(), 0, "{observing}");
    assert!(enforcing.contains("validate.workloads.sealgate.dev"));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = program(&["generate", "crds"]).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((code(&output), complaint(&output).as_str()), (0, ""));
}
