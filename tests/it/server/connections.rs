//! Who is let in when a port is full, and how slow a peer may be.

use std::net::SocketAddr;

use sealgate::admission::{Answer, Hook, Reviewer};
use sealgate::server::{Settings, admin};
use sealgate::telemetry::{Health, Metrics};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::client::{Client, post, start};
use super::{Echo, settings};

/// Waits until the server closes this connection, on which every request is answered.
async fn closed(client: &mut Client) {
    assert_eq!(client.0.read(&mut [0]).await.unwrap_or(0), 0, "an answer that nobody asked for");
}

/// One more request on this connection.
async fn is_served(client: &mut Client) -> bool {
    client.send(&post("/validate", b"{}")).await;
    client.response().await.is_some_and(|response| response.status == 200)
}

#[tokio::test]
async fn adm_16_dos_17_when_full_a_new_connection_takes_the_place_of_the_longest_idle_of_whom_has_most() {
    let server = start(Echo::default(), Settings { max_connections: 64, ..settings() }).await;
    let connect = |peer| server.try_connect_from([127, 0, 0, peer], &["http/1.1"]);
    let mut api_server = connect(1).await.unwrap();
    api_server.send(&post("/validate", b"{}")).await;
    assert_eq!(api_server.response().await.unwrap().status, 200);
    let mut crowd = Vec::new();
    for _ in 0..63 {
        let mut client = connect(2).await.unwrap();
        client.send(&post("/validate", b"{}")).await;
        assert_eq!(client.response().await.unwrap().status, 200);
        crowd.push(client);
    }
    assert!(!server.metrics.render().contains("cause=\"evicted\""), "one peer may have all that nobody else wants");
    for other in 3..11 {
        let mut client = connect(other).await.unwrap();
        client.send(&post("/validate", b"{}")).await;
        assert_eq!(client.response().await.unwrap().status, 200, "nobody is kept out");
        drop(client);
        // Its place is free again once the server has seen its end: until then the next one takes another.
    }
    closed(&mut crowd[0]).await;
    assert!(is_served(&mut crowd[62]).await, "the longest idle one of the crowd is gone, and not the last one");
    assert!(is_served(&mut api_server).await, "who has few is left alone");
    assert!(server.metrics.render().contains("cause=\"evicted\""));
    assert!(!server.metrics.render().contains("cause=\"connections\""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dos_17_silent_peers_do_not_keep_a_review_waiting() {
    let server = start(Echo::default(), Settings { max_connections: 64, ..settings() }).await;
    let mut silent = Vec::new();
    for n in 0..256_u32 {
        // From one peer, and from as many as there are connections.
        let peer = if n < 128 { [127, 0, 1, 1] } else { [127, 0, 2, u8::try_from(n - 127).unwrap()] };
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((peer, 0).into()).unwrap();
        silent.push(socket.connect(server.address).await.unwrap());
        if n % 16 == 15 {
            assert_eq!(server.post("/validate", b"{}").await.status, 200, "{n}");
        }
    }
}

/// Holds some reviews for ever.
#[derive(Clone, Copy)]
struct Forever;

impl Reviewer for Forever {
    async fn review<B: AsRef<[u8]> + Send + 'static>(&self, _: Hook, body: B, _: Instant) -> Answer {
        if body.as_ref() == b"hold" {
            std::future::pending::<()>().await;
        }
        Answer::review(body.as_ref().to_vec())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dos_17_reviews_that_do_not_end_leave_turns_for_others() {
    let server = start(Forever, Settings { max_connections: 32, ..settings() }).await;
    let mut held = Vec::new();
    for n in 0..64 {
        let mut client = server.try_connect_from([127, 0, 0, 2 + n % 2], &["http/1.1"]).await.unwrap();
        client.send(&post("/validate?timeout=30s", b"hold")).await;
        held.push(client);
    }
    assert_eq!(server.post("/validate?timeout=5s", b"{}").await.status, 200);
}

/// An admin port, and a connection to it from this address.
pub(super) async fn admin_port() -> (SocketAddr, Metrics, Health, JoinHandle<()>) {
    let (health, metrics) = (Health::default(), Metrics::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(admin::serve(listener, health.clone(), metrics.clone(), std::future::pending()));
    (address, metrics, health, task)
}

pub(super) async fn connect_from(peer: [u8; 4], address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((peer, 0).into()).unwrap();
    socket.connect(address).await.unwrap()
}

pub(super) async fn get(mut socket: TcpStream, request: &str) -> String {
    socket.write_all(format!("{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dos_16_silent_connections_to_the_admin_port_never_starve_a_probe() {
    let (address, metrics, _, task) = admin_port().await;
    let mut silent = Vec::new();
    for n in 0..512_u32 {
        // One peer, then more peers than there are connections; half of them begin a header.
        let peer = if n < 128 { [127, 0, 1, 1] } else { [127, 0, 2, u8::try_from(n % 100 + 1).unwrap()] };
        let mut socket = connect_from(peer, address).await;
        if n % 2 == 0 {
            // Where it has been closed already, that is as well.
            let _ = socket.write_all(b"GET /met").await;
        }
        silent.push(socket);
        if n % 8 == 7 {
            for path in ["GET /healthz", "GET /readyz", "GET /metrics"] {
                let answer = get(connect_from([127, 0, 0, 1], address).await, path).await;
                assert!(answer.starts_with("HTTP/1.1 200"), "{n}: {path}: {answer}");
            }
        }
    }
    assert!(metrics.render().contains("cause=\"admin-evicted\""));
    assert!(!metrics.render().contains("cause=\"admin-connections\""), "nobody was refused");
    task.abort();
}
