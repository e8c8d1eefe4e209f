//! A thousand peers that connect and say nothing: probes and honest reviews are answered as before.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpSocket;

use crate::memory::{binary, policy, review, signed};
use crate::support::process::{Launch, Sealgate};
use crate::support::registry::TestRegistry;
use crate::support::signer::SigningKey;

const PEERS: usize = 1024;
const MEASURED: usize = 500;
/// Below this nobody notices a difference, and the machine's noise decides.
const NOISE: Duration = Duration::from_millis(50);

/// An address of this machine for each peer.
fn address_of(peer: usize) -> SocketAddr {
    let [.., high, low] = peer.to_be_bytes();
    SocketAddr::from(([127, 1, high, low], 0))
}

/// Connects, says nothing, and comes back as soon as it is thrown out.
async fn stay_silent(peer: usize, target: SocketAddr, connected: &AtomicUsize) {
    loop {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(address_of(peer)).unwrap();
        if let Ok(mut stream) = socket.connect(target).await {
            connected.fetch_add(1, Ordering::Relaxed);
            let _ = stream.read(&mut [0]).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The 99th percentile of what honest reviews and probes take.
fn measure(gate: &Sealgate, review: &[u8]) -> [Duration; 2] {
    let (mut reviews, mut probes) = (Vec::new(), Vec::new());
    for _ in 0..MEASURED {
        let began = Instant::now();
        let answer = gate.ask("/validate", review).unwrap();
        reviews.push(began.elapsed());
        assert_eq!(answer["response"]["allowed"], true, "{answer}");
        let began = Instant::now();
        assert_eq!(gate.admin("/readyz").unwrap().0, 200);
        probes.push(began.elapsed());
    }
    [reviews, probes].map(|mut times| {
        times.sort_unstable();
        times[times.len() * 99 / 100]
    })
}

#[test]
fn dos_16_a_thousand_silent_peers_delay_no_review_and_no_probe() {
    let (registry, key) = (TestRegistry::start(), SigningKey::new());
    let image = signed(&registry, &key);
    let policies = vec![policy("ci", &format!("{}/**", image.host), &key)];
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("silent-peers");
    let gate = Launch::new(binary(), folder, policies).registries(&[&image.host]).start();
    let review = review(&image.by_digest());
    let alone = measure(&gate, &review);
    let connected: &'static AtomicUsize = Box::leak(Box::default());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for peer in 0..PEERS {
        let target = if peer % 2 == 0 { gate.address } else { gate.admin };
        runtime.spawn(stay_silent(peer, target, connected));
    }
    while connected.load(Ordering::Relaxed) < PEERS {
        std::thread::sleep(Duration::from_millis(10));
    }
    let besieged = measure(&gate, &review);
    eprintln!("p99 of reviews and probes: {alone:?} alone, {besieged:?} beside {PEERS} silent peers");
    for (alone, besieged) in alone.into_iter().zip(besieged) {
        assert!(besieged <= NOISE.max(2 * alone), "{alone:?} became {besieged:?}");
    }
}
