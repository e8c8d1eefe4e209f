//! Faults of a whole cluster: a release with two replicas on a node of its own, which `make faults` starts. The tests run in the
//! network namespace of the node, as root, and leave the release as they found it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
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
        let signed = registry.push_image("acme/app", "v1");
        sign(&registry, &signed, &key);
        let unsigned = registry.push_image("acme/unsigned", "v1");
        let (signed, unsigned) = (signed.by_digest(), unsigned.by_digest());
        let world = Self { node, _registry: registry, key, signed, unsigned, replicas: replicas() };
        assert_eq!(world.replicas.len(), 2, "{:?}", world.replicas);
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
                let log = kubectl(&["logs", "-n", "sealgate", &replica.name, "--tail=60"]);
                eprintln!("the log of {}:\n{}", replica.name, log.unwrap_or_else(|error| error));
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

/// The names of the webhooks in force with the policy `Fail`.
fn closed() -> Vec<String> {
    let path = "-o=jsonpath={.webhooks[?(@.failurePolicy==\"Fail\")].name}";
    let names = kubectl(&["get", "validatingwebhookconfiguration", "sealgate", path]);
    names.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

#[test]
fn flt_44_after_an_outage_of_the_api_server_a_revoked_key_is_refused_within_ten_seconds() {
    let world = World::new();
    let ((away, back, changed), samples) = world.watched(|| {
        bash("stop apiserver");
        let away = Instant::now();
        thread::sleep(Duration::from_mins(1));
        let back = Instant::now();
        bash("restart apiserver; wait_for kubectl get --raw /readyz");
        world.trust(&SigningKey::new());
        let changed = Instant::now();
        thread::sleep(LIMIT + Duration::from_secs(3));
        (away, back, changed)
    });
    for ((replica, image), samples) in &samples {
        let during: Vec<_> = samples.iter().filter(|sample| away < sample.at && sample.at < back).collect();
        let right = |sample: &&Sample| (sample.answer == Answer::Allowed) == (*image == world.signed);
        assert!(during.len() > 100 && during.iter().all(right), "{replica} answers all the while: {during:?}");
    }
    world.revoked("API server away for 60 s", &samples, changed);
}

/// From now on not one packet of the connections between these pods and the API server arrives; new ones are not affected.
struct Silence;

impl Silence {
    fn of(replicas: &[Replica]) -> Self {
        let sockets = run(Command::new("ss").args(["-Htn", "state", "established", "( sport = :6443 )"]), "").unwrap();
        let peers: Vec<_> = sockets.lines().filter_map(|line| line.split_whitespace().next_back()).collect();
        let mut rules = String::from(
            "table inet silence {\n chain from { type filter hook prerouting priority raw; }\n \
             chain to { type filter hook output priority raw; }\n}\n",
        );
        let mut connections = 0;
        for peer in peers {
            let (address, port) = peer.rsplit_once(':').unwrap();
            let address = address.trim_start_matches("[::ffff:").trim_end_matches(']');
            if replicas.iter().any(|replica| replica.address == address) {
                writeln!(rules, "add rule inet silence from ip saddr {address} tcp sport {port} drop").unwrap();
                writeln!(rules, "add rule inet silence to ip daddr {address} tcp dport {port} drop").unwrap();
                connections += 1;
            }
        }
        assert!(connections >= replicas.len(), "{connections} connections: {sockets}");
        run(Command::new("nft").args(["-f", "-"]), &rules).unwrap();
        eprintln!("{connections} connections are silent");
        Self
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        let _ = run(Command::new("nft").args(["delete", "table", "inet", "silence"]), "");
    }
}

#[test]
fn flt_45_when_connections_fall_silent_a_revoked_key_is_refused_within_ten_seconds() {
    let world = World::new();
    let (changed, samples) = world.watched(|| {
        let _silence = Silence::of(&world.replicas);
        world.trust(&SigningKey::new());
        let changed = Instant::now();
        thread::sleep(LIMIT + Duration::from_secs(3));
        changed
    });
    world.revoked("connections silently cut", &samples, changed);
}

#[test]
fn cfg_15_a_webhook_that_is_removed_again_and_again_is_put_back_within_two_seconds() {
    let world = World::new();
    until("the gate fails closed", || closed().contains(&"validate.pods.sealgate.dev".to_owned()));
    let remove = r#"[{"op": "replace", "path": "/webhooks", "value": []}]"#;
    let mut open = Vec::new();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(30) {
        kubectl(&["patch", "validatingwebhookconfiguration", "sealgate", "--type=json", "-p", remove]).unwrap();
        open.push(within(PATIENCE, "the webhook is back", || !closed().is_empty()));
    }
    let longest = open.iter().max().unwrap();
    eprintln!("removed {} times in 30 s: open for {longest:?} at most", open.len());
    assert!(open.len() >= 10 && *longest <= Duration::from_secs(2), "{open:?}");
    // A list that was emptied does not say by whom.
    let soften = r#"[{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]"#;
    kubectl(&["patch", "validatingwebhookconfiguration", "sealgate", "--type=json", "-p", soften]).unwrap();
    until("it fails closed again", || closed().contains(&"validate.pods.sealgate.dev".to_owned()));
    let named = |replica: &Replica| {
        let log = kubectl(&["logs", "-n", "sealgate", &replica.name]).unwrap();
        log.lines().any(|line| line.contains("changed by somebody else") && line.contains("kubectl-patch"))
    };
    assert!(world.replicas.iter().any(named), "the log names the client that did it");
}

#[test]
fn cfg_17_a_stranger_who_takes_the_lease_for_ever_leads_for_seconds() {
    let world = World::new();
    let lease = json!({"spec": {
        "holderIdentity": "stranger", "leaseDurationSeconds": i32::MAX, "renewTime": "2099-01-01T00:00:00.000000Z",
    }});
    kubectl(&["patch", "lease", "sealgate", "-n", "sealgate", "--type=merge", "-p", &lease.to_string()]).unwrap();
    let remove = r#"[{"op": "replace", "path": "/webhooks", "value": []}]"#;
    // The leader of before may still repair, until it sees that it leads no more.
    thread::sleep(Duration::from_secs(5));
    kubectl(&["patch", "validatingwebhookconfiguration", "sealgate", "--type=json", "-p", remove]).unwrap();
    let open = within(PATIENCE, "somebody leads and repairs", || !closed().is_empty());
    eprintln!("a stranger held the lease: repaired after {:.1} s", open.as_secs_f64());
    assert!(open < Duration::from_secs(20), "{open:?}");
    let holder =
        kubectl(&["get", "lease", "sealgate", "-n", "sealgate", "-o", "jsonpath={.spec.holderIdentity}"]).unwrap();
    assert!(world.replicas.iter().any(|replica| holder.contains(&replica.name)), "{holder}");
}

/// The keys of the certificate's Secret with values of a CA and a server that have expired.
fn expired() -> Value {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

    let past = |names: &[&str]| {
        let mut params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 2, 1));
        params
    };
    let mut authority = past(&[]);
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = past(&["sealgate.sealgate.svc"]).signed_by(&key, &ca).unwrap();
    let encoded = |text: String| Value::from(STANDARD.encode(text));
    json!({
        "ca.crt": encoded(ca.pem()), "ca.key": encoded(ca.key().serialize_pem()),
        "tls.crt": encoded(certificate.pem()), "tls.key": encoded(key.serialize_pem()),
    })
}

