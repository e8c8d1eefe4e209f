//! The release binary under load: posts `AdmissionReview`s over TLS, as the API server does, and prints what a review costs.
//!
//! A registry on loopback serves one image with one signature; `sealgate serve` reads its policy from a folder. `ungoverned` asks
//! about a namespace without policies, which is the cost of the process itself; the other cases look the image up each time.
#![allow(
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_in_result,
    clippy::unwrap_used,
    reason = "a bench may fail loudly, and so may the helpers that it shares with the tests"
)]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

#[path = "../tests/support.rs"]
mod support;

use support::builders::{Review, pod};
use support::process::{Launch, Sealgate, request, response};
use support::registry::TestRegistry;
use support::signer::{self, SigningKey, payload};

/// How long each case runs.
const TIME: Duration = Duration::from_secs(5);

fn main() {
    let registry = TestRegistry::start();
    let image = registry.push_image("acme/app", "v1");
    let key = SigningKey::new();
    let signature = key.simple_signing(&payload(&image.digest));
    registry.put(&image.repository, &signer::legacy_tag(&[signature]), Some(&image.signature_tag()));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("load");
    let policy = json!({
        "apiVersion": "sealgate.dev/v1alpha1", "kind": "ClusterSignaturePolicy", "metadata": {"name": "ci-images"},
        "spec": {
            "match": {"images": [format!("{}/**", image.host)], "namespaces": ["shop"]},
            "authorities": [{"name": "ci-key", "key": {"publicKey": key.pem()}}],
        },
    });
    let binary = env!("CARGO_BIN_EXE_sealgate");
    let gate = Launch::new(binary, folder, vec![policy]).registries(&[&image.host]).start();
    let (tag, digest) = (image.tagged("v1"), format!("{}/acme/app@{}", image.host, image.digest));

    println!(
        "binary {:.1} MiB, ready after {} ms",
        fs::metadata(binary).unwrap().len() as f64 / f64::from(1 << 20),
        gate.ready.as_millis()
    );
    println!(
        "{:<28} {:>7} {:>10} {:>8} {:>8} {:>8} {:>10}",
        "case", "clients", "reviews/s", "p50 ms", "p90 ms", "p99 ms", "CPU us"
    );
    for (case, path, namespace, image) in [
        ("ungoverned", "/validate", "elsewhere", &tag),
        ("validate, by digest", "/validate", "shop", &digest),
        ("mutate, by tag", "/mutate", "shop", &tag),
    ] {
        let mut object = pod(&[("web", image)]);
        object["metadata"]["namespace"] = json!(namespace);
        let body = Review::create(&object).with("namespace", namespace).bytes();
        for clients in [1, 16] {
            measure(&gate, case, path, &body, clients);
        }
    }
    println!("RSS at most {} KiB", gate.peak_memory());
}

fn measure(gate: &Sealgate, case: &str, path: &str, body: &[u8], clients: usize) {
    let (cpu, started) = (gate.cpu_seconds(), Instant::now());
    let mut took: Vec<f64> = thread::scope(|scope| {
        let workers: Vec<_> = (0..clients).map(|_| scope.spawn(|| client(gate, path, body, started))).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let (elapsed, cpu) = (started.elapsed().as_secs_f64(), gate.cpu_seconds() - cpu);
    took.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize] * 1e3;
    let reviews = took.len() as f64;
    println!(
        "{case:<28} {clients:>7} {:>10.0} {:>8.2} {:>8.2} {:>8.2} {:>10.0}",
        reviews / elapsed,
        at(0.5),
        at(0.9),
        at(0.99),
        cpu / reviews * 1e6
    );
}

/// One connection after another, one review after another. The seconds that each took.
fn client(gate: &Sealgate, path: &str, body: &[u8], started: Instant) -> Vec<f64> {
    let request = request(path, body);
    let mut took = Vec::new();
    let mut connection = gate.connect().unwrap();
    while started.elapsed() < TIME {
        let sent = Instant::now();
        connection.write_all(&request).unwrap();
        let (head, answer) = response(&mut connection).unwrap();
        took.push(sent.elapsed().as_secs_f64());
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_else(|_| panic!("{head}"));
        assert_eq!(answer["response"]["allowed"], true, "{answer}");
        if head.contains("connection: close") {
            connection = gate.connect().unwrap();
        }
    }
    took
}
