//! The webhook port and the admin port, over real sockets on loopback.

mod client;
mod client_certificates;
mod connections;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::RootCertStore;
use sealgate::admission::{Answer, Hook, Reviewer};
use sealgate::policy::{Defaults, PolicySet};
use sealgate::server::Settings;
use sealgate::server::limits::REVIEW_BYTES;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::admission::world::{self, World, pinned};
use crate::support::builders::{Review, pod};

use client::{certificate, post, start};
use connections::{admin_port, connect_from, get};

const SIGNED: &str = "registry.example/signed/app:1";

/// Answers `ok`, and remembers how much time it was given.
#[derive(Clone, Default)]
struct Echo(Arc<Mutex<Vec<(Hook, Duration)>>>);

impl Reviewer for Echo {
    async fn review<B: AsRef<[u8]> + Send + 'static>(&self, hook: Hook, body: B, deadline: Instant) -> Answer {
        assert_ne!(body.as_ref(), b"panic", "a reviewer that panics");
        self.0.lock().unwrap().push((hook, deadline - Instant::now()));
        Answer::review(body.as_ref().to_vec())
    }
}

fn settings() -> Settings {
    Settings { linger: Duration::from_millis(200), drain: Duration::from_secs(4), ..Settings::default() }
}

#[tokio::test]
async fn adm_01_http_that_is_no_webhook_call() {
    let server = start(World::new().admission, settings()).await;
    let request = |head: &str| format!("{head}\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    for (head, status) in [
        ("GET /validate HTTP/1.1\r\nContent-Type: application/json", 405),
        ("PUT /validate HTTP/1.1\r\nContent-Type: application/json", 405),
        ("POST /validate HTTP/1.1\r\nContent-Type: text/plain", 415),
        ("POST /validate HTTP/1.1", 415),
        ("POST /validate HTTP/1.1\r\nContent-Type: application/json\r\nContent-Type: text/plain", 415),
        ("POST / HTTP/1.1\r\nContent-Type: application/json", 404),
        ("POST /validate/ HTTP/1.1\r\nContent-Type: application/json", 404),
        ("GET /healthz HTTP/1.1", 404),
        ("GET /metrics HTTP/1.1", 404),
        ("POST /validate HTTP/1.1\r\nContent-Type: application/json", 400),
        ("POST /mutate HTTP/1.1\r\nContent-Type: Application/JSON; charset=utf-8", 400),
    ] {
        let mut client = server.connect().await;
        client.send(request(head).as_bytes()).await;
        let response = client.response().await.unwrap();
        assert_eq!(response.status, status, "{head}: {}", String::from_utf8_lossy(&response.body));
        assert!(!String::from_utf8_lossy(&response.body).contains("\"allowed\":true"));
    }
    let good = Review::create(&pod(&[("main", &pinned(SIGNED))])).bytes();
    let response = server.post("/validate", &good).await;
    assert_eq!((response.status, response.closes()), (200, false));
    let answer: Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(answer["response"]["allowed"], true);
}

/// A review with a pod whose annotation has 1.4 MiB of `<`, as Go escapes them.
fn huge(update: bool) -> Vec<u8> {
    let mut object = pod(&[("main", &pinned(SIGNED))]);
    object["metadata"]["annotations"] = serde_json::json!({"big": "LESS"});
    let mut old = pod(&[("main", "registry.example/signed/app:0")]);
    old["metadata"]["annotations"] = object["metadata"]["annotations"].clone();
    let review = if update { Review::update(&old, &object) } else { Review::create(&object) };
    let text = String::from_utf8(review.bytes()).unwrap();
    text.replace("LESS", &"\\u003c".repeat(1_468_006)).into_bytes()
}

