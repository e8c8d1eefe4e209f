use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::timeout;

use super::*;
use crate::domain::ImageReference;
use crate::registry::{Client, HostSettings, Quota, Roots, Settings};
use crate::telemetry::Metrics;
use crate::verifier::ports::{Access, Registry, Repository};

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// What is answered for a path: its type, its bytes, and how many of them come before the gate of that path opens, if it has one.
type Answers = HashMap<String, (&'static str, Vec<u8>, Option<usize>)>;

/// A registry that answers as it is told, each answer with a gate of its own.
struct Script {
    answers: Answers,
    /// The paths that were asked for.
    asked: watch::Sender<Vec<String>>,
    open: watch::Sender<Vec<String>>,
}

impl Script {
    fn start(answers: Answers) -> (Arc<Self>, SocketAddr) {
        let script = Arc::new(Self { answers, asked: watch::Sender::default(), open: watch::Sender::default() });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let shared = script.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(shared.clone().serve(stream));
            }
        });
        (script, address)
    }

    /// One request, one answer, one connection.
    async fn serve(self: Arc<Self>, mut stream: TcpStream) {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        let request = String::from_utf8(request).unwrap();
        let path = request.split(' ').nth(1).unwrap().rsplit('/').next().unwrap().to_owned();
        self.asked.send_modify(|asked| asked.push(path.clone()));
        let (head, body, gate) = match self.answers.get(&path) {
            Some((kind, body, gate)) => (format!("200 OK\r\nContent-Type: {kind}"), body.as_slice(), *gate),
            None => ("404 Not Found".to_owned(), &[][..], None),
        };
        let head = format!("HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
        let answer = [head.as_bytes(), body].concat();
        let early = match gate {
            None => answer.len(),
            Some(0) => 0,
            Some(bytes) => head.len().saturating_add(bytes),
        };
        stream.write_all(&answer[..early]).await.unwrap();
        if gate.is_some() {
            self.open.subscribe().wait_for(|open| open.contains(&path)).await.unwrap();
        }
        // Whoever has heard enough may have gone.
        let _ = stream.write_all(&answer[early..]).await;
    }

    async fn asked_for(&self, paths: &[&str]) {
        let all = |asked: &Vec<String>| paths.iter().all(|path| asked.iter().any(|asked| asked == path));
        self.asked.subscribe().wait_for(all).await.unwrap();
    }

    fn open(&self, path: &str) {
        self.open.send_modify(|open| open.push(path.to_owned()));
    }
}

/// A manifest that refers to the subject, with these layers, padded to this length.
fn referrer(subject: &Digest, layers: &[&[u8]], length: usize) -> Vec<u8> {
    let layer =
        |bytes: &&[u8]| json!({"mediaType": BUNDLE, "digest": Digest::of(bytes).to_string(), "size": bytes.len()});
    let manifest = |pad: usize| {
        json!({
            "schemaVersion": 2, "subject": {"digest": subject.to_string(), "size": 1},
            "layers": layers.iter().map(layer).collect::<Vec<_>>(), "annotations": {"pad": "x".repeat(pad)},
        })
        .to_string()
        .into_bytes()
    };
    manifest(length.saturating_sub(manifest(0).len()))
}

fn client(address: SocketAddr, change: impl FnOnce(&mut Settings)) -> Client {
    let own = HostSettings { plain_http: true, allow_private_address: true, ..HostSettings::default() };
    let ca = rcgen::generate_simple_self_signed(["ca.test".to_owned()]).unwrap().cert.pem();
    let roots = Roots::Pem(ca.into_bytes());
    let mut settings = Settings { roots, hosts: [(address.to_string(), own)].into(), ..Settings::default() };
    change(&mut settings);
    Client::new(&settings, Metrics::new()).unwrap()
}

#[tokio::test]
async fn reg_23_a_manifest_that_is_half_read_never_holds_the_room_that_layers_wait_for() {
    let subject = Digest::of(b"an image");
    let bundles = [vec![b'1'; 100 << 10], vec![b'2'; 100 << 10]];
    let small = referrer(&subject, &[&bundles[0], &bundles[1]], 0);
    let large = referrer(&subject, &[], 256 << 10);
    let name = |bytes: &[u8]| Digest::of(bytes).to_string();
    let list = [&small, &large].map(|m| json!({"mediaType": OCI_MANIFEST, "digest": name(m), "size": m.len()}));
    let list = json!({"schemaVersion": 2, "manifests": list}).to_string().into_bytes();
    let whole = |kind, bytes: &[u8]| (kind, bytes.to_vec(), None);
    let answers: Answers = [
        (subject.to_string(), whole(INDEX_TYPE, &list)),
        (name(&small), (OCI_MANIFEST, small.clone(), Some(0))),
        (name(&large), (OCI_MANIFEST, large.clone(), Some(128 << 10))),
        (name(&bundles[0]), whole("*/*", &bundles[0])),
        (name(&bundles[1]), whole("*/*", &bundles[1])),
    ]
    .into();
    let (script, address) = Script::start(answers);
    // Two requests at once; all room is that of the large manifest.
    let client = client(address, |settings| {
        settings.limits.concurrency = 2;
        settings.limits.bodies = Quota { all: 256, host: 256, kept: 0 };
    });
    let image = ImageReference::parse(&format!("{address}/acme/app@{subject}")).unwrap().pinned().unwrap();
    let at = Repository::parse(&format!("{address}/acme/app")).unwrap();
    let room = client.transport.room.clone();
    let asker = client.clone();
    let found = tokio::spawn(async move {
        asker.evidence(&image, &at, Scope::Signatures, &Access::default()).collect::<Vec<_>>().await
    });
    while room.available(&address.to_string()) > 0 {
        assert!(!found.is_finished(), "{:?}", found.await);
        yield_now().await;
    }
    // Its layers are two: the search asks for as many things as it may.
    script.open(&name(&small));
    script.asked_for(&[&name(&bundles[0]), &name(&bundles[1])]).await;
    script.open(&name(&large));
    let found = timeout(Duration::from_secs(20), found).await.expect("the large manifest is read to its end").unwrap();
    assert!(found.iter().all(|evidence| matches!(evidence, Evidence::Candidate(..))), "{found:?}");
    assert_eq!(found.len(), 2);
    // What was read takes up room until it is done with.
    let available = || room.available(&address.to_string());
    assert_eq!(available(), 256 - 2 * 100);
    drop(found);
    assert_eq!(available(), 256);
}
