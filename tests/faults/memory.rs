//! Within less than the chart's limit of memory: whatever is sent, the kernel has no reason to kill the gate.
//!
//! Where the machine has no memory controller, or gives it to nobody, the peak is compared with the limit.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::builders::{Review, pod};
use crate::support::process::{Launch, MemoryLimit, Sealgate};
use crate::support::registry::{Answer, Gate, MANIFEST, Pushed, TestRegistry};
use crate::support::signer::{self, Blob, SigningKey, payload};
use crate::support::sigstore::identity::Identity;
use crate::support::sigstore::{Content, Sigstore};

/// Less than `resources.limits.memory` of the chart: what one attack takes leaves room for others.
const LIMIT: u64 = 128 << 20;

/// The program under test.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("SEALGATE_FAULTS_BINARY").expect("make faults names the program in SEALGATE_FAULTS_BINARY").into()
}

/// The gate in a group of its own, which ends with it.
struct Limited {
    gate: Option<Sealgate>,
    limit: Option<MemoryLimit>,
}

impl Limited {
    fn start(name: &str, policies: Vec<Value>, hosts: &[&str]) -> Self {
        let limit = MemoryLimit::new(name, LIMIT);
        if limit.is_none() {
            eprintln!("{name}: this machine gives no memory controller; the peak is compared with the limit");
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let mut launch = Launch::new(binary(), folder, policies).registries(hosts);
        launch.memory.clone_from(&limit);
        Self { gate: Some(launch.start()), limit }
    }

    fn gate(&mut self) -> &mut Sealgate {
        self.gate.as_mut().unwrap()
    }

    /// It still runs, and has never had more than it may have.
    fn survives(&mut self, what: &str) {
        let exit = self.gate().exit();
        assert!(exit.is_none(), "{what}: the gate ended: {exit:?}");
        let peak = self.gate().peak_memory();
        eprintln!("{what}: at most {peak} KiB");
        assert!(peak << 10 <= LIMIT, "{what}: {peak} KiB");
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        drop(self.gate.take());
        if let Some(limit) = self.limit.take() {
            limit.end();
        }
    }
}

pub(crate) fn policy(name: &str, images: &str, key: &SigningKey) -> Value {
    json!({
        "apiVersion": "sealgate.dev/v1alpha1", "kind": "ClusterSignaturePolicy", "metadata": {"name": name},
        "spec": {"match": {"images": [images]}, "authorities": [{"name": "ci-key", "key": {"publicKey": key.pem()}}]},
    })
}

pub(crate) fn signed(registry: &TestRegistry, key: &SigningKey) -> Pushed {
    let image = registry.push_image("acme/app", "v1");
    let signature = key.simple_signing(&payload(&image.digest));
    registry.put(&image.repository, &signer::legacy_tag(&[signature]), Some(&image.signature_tag()));
    image
}

pub(crate) fn review(image: &str) -> Vec<u8> {
    Review::create(&pod(&[("web", image)])).bytes()
}

#[test]
fn an_unsigned_bundle_of_many_small_values_does_not_kill_the_gate() {
    let (registry, key) = (TestRegistry::builder().referrers_api().start(), SigningKey::new());
    let image = signed(&registry, &key);
    let sigstore = Sigstore::new("faults");
    let crowded = |image: &Pushed| {
        let list = vec![json!({"a": 0}); 260_000];
        let said = signer::edit(&signer::statement(&image.digest), "/predicate", json!({"list": list}));
        Sigstore::new("stranger").keyless(&Identity::github(), Content::statement(&said)).bundle()
    };
    let evil: Vec<_> = (0..4).map(|number| registry.push_image("acme/evil", &format!("v{number}"))).collect();
    for image in &evil {
        registry.put("acme/evil", &signer::bundle_referrer(&crowded(image), &image.manifest), None);
    }
    let trusted = json!({
        "apiVersion": "sealgate.dev/v1alpha1", "kind": "TrustedRoot", "metadata": {"name": "own"},
        "spec": {"inline": sigstore.trusted_root().json().to_string()},
    });
    let identity = json!({"issuer": "https://ci.example", "subject": "https://ci.example/acme"});
    let keyless = json!({
        "apiVersion": "sealgate.dev/v1alpha1", "kind": "ClusterSignaturePolicy", "metadata": {"name": "keyless"},
        "spec": {
            "match": {"images": [format!("{}/acme/evil", image.host)]},
            "authorities": [{"name": "ci", "keyless": {"trustedRoot": "own", "identities": [identity]}}],
        },
    });
    let honest = policy("ci", &format!("{}/acme/app", image.host), &key);
    let mut limited = Limited::start("crowded", vec![trusted, keyless, honest], &[&image.host]);
    let images: Vec<_> = evil.iter().map(Pushed::by_digest).collect();
    let containers: Vec<_> = images.iter().map(|image| (image.as_str(), image.as_str())).collect();
    let answer = limited.gate().ask("/validate", &Review::create(&pod(&containers)).bytes()).unwrap();
    assert_eq!(answer["response"]["allowed"], false, "{answer}");
    assert!(answer.to_string().contains("DOCUMENT_LIMIT"), "{answer}");
    let answer = limited.gate().ask("/validate", &review(&image.by_digest())).unwrap();
    assert_eq!(answer["response"]["allowed"], true, "{answer}");
    limited.survives("four unsigned bundles in one pod");
}

#[test]
fn an_honest_image_is_admitted_within_the_limit() {
    let (registry, key) = (TestRegistry::start(), SigningKey::new());
    let image = signed(&registry, &key);
    let images = format!("{}/**", image.host);
    let mut limited = Limited::start("honest", vec![policy("ci", &images, &key)], &[&image.host]);
    let answer = limited.gate().ask("/validate", &review(&image.by_digest())).unwrap();
    assert_eq!(answer["response"]["allowed"], true, "{answer}");
    limited.survives("one honest image");
}

/// A registry that accepts connections and never answers.
fn black_hole() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept() {
            held.push(stream);
        }
    });
    host
}