#[tokio::test]
async fn adm_04_k8s_17_the_largest_pods_that_kubernetes_stores() {
    let server = start(World::new().admission, settings()).await;
    for (update, least) in [(false, 8_600_000), (true, 17_200_000)] {
        let body = huge(update);
        assert!(body.len() > least, "{}", body.len());
        let response = server.post("/validate", &body).await;
        assert_eq!(response.status, 200, "{}", String::from_utf8_lossy(&response.body));
        let answer: Value = serde_json::from_slice(&response.body).unwrap();
        assert_eq!(answer["response"]["allowed"], true, "{answer}");
        let unsigned = String::from_utf8(body).unwrap().replacen("/signed/app:1@", "/unsigned/app:1@", 1);
        let answer: Value = serde_json::from_slice(&server.post("/validate", unsigned.as_bytes()).await.body).unwrap();
        assert_eq!(answer["response"]["allowed"], false);
    }
}

#[tokio::test]
async fn k8s_17_pods_of_the_largest_size_pass_both_webhooks() {
    let server = start(World::new().admission, settings()).await;
    let ask = async |path: &str, body: &str| -> Value {
        let response = server.post(path, body.as_bytes()).await;
        assert_eq!(response.status, 200);
        serde_json::from_slice::<Value>(&response.body).unwrap()["response"].clone()
    };
    let stored = String::from_utf8(huge(false)).unwrap();
    let arriving = stored.replacen(&pinned(SIGNED), SIGNED, 1);
    let mutated = ask("/mutate", &arriving).await;
    assert!(mutated["allowed"] == true && mutated["patch"].is_string(), "{mutated}");
    assert_eq!(ask("/validate", &stored).await["allowed"], true);
    let unsigned = stored.replacen("/signed/app:1@", "/unsigned/app:1@", 1);
    assert!(ask("/mutate", &unsigned).await["patch"].is_null());
    let denied = ask("/validate", &unsigned).await;
    assert_eq!((&denied["allowed"], &denied["status"]["code"]), (&false.into(), &403.into()), "{denied}");
}

