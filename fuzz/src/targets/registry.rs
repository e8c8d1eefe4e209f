//! What a registry answers, through the client and a registry on the loopback address that answers the input to everything.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{LazyLock, Mutex};
use std::thread;

use futures::StreamExt as _;
use sealgate::domain::{Digest, ImageReference};
use sealgate::registry::{Client, HostSettings, Roots, Settings};
use sealgate::signatures::UntrustedContent;
use sealgate::telemetry::Metrics;
use sealgate::verifier::ports::{Access, Evidence, Registry as _, Scope};

const TYPES: [&str; 3] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// Who could sign the certificates of other hosts, of which there are none.
const ROOTS: &[u8] = include_bytes!("../../material/own.pem");

/// The answer to every request: content type and body.
static ANSWER: Mutex<(&str, Vec<u8>)> = Mutex::new(("", Vec::new()));
static HOST: LazyLock<String> = LazyLock::new(|| {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            thread::spawn(move || serve(&connection));
        }
    });
    address.to_string()
});

/// A manifest, an index or a list of referrers. What is handed out is what its digest says.
pub fn manifest(input: &[u8]) {
    let (first, body) = input.split_first().unwrap_or((&0, &[]));
    let kind = TYPES[usize::from(*first) % TYPES.len()];
    *ANSWER.lock().expect("no lock is poisoned") = (kind, body.to_vec());
    let own = HostSettings { plain_http: true, allow_private_address: true, ..HostSettings::default() };
    let settings =
        Settings { hosts: [(HOST.clone(), own)].into(), roots: Roots::Pem(ROOTS.to_vec()), ..Settings::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = Client::new(&settings, Metrics::new()).expect("a client");
        let image = ImageReference::parse(&format!("{}/app:1", *HOST)).expect("a valid reference");
        let access = Access::default();
        if let Ok(pinned) = client.resolve(&image, &access).await {
            assert_eq!(*pinned.digest(), Digest::of(body));
        }
        // The image whose digest is that of the input, and another one.
        for image in [image.pin(body), image.pin(b"another")] {
            let mut evidence = client.evidence(&image, image.repository(), Scope::Attestations, &access);
            while let Some(found) = evidence.next().await {
                let Evidence::Candidate(candidate, _) = found else { continue };
                let (UntrustedContent::Bundle(bytes)
                | UntrustedContent::SimpleSigning { payload: bytes, .. }
                | UntrustedContent::Envelope { envelope: bytes, .. }) = candidate.content;
                assert_eq!(candidate.blob, Digest::of(&bytes));
            }
        }
    });
}

/// Answers until the client leaves. Requests have no body: each ends with an empty line.
fn serve(mut connection: &TcpStream) {
    for line in BufReader::new(connection).lines() {
        let Ok(line) = line else { return };
        if !line.is_empty() {
            continue;
        }
        let (kind, body) = ANSWER.lock().expect("no lock is poisoned").clone();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
        if connection.write_all(&[head.as_bytes(), &body].concat()).is_err() {
            return;
        }
    }
}
