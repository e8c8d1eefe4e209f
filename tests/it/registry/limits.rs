//! How much is asked at once: of one registry, and of all.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use futures::{join, poll};
use sealgate::policy::{Defaults, PolicyCell, PolicySet};
use sealgate::registry::{HostSettings, Quota};
use sealgate::signatures::RootsCell;
use sealgate::verifier::Engine;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::support::registry::{Gate, MANIFEST};
use crate::support::signer::{SigningKey, legacy_tag, payload};
use crate::support::verifier::{NoCredentials, answer, policy, question};

use super::*;

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

fn engine(settings: &Settings, key: &SigningKey) -> Engine<Client, NoCredentials> {
    let policies = PolicyCell::default();
    policies.store(PolicySet::new(vec![policy("p", &["**"], &[key])], BTreeMap::new()));
    Engine::new(client(settings), NoCredentials, policies, RootsCell::default(), Defaults::default())
}

fn signed(registry: &TestRegistry, key: &SigningKey, name: &str) -> Pushed {
    let image = registry.push_image(name, "v1");
    let signature = legacy_tag(&[key.simple_signing(&payload(&image.digest))]);
    registry.put(name, &signature, Some(&image.signature_tag()));
    image
}

/// Two registries with one set of settings. The first answers nothing before the gate opens.
fn two() -> (TestRegistry, TestRegistry, Gate, Settings) {
    let (slow, other) = (TestRegistry::start(), TestRegistry::start());
    let gate = Gate::closed();
    let held = gate.clone();
    slow.rule("/", move |_, _, stored| stored.hold(&held));
    let mut settings = slow.settings();
    settings.hosts.extend(other.settings().hosts);
    settings.timeouts.first_byte = LONG;
    (slow, other, gate, settings)
}

#[tokio::test]
async fn net_18_an_image_waits_for_its_turn_and_is_never_taken_for_unsigned() {
    let key = SigningKey::new();
    // One image of a host at once; and the same with one for all hosts, of which none is kept.
    for (images, served) in
        [(Quota { all: 2, host: 1, kept: 1 }, "ALLOW"), (Quota { all: 1, host: 1, kept: 0 }, "DEADLINE_EXCEEDED")]
    {
        let (slow, other, gate, mut settings) = two();
        settings.limits.images = images;
        let engine = engine(&settings, &key);
        let [first, second] = ["acme/a", "acme/b"].map(|name| signed(&slow, &key, name));
        let third = signed(&other, &key, "acme/c");
        let long = question(&[&first.tagged("v1")]);
        let mut held = Box::pin(engine.verify(&long));
        assert!(poll!(held.as_mut()).is_pending());
        let mut late = question(&[&second.tagged("v1")]);
        late.deadline = Instant::now() + Duration::from_millis(200);
        let mut elsewhere = question(&[&third.tagged("v1")]);
        elsewhere.deadline = late.deadline + Duration::from_millis(if served == "ALLOW" { 9000 } else { 0 });
        let (late, elsewhere) = join!(engine.verify(&late), engine.verify(&elsewhere));
        assert_eq!(answer(&late[0]), "DEADLINE_EXCEEDED");
        assert_eq!(slow.count("acme/b"), 0, "nothing was asked about it");
        assert_eq!(answer(&elsewhere[0]), served);
        gate.open();
        assert_eq!(answer(&held.await[0]), "ALLOW");
        let again = question(&[&second.tagged("v1")]);
        assert_eq!(answer(&engine.verify(&again).await[0]), "ALLOW", "the turn was given back");
    }
}

#[tokio::test]
async fn net_18_no_more_requests_run_at_once_than_the_limit_and_other_hosts_are_asked_meanwhile() {
    let (slow, other, gate, mut settings) = two();
    settings.limits.requests = Quota { all: 4, host: 2, kept: 1 };
    let client = client(&settings);
    let images: Vec<_> = (0..6).map(|number| slow.push_image(&format!("acme/a{number}"), "v1").tagged("v1")).collect();
    let image = other.push_image("acme/app", "v1");
    let mut crowd = Box::pin(join_all(images.iter().map(|image| resolve(&client, image))));
    assert!(poll!(crowd.as_mut()).is_pending());
    // By the time that this has its answer, all of the crowd that may have asked.
    assert_eq!(resolve(&client, &image.tagged("v1")).await, Ok(image.pinned()));
    assert!(poll!(crowd.as_mut()).is_pending());
    assert_eq!(resolve(&client, &image.tagged("v1")).await, Ok(image.pinned()));
    assert!(slow.connections() <= 2, "{}", slow.connections());
    gate.open();
    assert!(crowd.await.iter().all(Result::is_ok), "each had its turn");
    assert!(slow.connections() <= 2 + images.len());
}

/// A registry with one manifest that says something more after each answer: how many connections there were, and how many of them
/// the client has closed.
async fn talkative(after: &'static [u8]) -> (String, Arc<Mutex<usize>>, watch::Receiver<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let connections = Arc::new(Mutex::new(0));
    let (closed, has_closed) = watch::channel(0);
    let count = connections.clone();
    tokio::spawn(async move {
        let closed = Arc::new(closed);
        while let Ok((mut stream, _)) = listener.accept().await {
            *count.lock().unwrap() += 1;
            let closed = closed.clone();
            tokio::spawn(async move {
                let body = r#"{"schemaVersion": 2, "layers": []}"#;
                let head =
                    format!("HTTP/1.1 200 OK\r\nContent-Type: {MANIFEST}\r\nContent-Length: {}\r\n\r\n", body.len());
                let answer = [head.as_bytes(), body.as_bytes(), after].concat();
                let mut buffer = [0; 4096];
                while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                    let _ = stream.write_all(&answer).await;
                }
                closed.send_modify(|times| *times += 1);
            });
        }
    });
    (host, connections, has_closed)
}

#[tokio::test]
async fn reg_24_a_connection_that_goes_on_after_its_answer_is_closed() {
    for after in [&b""[..], b"x", b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", b"\r\n\r\n\0\0"] {
        let (host, connections, mut closed) = talkative(after).await;
        let own = HostSettings { plain_http: true, allow_private_address: true, ..HostSettings::default() };
        let mut settings = TestRegistry::start().settings();
        settings.hosts = [(host.clone(), own)].into();
        let client = client(&settings);
        let reference = format!("{host}/acme/app:v1");
        let first = resolve(&client, &reference).await.unwrap();
        let is_quiet = after.is_empty();
        if !is_quiet {
            timeout(LONG, closed.wait_for(|times| *times == 1)).await.expect("it is closed").unwrap();
        }
        assert_eq!(resolve(&client, &reference).await.unwrap(), first, "what came early answers nothing");
        assert_eq!(*connections.lock().unwrap(), if is_quiet { 1 } else { 2 }, "{after:?}");
    }
}