#[tokio::test]
async fn adm_13_every_request_has_exactly_one_answer() {
    let server = start(World::new().admission, settings()).await;
    let review = |image: &str| Review::create(&pod(&[("main", image)])).with("uid", "asked").bytes();
    let next = Review::create(&pod(&[("main", &pinned(SIGNED))])).with("uid", "next").bytes();
    let inputs = [
        ("a signed image", review(&pinned(SIGNED)), 200),
        ("an unsigned one", review("registry.example/unsigned/app:1"), 200),
        ("a registry that is down", review("registry.example/down/app:1"), 200),
        ("a panic", review("registry.example/panics/app:1"), 200),
        ("no time left", review("registry.example/hangs/app:1"), 200),
        ("no object", Review::create(&pod(&[])).with("uid", "asked").object(Value::Null).bytes(), 200),
        ("no review", b"{}".to_vec(), 400),
        ("no JSON", b"\xff".to_vec(), 400),
        ("nothing", Vec::new(), 400),
        ("too large", vec![b' '; REVIEW_BYTES + 1], 413),
    ];
    for path in ["/mutate", "/validate", "/validate-workloads"] {
        for (what, body, status) in &inputs {
            let mut client = server.connect().await;
            let request = post(&format!("{path}?timeout=1s"), body);
            if *status == 413 {
                // The length is enough to know.
                client.send(&request[..4096]).await;
            } else {
                client.send(&[request, post("/validate", &next)].concat()).await;
            }
            let answer = client.response().await.unwrap();
            let text = String::from_utf8_lossy(&answer.body);
            assert_eq!(answer.status, *status, "{path}: {what}: {text}");
            let reviews = usize::from(*status == 200);
            for once in ["\"response\":", "\"uid\":\"asked\"", "\"allowed\":"] {
                assert_eq!(text.matches(once).count(), reviews, "{path}: {what}: {text}");
            }
            if path == "/validate" {
                assert_eq!(text.contains("\"allowed\":true"), *what == "a signed image", "{what}: {text}");
            }
            // What follows is the answer to the next request, or the end.
            match client.response().await {
                Some(response) => assert!(String::from_utf8_lossy(&response.body).contains("\"uid\":\"next\"")),
                None => assert!(answer.closes(), "{path}: {what}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn adm_05_bodies_that_are_too_large_cost_nothing() {
    let server = Arc::new(start(Echo::default(), settings()).await);
    let attacks = (0..200).map(|n| {
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            let mut client = server.connect().await;
            if n % 10 > 0 {
                let head = "POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
                client.send(format!("{head}Content-Length: {}\r\n\r\n", REVIEW_BYTES + 1).as_bytes()).await;
            } else if n == 0 {
                let head = "POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
                client.send(head.as_bytes()).await;
                let chunk = [b"100000\r\n".to_vec(), vec![b' '; 1 << 20], b"\r\n".to_vec()].concat();
                for _ in 0..25 {
                    client.send(&chunk).await;
                }
            } else {
                // Says 100 bytes and sends 10 before it goes.
                client.send(b"POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n0123456789").await;
                return None;
            }
            client.response().await.map(|response| response.status)
        })
    });
    let attacks: Vec<_> = attacks.collect();
    assert_eq!(server.post("/validate", b"{}").await.status, 200, "others are served meanwhile");
    for attack in attacks {
        let status = attack.await.unwrap();
        assert!(matches!(status, None | Some(413)), "{status:?}");
    }
    assert!(server.metrics.render().contains("cause=\"body-size\""));
    assert_eq!(server.post("/validate", &vec![b' '; REVIEW_BYTES]).await.status, 200, "the largest is not too large");
}

/// The head of a webhook call with a body of this size, whose sender waits until it may send it.
fn head(path: &str, bytes: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {bytes}\r\n\
         Expect: 100-continue\r\n\r\n"
    )
}

#[tokio::test]
async fn adm_05_who_declares_a_body_and_sends_nothing_holds_nothing() {
    let server = start(Echo::default(), settings()).await;
    for size in [1 << 20, REVIEW_BYTES] {
        let mut silent = Vec::new();
        for _ in 0..64 {
            let mut client = server.connect().await;
            client.send(head("/validate", size).as_bytes()).await;
            let response = timeout(Duration::from_secs(1), client.response()).await.expect("nobody waits for room");
            assert_eq!(response.unwrap().status, 100);
            silent.push(client);
        }
        let honest = vec![b' '; size];
        assert_eq!(server.post("/validate?timeout=1s", &honest).await.status, 200);
        for client in silent.iter_mut().rev().take(1) {
            assert_eq!(client.response().await.unwrap().status, 408);
        }
    }
}

/// Holds every body larger than 1 MiB for ever, and says when it has one; echoes the others.
#[derive(Clone, Default)]
struct Hoarder(Arc<tokio::sync::Notify>);

impl Reviewer for Hoarder {
    async fn review<B: AsRef<[u8]> + Send + 'static>(&self, _: Hook, body: B, _: Instant) -> Answer {
        if body.as_ref().len() > 1 << 20 {
            self.0.notify_one();
            std::future::pending::<()>().await;
        }
        Answer::review(body.as_ref().to_vec())
    }
}

