//! Faults of a whole cluster: a release with two replicas on a node of its own, which `make faults` starts. The tests run in the
//! network namespace of the node, as root, and leave the release as they found it.

mod repairs;
mod watches;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::builders::{Review, pod};
use crate::support::kubectl::{kubectl, kubectl_with, run};
use crate::support::registry::{Pushed, TestRegistry};
use crate::support::signer::{self, SigningKey, payload};

/// How long a revoked key may still count, from the moment at which the API server can tell.
const LIMIT: Duration = Duration::from_secs(10);
/// How long the cluster may take for what it does in its own time.
const PATIENCE: Duration = Duration::from_mins(1);
/// The port of the registry, which the release is told to ask without TLS.
const REGISTRY_PORT: u16 = 5010;

/// The release, and an image that it admits.
struct World {
    node: Ipv4Addr,
    _registry: TestRegistry,
    key: SigningKey,
    signed: String,
    unsigned: String,
    replicas: Vec<Replica>,
}

/// A pod of the gate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Replica {
    name: String,
    address: String,
}

/// What a replica said of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Allowed,
    /// With this code.
    Refused(String),
    /// None at all.
    Nothing,
}

/// What was said, and when.
#[derive(Debug)]
struct Sample {
    at: Instant,
    answer: Answer,
}

/// What each replica said of each image.
type Samples = BTreeMap<(String, String), Vec<Sample>>;

impl World {
    /// A policy that demands a new key, which both replicas have read.
    fn new() -> Self {
        let node =
            std::env::var("SEALGATE_FAULTS_NODE").expect("missing: a node with the release; `make faults` starts one");
        let node: Ipv4Addr = node.parse().unwrap();
        let registry = TestRegistry::builder().address(SocketAddr::from((node, REGISTRY_PORT))).start();
        let key = SigningKey::new();
        until("two replicas are ready", || replicas().len() == 2);
        let signed = registry.push_image("acme/app", "v1");
        sign(&registry, &signed, &key);
        let unsigned = registry.push_image("acme/unsigned", "v1");
        let (signed, unsigned) = (signed.by_digest(), unsigned.by_digest());
        let world = Self { node, _registry: registry, key, signed, unsigned, replicas: replicas() };
        world.trust(&world.key);
        until("both replicas know the policy", || world.is_enforced());
        until("the API server asks them", || !create(&world.unsigned) && create(&world.signed));
        world
    }

    /// From now on the policy demands this key.
    fn trust(&self, key: &SigningKey) {
        let policy = json!({
            "apiVersion": "sealgate.dev/v1alpha1", "kind": "ClusterSignaturePolicy", "metadata": {"name": "ci"},
            "spec": {
                "match": {"images": [format!("{}:{REGISTRY_PORT}/**", self.node)]},
                "authorities": [{"name": "ci-key", "key": {"publicKey": key.pem()}}],
            },
        });
        until("the policy is stored", || kubectl_with(&["apply", "-f", "-"], &policy.to_string()).is_ok());
    }

    /// Whether each replica admits what is signed and nothing else.
    fn is_enforced(&self) -> bool {
        let refused = |replica| matches!(ask(replica, &self.unsigned), Answer::Refused(_));
        self.replicas.iter().all(|replica| ask(replica, &self.signed) == Answer::Allowed && refused(replica))
    }

    /// Asks each replica about both images, ten times a second, while something happens.
    fn watched<T>(&self, during: impl FnOnce() -> T) -> (T, Samples) {
        let over = AtomicBool::new(false);
        let asked = |replica: &Replica, image: &str| {
            let mut samples = Vec::new();
            while !over.load(Ordering::Relaxed) {
                // The answer may be older than its arrival, never newer.
                let answer = ask(replica, image);
                samples.push(Sample { at: Instant::now(), answer });
                thread::sleep(Duration::from_millis(100));
            }
            ((replica.name.clone(), image.to_owned()), samples)
        };
        thread::scope(|scope| {
            let pairs = self.replicas.iter().flat_map(|replica| [(replica, &self.signed), (replica, &self.unsigned)]);
            let threads: Vec<_> = pairs.map(|(replica, image)| scope.spawn(|| asked(replica, image))).collect();
            let result = during();
            over.store(true, Ordering::Relaxed);
            (result, threads.into_iter().map(|thread| thread.join().unwrap()).collect())
        })
    }