/// Asks for pods through the API server while something is done to the Secret, and for as long afterwards; how many failed.
fn created(world: &World, patch: &Value) -> (usize, Vec<String>) {
    let secret = ["patch", "secret", "sealgate-tls", "-n", "sealgate", "--type=merge", "-p"];
    kubectl(&[&secret[..], &[&patch.to_string()]].concat()).unwrap();
    let (mut asked, mut failed) = (0, Vec::new());
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(15) {
        asked += 1;
        failed.extend(try_create(&world.signed).err());
    }
    (asked, failed)
}

#[test]
fn flt_46_an_expired_certificate_in_the_secret_fails_no_review_and_is_replaced() {
    let world = World::new();
    let expired = expired();
    let (asked, failed) = created(&world, &json!({"data": expired}));
    eprintln!("an expired certificate in the Secret: {} of {asked} creates failed", failed.len());
    assert!(asked > 20 && failed.is_empty(), "{failed:?}");
    let now =
        kubectl(&["get", "secret", "sealgate-tls", "-n", "sealgate", "-o", "jsonpath={.data.tls\\.crt}"]).unwrap();
    assert!(!now.is_empty() && expired["tls.crt"] != now, "the leader has written another");
    assert!(!create(&world.unsigned));
}

#[test]
fn flt_44_policies_that_come_back_with_their_definition_are_in_force_within_ten_seconds() {
    let world = World::new();
    let definition = "crd/clustersignaturepolicies.sealgate.dev";
    let saved = kubectl(&["get", definition, "-o", "json"]).unwrap();
    let mut saved: Value = serde_json::from_str(&saved).unwrap();
    saved.as_object_mut().unwrap().remove("status");
    for field in ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"] {
        saved["metadata"].as_object_mut().unwrap().remove(field);
    }
    kubectl(&["delete", definition, "--timeout=30s"]).unwrap();
    until("the replicas have seen that all policies are gone", || {
        world.replicas.iter().all(|replica| ask(replica, &world.unsigned) == Answer::Allowed)
    });
    // Longer than the first pauses of any back-off.
    thread::sleep(Duration::from_secs(20));
    kubectl_with(&["create", "-f", "-"], &saved.to_string()).unwrap();
    kubectl(&["wait", "--for=condition=Established", definition, "--timeout=30s"]).unwrap();
    world.trust(&world.key);
    let enforced = within(PATIENCE, "both replicas enforce it", || world.is_enforced());
    let closed = within(PATIENCE, "the API server refuses", || !create(&world.unsigned));
    eprintln!("definition gone and back: in force after {enforced:?}, through the API server {closed:?} later");
    assert!(enforced <= LIMIT && closed <= LIMIT);
    kubectl(&["wait", "--for=condition=Ready", "csigpol/ci", "--timeout=10s"]).unwrap();
}
