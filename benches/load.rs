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
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};

#[path = "../tests/support.rs"]
mod support;

use support::builders::{Review, pod};
use support::registry::TestRegistry;
use support::signer::{self, SigningKey, payload};

/// How long each case runs.
const TIME: Duration = Duration::from_secs(5);
/// Clock ticks a second in `/proc`, on every Linux that Rust supports.
const TICKS: f64 = 100.0;

type Client = StreamOwned<ClientConnection, TcpStream>;

fn main() {
    let registry = TestRegistry::start();
    let image = registry.push_image("acme/app", "v1");
    let key = SigningKey::new();
    let signature = key.simple_signing(&payload(&image.digest));
    registry.put(&image.repository, &signer::legacy_tag(&[signature]), Some(&image.signature_tag()));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("load");
    let gate = Gate::start(&folder, &image.host, &key.pem());
    let (tag, digest) = (image.tagged("v1"), format!("{}/acme/app@{}", image.host, image.digest));

    println!(
        "binary {:.1} MiB, ready after {} ms",
        gate.binary_bytes as f64 / f64::from(1 << 20),
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
            gate.measure(case, path, &body, clients);
        }
    }
    println!("RSS at most {} KiB", gate.memory());
}

/// A running `sealgate serve`.
struct Gate {
    child: Child,
    address: SocketAddr,
    tls: Arc<ClientConfig>,
    ready: Duration,
    binary_bytes: u64,
}

impl Gate {
    fn start(folder: &Path, registry: &str, public_key: &str) -> Self {
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder.join("policies")).unwrap();
        let policy = json!({
            "apiVersion": "sealgate.dev/v1alpha1", "kind": "ClusterSignaturePolicy", "metadata": {"name": "ci-images"},
            "spec": {
                "match": {"images": [format!("{registry}/**")], "namespaces": ["shop"]},
                "authorities": [{"name": "ci-key", "key": {"publicKey": public_key}}],
            },
        });
        fs::write(folder.join("policies/policy.yaml"), policy.to_string()).unwrap();
        let config = json!({"registries": [{"host": registry, "plainHttp": true, "allowPrivateAddress": true}]});
        fs::write(folder.join("config.yaml"), config.to_string()).unwrap();
        let (address, admin) = (free_address(), free_address());
        let binary = env!("CARGO_BIN_EXE_sealgate");
        let started = Instant::now();
        let child = Command::new(binary)
            .args(["serve", "--log-level", "warn", "--linger", "0", "--policies"])
            .arg(folder.join("policies"))
            .arg("--config")
            .arg(folder.join("config.yaml"))
            .arg("--self-signed")
            .arg(folder)
            .args(["--listen", &address.to_string(), "--admin-listen", &admin.to_string()])
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        while !is_ready(admin) {
            assert!(started.elapsed() < Duration::from_secs(30), "sealgate does not become ready");
            thread::sleep(Duration::from_millis(1));
        }
        let ready = started.elapsed();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(folder.join("ca.crt")).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let tls = Arc::new(tls.with_root_certificates(roots).with_no_client_auth());
        Self { child, address, tls, ready, binary_bytes: fs::metadata(binary).unwrap().len() }
    }

    fn measure(&self, case: &str, path: &str, body: &[u8], clients: usize) {
        let (cpu, started) = (self.cpu_seconds(), Instant::now());
        let mut took: Vec<f64> = thread::scope(|scope| {
            let workers: Vec<_> = (0..clients).map(|_| scope.spawn(|| self.client(path, body, started))).collect();
            workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
        });
        let (elapsed, cpu) = (started.elapsed().as_secs_f64(), self.cpu_seconds() - cpu);
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
    fn client(&self, path: &str, body: &[u8], started: Instant) -> Vec<f64> {
        let head = format!("POST {path}?timeout=10s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n");
        let request = [format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat();
        let mut took = Vec::new();
        let mut connection = self.connect();
        while started.elapsed() < TIME {
            let sent = Instant::now();
            connection.write_all(&request).unwrap();
            let (head, answer) = response(&mut connection);
            took.push(sent.elapsed().as_secs_f64());
            let answer: Value = serde_json::from_slice(&answer).unwrap_or_else(|_| panic!("{head}"));
            assert_eq!(answer["response"]["allowed"], true, "{answer}");
            if head.contains("connection: close") {
                connection = self.connect();
            }
        }
        took
    }

    fn connect(&self) -> Client {
        let name = ServerName::try_from("localhost").unwrap();
        let socket = TcpStream::connect(self.address).unwrap();
        socket.set_nodelay(true).unwrap();
        StreamOwned::new(ClientConnection::new(Arc::clone(&self.tls), name).unwrap(), socket)
    }

    fn cpu_seconds(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<_> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / TICKS
    }

    fn memory(&self) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").to_owned()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn response(connection: &mut Client) -> (String, Vec<u8>) {
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = connection.read(&mut buffer).unwrap();
        assert!(count > 0, "the connection broke");
        read.extend_from_slice(&buffer[..count]);
        let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4) else { continue };
        let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
        let length: usize = head.lines().find_map(|l| l.strip_prefix("content-length: ")).unwrap().parse().unwrap();
        if read.len() >= end + length {
            return (head, read.split_off(end));
        }
    }
}

fn is_ready(admin: SocketAddr) -> bool {
    let Ok(mut socket) = TcpStream::connect(admin) else { return false };
    let mut answer = String::new();
    socket.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").is_ok()
        && socket.read_to_string(&mut answer).is_ok()
        && answer.starts_with("HTTP/1.1 200")
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