#[tokio::test]
async fn adm_05_over_budget_is_an_answer_without_retry_after() {
    let hoarder = Hoarder::default();
    let server = start(hoarder.clone(), Settings { body_budget: 0, ..settings() }).await;
    let mut hog = server.connect().await;
    hog.send(&post("/validate", &vec![b' '; REVIEW_BYTES])).await;
    hoarder.0.notified().await;
    let start = r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"asked","kind":{"#;
    let pad = |start: &str| [start.as_bytes(), &vec![b' '; 2 << 20]].concat();
    let refused = server.post("/validate?timeout=1s", &pad(start)).await;
    assert!(!refused.headers.contains("retry-after"), "{}", refused.headers);
    assert_eq!(refused.status, 200);
    let response = serde_json::from_slice::<Value>(&refused.body).unwrap()["response"].clone();
    assert_eq!((&response["uid"], &response["allowed"]), (&"asked".into(), &false.into()), "{response}");
    assert_eq!(response["status"]["code"], 503);
    assert!(response["status"]["message"].as_str().unwrap().contains("overloaded"), "{response}");
    assert!(server.metrics.render().contains("cause=\"body-budget\""));
    let unknown = server.post("/validate?timeout=1s", &pad("{")).await;
    assert_eq!(unknown.status, 503, "without a uid there is no review to answer");
    assert!(!unknown.headers.contains("retry-after"), "{}", unknown.headers);
    assert_eq!(server.post("/validate", b"{}").await.status, 200, "small reviews do not wait for large ones");
}

#[tokio::test]
async fn adm_14_the_callers_timeout_is_followed() {
    let echo = Echo::default();
    let server = start(echo.clone(), settings()).await;
    for (query, millis) in [
        ("?timeout=1s", 500),
        ("?timeout=2s", 500),
        ("?timeout=5s", 3500),
        ("?timeout=10s", 9500),
        ("?timeout=30s", 29_500),
        ("?timeout=999999s", 29_500),
        ("", 9500),
        ("?timeout=", 9500),
        ("?timeout=soon", 9500),
        ("?timeout=-5s", 9500),
        ("?timeout=+5s", 9500),
    ] {
        assert_eq!(server.post(&format!("/mutate{query}"), b"{}").await.status, 200);
        let (hook, given) = echo.0.lock().unwrap().pop().unwrap();
        assert_eq!(hook, Hook::Mutate);
        let expected = Duration::from_millis(millis);
        assert!(given <= expected && given > expected.saturating_sub(Duration::from_millis(450)), "{query}: {given:?}");
    }
}

#[tokio::test]
async fn adm_16_http_2_is_not_offered() {
    let server = start(Echo::default(), settings()).await;
    assert!(server.try_connect(&["h2"]).await.is_err(), "no protocol in common");
    let chosen = server.try_connect(&["h2", "http/1.1"]).await.unwrap();
    assert_eq!(chosen.0.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let mut knowing = server.try_connect(&[]).await.unwrap();
    knowing.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(knowing.response().await.is_none_or(|response| response.status >= 400));
}

#[tokio::test]
async fn adm_16_pipelined_requests_are_answered_in_order() {
    let server = start(Echo::default(), settings()).await;
    let mut client = server.connect().await;
    client.send(&[post("/validate", b"first"), post("/mutate", b"second"), post("/validate", b"third")].concat()).await;
    for expected in ["first", "second", "third"] {
        assert_eq!(client.response().await.unwrap().body, expected.as_bytes());
    }
}

#[tokio::test]
async fn adm_16_a_header_that_does_not_end_loses_its_connection() {
    let server = start(Echo::default(), settings()).await;
    let mut slow = server.connect().await;
    let mut idle = server.connect().await;
    idle.send(&post("/validate", b"first")).await;
    idle.response().await.unwrap();
    slow.send(b"POST /validate HTTP/1.1\r\nHost: ").await;
    let closed = timeout(Duration::from_secs(20), slow.response()).await.expect("the server gives up first");
    assert!(closed.is_none());
    idle.send(&post("/validate", b"second")).await;
    assert_eq!(idle.response().await.unwrap().body, b"second", "an idle connection is kept");
}

#[tokio::test]
async fn adm_16_a_body_that_does_not_arrive_loses_its_connection() {
    let server = start(Echo::default(), settings()).await;
    let head = "POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\
                Expect: 100-continue\r\n\r\n";
    let (mut slow, mut other) = (server.connect().await, server.connect().await);
    for client in [&mut slow, &mut other] {
        client.send(head.as_bytes()).await;
        assert_eq!(client.response().await.unwrap().status, 100, "the server waits for the body");
    }
    slow.send(b"01234").await;
    other.send(b"0123456789").await;
    assert_eq!(other.response().await.unwrap().body, b"0123456789");
    // From here on time passes when nothing else happens.
    tokio::time::pause();
    let response = slow.response().await.unwrap();
    assert_eq!((response.status, response.closes()), (408, true));
    assert!(slow.response().await.is_none());
}

#[tokio::test]
async fn a_certificate_is_swapped_without_a_restart() {
    let mut server = start(Echo::default(), settings()).await;
    let mut before = server.connect().await;
    let (key, der) = certificate();
    server.certificate.send_replace(Some(key));
    assert!(server.try_connect(&[]).await.is_err(), "the old one is not shown any more");
    server.roots = RootCertStore::empty();
    server.roots.add(der).unwrap();
    assert_eq!(server.post("/validate", b"{}").await.status, 200);
    before.send(&post("/validate", b"{}")).await;
    assert_eq!(before.response().await.unwrap().status, 200, "connections survive");
    server.certificate.send_replace(None);
    assert!(server.try_connect(&[]).await.is_err());
}

#[tokio::test]
async fn flt_21_before_policies_are_loaded_the_failure_policy_decides() {
    let world = World::without_policies(world::settings(), Defaults::default());
    let policies = world.policy_cell();
    let server = start(world.admission, settings()).await;
    let review = Review::create(&pod(&[("main", &pinned(SIGNED))])).bytes();
    for path in ["/mutate", "/validate"] {
        let response = server.post(path, &review).await;
        let text = String::from_utf8_lossy(&response.body);
        assert_eq!(response.status, 503, "{path}: {text}");
        assert!(text.contains("NOT_READY") && !text.contains("allowed"), "{path}: {text}");
        assert!(!response.headers.contains("retry-after"), "{}", response.headers);
    }
    policies.store(PolicySet::default());
    assert_eq!(server.post("/validate", &review).await.status, 200, "a set without policies is one");
}

// row: DOS-10 flt_34_a_panic_in_a_request_is_that_requests_problem
#[tokio::test]
async fn flt_34_a_panic_in_a_request_is_that_requests_problem() {
    let server = start(Echo::default(), settings()).await;
    assert_eq!(server.post("/validate", b"panic").await.status, 500);
    assert!(server.metrics.render().contains("sealgate_panics_total 1"));
    assert_eq!(server.post("/validate", b"{}").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flt_15_leaving_under_load_fails_no_request() {
    let mut server = start(Echo::default(), settings()).await;
    let health = server.health.clone();
    let idle = server.connect().await;
    server.stop();
    let shared = Arc::new(server);
    let clients = (0..8).map(|_| {
        let (server, health) = (Arc::clone(&shared), health.clone());
        tokio::spawn(async move {
            let mut answered = 0;
            // A Service names the address until the server is not ready, and a little longer.
            while answered == 0 || !health.unmet().contains(&"serving") {
                let mut client = server.connect().await;
                loop {
                    client.send(&post("/validate", b"{}")).await;
                    let response = client.response().await.expect("no request is dropped");
                    assert_eq!(response.status, 200);
                    answered += 1;
                    if response.closes() {
                        break;
                    }
                }
            }
            answered
        })
    });
    for client in clients.collect::<Vec<_>>() {
        assert!(client.await.unwrap() > 0);
    }
    drop(idle);
    let server = Arc::into_inner(shared).unwrap();
    timeout(Duration::from_secs(30), server.task).await.unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn the_admin_port_says_what_is_missing() {
    let (address, _, health, task) = admin_port().await;
    let policies = health.condition("policies");
    let get = async |request: &str| get(connect_from([127, 0, 0, 1], address).await, request).await;
    assert!(get("GET /healthz").await.starts_with("HTTP/1.1 200"));
    let waiting = get("GET /readyz").await;
    assert!(waiting.starts_with("HTTP/1.1 503") && waiting.contains("policies"), "{waiting}");
    policies.met();
    assert!(get("GET /readyz").await.ends_with("\r\nready\n"));
    assert!(get("GET /metrics").await.contains("# EOF"));
    assert!(get("POST /healthz").await.starts_with("HTTP/1.1 405"));
    assert!(get("GET /validate").await.starts_with("HTTP/1.1 404"));
    task.abort();
}

#[tokio::test]
async fn flt_49_readiness_stays_and_says_since_when_policies_may_be_old() {
    let (address, _, health, task) = admin_port().await;
    let readyz = async || get(connect_from([127, 0, 0, 1], address).await, "GET /readyz").await;
    health.set_stale("policies", Some("2026-11-01T10:00:00.5Z".parse().unwrap()));
    let old = readyz().await;
    assert!(old.starts_with("HTTP/1.1 200"), "{old}");
    assert!(old.ends_with("\r\nready\nmay be old, not followed since 2026-11-01T10:00:00Z: policies\n"), "{old}");
    health.set_stale("policies", None);
    assert!(readyz().await.ends_with("\r\nready\n"));
    task.abort();
}