    /// The key was exchanged at this time: each replica refused the old one soon afterwards, and never admitted what is unsigned.
    fn revoked(&self, what: &str, samples: &Samples, changed: Instant) {
        for ((replica, image), samples) in samples {
            let allowed = samples.iter().rfind(|sample| sample.answer == Answer::Allowed);
            if *image == self.unsigned {
                assert!(allowed.is_none(), "{replica} admitted what is unsigned: {allowed:?}");
                continue;
            }
            let late = allowed.map(|sample| sample.at.saturating_duration_since(changed)).unwrap_or_default();
            eprintln!("{what}: {replica} admitted the revoked key for {:.1} s", late.as_secs_f64());
            assert!(late <= LIMIT, "{replica}: {late:?}");
            let last = samples.last().unwrap();
            assert!(matches!(&last.answer, Answer::Refused(code) if code != "503"), "{replica}: {last:?}");
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if thread::panicking() {
            for replica in &self.replicas {
                let log = kubectl(&["logs", "-n", "sealgate", &replica.name]).unwrap_or_else(|error| error);
                let events: Vec<_> = log.lines().filter(|line| !line.contains("\"decided\"")).collect();
                let last = events.len().saturating_sub(100);
                eprintln!("the log of {}, without decisions:\n{}", replica.name, events[last..].join("\n"));
            }
        }
        let _ = kubectl(&["delete", "csigpol", "ci", "--ignore-not-found", "--wait=false"]);
    }
}

fn sign(registry: &TestRegistry, image: &Pushed, key: &SigningKey) {
    let signature = key.simple_signing(&payload(&image.digest));
    registry.put(&image.repository, &signer::legacy_tag(&[signature]), Some(&image.signature_tag()));
}

/// The pods of the gate that are ready.
fn replicas() -> Vec<Replica> {
    let pods =
        kubectl(&["get", "pods", "-n", "sealgate", "-l", "app.kubernetes.io/component=gate", "-o", "json"]).unwrap();
    let pods: Value = serde_json::from_str(&pods).unwrap();
    let is_ready = |pod: &&Value| {
        let conditions = pod["status"]["conditions"].as_array().unwrap();
        pod["metadata"]["deletionTimestamp"].is_null()
            && conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
    };
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let replica =
        |pod: &Value| Replica { name: text(&pod["metadata"]["name"]), address: text(&pod["status"]["podIP"]) };
    pods["items"].as_array().unwrap().iter().filter(is_ready).map(replica).collect()
}

/// What a replica says of an image, asked as the API server asks, but whatever its certificate.
fn ask(replica: &Replica, image: &str) -> Answer {
    let review = Review::create(&pod(&[("web", image)])).bytes();
    let url = format!("https://{}:8443/validate?timeout=10s", replica.address);
    let mut curl = Command::new("curl");
    curl.args(["-sk", "-m", "11", "-H", "Content-Type: application/json", "--data-binary", "@-", &url]);
    let answer = run(&mut curl, &String::from_utf8(review).unwrap());
    let answer: Option<Value> = answer.ok().and_then(|text| serde_json::from_str(&text).ok());
    match answer.map(|mut answer| answer["response"].take()) {
        Some(response) if response["allowed"] == true => Answer::Allowed,
        Some(response) if response["allowed"] == false => Answer::Refused(response["status"]["code"].to_string()),
        _ => Answer::Nothing,
    }
}

/// Whether the API server would create a pod with this image.
fn create(image: &str) -> bool {
    try_create(image).is_ok()
}

fn try_create(image: &str) -> Result<String, String> {
    let mut pod = pod(&[("web", image)]);
    pod["metadata"]["namespace"] = "apps".into();
    kubectl_with(&["create", "--dry-run=server", "-f", "-"], &pod.to_string())
}

/// Runs lines of bash that know the functions of tests/cluster/env.sh.
fn bash(lines: &str) {
    let env = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/env.sh");
    let script = format!("set -euo pipefail; . {}; {lines}", env.display());
    run(Command::new("bash").args(["-c", &script]), "").unwrap_or_else(|error| panic!("{lines}: {error}"));
}

/// Waits until this holds; how long it took.
#[track_caller]
fn within(limit: Duration, what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < limit, "gave up waiting until {what}");
        thread::sleep(Duration::from_millis(50));
    }
    began.elapsed()
}

#[track_caller]
fn until(what: &str, holds: impl FnMut() -> bool) {
    within(PATIENCE, what, holds);
}