/// Two hundred pods of 64 images each, all on a registry that never answers, again and again; the images of another one are
/// admitted meanwhile.
#[test]
fn net_18_a_registry_that_never_answers_costs_little_memory_and_no_other_its_turn() {
    let (registry, key) = (TestRegistry::start(), SigningKey::new());
    let honest = signed(&registry, &key);
    let hole = black_hole();
    let policies = vec![policy("everything", "**", &key)];
    let mut limited = Limited::start("black-hole", policies, &[&honest.host, &hole]);
    let gate = limited.gate.as_ref().unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let ask = |number: usize| {
        let mut unknown = 0;
        while !over.load(Ordering::Relaxed) {
            let images: Vec<_> = (0..64).map(|image| format!("{hole}/pod{number}/app{image}:{unknown}")).collect();
            let containers: Vec<_> = images.iter().enumerate().map(|(n, image)| (format!("c{n}"), image)).collect();
            let containers: Vec<_> = containers.iter().map(|(name, image)| (name.as_str(), image.as_str())).collect();
            let answer = gate.ask("/validate", &Review::create(&pod(&containers)).bytes()).unwrap();
            assert_eq!(answer["response"]["status"]["code"], 503, "never unsigned: {answer}");
            unknown += 1;
        }
    };
    let slowest = thread::scope(|scope| {
        for number in 0..200 {
            let ask = &ask;
            scope.spawn(move || ask(number));
        }
        let end = Instant::now() + Duration::from_secs(20);
        let mut slowest = Duration::ZERO;
        while Instant::now() < end {
            let began = Instant::now();
            let answer = gate.ask("/validate", &review(&honest.by_digest())).unwrap();
            slowest = slowest.max(began.elapsed());
            assert_eq!(answer["response"]["allowed"], true, "{answer}");
        }
        over.store(true, Ordering::Relaxed);
        slowest
    });
    eprintln!("an image of another registry takes {slowest:?} at most");
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    limited.survives("200 pods on a registry that never answers");
    assert!(limited.gate().peak_memory() <= 100 << 10);
}

/// Images whose signatures are listed with as many bytes as are read, and which themselves never come: what was listed waits with
/// them.
#[test]
fn net_19_long_lists_of_signatures_that_never_come_do_not_fill_the_memory() {
    const LISTS: usize = 32;
    let (registry, key) = (TestRegistry::start(), SigningKey::new());
    let honest = signed(&registry, &key);
    let evil: Vec<_> = (0..3).map(|_| TestRegistry::start()).collect();
    let mut pods = Vec::new();
    for registry in &evil {
        let images: Vec<_> = (0..LISTS)
            .map(|number| {
                let image = registry.push_image(&format!("evil/app{number}"), "v1");
                let layers: Vec<_> = (0..58).map(|layer| announced(&format!("{number}/{layer}"), 64 << 10)).collect();
                let list = json!({"schemaVersion": 2, "mediaType": MANIFEST, "layers": layers});
                let list = Blob::new(MANIFEST, list.to_string());
                registry.put_manifest(&image.repository, &list, Some(&image.signature_tag()));
                image.by_digest()
            })
            .collect();
        registry.answer("/blobs/", Answer::ok("application/octet-stream", "").hold(&Gate::closed()));
        let containers: Vec<_> = images.iter().enumerate().map(|(n, image)| (format!("c{n}"), image)).collect();
        let containers: Vec<_> = containers.iter().map(|(name, image)| (name.as_str(), image.as_str())).collect();
        pods.push(Review::create(&pod(&containers)).bytes());
    }
    let hosts: Vec<_> = evil.iter().map(TestRegistry::host).chain([honest.host.clone()]).collect();
    let hosts: Vec<_> = hosts.iter().map(String::as_str).collect();
    let mut limited = Limited::start("lists", vec![policy("everything", "**", &key)], &hosts);
    let gate = limited.gate.as_ref().unwrap();
    thread::scope(|scope| {
        for pod in &pods {
            scope.spawn(|| {
                let answer = gate.ask("/validate", pod).unwrap();
                assert_eq!(answer["response"]["status"]["code"], 503, "never unsigned: {answer}");
            });
        }
        for _ in 0..20 {
            let answer = gate.ask("/validate", &review(&honest.by_digest())).unwrap();
            assert_eq!(answer["response"]["allowed"], true, "{answer}");
            thread::sleep(Duration::from_millis(250));
        }
    });
    limited.survives("96 images with long lists of signatures that never come");
}

/// A layer with a signature of so many bytes, in a list.
fn announced(content: &str, bytes: usize) -> Value {
    let mut layer = Blob::new("application/vnd.dev.cosign.simplesigning.v1+json", content).descriptor();
    layer["annotations"] = json!({signer::SIGNATURE: "x".repeat(bytes)});
    layer
}
